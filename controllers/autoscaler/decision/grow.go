package decision

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

// Grow decides which nodes to create, so that the pods can run. Each pod goes on the first
// node that takes it: one there is, else one that was decided upon before, else a new one of
// the first pool that can have it. Large pods go first, so that small ones fill the gaps. A
// new node begins as the largest of the shapes that the pool prefers, so that it takes what
// else waits, and ends as the smallest that holds what it took.
func Grow(in GrowInput) GrowPlan {
	mark := in.Cluster.Checkpoint()
	defer in.Cluster.Revert(mark)

	g := newGrowth(in)
	defer g.end()
	g.growToMin()
	waiting := InOrder(in.Cluster, in.Pods)
	for round := 0; round < maxRounds; round++ {
		g.refused = nil
		for _, pod := range waiting {
			g.place(pod)
		}
		helped := len(g.refused) < len(waiting)
		if shrunk := g.shrink(); len(g.refused) == 0 || !shrunk && !helped {
			break
		}
		// What shrinking gave back may be enough for those that were refused, and so may the
		// company of those that were placed after them.
		g.reopen()
		waiting = waiting[:0]
		for _, refused := range g.refused {
			waiting = append(waiting, refused.Pod)
		}
	}
	return g.plan()
}

// maxRounds bounds how often those are looked at again that were refused.
const maxRounds = 4

// growth is a decision in the making.
type growth struct {
	cluster  *scheduling.Cluster
	pools    []*pool
	open     []*shape              // shapes that can be launched, in the order in which they are tried
	asked    []scheduling.Template // theirs
	launches []*launch
	new      map[string]*launch // by the name of the node in the cluster
	placed   []Placement
	refused  []Refused
}

// launch is a Launch in the making.
type launch struct {
	node  string
	shape *shape
	pods  []*corev1.Pod
}

func newGrowth(in GrowInput) *growth {
	g := &growth{cluster: in.Cluster, new: map[string]*launch{}}
	for _, p := range in.Pools {
		g.pools = append(g.pools, newPool(p))
	}
	slices.SortStableFunc(g.pools, func(a, b *pool) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), strings.Compare(a.Name, b.Name))
	})
	for _, p := range g.pools {
		p.largestFirst()
		for _, s := range p.shapes {
			name := fmt.Sprintf("%s (shape %s)", p.Name, s.Name)
			s.template = g.cluster.AddTemplate(s.named(name), s.daemons(name))
		}
	}
	g.reopen()
	return g
}

func (g *growth) end() {
	for _, p := range g.pools {
		for _, s := range p.shapes {
			g.cluster.RemoveTemplate(s.template)
		}
	}
}

// reopen finds anew which shapes can be launched.
func (g *growth) reopen() {
	g.open, g.asked = g.open[:0], g.asked[:0]
	for _, p := range g.pools {
		for _, s := range p.shapes {
			if s.blocked = p.blocked(s); s.blocked == "" {
				g.open, g.asked = append(g.open, s), append(g.asked, s.template)
			}
		}
	}
}

// growToMin launches what pools lack of their minimum, in the smallest shape they prefer.
func (g *growth) growToMin() {
	for _, p := range g.pools {
		for p.Nodes < p.Min {
			s := p.smallest()
			if s == nil {
				break
			}
			g.launch(s)
		}
	}
}

func (g *growth) place(pod *corev1.Pod) {
	node, placed := g.cluster.Place(pod)
	if !placed {
		if node, placed = g.launchFor(pod); !placed {
			g.refused = append(g.refused, Refused{Pod: pod, Pools: g.reasons(pod)})
			return
		}
	}
	if launch := g.new[node]; launch != nil {
		launch.pods = append(launch.pods, pod)
		return
	}
	g.placed = append(g.placed, Placement{Pod: pod, Node: node})
}

// launchFor launches a node that takes the pod, and puts it there.
func (g *growth) launchFor(pod *corev1.Pod) (node string, placed bool) {
	for from := 0; ; from++ {
		i := g.cluster.FirstTemplate(pod, g.asked[from:])
		if i < 0 {
			return "", false
		}
		from += i
		mark, s := g.cluster.Checkpoint(), g.open[from]
		name := g.add(s)
		if fits, _ := g.cluster.Fits(pod, name); !fits || g.cluster.Put(pod, name) != nil {
			g.cluster.Revert(mark)
			continue
		}
		g.take(s, name)
		return name, true
	}
}

func (g *growth) launch(s *shape) {
	g.take(s, g.add(s))
}

// add adds a node of the shape to the cluster.
func (g *growth) add(s *shape) (name string) {
	name = fmt.Sprintf("%s (new %d)", s.pool.Name, len(g.launches)+1)
	g.cluster.AddNode(s.named(name), s.daemons(name)...)
	return name
}

// take notes that the node is to be launched.
func (g *growth) take(s *shape, node string) {
	s.pool.take(s)
	l := &launch{node: node, shape: s}
	g.launches, g.new[node] = append(g.launches, l), l
	g.reopen()
}

// reasons tells why no pool can help the pod.
func (g *growth) reasons(pod *corev1.Pod) []PoolRefusal {
	refusals := make([]PoolRefusal, 0, len(g.pools))
	for _, p := range g.pools {
		var reasons []string
		for _, s := range p.shapes {
			fits, reason := g.cluster.FitsTemplate(pod, s.template)
			switch {
			case p.Closed != "":
				reason = p.Closed
			case fits && s.blocked != "":
				reason = s.blocked
			case fits:
				reason = "a new node would be refused by those there are"
			}
			if !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
		refusals = append(refusals, PoolRefusal{Pool: p.Name, Reason: strings.Join(reasons, "; ")})
	}
	return refusals
}

// shrink makes each new node the smallest shape that holds its pods, of those that its pool
// likes as much.
func (g *growth) shrink() (shrunk bool) {
	for _, l := range g.launches {
		candidates := l.shape.smaller()
		for i := len(candidates) - 1; i >= 0; i-- {
			s := candidates[i]
			if s.left == 0 || !g.cluster.Holds(s.template, l.node, l.pods) {
				continue
			}
			s.pool.swap(l.shape, s)
			if len(g.refused) > 0 {
				g.exchange(l, s) // the next round must see it
			}
			l.shape, shrunk = s, true
			break
		}
	}
	return shrunk
}

// exchange makes the node of a launch one of another shape, under the pods that it is for.
func (g *growth) exchange(l *launch, s *shape) {
	for _, pod := range l.shape.daemons(l.node) {
		g.cluster.RemovePod(pod)
	}
	g.cluster.AddNode(s.named(l.node), s.daemons(l.node)...)
}

func (g *growth) plan() GrowPlan {
	plan := GrowPlan{Placed: g.placed, Refused: g.refused}
	for _, l := range g.launches {
		plan.Launches = append(plan.Launches, Launch{Pool: l.shape.pool.Name, Shape: l.shape.Name, Pods: l.pods})
	}
	return plan
}
