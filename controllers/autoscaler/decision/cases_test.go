package decision_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

func changed(pod *corev1.Pod, changes ...func(*corev1.Pod)) *corev1.Pod {
	for _, change := range changes {
		change(pod)
	}
	return pod
}

// on puts a pod on a node.
func on(node string, pod *corev1.Pod) *corev1.Pod {
	pod.Spec.NodeName = node
	return pod
}

func onPort(port int32) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: port, ContainerPort: port, Protocol: corev1.ProtocolTCP}}
	}
}

func holding(source corev1.VolumeSource) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Spec.Volumes = []corev1.Volume{{Name: "data", VolumeSource: source}} }
}

func claiming(claim string) func(*corev1.Pod) {
	return holding(corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}})
}

func asking(name corev1.ResourceName, amount string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Spec.Containers[0].Resources.Requests[name] = resource.MustParse(amount) }
}

// preceded gives a pod a container that runs before the others, or beside them as a sidecar.
func preceded(cpu string, policy *corev1.ContainerRestartPolicy) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, corev1.Container{Name: "first", RestartPolicy: policy, Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}}})
	}
}

func near(topology string) func(*corev1.Pod) {
	return func(pod *corev1.Pod) {
		if pod.Spec.Affinity == nil {
			pod.Spec.Affinity = &corev1.Affinity{}
		}
		pod.Spec.Affinity.PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			TopologyKey: topology, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}}}}
	}
}

func atLeast(domains int32) func(*corev1.Pod) {
	return func(pod *corev1.Pod) { pod.Spec.TopologySpreadConstraints[0].MinDomains = &domains }
}

// zonal is what restricts a volume, or its class, to a zone.
func zonal(zone string) *corev1.VolumeNodeAffinity {
	return &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}}}}}}
}

// volume is a claim named so, and what it is bound to.
func volume(name string, affinity *corev1.VolumeNodeAffinity) []runtime.Object {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: "claim", Annotations: map[string]string{"pv.kubernetes.io/bind-completed": "yes"}},
		Spec:       corev1.PersistentVolumeClaimSpec{VolumeName: name, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: new("")},
		Status:     corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound},
	}
	return []runtime.Object{claim, &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			NodeAffinity: affinity, AccessModes: claim.Spec.AccessModes,
			ClaimRef:               &corev1.ObjectReference{Kind: "PersistentVolumeClaim", Namespace: "default", Name: name, UID: "claim"},
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "disks.example.com", VolumeHandle: name}},
		},
	}}
}

// unbound is a claim named so that waits for its pod to have a place, and its class.
func unbound(name string, zones ...string) []runtime.Object {
	late := storagev1.VolumeBindingWaitForFirstConsumer
	class := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "disks"}, Provisioner: "disks.example.com", VolumeBindingMode: &late}
	if len(zones) > 0 {
		class.AllowedTopologies = []corev1.TopologySelectorTerm{{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{{Key: corev1.LabelTopologyZone, Values: zones}}}}
	}
	return []runtime.Object{class, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       corev1.PersistentVolumeClaimSpec{StorageClassName: new("disks"), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}},
		Status:     corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
	}}
}

// ephemeral is the claim of a pod's generic ephemeral volume, once it was created.
func ephemeral(pod *corev1.Pod) []runtime.Object {
	objects, yes := unbound(pod.Name+"-data"), true
	objects[1].(*corev1.PersistentVolumeClaim).OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID, Controller: &yes}}
	return objects
}

// oneDisk limits a node to one volume.
func oneDisk(node string) *storagev1.CSINode {
	one := int32(1)
	return &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: storagev1.CSINodeSpec{
		Drivers: []storagev1.CSINodeDriver{{Name: "disks.example.com", NodeID: node, Allocatable: &storagev1.VolumeNodeResources{Count: &one}}}}}
}

