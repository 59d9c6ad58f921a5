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

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

const (
	// tick is the interval between two steps.
	tick = 20 * time.Second
	// boot is the time that a node takes to be ready.
	boot = 40 * time.Second
)

// Simulation is a pool under a changing load: pods are created and deleted, and the decisions of
// Grow and Shrink are carried out in turn.
type Simulation struct {
	Result
	// Pool has the defaults of spec.autoscaling, and may be changed.
	Pool decision.ShrinkPool
	// Shapes are the shapes of the pool, and may be changed as well.
	Shapes []decision.Shape

	cluster *scheduling.Cluster
	random  *rand.Rand
	members map[string]*decision.Member
	ready   map[string]time.Time // when a node becomes ready
	pending []*corev1.Pod
	since   map[*corev1.Pod]time.Time // when a pod began to wait
	pods    []*corev1.Pod
	memory  decision.NodeStates
	now     time.Time
	made    int
}

// NewSimulation returns a simulation without nodes.
func NewSimulation(shapes ...decision.Shape) (*Simulation, error) {
	cluster, err := scheduling.New()
	if err != nil {
		return nil, err
	}
	return &Simulation{
		Pool: decision.ShrinkPool{
			Pool: decision.Pool{Name: "general"}, Threshold: 50, ConsolidateAfter: 5 * time.Minute, MinNodeLifetime: 10 * time.Minute, AfterGrowth: 10 * time.Minute,
		},
		Shapes: shapes, cluster: cluster, random: rand.New(rand.NewPCG(1, 1)),
		members: map[string]*decision.Member{}, ready: map[string]time.Time{}, since: map[*corev1.Pod]time.Time{},
		now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
	}, nil
}

// Run simulates a pattern with nodes of 4 cpus.
func Run(p Pattern) (*Simulation, error) {
	s, err := NewSimulation(NewShape("general", 4))
	if err != nil {
		return nil, err
	}
	return s, s.Simulate(p.Lasts, p.Load)
}

// NewShape returns a shape with so many cpus, and twice as many GiB of memory.
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

// Simulate lets time pass, with as many pods as load returns for each moment.
func (s *Simulation) Simulate(d time.Duration, load func(time.Duration) int) error {
	began := s.now
	for s.now.Before(began.Add(d)) {
		s.scale(load(s.now.Sub(began)))
		for name, m := range s.members {
			m.Ready = m.Ready || !s.now.Before(s.ready[name])
		}
		for _, step := range []func() error{s.schedule, s.grow, s.shrink} {
			if err := step(); err != nil {
				return err
			}
		}
		s.count()
		s.now = s.now.Add(tick)
	}
	return nil
}

func (s *Simulation) count() {
	hours := tick.Hours()
	s.Lasted += tick
	s.Left = len(s.members)
	s.Had += s.CPUs() * hours
	s.Asked += float64(len(s.pods)-len(s.pending)) * hours
	each := s.Shapes[0].Node.Status.Allocatable.Cpu().Value()
	s.Ideal += float64((int64(len(s.pods))+each-1)/each*each) * hours
}

// CPUs returns the sum of the cpus of all nodes.
func (s *Simulation) CPUs() float64 {
	sum := 0.0
	for _, m := range s.members {
		sum += m.Node.Status.Allocatable.Cpu().AsApproximateFloat64()
	}
	return sum
}

// scale creates or deletes pods.
func (s *Simulation) scale(want int) {
	for len(s.pods) < want {
		s.made++
		pod := newPod(fmt.Sprintf("p%d", s.made))
		s.pods = append(s.pods, pod)
		s.wait(pod)
	}
	for len(s.pods) > want {
		i := s.random.IntN(len(s.pods))
		pod := s.pods[i]
		s.pods = slices.Delete(s.pods, i, i+1)
		s.pending = slices.DeleteFunc(s.pending, func(p *corev1.Pod) bool { return p == pod })
		if m := s.members[pod.Spec.NodeName]; m != nil {
			s.cluster.RemovePod(pod)
			m.Pods = slices.DeleteFunc(slices.Clone(m.Pods), func(p *corev1.Pod) bool { return p == pod })
		}
	}
}

