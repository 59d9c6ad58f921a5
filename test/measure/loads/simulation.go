package loads

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

const (
	// tick is how often everybody looks.
	tick = 20 * time.Second
	// boot is how long a node takes to be ready.
	boot = 40 * time.Second
)

// Simulation is a pool under a load that changes: pods come and go, Grow and Shrink decide in
// turn, and what they decide comes true.
type Simulation struct {
	Result
	// Pool is as the defaults of spec.autoscaling have it, and may be changed.
	Pool decision.ShrinkPool
	// Shapes are the nodes that there are, and may be changed as well.
	Shapes []decision.Shape

	cluster *scheduling.Cluster
	random  *rand.Rand
	members map[string]*decision.Member
	ready   map[string]time.Time // when a node is
	pending []*corev1.Pod
	since   map[*corev1.Pod]time.Time // that a pod waits
	pods    []*corev1.Pod
	memory  decision.NodeStates
	now     time.Time
	made    int
}

// NewSimulation begins without nodes.
func NewSimulation(shapes ...decision.Shape) (*Simulation, error) {
	cluster, err := scheduling.New()
	if err != nil {
		return nil, err
	}
	return &Simulation{
		Pool: decision.ShrinkPool{
			Pool: decision.Pool{Name: "general"}, Threshold: 50, ConsolidateAfter: 5 * time.Minute, MinNodeLifetime: 10 * time.Minute, AfterGrowth: 10 * time.Minute,
			Budget: intstr.FromString("10%"),
		},
		Shapes: shapes, cluster: cluster, random: rand.New(rand.NewPCG(1, 1)),
		members: map[string]*decision.Member{}, ready: map[string]time.Time{}, since: map[*corev1.Pod]time.Time{},
		now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
	}, nil
}

// Run lives through a pattern, with nodes of 4 cpus.
func Run(p Pattern) (*Simulation, error) {
	l, err := NewSimulation(NewShape("general", 4))
	if err != nil {
		return nil, err
	}
	return l, l.Live(p.Lasts, p.Load)
}

// NewShape is a kind of node with so many cpus, and twice as many GiB.
func NewShape(name string, cpus int64) decision.Shape {
	return decision.Shape{Size: nodemodel.Size{Shape: name}, Node: newNode(name, cpus), Room: -1}
}

func newNode(name string, cpus int64) *corev1.Node {
	has := corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(cpus, resource.DecimalSI), corev1.ResourceMemory: *resource.NewQuantity(cpus<<31, resource.BinarySI),
		corev1.ResourcePods: resource.MustParse("110"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status:     corev1.NodeStatus{Capacity: has, Allocatable: has},
	}
}

// Live lets time pass, with as many pods as the load says for each moment.
func (l *Simulation) Live(d time.Duration, load func(time.Duration) int) error {
	began := l.now
	for l.now.Before(began.Add(d)) {
		l.scale(load(l.now.Sub(began)))
		for name, m := range l.members {
			m.Ready = m.Ready || !l.now.Before(l.ready[name])
		}
		for _, step := range []func() error{l.schedule, l.grow, l.shrink} {
			if err := step(); err != nil {
				return err
			}
		}
		l.count()
		l.now = l.now.Add(tick)
	}
	return nil
}

func (l *Simulation) count() {
	hours := tick.Hours()
	l.Lasted += tick
	l.Left = len(l.members)
	l.Had += l.CPUs() * hours
	l.Asked += float64(len(l.pods)-len(l.pending)) * hours
	each := l.Shapes[0].Node.Status.Allocatable.Cpu().Value()
	l.Ideal += float64((int64(len(l.pods))+each-1)/each*each) * hours
}

// CPUs are those of all nodes that there are.
func (l *Simulation) CPUs() float64 {
	sum := 0.0
	for _, m := range l.members {
		sum += m.Node.Status.Allocatable.Cpu().AsApproximateFloat64()
	}
	return sum
}

