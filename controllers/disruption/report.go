package disruption

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruption/replacement"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/patch"
)

// writeStatus writes the part of the pool's status that this controller is responsible for.
func (r *Reconciler) writeStatus(ctx context.Context, o *observation, plan replacement.Plan, limit string) error {
	setGauges(o)
	after := o.pool.DeepCopy()
	after.Status.CurrentRevision = string(o.revision)
	after.Status.UpdatedReplicas = int32(o.countUpdated())
	after.Status.OutdatedReplicas = int32(len(o.nodes.Alive)) - after.Status.UpdatedReplicas
	condition := o.upToDate(plan, limit)
	after.Status.LastProgressTime = o.progressTime(condition)
	if condition.Reason == v1alpha1.ReasonReplacing || condition.Reason == v1alpha1.ReasonWaitingForCapacity {
		o.checkProgress(after.Status.LastProgressTime, &condition)
	}
	meta.SetStatusCondition(&after.Status.Conditions, condition)
	if equality.Semantic.DeepEqual(o.pool.Status, after.Status) {
		return nil
	}
	if err := patch.Status(ctx, r.Client, o.pool, after); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing status: %w", err)
	}
	r.recordConditionEvent(after, meta.FindStatusCondition(o.pool.Status.Conditions, v1alpha1.ConditionUpToDate), condition)
	return nil
}

// countUpdated counts the nodes that are of the current revision. A node that is about to be
// labelled counts.
func (o *observation) countUpdated() int {
	count := 0
	for _, n := range o.nodes.Alive {
		if o.revision == "" || n.Labels[v1alpha1.LabelRevision] == string(o.revision) || o.isToBeLabelled(n) {
			count++
		}
	}
	return count
}

// upToDate returns the condition UpToDate.
func (o *observation) upToDate(plan replacement.Plan, limit string) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionUpToDate, Status: metav1.ConditionFalse,
		ObservedGeneration: o.pool.Generation, LastTransitionTime: metav1.NewTime(o.now),
	}
	updated, total := o.countUpdated(), len(o.nodes.Alive)
	progress := fmt.Sprintf("%d of %s up to date", updated, messages.Count(total, "node is", "nodes are"))
	if plan.Candidates > 0 {
		progress += fmt.Sprintf(", and %s to be replaced (%s)", messages.Count(plan.Candidates, "is", "are"), o.describeCauses())
	}
	problem := o.budgets.Problem()
	switch {
	case problem != "":
		c.Reason, c.Message = v1alpha1.ReasonBudgetInvalid, messages.Sentences(progress, sentence(problem)+" No node is removed for the reasons of this budget.")
	case plan.Candidates == 0 && updated == total:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonUpToDate, progress+"."
	case plan.Candidates == 0 && o.pool.Spec.Rollout.Strategy == v1alpha1.OnDelete:
		c.Reason, c.Message = v1alpha1.ReasonOnDelete, progress+". spec.rollout.strategy is OnDelete: outdated nodes stay until they are deleted."
	case plan.Candidates == 0:
		c.Reason, c.Message = v1alpha1.ReasonReplacing, progress+". The kubelets of the others are exchanged in place; the condition KubeletCurrent has the progress."
	case o.isPaused():
		c.Reason, c.Message = v1alpha1.ReasonRolloutPaused, progress+". The pool, or its rollout, is paused."
	default:
		c.Reason, c.Message = reasonOf(plan), messages.Sentences(progress, o.describeStep(plan, limit))
	}
	c.Message = messages.Truncate(c.Message, messages.MaxCondition)
	return c
}

// reasonOf returns the reason of the condition while nodes are to be replaced. As long as something
// is being done, that is the reason.
func reasonOf(plan replacement.Plan) string {
	if len(plan.Create)+len(plan.Remove) > 0 {
		return v1alpha1.ReasonReplacing
	}
	switch plan.Obstacle {
	case replacement.ObstacleBudget, replacement.ObstacleHeld:
		return v1alpha1.ReasonWaitingForBudget
	case replacement.ObstacleCapacity:
		return v1alpha1.ReasonWaitingForCapacity
	case replacement.ObstacleBlocked:
		return v1alpha1.ReasonCreationBlocked
	}
	return v1alpha1.ReasonReplacing
}