// newPod returns a pod of one cpu with a controller, so that it may be evicted.
func newPod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name), OwnerReferences: []metav1.OwnerReference{
			{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "web", Controller: new(true)}}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}}}},
	}
}

func (s *Simulation) wait(pod *corev1.Pod) {
	pod.Spec.NodeName = ""
	s.since[pod] = s.now
	s.pending = append(s.pending, pod)
}

// schedule places pods on ready nodes, as the kube-scheduler does.
func (s *Simulation) schedule() error {
	mark := s.cluster.Checkpoint()
	for name, m := range s.members {
		if !m.Ready {
			s.cluster.RemoveNode(name)
		}
	}
	var left, placed []*corev1.Pod
	for _, pod := range s.pending {
		node, fits := s.cluster.Place(pod)
		if !fits {
			left = append(left, pod)
			continue
		}
		pod.Spec.NodeName = node
		placed = append(placed, pod)
	}
	s.cluster.Revert(mark)
	for _, pod := range placed {
		if err := s.cluster.AddPod(pod); err != nil {
			return err
		}
		m := s.members[pod.Spec.NodeName]
		m.Pods = append(m.Pods, pod)
		s.waited = append(s.waited, s.now.Sub(s.since[pod]))
		delete(s.since, pod)
	}
	s.pending = left
	return nil
}

func (s *Simulation) grow() error {
	p := s.Pool.Pool
	p.Nodes, p.Shapes = len(s.members), s.Shapes
	plan := decision.Grow(decision.GrowInput{Cluster: s.cluster, Pods: s.pending, Pools: []decision.Pool{p}})
	if len(plan.Refused) > 0 {
		return fmt.Errorf("pod %s is refused: %v", plan.Refused[0].Pod.Name, plan.Refused[0].Pools)
	}
	s.launch(plan.Launches)
	return nil
}

func (s *Simulation) launch(launches []decision.Launch) {
	for _, launch := range launches {
		s.Created++
		name := fmt.Sprintf("n%04d", s.Created)
		i := slices.IndexFunc(s.Shapes, func(s decision.Shape) bool { return s.Size.Shape == launch.Size.Shape })
		node := newNode(name, s.Shapes[i].Node.Status.Allocatable.Cpu().Value())
		s.cluster.AddNode(node)
		s.members[name] = &decision.Member{Name: name, Node: node, Resources: node.Status.Capacity, Created: s.now}
		s.ready[name] = s.now.Add(boot)
		s.Pool.LastGrowth = s.now
	}
}

func (s *Simulation) shrink() error {
	p := s.Pool
	allowance := disruptionbudget.New(&v1alpha1.MesosNodePool{}).Allow(v1alpha1.DisruptionEmpty, s.now, disruptionbudget.Usage{Nodes: len(s.members)})
	p.Empty, p.Underutilized = allowance, allowance
	p.Nodes, p.Shapes = len(s.members), s.Shapes
	for _, name := range slices.Sorted(maps.Keys(s.members)) {
		p.Members = append(p.Members, *s.members[name])
	}
	plan := decision.Shrink(decision.ShrinkInput{Now: s.now, Cluster: s.cluster, Pending: s.pending, Pools: []decision.ShrinkPool{p}, NodeStates: s.memory})
	s.memory, s.Pool.History = plan.NodeStates, plan.Histories[p.Name]
	s.Pool.History = s.Pool.History.WithRemoval(len(plan.Removals), s.now)
	for _, r := range plan.Removals {
		s.Removed++
		pods := s.members[r.Node].Pods
		s.cluster.RemoveNode(r.Node)
		for _, pod := range pods {
			s.Evicted++
			s.wait(pod)
		}
		delete(s.members, r.Node)
		delete(s.ready, r.Node)
	}
	s.launch(plan.Launches)
	return nil
}