// The cases that other autoscalers test end to end. docs/autoscaling.md lists the source of
// each.
func TestGrowForSchedulingConstraints(t *testing.T) {
	four, busy := makeShape("four", "a", "4", "8Gi"), makeNode("n1", "a", "4", "8Gi")
	general := []decision.Pool{{Name: "p", Shapes: []decision.Shape{four}}}
	inThreeZones := []decision.Pool{{Name: "p", Shapes: []decision.Shape{
		makeShape("in-a", "a", "4", "8Gi"), makeShape("in-b", "b", "4", "8Gi"), makeShape("in-c", "c", "4", "8Gi")}}}
	always := corev1.ContainerRestartPolicyAlways
	transient := changed(makePod("1", "1"), holding(corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}))
	sizes := []decision.Pool{{Name: "p", Shapes: []decision.Shape{makeShape("two", "a", "2", "8Gi"), four}}}
	tests := map[string]struct {
		objects []runtime.Object
		nodes   []*corev1.Node
		running []*corev1.Pod
		pods    []*corev1.Pod
		pools   []decision.Pool
		want    outcome
	}{
		"pods with the same host port each get a node": {
			nodes: []*corev1.Node{busy}, running: []*corev1.Pod{on("n1", changed(makePod("0", "100m"), onPort(80)))},
			pods:  []*corev1.Pod{changed(makePod("1", "100m"), onPort(80)), changed(makePod("2", "100m"), onPort(80)), changed(makePod("3", "100m"), onPort(81))},
			pools: general,
			want:  outcome{Placed: map[string]string{"3": "n1"}, Launches: []string{"p/four: 1", "p/four: 2"}},
		},
		"pods with anti-affinity to running pods each get a node": {
			nodes: []*corev1.Node{busy}, running: []*corev1.Pod{on("n1", apart(makePod("0", "100m")))},
			pods:  []*corev1.Pod{apart(makePod("1", "100m")), apart(makePod("2", "100m"))},
			pools: general, want: outcome{Launches: []string{"p/four: 1", "p/four: 2"}},
		},
		"a pod with anti-affinity and an emptyDir gets a node": {
			nodes: []*corev1.Node{busy}, running: []*corev1.Pod{on("n1", apart(makePod("0", "100m")))},
			pods:  []*corev1.Pod{changed(apart(makePod("1", "100m")), holding(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}))},
			pools: general, want: outcome{Launches: []string{"p/four: 1"}},
		},
		"a pod with anti-affinity and a bound volume gets a node": {
			nodes: []*corev1.Node{busy}, running: []*corev1.Pod{on("n1", apart(makePod("0", "100m")))},
			objects: volume("disk", nil), pods: []*corev1.Pod{changed(apart(makePod("1", "100m")), claiming("disk"))},
			pools: general, want: outcome{Launches: []string{"p/four: 1"}},
		},
		"a node is created in the zone of the volume": {
			objects: volume("disk", zonal("b")), pods: []*corev1.Pod{changed(makePod("1", "1"), claiming("disk"))},
			pools: inThreeZones, want: outcome{Launches: []string{"p/in-b: 1"}},
		},
		"a volume in a zone that the pool cannot use is the reason for the refusal": {
			objects: volume("disk", zonal("d")), pods: []*corev1.Pod{changed(makePod("1", "1"), claiming("disk"))},
			pools: inThreeZones, want: outcome{Refused: map[string][]string{"1": {"p: node(s) didn't match PersistentVolume's node affinity"}}},
		},
		"a node is created in a zone where the volume may be provisioned": {
			objects: unbound("disk", "c"), pods: []*corev1.Pod{changed(makePod("1", "1"), claiming("disk"))},
			pools: inThreeZones, want: outcome{Launches: []string{"p/in-c: 1"}},
		},
		"a node is created in any zone if the volume may be provisioned in any": {
			objects: unbound("disk"), pods: []*corev1.Pod{changed(makePod("1", "1"), claiming("disk"))},
			pools: inThreeZones, want: outcome{Launches: []string{"p/in-a: 1"}},
		},
		"a generic ephemeral volume gets a node once its claim exists": {
			objects: ephemeral(transient), pods: []*corev1.Pod{transient},
			pools: general, want: outcome{Launches: []string{"p/four: 1"}},
		},
		"a missing claim is the reason for the refusal": {
			pods:  []*corev1.Pod{changed(makePod("1", "1"), claiming("disk"))},
			pools: general, want: outcome{Refused: map[string][]string{"1": {`p: persistentvolumeclaim "disk" not found`}}},
		},
		"a node at its limit of volumes gets no more pods with volumes": {
			objects: append(append(volume("first", nil), volume("second", nil)...), oneDisk("n1")),
			nodes:   []*corev1.Node{busy}, running: []*corev1.Pod{on("n1", changed(makePod("0", "100m"), claiming("first")))},
			pods:  []*corev1.Pod{changed(makePod("1", "100m"), claiming("second"))},
			pools: general, want: outcome{Launches: []string{"p/four: 1"}},
		},
		"a node selector chooses the pool": {
			pods:  []*corev1.Pod{selecting(makePod("1", "1"), "k8sm.io/pool", "b")},
			pools: []decision.Pool{{Name: "a", Weight: 1, Shapes: []decision.Shape{labelled(four, "a")}}, {Name: "b", Shapes: []decision.Shape{labelled(four, "b")}}},
			want:  outcome{Launches: []string{"b/four: 1"}},
		},
		"pods too large for one pool get nodes of another": {
			pods:  []*corev1.Pod{makePod("1", "5"), makePod("2", "5")},
			pools: []decision.Pool{{Name: "a", Weight: 1, Shapes: []decision.Shape{four}}, {Name: "b", Shapes: []decision.Shape{makeShape("eight", "a", "8", "8Gi")}}},
			want:  outcome{Launches: []string{"b/eight: 1", "b/eight: 2"}},
		},
		"room on nodes of other pools is used first": {
			nodes: []*corev1.Node{makeNode("fixed", "a", "8", "8Gi")}, running: []*corev1.Pod{on("fixed", makePod("0", "5"))},
			pods:  []*corev1.Pod{makePod("1", "3"), makePod("2", "3")},
			pools: general, want: outcome{Placed: map[string]string{"1": "fixed"}, Launches: []string{"p/four: 2"}},
		},
		"pods with affinity to each other share a node": {
			pods:  []*corev1.Pod{changed(makePod("1", "1"), near(corev1.LabelHostname)), changed(makePod("2", "1"), near(corev1.LabelHostname))},
			pools: general, want: outcome{Launches: []string{"p/four: 1 2"}},
		},
		"a spread with minDomains of three zones creates a node in each zone": {
			pods:  []*corev1.Pod{changed(spread(makePod("1", "1"), corev1.LabelTopologyZone), atLeast(3)), changed(spread(makePod("2", "1"), corev1.LabelTopologyZone), atLeast(3)), changed(spread(makePod("3", "1"), corev1.LabelTopologyZone), atLeast(3))},
			pools: inThreeZones, want: outcome{Launches: []string{"p/in-a: 1", "p/in-b: 2", "p/in-c: 3"}},
		},
		"a spread over hosts creates a node for each pod": {
			pods:  []*corev1.Pod{changed(spread(makePod("1", "1"), corev1.LabelHostname), atLeast(2)), changed(spread(makePod("2", "1"), corev1.LabelHostname), atLeast(2))},
			pools: general, want: outcome{Launches: []string{"p/four: 1", "p/four: 2"}},
		},
		"the node has room for the init container": {
			pods:  []*corev1.Pod{changed(makePod("1", "1"), preceded("3", nil))},
			pools: sizes, want: outcome{Launches: []string{"p/four: 1"}},
		},
		"the node has room for a sidecar beside the containers": {
			pods:  []*corev1.Pod{changed(makePod("1", "1500m"), preceded("1", &always))},
			pools: sizes, want: outcome{Launches: []string{"p/four: 1"}},
		},
		"the node has room for a sidecar together with later init containers": {
			pods:  []*corev1.Pod{changed(makePod("1", "500m"), preceded("1", &always), preceded("1500m", nil))},
			pools: sizes, want: outcome{Launches: []string{"p/four: 1"}},
		},
		"a smaller init container needs no additional room": {
			pods:  []*corev1.Pod{changed(makePod("1", "1500m"), preceded("1", nil))},
			pools: sizes, want: outcome{Launches: []string{"p/two: 1"}},
		},
		"nodes with a maxPods of one get one pod each": {
			pods:  []*corev1.Pod{makePod("1", "100m"), makePod("2", "100m")},
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{withoutCompany(four)}}},
			want:  outcome{Launches: []string{"p/four: 1", "p/four: 2"}},
		},
		"pods that fit nowhere do not hinder pods that fit": {
			pods:  []*corev1.Pod{makePod("huge", "64"), makePod("1", "3")},
			pools: general, want: outcome{Launches: []string{"p/four: 1"}, Refused: map[string][]string{"huge": {"p: Insufficient cpu"}}},
		},
		"a pod with contradictory affinity is refused": {
			nodes: []*corev1.Node{busy}, running: []*corev1.Pod{on("n1", makePod("0", "1"))},
			pods:  []*corev1.Pod{changed(apart(makePod("1", "1")), near(corev1.LabelHostname))},
			pools: general, want: outcome{Refused: map[string][]string{"1": {"p: node(s) didn't match pod affinity rules"}}},
		},
		"a spread over more zones than exist is refused": {
			nodes: []*corev1.Node{busy}, running: []*corev1.Pod{on("n1", makePod("0", "1"))},
			pods:  []*corev1.Pod{changed(spread(makePod("1", "1"), corev1.LabelTopologyZone), atLeast(2))},
			pools: general, want: outcome{Refused: map[string][]string{"1": {"p: node(s) didn't match pod topology spread constraints"}}},
		},
		"a spread over a label that no node has is refused": {
			pods:  []*corev1.Pod{spread(makePod("1", "1"), "example.com/rack")},
			pools: general, want: outcome{Refused: map[string][]string{"1": {"p: node(s) didn't match pod topology spread constraints (missing required label)"}}},
		},
		"a pod that does not tolerate the taint of the pool is refused": {
			pods:  []*corev1.Pod{makePod("1", "1")},
			pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{kept(four)}}},
			want:  outcome{Refused: map[string][]string{"1": {"p: node(s) had untolerated taint(s)"}}},
		},
		"a pod that requests a resource no shape has is refused": {
			pods:  []*corev1.Pod{changed(makePod("1", "1"), asking("nvidia.com/gpu", "1"))},
			pools: general, want: outcome{Refused: map[string][]string{"1": {"p: Insufficient nvidia.com/gpu"}}},
		},
		"a pod with a device claim that does not exist is refused": {
			pods: []*corev1.Pod{changed(makePod("1", "1"), func(pod *corev1.Pod) {
				pod.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu", ResourceClaimName: new("gpu")}}
			})},
			pools: general, want: outcome{Refused: map[string][]string{"1": {`p: resourceclaims.resource.k8s.io "gpu" not found`}}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cluster, err := scheduling.New()
			if err != nil {
				t.Fatal(err)
			}
			for _, object := range test.objects {
				if err := cluster.SetObject(object); err != nil {
					t.Fatal(err)
				}
			}
			for _, node := range test.nodes {
				cluster.AddNode(node)
			}
			for _, pod := range test.running {
				if err := cluster.AddPod(pod); err != nil {
					t.Fatal(err)
				}
			}
			got := outcomeOf(decision.Grow(decision.GrowInput{Cluster: cluster, Pods: test.pods, Pools: test.pools}))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
		})
	}
}

