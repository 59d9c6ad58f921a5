package scheduling_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

type nodeBuilder struct{ corev1.Node }

func makeNode(name string) *nodeBuilder {
	b := &nodeBuilder{}
	b.Name = name
	b.Labels = map[string]string{corev1.LabelHostname: name}
	b.Status.Allocatable = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("8Gi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	b.Status.Capacity = b.Status.Allocatable
	return b
}

func (b *nodeBuilder) zone(zone string) *nodeBuilder {
	b.Labels[corev1.LabelTopologyZone] = zone
	return b
}

func (b *nodeBuilder) taint(key string) *nodeBuilder {
	b.Spec.Taints = append(b.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
	return b
}

func (b *nodeBuilder) obj() *corev1.Node { return &b.Node }

type podBuilder struct{ corev1.Pod }

func makePod(name string) *podBuilder {
	b := &podBuilder{}
	b.Name, b.Namespace, b.UID = name, "default", types.UID(name)
	b.Labels = map[string]string{}
	b.Spec.Containers = []corev1.Container{{Name: "main"}}
	return b
}

func (b *podBuilder) on(node string) *podBuilder { b.Spec.NodeName = node; return b }

func (b *podBuilder) label(key, value string) *podBuilder { b.Labels[key] = value; return b }

func (b *podBuilder) cpu(cpu string) *podBuilder {
	b.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
	return b
}

func (b *podBuilder) port(port int32) *podBuilder {
	b.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: port, ContainerPort: port, Protocol: corev1.ProtocolTCP}}
	return b
}

func (b *podBuilder) antiAffinity(key, label, value string) *podBuilder {
	b.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
		TopologyKey: key, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}}}}}
	return b
}

func (b *podBuilder) affinity(key, label, value string) *podBuilder {
	b.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
		TopologyKey: key, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}}}}}
	return b
}

func (b *podBuilder) spread(key, label, value string) *podBuilder {
	b.Spec.TopologySpreadConstraints = append(b.Spec.TopologySpreadConstraints, corev1.TopologySpreadConstraint{
		MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule,
		LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}})
	return b
}

func (b *podBuilder) obj() *corev1.Pod { return &b.Pod }

func newCluster(t *testing.T, nodes ...*nodeBuilder) *scheduling.Cluster {
	t.Helper()
	cluster, err := scheduling.New()
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range nodes {
		cluster.AddNode(node.obj())
	}
	return cluster
}

