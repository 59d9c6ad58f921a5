package autoscaler

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// verdictsAtOnce bounds how many nodes are told in one pass whether anybody would miss them.
const verdictsAtOnce = 100

// shrink removes the nodes that nobody needs. Where nodes were created a moment ago nothing
// is: the next look shows them.
func (r *Reconciler) shrink(ctx context.Context, p *pass) error {
	if p.grown {
		return nil
	}
	if r.memory == nil {
		r.memory = recalled(p.pools)
	}
	in := decision.ShrinkInput{Now: p.now, Cluster: r.mirror.cluster, Pending: p.pending, Budgets: p.budgets, NodeStates: r.memory}
	sizes := map[string]nodemodel.Size{}
	for _, pool := range p.pools {
		asked, err := r.askToShrink(ctx, p, pool, sizes)
		if err != nil {
			return err
		}
		for _, n := range pool.fleet.Alive {
			asked.Members = append(asked.Members, r.member(p, n, p.onNodes[n.Name]))
		}
		in.Pools = append(in.Pools, asked)
	}
	began := r.Now()
	plan := decision.Shrink(in)
	measureDecision("shrink", r.Now().Sub(began))
	r.memory, r.pasts = plan.NodeStates, plan.Histories
	if !plan.RecheckAt.IsZero() {
		p.lookAgain(max(plan.RecheckAt.Sub(p.now), settling))
	}
	p.plan.Launches = plan.Launches
	return errors.Join(r.launch(ctx, p, sizes), r.remove(ctx, p, plan.Removals), r.tell(ctx, p, plan.Verdicts))
}

// podsByNode has the pods that are on a node, or will be.
func (w *world) podsByNode() map[string][]*corev1.Pod {
	out := map[string][]*corev1.Pod{}
	for _, pod := range w.pods {
		if place := placeOf(pod); place != "" {
			out[place] = append(out[place], pod)
		}
	}
	return out
}

// recalled is what the nodes tell of what the last process remembered: since when nobody
// would have missed them.
func recalled(pools []*pool) decision.NodeStates {
	memory := decision.NodeStates{}
	for _, pool := range pools {
		for _, n := range pool.fleet.Alive {
			if c := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionDisruptable); c != nil && c.Status == metav1.ConditionTrue {
				memory[n.Name] = decision.NodeState{IdleSince: c.LastTransitionTime.Time}
			}
		}
	}
	return memory
}

// askToShrink describes a pool to the decider. Shapes matter only where there are several,
// of which one may do in another's stead.
func (r *Reconciler) askToShrink(ctx context.Context, p *pass, pool *pool, sizes map[string]nodemodel.Size) (decision.ShrinkPool, error) {
	down := pool.Spec.Autoscaling.ScaleDown
	out := decision.ShrinkPool{
		Pool:             r.limits(pool),
		OnlyEmpty:        down.ConsolidationPolicy == v1alpha1.WhenEmpty,
		ConsolidateAfter: duration(down.ConsolidateAfter), MinNodeLifetime: duration(down.MinNodeLifetime), AfterGrowth: duration(down.AfterGrowth),
		Budget:     intstr.FromString("10%"),
		LastGrowth: grown(pool), Leaving: len(pool.fleet.Leaving), History: r.pasts[pool.Name],
	}
	if down.UtilizationThreshold != nil {
		out.Threshold = *down.UtilizationThreshold
	}
	if down.Budget != nil {
		out.Budget = *down.Budget
	}
	if pool.Spec.Paused || !usable(pool) || unwell(p.pools, pool.Spec.FrameworkRef.Name) != "" {
		out.RemovalBlocked = pool.barred
	}
	if out.OnlyEmpty || out.RemovalBlocked != "" || len(pool.Spec.Template.Spec.Shapes) < 2 {
		return out, nil
	}
	var err error
	out.Shapes, err = r.shapes(ctx, p, pool, sizes)
	return out, err
}

// grown is when the pool last grew, as far as its nodes tell.
func grown(p *pool) time.Time {
	var last time.Time
	for _, nodes := range [][]*v1alpha1.MesosNode{p.fleet.Alive, p.fleet.Leaving} {
		for _, n := range nodes {
			if n.CreationTimestamp.After(last) {
				last = n.CreationTimestamp.Time
			}
		}
	}
	return last
}

func (r *Reconciler) member(p *pass, n *v1alpha1.MesosNode, pods []*corev1.Pod) decision.Member {
	object := p.nodes[n.Name]
	return decision.Member{
		Name: n.Name, Node: r.mirror.nodes[n.Name], Resources: taken(n), Created: n.CreationTimestamp.Time, Ready: nodemodel.IsReady(n),
		DoNotDisrupt: spared(n) || object != nil && spared(object), Pods: pods,
	}
}

func spared(o client.Object) bool {
	return o.GetAnnotations()[v1alpha1.AnnotationDoNotDisrupt] == "true"
}

// remove has nodes go, pool by pool.
func (r *Reconciler) remove(ctx context.Context, p *pass, removals []decision.Removal) error {
	var problems []error
	for _, pool := range p.pools {
		var nodes []*v1alpha1.MesosNode
		cause := ""
		for _, removal := range removals {
			if removal.Pool != pool.Name {
				continue
			}
			for _, n := range pool.fleet.Alive {
				if n.Name == removal.Node {
					nodes = append(nodes, n)
				}
			}
			if cause == "" {
				cause = removal.Node + ": " + removal.Cause + "."
			}
		}
		if len(nodes) == 0 {
			continue
		}
		removed, err := r.Nodes.Remove(ctx, pool.MesosNodePool, nodes)
		if err != nil {
			problems = append(problems, fmt.Errorf("removing nodes of pool %s: %w", pool.Name, err))
		}
		if removed > 0 {
			pool.decided(v1alpha1.AutoscalingShrink, removed, cause)
		}
	}
	return errors.Join(problems...)
}

// tell sets the condition Disruptable of the nodes, where it is another. One that changed
// meanwhile is told at the next look, which its change brings about.
func (r *Reconciler) tell(ctx context.Context, p *pass, verdicts []decision.Verdict) error {
	told := 0
	nodes := map[string]*v1alpha1.MesosNode{}
	for _, pool := range p.pools {
		for _, n := range pool.fleet.Alive {
			nodes[n.Name] = n
		}
	}
	for _, v := range verdicts {
		n := nodes[v.Node].DeepCopy()
		c := metav1.Condition{
			Type: v1alpha1.ConditionDisruptable, Status: metav1.ConditionFalse, Reason: v.Reason, Message: v.Message,
			ObservedGeneration: n.Generation, LastTransitionTime: metav1.NewTime(p.now),
		}
		if v.Disruptable {
			c.Status = metav1.ConditionTrue
		}
		if !meta.SetStatusCondition(&n.Status.Conditions, c) {
			continue
		}
		if told++; told > verdictsAtOnce {
			p.lookAgain(settling)
			return nil
		}
		err := r.Client.Status().Patch(ctx, n, client.MergeFromWithOptions(nodes[v.Node], client.MergeFromWithOptimisticLock{}))
		if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return fmt.Errorf("telling MesosNode %s whether it may go: %w", n.Name, err)
		}
	}
	return nil
}
