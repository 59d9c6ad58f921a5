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

// pool is a Pool, and what was taken from it.
type pool struct {
	Pool
	used   corev1.ResourceList
	shapes []*shape // in the order in which they are tried
}

type shape struct {
	Shape
	pool     *pool
	template scheduling.Template
	left     int    // Room less what was taken
	blocked  string // why there can't be one more, in words; empty if there can
}

func newPool(given Pool) *pool {
	p := &pool{Pool: given, used: corev1.ResourceList{}}
	maps.Copy(p.used, given.Used)
	for _, s := range given.Shapes {
		p.shapes = append(p.shapes, &shape{Shape: s, pool: p, left: s.Room})
	}
	slices.SortStableFunc(p.shapes, func(a, b *shape) int {
		return cmp.Or(cmp.Compare(b.Preference, a.Preference), a.size(b), strings.Compare(a.Name, b.Name))
	})
	return p
}

// largestFirst has the pool try the largest of the shapes it likes as much first.
func (p *pool) largestFirst() {
	slices.SortStableFunc(p.shapes, func(a, b *shape) int {
		return cmp.Or(cmp.Compare(b.Preference, a.Preference), b.size(a))
	})
}

// size compares by what a node has to give.
func (s *shape) size(other *shape) int {
	return cmp.Or(
		s.Node.Status.Allocatable.Cpu().Cmp(*other.Node.Status.Allocatable.Cpu()),
		s.Node.Status.Allocatable.Memory().Cmp(*other.Node.Status.Allocatable.Memory()),
	)
}

// named is a node of the shape.
func (s *shape) named(name string) *corev1.Node {
	node := *s.Node
	node.Name, node.Labels = name, map[string]string{}
	maps.Copy(node.Labels, s.Node.Labels)
	node.Labels[corev1.LabelHostname] = name
	return &node
}

// daemons are the pods that DaemonSets have on the node of that name.
func (s *shape) daemons(node string) []*corev1.Pod {
	pods := make([]*corev1.Pod, 0, len(s.Daemons))
	for _, daemon := range s.Daemons {
		pod := *daemon
		pod.UID = types.UID(fmt.Sprintf("%s on %s", daemon.UID, node))
		pod.Spec.NodeName = node
		pods = append(pods, &pod)
	}
	return pods
}

// smaller are the shapes that are smaller and liked as much, the smallest last.
func (s *shape) smaller() []*shape {
	var smaller []*shape
	for _, other := range s.pool.shapes {
		if other.Preference == s.Preference && other.size(s) < 0 {
			smaller = append(smaller, other)
		}
	}
	return smaller
}

// smallest is the smallest shape there can be one more of, of those that are liked most.
func (p *pool) smallest() *shape {
	var smallest *shape
	for _, s := range p.shapes {
		if p.blocked(s) != "" {
			continue
		}
		if smallest == nil || s.Preference == smallest.Preference {
			smallest = s
		}
	}
	return smallest
}

// blocked tells why the pool can't have one more node of the shape, in words; empty if it can.
func (p *pool) blocked(s *shape) string {
	if p.Closed != "" {
		return p.Closed
	}
	if p.Max > 0 && p.Nodes >= p.Max {
		return fmt.Sprintf("it has its maxReplicas of %d", p.Max)
	}
	for _, name := range slices.Sorted(maps.Keys(p.Limits)) {
		limit, sum := p.Limits[name], p.used[name].DeepCopy()
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
	p.use(s, 1)
}

// swap takes a node of one shape in place of one of another.
func (p *pool) swap(before, after *shape) {
	p.use(before, -1)
	p.use(after, 1)
}

func (p *pool) use(s *shape, sign int) {
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
		s.left -= sign
	}
}
