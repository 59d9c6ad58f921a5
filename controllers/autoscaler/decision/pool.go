package decision

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// pool is a Pool, with what was taken from it.
type pool struct {
	Pool
	used   corev1.ResourceList
	shapes []*shape // in the order in which they are tried
}

type shape struct {
	Shape
	left int // Room less what was taken
}

func newPool(p Pool) *pool {
	result := &pool{Pool: p, used: p.Used.DeepCopy()}
	if result.used == nil {
		result.used = corev1.ResourceList{}
	}
	for _, s := range p.Shapes {
		result.shapes = append(result.shapes, &shape{Shape: s, left: s.Room})
	}
	slices.SortStableFunc(result.shapes, func(a, b *shape) int {
		return cmp.Or(
			cmp.Compare(b.Preference, a.Preference),
			a.Node.Status.Allocatable.Cpu().Cmp(*b.Node.Status.Allocatable.Cpu()),
			a.Node.Status.Allocatable.Memory().Cmp(*b.Node.Status.Allocatable.Memory()),
			strings.Compare(a.Name, b.Name),
		)
	})
	return result
}

// blocked tells why the pool can't have one more node of the shape, in words; empty if it can.
func (p *pool) blocked(s *shape) string {
	if p.Closed != "" {
		return p.Closed
	}
	if p.Max > 0 && p.Nodes >= p.Max {
		return fmt.Sprintf("it has %d nodes, its maxReplicas", p.Nodes)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Limits)) {
		limit := p.Limits[name]
		sum := p.used[name].DeepCopy()
		sum.Add(s.Node.Status.Capacity[name])
		if sum.Cmp(limit) > 0 {
			return fmt.Sprintf("one more node would exceed its limit of %s %s", limit.String(), name)
		}
	}
	if s.left == 0 {
		return "no capacity: " + s.NearestMiss
	}
	return ""
}

func (p *pool) take(s *shape) {
	p.Nodes++
	for name, quantity := range s.Node.Status.Capacity {
		sum := p.used[name].DeepCopy()
		sum.Add(quantity)
		p.used[name] = sum
	}
	if s.left > 0 {
		s.left--
	}
}
