package differential

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
)

// Demand is a cluster that is too small for the pods that come, and pools that may grow.
type Demand struct {
	*Scenario
	Pools []decision.Pool
}

// NewDemand makes the demand of a seed.
func NewDemand(seed uint64) *Demand {
	s := newSketch(seed, 1, "g")
	for i := range 1 + s.IntN(2) {
		s.addNode(fmt.Sprintf("%s-n%d", s.name, i))
	}
	s.addHerald()
	herald := s.Come[0].Pod
	herald.Spec.NodeName = s.Nodes[len(s.Nodes)-1].Name
	s.There, s.Come = append(s.There, herald), nil
	for i := range 5 + s.IntN(25) {
		pod := s.pod(fmt.Sprint("pod-", i))
		pod.Spec.SchedulingGates = nil
		s.Come = append(s.Come, Arrival{Pod: pod})
	}
	d := &Demand{Scenario: s.Scenario}
	for i := range 1 + s.IntN(3) {
		d.Pools = append(d.Pools, s.pool(fmt.Sprint("pool-", i)))
	}
	return d
}

// pool is some pool. Most may grow as they like.
func (s *sketch) pool(name string) decision.Pool {
	pool := decision.Pool{Name: name, Weight: int32(s.IntN(3)), Used: corev1.ResourceList{}}
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
		shape := decision.Shape{Name: fmt.Sprint("shape-", i), Node: s.node(), Room: -1}
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

// lacks tells whether the pool of that name has fewer nodes than its minimum.
func (d *Demand) lacks(pool string) bool {
	return slices.ContainsFunc(d.Pools, func(p decision.Pool) bool { return p.Name == pool && p.Nodes < p.Min })
}

// launched notes that a node of the shape was created, and returns it.
func (d *Demand) launched(l decision.Launch) *corev1.Node {
	for i := range d.Pools {
		pool := &d.Pools[i]
		for j := range pool.Shapes {
			shape := &pool.Shapes[j]
			if pool.Name != l.Pool || shape.Name != l.Shape {
				continue
			}
			pool.Nodes++
			for name, quantity := range shape.Node.Status.Capacity {
				sum := pool.Used[name].DeepCopy()
				sum.Add(quantity)
				pool.Used[name] = sum
			}
			if shape.Room > 0 {
				shape.Room--
			}
			node := shape.Node.DeepCopy()
			node.Name = fmt.Sprintf("%s-new-%d", d.name(), len(d.Nodes))
			node.Labels[corev1.LabelHostname] = node.Name
			return node
		}
	}
	panic(fmt.Sprintf("a node of pool %q, shape %q, was launched, and there is no such", l.Pool, l.Shape))
}