func TestPlace(t *testing.T) {
	zones := func() []*nodeBuilder {
		return []*nodeBuilder{makeNode("a1").zone("a"), makeNode("a2").zone("a"), makeNode("b1").zone("b")}
	}
	tests := map[string]struct {
		nodes []*nodeBuilder
		pods  []*podBuilder
		want  []string // the node of each pod; empty: none
	}{
		"pods are packed on the first node that has room": {
			nodes: zones(),
			pods:  []*podBuilder{makePod("1").cpu("3"), makePod("2").cpu("2"), makePod("3").cpu("1")},
			want:  []string{"a1", "a2", "a1"},
		},
		"a pod that is too large for every node is not placed": {
			nodes: zones(),
			pods:  []*podBuilder{makePod("1").cpu("5")},
			want:  []string{""},
		},
		"a taint is respected": {
			nodes: []*nodeBuilder{makeNode("a1").taint("dedicated"), makeNode("a2")},
			pods:  []*podBuilder{makePod("1")},
			want:  []string{"a2"},
		},
		"a host port is taken once on a node": {
			nodes: zones(),
			pods:  []*podBuilder{makePod("1").port(80), makePod("2").port(80), makePod("3").port(80), makePod("4").port(80)},
			want:  []string{"a1", "a2", "b1", ""},
		},
		"anti-affinity on the host gives each pod its own node": {
			nodes: zones(),
			pods: []*podBuilder{
				makePod("1").label("app", "x").antiAffinity(corev1.LabelHostname, "app", "x"),
				makePod("2").label("app", "x").antiAffinity(corev1.LabelHostname, "app", "x"),
			},
			want: []string{"a1", "a2"},
		},
		"anti-affinity of an existing pod keeps other pods out of the zone": {
			nodes: zones(),
			pods: []*podBuilder{
				makePod("0").label("app", "x").cpu("1"),
				makePod("1").label("app", "y").antiAffinity(corev1.LabelTopologyZone, "app", "x"),
				makePod("2").label("app", "x"),
				makePod("3").label("app", "x").cpu("4"),
			},
			want: []string{"a1", "b1", "a1", "a2"},
		},
		"affinity places pods where the first one is, and nowhere else": {
			nodes: zones(),
			pods: []*podBuilder{
				makePod("1").label("app", "x").cpu("3").affinity(corev1.LabelTopologyZone, "app", "x"),
				makePod("2").label("app", "x").cpu("3").affinity(corev1.LabelTopologyZone, "app", "x"),
				makePod("3").label("app", "x").cpu("3").affinity(corev1.LabelTopologyZone, "app", "x"),
			},
			want: []string{"a1", "a2", ""},
		},
		"spread over zones alternates": {
			nodes: zones(),
			pods: []*podBuilder{
				makePod("1").label("app", "x").spread(corev1.LabelTopologyZone, "app", "x"),
				makePod("2").label("app", "x").spread(corev1.LabelTopologyZone, "app", "x"),
				makePod("3").label("app", "x").spread(corev1.LabelTopologyZone, "app", "x"),
			},
			want: []string{"a1", "b1", "a1"},
		},
		"spread over hosts tracks the minimum of three": {
			nodes: zones(),
			pods: []*podBuilder{
				makePod("1").label("app", "x").spread(corev1.LabelHostname, "app", "x"),
				makePod("2").label("app", "x").spread(corev1.LabelHostname, "app", "x"),
				makePod("3").label("app", "x").spread(corev1.LabelHostname, "app", "x"),
				makePod("4").label("app", "x").spread(corev1.LabelHostname, "app", "x"),
			},
			want: []string{"a1", "a2", "b1", "a1"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cluster := newCluster(t, test.nodes...)
			var got []string
			for _, pod := range test.pods {
				node, _ := cluster.Place(pod.obj())
				got = append(got, node)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhyCountsNodesByReason(t *testing.T) {
	cluster := newCluster(t, makeNode("a1").taint("dedicated"), makeNode("a2"), makeNode("a3"))
	want := []scheduling.Refusal{{Reason: "Insufficient cpu", Nodes: 2}, {Reason: "node(s) had untolerated taint(s)", Nodes: 1}}
	if diff := cmp.Diff(want, cluster.Explain(makePod("1").cpu("5").obj())); diff != "" {
		t.Errorf("refusals (-want +got):\n%s", diff)
	}
}

func TestRevertRestoresNodesAndPods(t *testing.T) {
	cluster := newCluster(t, makeNode("a1"), makeNode("a2"))
	stays := makePod("stays").cpu("3").on("a1").obj()
	if err := cluster.AddPod(stays); err != nil {
		t.Fatal(err)
	}
	probe := makePod("probe").cpu("2").obj()
	where := func() [3]bool {
		var fits [3]bool
		for i, node := range []string{"a1", "a2", "a3"} {
			fits[i], _ = cluster.Fits(probe, node)
		}
		return fits
	}
	before := where()

	outer := cluster.Checkpoint()
	cluster.AddNode(makeNode("a3").obj())
	cluster.Place(makePod("filler").cpu("3").obj())
	inner := cluster.Checkpoint()
	cluster.RemoveNode("a1")
	cluster.RemoveNode("a2")
	cluster.Revert(inner)
	if diff := cmp.Diff([3]bool{false, false, true}, where()); diff != "" {
		t.Errorf("fits after the inner revert (-want +got):\n%s", diff)
	}
	cluster.Revert(outer)
	if diff := cmp.Diff(before, where()); diff != "" {
		t.Errorf("fits after the outer revert (-want +got):\n%s", diff)
	}
}

func TestRequestsAreWhatTheSchedulerCounts(t *testing.T) {
	one := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("1Gi")}
	tests := map[string]struct {
		how    func(*corev1.Pod)
		cpu    int64
		memory int64
	}{
		"the request of a container": {func(*corev1.Pod) {}, 500, 0},
		"the request of an init container": {func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: one}}}
		}, 1000, 1 << 30},
		"the request of a sidecar": {func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{RestartPolicy: new(corev1.ContainerRestartPolicyAlways), Resources: corev1.ResourceRequirements{Requests: one}}}
		}, 1500, 1 << 30},
		"the overhead of the runtime class": {func(p *corev1.Pod) { p.Spec.Overhead = one }, 1500, 1 << 30},
		"the request of the whole pod": {func(p *corev1.Pod) {
			p.Spec.Resources = &corev1.ResourceRequirements{Requests: one}
		}, 1000, 1 << 30},
		"the allocated resources during a downward resize": {func(p *corev1.Pod) {
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", AllocatedResources: one}}
		}, 1000, 1 << 30},
	}
	// They differ in nothing but this, and are asked for one after the other.
	cluster := newCluster(t, makeNode("a1"))
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			pod := makePod(name).cpu("500m").on("a1").obj()
			test.how(pod)
			if err := cluster.AddPod(pod); err != nil {
				t.Fatal(err)
			}
			if cpu, memory := cluster.Requests(pod); cpu != test.cpu || memory != test.memory {
				t.Errorf("it takes %dm and %d, want %dm and %d", cpu, memory, test.cpu, test.memory)
			}
		})
	}
}

func TestAPodThatMovesTakesWhatItsSpecAsksFor(t *testing.T) {
	cluster := newCluster(t, makeNode("a1"))
	pod := makePod("1").cpu("500m").on("elsewhere").obj()
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "main", AllocatedResources: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("5")}}}
	if node, placed := cluster.Place(pod); !placed || node != "a1" {
		t.Fatalf("it was placed on %q", node)
	}
	if cpu, _ := cluster.Requests(pod); cpu != 500 {
		t.Errorf("it takes %dm there", cpu)
	}
}