// A thousand pods that fit nowhere do not delay the pods that fit.
func TestManyUnschedulablePodsDoNotHinderOthers(t *testing.T) {
	t.Parallel()
	cluster, err := scheduling.New()
	if err != nil {
		t.Fatal(err)
	}
	var pods []*corev1.Pod
	for i := range 1000 {
		pods = append(pods, makePod(fmt.Sprintf("huge-%d", i), "64"), makePod(fmt.Sprintf("small-%d", i), "1"))
	}
	plan := decision.Grow(decision.GrowInput{Cluster: cluster, Pods: pods, Pools: []decision.Pool{{Name: "p", Shapes: []decision.Shape{makeShape("four", "a", "4", "8Gi")}}}})
	if len(plan.Launches) != 250 || len(plan.Refused) != 1000 {
		t.Errorf("%d nodes are made and %d pods refused, want 250 and 1000", len(plan.Launches), len(plan.Refused))
	}
}

func reshaped(s decision.Shape, change func(*corev1.Node)) decision.Shape {
	s.Node = s.Node.DeepCopy()
	change(s.Node)
	return s
}

func labelled(s decision.Shape, pool string) decision.Shape {
	return reshaped(s, func(node *corev1.Node) { node.Labels["k8sm.io/pool"] = pool })
}

func withoutCompany(s decision.Shape) decision.Shape {
	return reshaped(s, func(node *corev1.Node) { node.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("1") })
}

func kept(s decision.Shape) decision.Shape {
	return reshaped(s, func(node *corev1.Node) {
		node.Spec.Taints = []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
	})
}
