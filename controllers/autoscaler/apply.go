package autoscaler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/patch"
	"github.com/k8sm/k8sm/controllers/poolnodes"
)

// conditionsPerCycle bounds the number of nodes whose condition Disruptable is written in one
// cycle.
const conditionsPerCycle = 100

// outcome is what apply did.
type outcome struct {
	// decisions has, by the name of the pool, the last thing that was done about it.
	decisions map[string]*v1alpha1.AutoscalingDecision
	// conditionsLeft: conditions are left to be written in the next cycle.
	conditionsLeft bool
	// recheckIn is the time after which nodes that are cordoned can be removed, 0 for none.
	recheckIn time.Duration
}

// record notes what was done about a pool, for its status.
func (o *outcome) record(pool string, action v1alpha1.AutoscalingAction, nodes int, cause string) {
	o.decisions[pool] = &v1alpha1.AutoscalingDecision{Action: action, Nodes: int32(nodes), Cause: cause}
}

// apply does what was decided: it removes the nodes that are given up, creates the nodes that
// pods need, creates smaller nodes for larger ones, cordons the nodes that are not needed and
// removes the ones that were cordoned before, and sets the condition Disruptable. What fails is
// decided on again in the next cycle.
func (r *Reconciler) apply(ctx context.Context, s *Snapshot, growth decision.GrowPlan, shrinkage decision.ShrinkPlan) (*outcome, error) {
	out := &outcome{decisions: map[string]*v1alpha1.AutoscalingDecision{}}
	if err := r.removeAbandoned(ctx, s, out); err != nil {
		return nil, err
	}
	if err := r.createNodes(ctx, s, growth.Launches, out); err != nil {
		return nil, err
	}
	if shrinkage.NodeStates == nil {
		return out, r.uncordonOthers(ctx, s, nil) // nothing was decided
	}
	r.state.nodeStates, r.state.histories = shrinkage.NodeStates, shrinkage.Histories
	removals, cordonErr := r.cordon(ctx, s, shrinkage.Removals, out)
	err := errors.Join(
		r.createNodes(ctx, s, shrinkage.Launches, out),
		cordonErr,
		r.uncordonOthers(ctx, s, shrinkage.Removals),
		r.removeNodes(ctx, s, removals, out),
		r.patchConditions(ctx, s, shrinkage.Verdicts, out),
	)
	return out, err
}

// removeAbandoned removes the nodes that did not become ready, and makes their pools back
// off.
func (r *Reconciler) removeAbandoned(ctx context.Context, s *Snapshot, out *outcome) error {
	for _, p := range s.pools {
		if len(p.abandoned) == 0 {
			continue
		}
		r.state.failures[p.Name] = p.failure
		if _, err := r.Nodes.Remove(ctx, p.MesosNodePool, p.abandoned); err != nil {
			return fmt.Errorf("giving up nodes of pool %s: %w", p.Name, err)
		}
		out.record(p.Name, v1alpha1.AutoscalingShrink, len(p.abandoned), "Nodes did not become ready: "+p.failure.Reason)
	}
	return nil
}

// createNodes creates nodes, pool by pool, and remembers for which pods.
func (r *Reconciler) createNodes(ctx context.Context, s *Snapshot, launches []decision.Launch, out *outcome) error {
	var problems []error
	for _, p := range s.pools {
		var sizes []nodemodel.Size
		var wanted []decision.Launch
		for _, l := range launches {
			if l.Pool == p.Name {
				sizes, wanted = append(sizes, l.Size), append(wanted, l)
			}
		}
		if len(wanted) == 0 {
			continue
		}
		names, err := r.Nodes.Create(ctx, p.MesosNodePool, sizes)
		if err != nil {
			problems = append(problems, fmt.Errorf("creating nodes of pool %s: %w", p.Name, err))
		}
		created, pods := 0, 0
		for i, name := range names {
			if name == "" {
				continue
			}
			created++
			pods += len(wanted[i].Pods)
			for _, pod := range wanted[i].Pods {
				r.state.owners.RecordNode(pod, name)
				r.recordTriggeredEvent(pod, p.Name, name)
			}
		}
		out.record(p.Name, v1alpha1.AutoscalingGrow, created, growthCause(pods, p))
	}
	return errors.Join(problems...)
}

// growthCause returns why nodes of a pool were created.
func growthCause(pods int, p *pool) string {
	if pods == 0 {
		return fmt.Sprintf("The pool had fewer nodes than its minReplicas, %d.", p.Spec.Autoscaling.MinReplicas)
	}
	return fmt.Sprintf("%d pods were unschedulable.", pods)
}

// removeNodes removes nodes, pool by pool. The cause is that of a pool's first removal.
func (r *Reconciler) removeNodes(ctx context.Context, s *Snapshot, removals []decision.Removal, out *outcome) error {
	var problems []error
	for _, p := range s.pools {
		var candidates []poolnodes.Candidate
		cause := ""
		for _, removal := range removals {
			if removal.Pool != p.Name {
				continue
			}
			i := slices.IndexFunc(p.alive, func(n *v1alpha1.MesosNode) bool { return n.Name == removal.Node })
			if i < 0 {
				continue
			}
			candidates = append(candidates, poolnodes.Candidate{Node: p.alive[i], Reason: removal.Reason})
			if cause == "" {
				cause = removal.Node + ": " + removal.Cause + "."
			}
		}
		if len(candidates) == 0 {
			continue
		}
		disrupted, err := r.Nodes.Disrupt(ctx, p.MesosNodePool, candidates)
		if err != nil {
			problems = append(problems, fmt.Errorf("removing nodes of pool %s: %w", p.Name, err))
		}
		if removed := len(disrupted.Removed); removed > 0 {
			r.state.histories[p.Name] = r.state.histories[p.Name].WithRemoval(removed, s.now)
			out.record(p.Name, v1alpha1.AutoscalingShrink, removed, cause)
		}
	}
	return errors.Join(problems...)
}

// patchConditions sets the condition Disruptable of the nodes for which it changes. A node
// that another writer changed meanwhile is left to the next cycle, which its change causes.
func (r *Reconciler) patchConditions(ctx context.Context, s *Snapshot, verdicts []decision.Verdict, out *outcome) error {
	nodes := map[string]*v1alpha1.MesosNode{}
	for _, p := range s.pools {
		for _, n := range p.alive {
			nodes[n.Name] = n
		}
	}
	patched := 0
	for _, v := range verdicts {
		n := nodes[v.Node].DeepCopy()
		if !meta.SetStatusCondition(&n.Status.Conditions, disruptableCondition(n, v, metav1.NewTime(s.now))) {
			continue
		}
		if patched++; patched > conditionsPerCycle {
			out.conditionsLeft = true
			return nil
		}
		err := patch.Status(ctx, r.Client, nodes[v.Node], n)
		if err != nil && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return fmt.Errorf("setting condition %s of MesosNode %s: %w", v1alpha1.ConditionDisruptable, n.Name, err)
		}
	}
	return nil
}

func disruptableCondition(n *v1alpha1.MesosNode, v decision.Verdict, now metav1.Time) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionDisruptable, Status: metav1.ConditionFalse, Reason: v.Reason, Message: v.Message,
		ObservedGeneration: n.Generation, LastTransitionTime: now,
	}
	if v.Disruptable {
		c.Status = metav1.ConditionTrue
	}
	return c
}
