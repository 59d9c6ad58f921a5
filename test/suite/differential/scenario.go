package differential

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Scenario is a cluster, and pods that arrive one after the other.
type Scenario struct {
	Seed       uint64
	Namespaces []*corev1.Namespace
	Classes    []*storagev1.StorageClass
	Volumes    []*corev1.PersistentVolume
	Claims     []*corev1.PersistentVolumeClaim
	CSINodes   []*storagev1.CSINode
	Nodes      []*corev1.Node
	Existing   []*corev1.Pod // on nodes already
	Arrivals   []Arrival
}

// Arrival is a pod that arrives.
type Arrival struct {
	Pod *corev1.Pod
	// Order has all nodes (at most 100) in the order of the pod's preference: the scheduler
	// chooses the first one on which the pod fits.
	Order []string
}

const (
	// seedKey is the label and the taint that mark a scenario's objects.
	seedKey = "differential.k8sm.io/seed"
	driver  = "disk.differential.k8sm.io"
)

// scenarioBuilder builds a scenario.
type scenarioBuilder struct {
	rng
	*Scenario
	name string // of the seed, in names and labels
}

func newScenarioBuilder(seed, kind uint64, prefix string) *scenarioBuilder {
	s := &scenarioBuilder{rng: newRNG(seed, kind), Scenario: &Scenario{Seed: seed}, name: fmt.Sprint(prefix, seed)}
	for _, team := range []string{"a", "b"} {
		s.Namespaces = append(s.Namespaces, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: s.name + "-" + team, Labels: map[string]string{seedKey: s.name, "team": team},
		}})
	}
	return s
}

// NewScenario returns the scenario of a seed.
func NewScenario(seed uint64) *Scenario {
	s := newScenarioBuilder(seed, 0, "s")
	nodes := 3 + s.IntN(6)
	if s.oneIn(50) {
		nodes = 70 // more domains of a topology than bits in a word
	}
	for i := range nodes {
		s.addNode(fmt.Sprintf("%s-n%d", s.name, i))
	}
	if s.oneIn(2) {
		s.addVolumes()
	}
	for i := range s.IntN(nodes) {
		s.Existing = append(s.Existing, s.podOn(fmt.Sprint("there-", i), oneOf(s.rng, s.Nodes...).Name))
	}
	s.addSyncPod()
	for i := range 12 + nodes {
		pod := s.podLikeAnother(fmt.Sprint("pod-", i))
		s.Arrivals = append(s.Arrivals, s.randomPreference(pod))
	}
	return s.Scenario
}

// podOn returns a random pod on a node, whether it fits there or not.
func (s *scenarioBuilder) podOn(name, node string) *corev1.Pod {
	pod := s.pod(name)
	pod.Spec.SchedulingGates, pod.Spec.NodeName = nil, node
	return pod
}

// addSyncPod adds the pod that arrives first. It only fits on the node that is created last, with
// the volume that is created last, so when it is bound the scheduler has seen all objects. Nothing
// else fits on that node.
func (s *scenarioBuilder) addSyncPod() {
	node := s.Nodes[0].DeepCopy()
	node.Name, node.Labels, node.Spec = s.name+"-full", map[string]string{seedKey: s.name}, corev1.NodeSpec{Taints: node.Spec.Taints[:1]}
	node.Status.Allocatable[corev1.ResourcePods] = resource.MustParse("1")
	s.Nodes = append(s.Nodes, node)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "first", Namespace: s.Namespaces[0].Name}}
	pod.Spec.Containers = []corev1.Container{{Name: "main", Image: "busybox"}}
	pod.Spec.Tolerations = []corev1.Toleration{{Key: seedKey, Operator: corev1.TolerationOpEqual, Value: s.name, Effect: corev1.TaintEffectNoSchedule}}
	affinityOf(pod).NodeAffinity = &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{named(corev1.NodeSelectorOpIn, node.Name)}}},
	}}
	if len(s.Claims) > 0 {
		claim := s.claim(s.Namespaces[0].Name, "last", s.Classes[0])
		bind(claim, s.volume(s.name+"-last", s.Classes[0].Name))
		mountClaim(pod, claim.Name)
	}
	s.Arrivals = append(s.Arrivals, Arrival{Pod: pod, Order: []string{node.Name}})
}

