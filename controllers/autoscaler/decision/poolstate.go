package decision

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

// poolState is a Pool and what the decision has taken from it.
type poolState struct {
	Pool
	used   corev1.ResourceList
	shapes []*shapeState // in the order in which they are tried
}

type shapeState struct {
	Shape
	pool        *poolState
	template    scheduling.Template
	remaining   int    // Room less what was taken
	blockReason string // why there cannot be one more, in words; empty if there can
}

func newPoolState(given Pool) *poolState {
	p := &poolState{Pool: given, used: corev1.ResourceList{}}
	maps.Copy(p.used, given.Used)
	for _, s := range given.Shapes {
		p.shapes = append(p.shapes, &shapeState{Shape: s, pool: p, remaining: s.Room})
	}
	slices.SortStableFunc(p.shapes, func(a, b *shapeState) int {
		return cmp.Or(cmp.Compare(b.Preference, a.Preference), a.compareSize(b), strings.Compare(a.Size.Shape, b.Size.Shape), strings.Compare(a.Size.Region, b.Size.Region), strings.Compare(a.Size.Zone, b.Size.Zone))
	})
	return p
}

// largestFirst makes the pool try the largest of equally preferred shapes first.
func (p *poolState) largestFirst() {
	slices.SortStableFunc(p.shapes, func(a, b *shapeState) int {
		return cmp.Or(cmp.Compare(b.Preference, a.Preference), b.compareSize(a))
	})
}

// compareSize compares what nodes of two shapes have for pods.
func (s *shapeState) compareSize(other *shapeState) int {
	return cmp.Or(
		s.Node.Status.Allocatable.Cpu().Cmp(*other.Node.Status.Allocatable.Cpu()),
		s.Node.Status.Allocatable.Memory().Cmp(*other.Node.Status.Allocatable.Memory()),
	)
}

// describe names the shape for a person: "shape small in zone a".
func (s *shapeState) describe() string {
	out := "shape " + s.Size.Shape
	if s.Size.Zone != "" {
		out += " in zone " + s.Size.Zone
	}
	if s.Size.Region != "" {
		out += " of region " + s.Size.Region
	}
	return out
}

// nodeNamed returns a node of the shape with a name.
func (s *shapeState) nodeNamed(name string) *corev1.Node {
	node := *s.Node
	node.Name, node.Labels = name, map[string]string{}
	maps.Copy(node.Labels, s.Node.Labels)
	node.Labels[corev1.LabelHostname] = name
	return &node
}

// daemonPods returns the pods that DaemonSets have on the node of that name.
func (s *shapeState) daemonPods(node string) []*corev1.Pod {
	pods := make([]*corev1.Pod, 0, len(s.Daemons))
	for _, daemon := range s.Daemons {
		pod := *daemon
		pod.UID = types.UID(fmt.Sprintf("%s on %s", daemon.UID, node))
		pod.Spec.NodeName = node
		pods = append(pods, &pod)
	}
	return pods
}

// smallerShapes returns the smaller shapes of the same preference, the smallest last.
func (s *shapeState) smallerShapes() []*shapeState {
	var smaller []*shapeState
	for _, other := range s.pool.shapes {
		if other.Preference == s.Preference && other.compareSize(s) < 0 {
			smaller = append(smaller, other)
		}
	}
	return smaller
}

// smallest returns the smallest of the most preferred shapes that the pool can have one more
// of.
func (p *poolState) smallest() *shapeState {
	var smallest *shapeState
	for _, s := range p.shapes {
		if p.blockReason(s) != "" {
			continue
		}
		if smallest == nil || s.Preference == smallest.Preference {
			smallest = s
		}
	}
	return smallest
}

// blockReason returns why the pool cannot have one more node of the shape, in words; empty if
// it can.
func (p *poolState) blockReason(s *shapeState) string {
	if p.GrowthBlocked != "" {
		return p.GrowthBlocked
	}
	if p.Max > 0 && p.Nodes >= p.Max {
		return fmt.Sprintf("it has reached its maxReplicas of %d", p.Max)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Limits)) {
		limit, sum := p.Limits[name], p.used[name].DeepCopy()
		sum.Add(s.Node.Status.Capacity[name])
		if sum.Cmp(limit) > 0 {
			return fmt.Sprintf("one more node would exceed its limit of %s %s", limit.String(), name)
		}
	}
	if s.remaining == 0 {
		return "no capacity: " + s.NearestMiss
	}
	return ""
}

func (p *poolState) takeNode(s *shapeState) {
	p.Nodes++
	p.account(s, 1)
}

// swap exchanges a node of one shape for one of another.
func (p *poolState) swap(before, after *shapeState) {
	p.account(before, -1)
	p.account(after, 1)
}

func (p *poolState) account(s *shapeState, sign int) {
	for name, quantity := range s.Node.Status.Capacity {
		sum := p.used[name].DeepCopy()
		if sign > 0 {
			sum.Add(quantity)
		} else {
			sum.Sub(quantity)
		}
		p.used[name] = sum
	}
	if s.Room >= 0 {
		s.remaining -= sign
	}
}