// scale makes pods, or ends some.
func (l *Simulation) scale(want int) {
	for len(l.pods) < want {
		l.made++
		pod := newPod(fmt.Sprintf("p%d", l.made))
		l.pods = append(l.pods, pod)
		l.wait(pod)
	}
	for len(l.pods) > want {
		i := l.random.IntN(len(l.pods))
		pod := l.pods[i]
		l.pods = slices.Delete(l.pods, i, i+1)
		l.pending = slices.DeleteFunc(l.pending, func(p *corev1.Pod) bool { return p == pod })
		if m := l.members[pod.Spec.NodeName]; m != nil {
			l.cluster.RemovePod(pod)
			m.Pods = slices.DeleteFunc(slices.Clone(m.Pods), func(p *corev1.Pod) bool { return p == pod })
		}
	}
}

// newPod is one of a cpu that its owner makes again elsewhere.
func newPod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "web", Controller: new(true)}}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}}}},
	}
}

func (l *Simulation) wait(pod *corev1.Pod) {
	pod.Spec.NodeName = ""
	l.since[pod] = l.now
	l.pending = append(l.pending, pod)
}

// schedule does what the kube-scheduler does, on the nodes that are ready.
func (l *Simulation) schedule() error {
	mark := l.cluster.Checkpoint()
	for name, m := range l.members {
		if !m.Ready {
			l.cluster.RemoveNode(name)
		}
	}
	var left, placed []*corev1.Pod
	for _, pod := range l.pending {
		node, fits := l.cluster.Place(pod)
		if !fits {
			left = append(left, pod)
			continue
		}
		pod.Spec.NodeName = node
		placed = append(placed, pod)
	}
	l.cluster.Revert(mark)
	for _, pod := range placed {
		if err := l.cluster.AddPod(pod); err != nil {
			return err
		}
		m := l.members[pod.Spec.NodeName]
		m.Pods = append(m.Pods, pod)
		l.waited = append(l.waited, l.now.Sub(l.since[pod]))
		delete(l.since, pod)
	}
	l.pending = left
	return nil
}

func (l *Simulation) grow() error {
	p := l.Pool.Pool
	p.Nodes, p.Shapes = len(l.members), l.Shapes
	plan := decision.Grow(decision.GrowInput{Cluster: l.cluster, Pods: l.pending, Pools: []decision.Pool{p}})
	if len(plan.Refused) > 0 {
		return fmt.Errorf("pod %s is refused: %v", plan.Refused[0].Pod.Name, plan.Refused[0].Pools)
	}
	l.launch(plan.Launches)
	return nil
}

func (l *Simulation) launch(launches []decision.Launch) {
	for _, launch := range launches {
		l.Created++
		name := fmt.Sprintf("n%04d", l.Created)
		i := slices.IndexFunc(l.Shapes, func(s decision.Shape) bool { return s.Size.Shape == launch.Size.Shape })
		node := newNode(name, l.Shapes[i].Node.Status.Allocatable.Cpu().Value())
		l.cluster.AddNode(node)
		l.members[name] = &decision.Member{Name: name, Node: node, Resources: node.Status.Capacity, Created: l.now}
		l.ready[name] = l.now.Add(boot)
		l.Pool.LastGrowth = l.now
	}
}

func (l *Simulation) shrink() error {
	p := l.Pool
	p.Nodes, p.Shapes = len(l.members), l.Shapes
	for _, name := range slices.Sorted(maps.Keys(l.members)) {
		p.Members = append(p.Members, *l.members[name])
	}
	plan := decision.Shrink(decision.ShrinkInput{Now: l.now, Cluster: l.cluster, Pending: l.pending, Pools: []decision.ShrinkPool{p}, NodeStates: l.memory})
	l.memory, l.Pool.History = plan.NodeStates, plan.Histories[p.Name]
	for _, r := range plan.Removals {
		l.Removed++
		pods := l.members[r.Node].Pods
		l.cluster.RemoveNode(r.Node)
		for _, pod := range pods {
			l.Evicted++
			l.wait(pod)
		}
		delete(l.members, r.Node)
		delete(l.ready, r.Node)
	}
	l.launch(plan.Launches)
	return nil
}
