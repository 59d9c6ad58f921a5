package decision

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Grow decides which nodes to create, so that the pods can run: each goes on the first node
// there is that takes it, else on one that was decided upon before, else on a new node of
// the first pool that can have one. Large pods go first, so that small ones fill the gaps.
func Grow(in GrowInput) GrowPlan {
	mark := in.Cluster.Checkpoint()
	defer in.Cluster.Revert(mark)

	g := newGrowth(in)
	g.growToMin()
	for _, pod := range inOrder(in.Pods) {
		g.place(pod)
	}
	return g.plan()
}

// growth is a decision in the making.
type growth struct {
	in       GrowInput
	pools    []*pool
	launches []*Launch
	new      map[string]*Launch // by the name of the node in the cluster
	placed   []Placement
	refused  []Refused
}

func newGrowth(in GrowInput) *growth {
	g := &growth{in: in, new: map[string]*Launch{}}
	for _, p := range in.Pools {
		g.pools = append(g.pools, newPool(p))
	}
	slices.SortStableFunc(g.pools, func(a, b *pool) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), strings.Compare(a.Name, b.Name))
	})
	return g
}

// growToMin launches what pools lack of their minimum.
func (g *growth) growToMin() {
	for _, p := range g.pools {
		for _, s := range p.shapes {
			for p.Nodes < p.Min && p.blocked(s) == "" {
				g.launch(p, s)
			}
		}
	}
}

func (g *growth) place(pod *corev1.Pod) {
	node, placed := g.in.Cluster.Place(pod)
	if !placed {
		var refusals []PoolRefusal
		if node, refusals = g.launchFor(pod); node == "" {
			g.refused = append(g.refused, Refused{Pod: pod, Pools: refusals})
			return
		}
	}
	if launch := g.new[node]; launch != nil {
		launch.Pods = append(launch.Pods, pod)
		return
	}
	g.placed = append(g.placed, Placement{Pod: pod, Node: node})
}

// launchFor launches a node that takes the pod, and puts it there; or says why no pool can.
func (g *growth) launchFor(pod *corev1.Pod) (node string, refusals []PoolRefusal) {
	for _, p := range g.pools {
		var reasons []string
		for _, s := range p.shapes {
			name, reason := g.try(p, s, pod)
			if name != "" {
				return name, nil
			}
			if !slices.Contains(reasons, reason) {
				reasons = append(reasons, reason)
			}
		}
		refusals = append(refusals, PoolRefusal{Pool: p.Name, Reason: strings.Join(reasons, "; ")})
	}
	return "", refusals
}

func (g *growth) try(p *pool, s *shape, pod *corev1.Pod) (node, reason string) {
	if reason := p.blocked(s); reason != "" {
		return "", reason
	}
	mark := g.in.Cluster.Checkpoint()
	name := g.add(p, s)
	if fits, reason := g.in.Cluster.Fits(pod, name); !fits {
		g.in.Cluster.Revert(mark)
		return "", reason
	}
	if err := g.in.Cluster.Put(pod, name); err != nil {
		g.in.Cluster.Revert(mark)
		return "", err.Error()
	}
	g.take(p, s, name)
	return name, ""
}

func (g *growth) launch(p *pool, s *shape) {
	g.take(p, s, g.add(p, s))
}

func (g *growth) add(p *pool, s *shape) (name string) {
	name = fmt.Sprintf("%s (new %d)", p.Name, len(g.launches)+1)
	node := s.Node.DeepCopy()
	node.Name = name
	if node.Labels == nil {
		node.Labels = map[string]string{}
	}
	node.Labels[corev1.LabelHostname] = name
	g.in.Cluster.AddNode(node)
	return name
}

func (g *growth) take(p *pool, s *shape, node string) {
	p.take(s)
	launch := &Launch{Pool: p.Name, Shape: s.Name}
	g.launches, g.new[node] = append(g.launches, launch), launch
}

func (g *growth) plan() GrowPlan {
	plan := GrowPlan{Placed: g.placed, Refused: g.refused}
	for _, launch := range g.launches {
		plan.Launches = append(plan.Launches, *launch)
	}
	return plan
}

// inOrder: what matters more first, as the scheduler does; then the larger, which are
// harder to place; then the older.
func inOrder(pods []*corev1.Pod) []*corev1.Pod {
	type sized struct {
		pod         *corev1.Pod
		cpu, memory int64
	}
	all := make([]sized, 0, len(pods))
	for _, pod := range pods {
		cpu, memory := sizeOf(pod)
		all = append(all, sized{pod: pod, cpu: cpu, memory: memory})
	}
	slices.SortStableFunc(all, func(a, b sized) int {
		return cmp.Or(
			cmp.Compare(priorityOf(b.pod), priorityOf(a.pod)),
			cmp.Compare(b.cpu, a.cpu),
			cmp.Compare(b.memory, a.memory),
			a.pod.CreationTimestamp.Compare(b.pod.CreationTimestamp.Time),
			strings.Compare(a.pod.Namespace, b.pod.Namespace),
			strings.Compare(a.pod.Name, b.pod.Name),
		)
	})
	ordered := make([]*corev1.Pod, 0, len(all))
	for _, s := range all {
		ordered = append(ordered, s.pod)
	}
	return ordered
}

func sizeOf(pod *corev1.Pod) (cpu, memory int64) {
	for _, container := range pod.Spec.Containers {
		cpu += container.Resources.Requests.Cpu().MilliValue()
		memory += container.Resources.Requests.Memory().Value()
	}
	return cpu, memory
}

func priorityOf(pod *corev1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}
