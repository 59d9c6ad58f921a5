package differential

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// Demand is a cluster that is too small for the arriving pods, and pools that may grow.
type Demand struct {
	*Scenario
	Pools []decision.Pool
}

// NewDemand returns the demand of a seed.
func NewDemand(seed uint64) *Demand {
	s := newScenarioBuilder(seed, 1, "g")
	for i := range 1 + s.IntN(2) {
		s.addNode(fmt.Sprintf("%s-n%d", s.name, i))
	}
	if s.oneIn(3) {
		s.addVolumes()
	}
	s.addSyncPod()
	syncPod := s.Arrivals[0].Pod
	syncPod.Spec.NodeName = s.Nodes[len(s.Nodes)-1].Name
	s.Existing, s.Arrivals = append(s.Existing, syncPod), nil
	for i := range 5 + s.IntN(25) {
		pod := s.pod(fmt.Sprint("pod-", i))
		pod.Spec.SchedulingGates = nil
		s.Arrivals = append(s.Arrivals, Arrival{Pod: pod})
	}
	d := &Demand{Scenario: s.Scenario}
	for i := range 1 + s.IntN(3) {
		d.Pools = append(d.Pools, s.pool(fmt.Sprint("pool-", i)))
	}
	return d
}

// pool returns a random pool. Most have no limits.
func (s *scenarioBuilder) pool(name string) decision.Pool {
	pool := decision.Pool{Name: name, Weight: int32(s.IntN(3))}
	if s.oneIn(4) {
		pool.Max = 1 + s.IntN(5)
	}
	if s.oneIn(6) {
		pool.Min = 1 + s.IntN(2)
	}
	if s.oneIn(6) {
		pool.Limits = requests("cpu", "10")
	}
	for i := range 1 + s.IntN(3) {
		shape := decision.Shape{Size: nodemodel.Size{Shape: fmt.Sprint("shape-", i)}, Node: s.node(), Room: -1}
		shape.Node.Spec.Unschedulable = false
		if s.oneIn(5) {
			shape.Room, shape.NearestMiss = s.IntN(4), "the agents are full"
		}
		if s.oneIn(5) {
			shape.Preference = 1
		}
		pool.Shapes = append(pool.Shapes, shape)
	}
	return pool
}

// node returns the next node to be created, for this launch.
func (d *Demand) node(l decision.Launch) *corev1.Node {
	pool := d.Pools[slices.IndexFunc(d.Pools, func(p decision.Pool) bool { return p.Name == l.Pool })]
	shape := pool.Shapes[slices.IndexFunc(pool.Shapes, func(s decision.Shape) bool { return s.Size.Shape == l.Size.Shape })]
	node := shape.Node.DeepCopy()
	node.Name = fmt.Sprintf("%s-new-%d", d.name(), len(d.Nodes))
	node.Labels[corev1.LabelHostname] = node.Name
	return node
}
