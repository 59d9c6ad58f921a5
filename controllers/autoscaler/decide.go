package autoscaler

import (
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/admission"
	"github.com/k8sm/k8sm/controllers/autoscaler/backoff"
	"github.com/k8sm/k8sm/controllers/autoscaler/cordon"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/forecast"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/placement"
)

// maxShrinkRounds bounds the number of times that a plan to shrink is made again because templates
// were read. Beyond it nothing is removed in this cycle.
const maxShrinkRounds = 4

// decideGrowth decides which nodes to create for pods and for the minimum of pools.
func (r *Reconciler) decideGrowth(s *Snapshot) decision.GrowPlan {
	in := decision.GrowInput{Cluster: s.cluster, Leaving: s.leaving, Pods: s.pending}
	for _, p := range s.pools {
		in.Pools = append(in.Pools, s.growthInput(p))
	}
	began := r.Now()
	plan := decision.Grow(in)
	measureDecision("grow", r.Now().Sub(began))
	return plan
}

// decideShrinkage decides which nodes to remove, and which smaller nodes to create in the
// place of larger ones. It decides nothing if nodes are to be created for pods. If the plan
// moves pods whose templates were not read lately, it reads them and decides again.
func (r *Reconciler) decideShrinkage(ctx context.Context, s *Snapshot, growth decision.GrowPlan) (decision.ShrinkPlan, error) {
	if len(growth.Launches) > 0 {
		return decision.ShrinkPlan{}, nil
	}
	defaults := admission.NewDefaults(s.limits, s.classes)
	in := decision.ShrinkInput{
		Now: s.now, Cluster: s.cluster, Pending: slices.Concat(s.pending, s.unseen), Budgets: s.budgets, NodeStates: r.state.nodeStates,
		Successor: func(pod *corev1.Pod) *corev1.Pod { return r.state.templates.Successor(pod, defaults) },
	}
	policies := map[string]drain.Policy{}
	for _, p := range s.pools {
		for _, n := range p.leaving {
			policies[n.Name] = drain.NewPolicy(p.Spec.Drain)
		}
	}
	for _, name := range s.leaving {
		in.Leaving = append(in.Leaving, decision.LeavingNode{Name: name, Pods: s.podsByNode[name], Drain: policies[name]})
	}
	for _, p := range s.pools {
		in.Pools = append(in.Pools, s.shrinkInput(p, r.state.histories[p.Name]))
	}
	for range maxShrinkRounds {
		began := r.Now()
		plan := decision.Shrink(in)
		measureDecision("shrink", r.Now().Sub(began))
		var moved []*corev1.Pod
		for _, removal := range plan.Removals {
			moved = append(moved, s.podsByNode[removal.Node]...)
		}
		read, err := r.readTemplates(ctx, moved, s.now)
		if err != nil || !read {
			return plan, err
		}
	}
	return decision.ShrinkPlan{}, nil
}

// growthInput describes a pool to Grow.
func (s *Snapshot) growthInput(p *pool) decision.Pool {
	out := p.limits()
	if s.mayGrow(p) {
		out.Shapes = p.shapes
	}
	return out
}

// shrinkInput describes a pool to Shrink.
func (s *Snapshot) shrinkInput(p *pool, history decision.RemovalHistory) decision.ShrinkPool {
	rules := p.Spec.Autoscaling.ScaleDown
	out := decision.ShrinkPool{
		Pool:             p.limits(),
		RemovalBlocked:   p.removalBlockReason(),
		Drain:            drain.NewPolicy(p.Spec.Drain),
		OnlyEmpty:        rules.ConsolidationPolicy == v1alpha1.WhenEmpty,
		ConsolidateAfter: duration(rules.ConsolidateAfter),
		MinNodeLifetime:  duration(rules.MinNodeLifetime),
		AfterGrowth:      duration(rules.AfterGrowth),
		Empty:            p.inventory.Allow(p.MesosNodePool, v1alpha1.DisruptionEmpty, s.now),
		Underutilized:    p.inventory.Allow(p.MesosNodePool, v1alpha1.DisruptionUnderutilized, s.now),
		LastGrowth:       p.lastGrowth(),
		Lost:             len(p.lost),
		History:          history,
	}
	if rules.UtilizationThreshold != nil {
		out.Threshold = *rules.UtilizationThreshold
	}
	if p.mayReplaceNodes() {
		out.Shapes = p.shapes
	}
	replaced := p.inventory.Replaced()
	for _, n := range p.alive {
		member := s.member(n)
		if old := n.Annotations[v1alpha1.AnnotationReplaces]; replaced[old] == n {
			member.Replaces = old
		}
		out.Members = append(out.Members, member)
	}
	return out
}