func (s *scenarioBuilder) addNode(name string) {
	node := s.node()
	node.Name = name
	if !s.oneIn(12) {
		node.Labels[corev1.LabelHostname] = name
	}
	s.Nodes = append(s.Nodes, node)
	if s.oneIn(2) {
		limit := int32(1 + s.IntN(2))
		s.CSINodes = append(s.CSINodes, &storagev1.CSINode{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{seedKey: s.name}},
			Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{{
				Name: driver, NodeID: name, Allocatable: &storagev1.VolumeNodeResources{Count: &limit},
			}}},
		})
	}
}

// node returns a random node, without a name. Pods of other scenarios do not tolerate it.
func (s *scenarioBuilder) node() *corev1.Node {
	node := &corev1.Node{}
	node.Labels = map[string]string{seedKey: s.name}
	node.Spec.Taints = []corev1.Taint{{Key: seedKey, Value: s.name, Effect: corev1.TaintEffectNoSchedule}}
	has := corev1.ResourceList{
		corev1.ResourceCPU: s.quantity("1", "2", "8"), corev1.ResourceMemory: s.quantity("1Gi", "4Gi", "16Gi"),
		corev1.ResourcePods: s.quantity("3", "10", "30"),
	}
	if !s.oneIn(4) {
		has[corev1.ResourceEphemeralStorage] = s.quantity("1Gi", "4Gi")
	}
	if s.oneIn(3) {
		has["example.com/gpu"] = s.quantity("1", "2")
	}
	node.Status.Capacity, node.Status.Allocatable = has, has
	if !s.oneIn(8) {
		node.Labels[corev1.LabelTopologyZone] = zoneOf(s.name, s.IntN(3))
	}
	if !s.oneIn(4) {
		node.Labels[s.rack()] = fmt.Sprint("r", s.IntN(4))
	}
	if s.oneIn(2) {
		node.Labels["disk"] = oneOf(s.rng, "ssd", "hdd")
	}
	if !s.oneIn(4) {
		node.Labels["generation"] = oneOf(s.rng, "1", "2", "3", "ancient")
	}
	s.addTaint(node)
	return node
}

func (s *scenarioBuilder) addTaint(node *corev1.Node) {
	if s.oneIn(5) {
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: "dedicated", Value: oneOf(s.rng, "a", "b"),
			Effect: oneOf(s.rng, corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute)})
	}
	node.Spec.Unschedulable = s.oneIn(20)
}

// rack returns a topology key that only this scenario's nodes have. Constraints that also count
// nodes on which the pod does not fit must use it, or scenarios would affect each other.
func (s *scenarioBuilder) rack() string { return s.name + ".differential.k8sm.io/rack" }

// podLikeAnother returns a random pod, every other time a replica of an earlier one: cached results
// of that one may no longer hold.
func (s *scenarioBuilder) podLikeAnother(name string) *corev1.Pod {
	if len(s.Arrivals) < 2 || s.oneIn(2) {
		return s.pod(name)
	}
	pod := oneOf(s.rng, s.Arrivals[1:]...).Pod.DeepCopy() // the first is the herald
	pod.Name = name
	if affinity := pod.Spec.Affinity; affinity != nil && affinity.NodeAffinity != nil {
		affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = nil
	}
	return pod
}

// randomPreference makes the pod prefer nodes in a random order.
func (s *scenarioBuilder) randomPreference(pod *corev1.Pod) Arrival {
	var order []string
	for _, i := range s.Perm(len(s.Nodes)) {
		order = append(order, s.Nodes[i].Name)
	}
	return prefer(pod, order)
}

// prefer makes the pod prefer nodes in this order.
func prefer(pod *corev1.Pod, order []string) Arrival {
	affinity := affinityOf(pod)
	if affinity.NodeAffinity == nil {
		affinity.NodeAffinity = &corev1.NodeAffinity{}
	}
	for i, name := range order {
		affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution = append(affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution,
			corev1.PreferredSchedulingTerm{
				Weight: int32(100 - i), Preference: corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{named(corev1.NodeSelectorOpIn, name)}},
			})
	}
	return Arrival{Pod: pod, Order: order}
}

func named(operator corev1.NodeSelectorOperator, name string) corev1.NodeSelectorRequirement {
	return corev1.NodeSelectorRequirement{Key: metav1.ObjectNameField, Operator: operator, Values: []string{name}}
}

func requests(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}