// describeStep returns what is waited for, in a sentence.
func (o *observation) describeStep(plan replacement.Plan, limit string) string {
	if pairs := o.nodes.Replaced(); len(pairs) > 0 && plan.Obstacle != replacement.ObstacleCapacity {
		for _, old := range slices.Sorted(maps.Keys(pairs)) {
			successor := pairs[old]
			if ready := nodemodel.Condition(successor, v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue {
				return fmt.Sprintf("%s is to take the place of %s and is not ready (%s)", successor.Name, old, ready.Reason)
			}
		}
	}
	if limit != "" {
		return sentence(limit)
	}
	if plan.Message != "" {
		return sentence(plan.Message)
	}
	return ""
}

// describeCauses counts the nodes to be replaced by reason: "3 Outdated, 1 Expired".
func (o *observation) describeCauses() string {
	counts := map[string]int{}
	for _, c := range o.causes {
		counts[string(c.reason)]++
	}
	text := ""
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%d %s", counts[reason], reason)
	}
	return text
}

// progressTime returns when the replacement of nodes began, or went on after it had been held
// back; nil while it is done or held back.
func (o *observation) progressTime(c metav1.Condition) *metav1.Time {
	if c.Reason != v1alpha1.ReasonReplacing && c.Reason != v1alpha1.ReasonWaitingForCapacity {
		return nil
	}
	if o.pool.Status.LastProgressTime != nil && o.pool.Status.CurrentRevision == string(o.revision) {
		return o.pool.Status.LastProgressTime
	}
	return &metav1.Time{Time: o.now.Truncate(time.Second)}
}

// checkProgress changes the condition if no node has become up to date for too long.
func (o *observation) checkProgress(since *metav1.Time, c *metav1.Condition) {
	deadline := o.pool.Spec.Rollout.ProgressDeadline
	if deadline == nil || since == nil {
		return
	}
	last := since.Time
	for _, n := range o.nodes.Alive {
		if _, candidate := o.causes[n.Name]; !candidate && nodemodel.IsReady(n) {
			if ready := nodemodel.Condition(n, v1alpha1.ConditionReady).LastTransitionTime.Time; ready.After(last) {
				last = ready
			}
		}
	}
	due := last.Add(deadline.Duration)
	if o.now.Before(due) {
		if o.nextCause.IsZero() || due.Before(o.nextCause) {
			o.nextCause = due
		}
		return
	}
	c.Reason = v1alpha1.ReasonProgressDeadlineExceeded
	c.Message = messages.Truncate(fmt.Sprintf("No further node became up to date since %s, for longer than %s. %s",
		last.UTC().Format(time.RFC3339), deadline.Duration, c.Message), messages.MaxCondition)
}

// recordReplacedEvent records which nodes are removed, and why.
func (r *Reconciler) recordReplacedEvent(pool *v1alpha1.MesosNodePool, plan replacement.Plan, removed []string) {
	if len(removed) == 0 {
		return
	}
	for _, removal := range plan.Remove {
		if removal.Name == removed[0] {
			note := fmt.Sprintf("Replacing %s: %s.", messages.List(removed, ", ", 3), removal.Cause)
			r.Recorder.Eventf(pool, nil, corev1.EventTypeNormal, v1alpha1.EventNodeReplaced, "Replace", "%s", messages.Truncate(note, messages.MaxEvent))
			return
		}
	}
}

// recordConditionEvent records that the rollout is stuck, or that a budget is of no use.
func (r *Reconciler) recordConditionEvent(pool *v1alpha1.MesosNodePool, before *metav1.Condition, now metav1.Condition) {
	if before != nil && before.Reason == now.Reason {
		return
	}
	if now.Reason == v1alpha1.ReasonProgressDeadlineExceeded || now.Reason == v1alpha1.ReasonBudgetInvalid {
		r.Recorder.Eventf(pool, nil, corev1.EventTypeWarning, now.Reason, "Replace", "%s", messages.Truncate(now.Message, messages.MaxEvent))
	}
}
