package disruption

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruption/replacement"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/patch"
)

// writeDisruptable writes the condition Disruptable of nodes that are to be replaced and are still
// there, and removes it from nodes that may stay. In pools with autoscaling the autoscaler is the
// only writer of the condition. Left is true if there are more.
func (r *Reconciler) writeDisruptable(ctx context.Context, o *observation, plan replacement.Plan) (left bool, err error) {
	if o.pool.Spec.Autoscaling != nil || !o.isPaused() && o.blocked() == justChanged {
		return false, nil // in a moment the obstacle is another one
	}
	written := 0
	for _, n := range o.nodes.Alive {
		wanted := o.disruptable(n, plan)
		has := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionDisruptable)
		if isSame(has, wanted) {
			continue
		}
		if written == batchSize {
			return true, nil
		}
		after := n.DeepCopy()
		if wanted == nil {
			meta.RemoveStatusCondition(&after.Status.Conditions, v1alpha1.ConditionDisruptable)
		} else {
			meta.SetStatusCondition(&after.Status.Conditions, *wanted)
		}
		switch err := patch.Status(ctx, r.Client, n, after); {
		case err == nil:
			written++
		case !apierrors.IsConflict(err) && !apierrors.IsNotFound(err):
			return false, fmt.Errorf("setting condition %s of MesosNode %s: %w", v1alpha1.ConditionDisruptable, n.Name, err)
		}
	}
	return false, nil
}

// isSame reports whether two conditions, nil for none, say the same.
func isSame(a, b *metav1.Condition) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Status == b.Status && a.Reason == b.Reason && a.Message == b.Message
}

// disruptable returns the condition that a node should have; nil for none.
func (o *observation) disruptable(n *v1alpha1.MesosNode, plan replacement.Plan) *metav1.Condition {
	c, candidate := o.causes[n.Name]
	if !candidate {
		return nil
	}
	has := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionDisruptable)
	wait, known := plan.Waiting[n.Name]
	switch {
	case o.isPaused():
		wait = replacement.Wait{Message: "the pool, or its rollout, is paused"}
	case !known:
		return has // it is being removed
	case wait.Obstacle == replacement.ObstacleTurn && has != nil && has.Reason == v1alpha1.ReasonPodHoldsNode:
		// While it is not this node's turn its pods are not looked at. What held it last is the
		// better answer, and it is not written anew for each node that is replaced before it.
		return has
	}
	return &metav1.Condition{
		Type: v1alpha1.ConditionDisruptable, Status: metav1.ConditionFalse, Reason: o.waitReason(n, wait.Obstacle),
		Message:            messages.Truncate(fmt.Sprintf("%s To be replaced (%s). It waits: %s.", sentence(c.text), c.reason, wait.Message), messages.MaxCondition),
		ObservedGeneration: n.Generation, LastTransitionTime: metav1.NewTime(o.now),
	}
}

// waitReason returns the reason of the condition of a node that meets an obstacle.
func (o *observation) waitReason(n *v1alpha1.MesosNode, obstacle replacement.Obstacle) string {
	if o.isPaused() {
		return v1alpha1.ReasonRolloutPaused
	}
	switch obstacle {
	case replacement.ObstacleBudget:
		return v1alpha1.ReasonWaitingForBudget
	case replacement.ObstacleCapacity:
		return v1alpha1.ReasonWaitingForCapacity
	case replacement.ObstacleBlocked:
		return v1alpha1.ReasonCreationBlocked
	case replacement.ObstacleHeld:
		if n.Annotations[v1alpha1.AnnotationDoNotDisrupt] == "true" {
			return v1alpha1.ReasonDoNotDisrupt
		}
		return v1alpha1.ReasonPodHoldsNode
	}
	return v1alpha1.ReasonWaitingForReplacement
}