// member describes a node of a pool to Shrink.
func (s *Snapshot) member(n *v1alpha1.MesosNode) decision.Member {
	object := s.nodes[n.Name]
	return decision.Member{
		Name: n.Name, Node: s.simulatedNodes[n.Name], Resources: forecast.Resources(n), Created: n.CreationTimestamp.Time,
		Ready: nodemodel.IsReady(n), DoNotDisrupt: mustNotBeDisrupted(n) || object != nil && mustNotBeDisrupted(object),
		Pods: s.podsByNode[n.Name], Nominated: s.nominated[n.Name], Cordoned: object != nil && cordon.IsCordoned(object),
	}
}

func mustNotBeDisrupted(o client.Object) bool {
	return o.GetAnnotations()[v1alpha1.AnnotationDoNotDisrupt] == "true"
}

// limits describes what bounds the growth of a pool, and what the pool has used of that.
func (p *pool) limits() decision.Pool {
	spec, replaced := p.Spec.Autoscaling, p.inventory.Replaced()
	out := decision.Pool{
		Name: p.Name, Weight: spec.Weight, GrowthBlocked: p.blockReason,
		Nodes: len(p.alive) - len(p.lost) - len(replaced), Min: int(spec.MinReplicas),
		Used: corev1.ResourceList{}, Limits: corev1.ResourceList{},
	}
	if spec.MaxReplicas != nil {
		out.Max = int(*spec.MaxReplicas)
	}
	if p.growthLimit != backoff.Unlimited && p.backOffUntil.IsZero() {
		if bound := out.Nodes + p.growthLimit; out.Max == 0 || bound < out.Max {
			out.Max = bound
		}
		if p.growthLimit == 0 && out.GrowthBlocked == "" {
			out.GrowthBlocked = "creates one node at a time, because others did not become ready"
		}
	}
	if spec.Limits.CPU != nil {
		out.Limits[corev1.ResourceCPU] = *spec.Limits.CPU
	}
	if spec.Limits.Memory != nil {
		out.Limits[corev1.ResourceMemory] = *spec.Limits.Memory
	}
	for _, n := range p.alive {
		if p.lost[n.Name] || replaced[n.Annotations[v1alpha1.AnnotationReplaces]] == n {
			continue
		}
		for name, q := range forecast.Resources(n) {
			sum := out.Used[name]
			sum.Add(q)
			out.Used[name] = sum
		}
	}
	return out
}

// describeShapes describes the nodes that a pool can have: each shape in each zone, with the
// room that the capacity has for them. A pool that is blocked has no capacity; its shapes
// are needed for the reasons that its pods are given.
func (s *Snapshot) describeShapes(p *pool, roles []string, capacity placement.Capacity) {
	var rooms []placement.Headroom
	for _, shape := range nodeShapes(p.MesosNodePool) {
		for _, domain := range nodemodel.Domains(p.Spec.Placement, capacity) {
			size := nodemodel.Size{Shape: shape.Name, Resources: shape.Resources, Region: domain.Region, Zone: domain.Zone}
			example := nodemodel.NewNode(p.MesosNodePool, "new", size)
			room := placement.Headroom{Count: placement.UnknownCount}
			if p.blockReason == "" {
				room = capacity.Headroom(nodemodel.Demand(example, roles, s.now))
				rooms = append(rooms, room)
			}
			object := s.forecast.Node(example)
			p.shapes = append(p.shapes, decision.Shape{
				Size: size, Node: object, Daemons: s.forecast.Daemons(example, object), Preference: shape.Preference,
				Room: room.Count, NearestMiss: room.Reason,
			})
		}
	}
	p.noRoom = noRoomReason(rooms)
}

// noRoomReason returns why there is room for nothing; empty if there is room for something,
// or may be.
func noRoomReason(rooms []placement.Headroom) string {
	var reasons []string
	for _, room := range rooms {
		if room.Count != 0 {
			return ""
		}
		if !slices.Contains(reasons, room.Reason) {
			reasons = append(reasons, room.Reason)
		}
	}
	return strings.Join(reasons, "; ")
}

// nodeShapes returns the shapes of a pool's template. A template that has resources instead
// has one shape without a name.
func nodeShapes(p *v1alpha1.MesosNodePool) []v1alpha1.NodeShape {
	spec := p.Spec.Template.Spec
	if len(spec.Shapes) == 0 {
		return []v1alpha1.NodeShape{{Resources: spec.Resources}}
	}
	return spec.Shapes
}
