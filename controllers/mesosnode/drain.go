package mesosnode

import (
	"context"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// drain evicts the node's pods until none is left, or the time for it is up. Once
// over, it is not begun again.
func (r *Reconciler) drain(ctx context.Context, rc *reconcileContext) error {
	was := rc.condition(v1alpha1.ConditionDrained)
	over := was.Status == metav1.ConditionTrue || was.Reason == v1alpha1.ReasonDrainTimedOut
	if over || !rc.taskMayRun() || rc.forcedRelease || rc.hasForeignNode() {
		return nil
	}
	limits := r.drainLimits(rc)
	if limits.HavePassed(rc.now) {
		rc.setCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDrainTimedOut, fmt.Sprintf(
			"%s, and the node is removed with the pods that are left on it. %s", limits.Why, was.Message))
		return nil
	}
	hooks := rc.hooks(v1alpha1.AnnotationPreDrainHook)
	plan, err := r.drainer.Plan(ctx, rc.node.Name, rc.drainOptions(limits, hooks))
	if err != nil {
		return err
	}
	if len(plan.Uncontrolled) > 0 {
		r.recordUncontrolledEvent(ctx, rc, plan.Uncontrolled)
	}
	result := r.drainer.Execute(ctx, plan, rc.now)
	rc.setDrainStage(plan.Stage)
	since := rc.now.Sub(rc.node.Status.DrainStartTime.Time)
	if result.Done() && len(hooks) == 0 {
		rc.setCondition(v1alpha1.ConditionDrained, metav1.ConditionTrue, v1alpha1.ReasonDrained, result.String())
		r.observeDrained(rc, since)
		return nil
	}
	reason, message := v1alpha1.ReasonDraining, result.String()
	if len(hooks) > 0 {
		reason, message = v1alpha1.ReasonWaitingForHook, describeHooks("drain", hooks)+" "+message
	} else if held := result.Held(); held != "" && !strings.Contains(was.Message, held) {
		r.recordEvictionBlockedEvent(rc, result)
	}
	rc.setAwaiting(v1alpha1.ConditionDrained, metav1.ConditionFalse, reason, message+describeLimit(limits))
	rc.requeueWithin(drainPollInterval(since))
	rc.requeueAt(result.Next)
	rc.requeueAt(limits.End)
	return errStop
}

// awaitTerminateHooks keeps the task of a drained node alive while a hook holds it.
func (r *Reconciler) awaitTerminateHooks(_ context.Context, rc *reconcileContext) error {
	hooks := rc.hooks(v1alpha1.AnnotationPreTerminateHook)
	if len(hooks) == 0 || !rc.taskMayRun() || rc.isBeingKilled() || rc.forcedRelease {
		return nil
	}
	limits := r.drainLimits(rc)
	if limits.HavePassed(rc.now) {
		return nil
	}
	rc.setNotReady(v1alpha1.ReasonWaitingForHook, describeHooks("end of the task", hooks)+describeLimit(limits))
	rc.requeueAt(limits.End)
	return errStop
}

// drainOptions are what the drain goes by.
func (rc *reconcileContext) drainOptions(limits drain.Limits, hooks []string) drain.Options {
	o := drain.Options{
		Now: rc.now, KubeletSilent: isKubeletSilent(rc.kubeNode), Began: rc.node.Status.DrainStartTime.Time,
		Policy: drain.NewPolicy(rc.drainSettings()), Limits: limits, Involuntary: rc.isEnding(),
	}
	if len(hooks) > 0 {
		o.Hook = drain.DescribeHooks(hooks)
	}
	if stage := rc.node.Status.DrainStage; stage != nil {
		o.Stage = drain.Stage{Order: stage.Order, MinPriority: stage.MinPriority, Since: stage.StartTime.Time}
	}
	return o
}

// setDrainStage records the stage: its time goes on when the operator is restarted.
func (rc *reconcileContext) setDrainStage(stage drain.Stage) {
	rc.node.Status.DrainStage = nil
	if !stage.Since.IsZero() {
		rc.node.Status.DrainStage = &v1alpha1.DrainStage{Order: stage.Order, MinPriority: stage.MinPriority, StartTime: metav1.NewTime(stage.Since)}
	}
}

// hooks are the annotations with the prefix. None counts while the task ends, because nobody can
// hold that up.
func (rc *reconcileContext) hooks(prefix string) []string {
	if rc.isEnding() {
		return nil
	}
	return drain.Hooks(rc.node.Annotations, prefix)
}

// isEnding reports whether the task ends at any moment, as when Mesos drains the agent.
func (rc *reconcileContext) isEnding() bool {
	return rc.taskMayRun() && scheduler.TaskState(rc.node.Status.Task.State) == scheduler.TaskKilling
}

// isBeingKilled reports whether the task is known to be ended by k8sm or by Mesos.
func (rc *reconcileContext) isBeingKilled() bool {
	return rc.condition(v1alpha1.ConditionLaunched).Reason == v1alpha1.ReasonTerminating
}

func describeHooks(what string, hooks []string) string {
	return fmt.Sprintf("The %s waits for %s: %s. Whoever set an annotation removes it from the MesosNode when the node may go.",
		what, messages.Count(len(hooks), "annotation", "annotations"), messages.List(hooks, ", ", namedPods))
}

// describeLimit returns when the wait ends in any case; empty for never.
func describeLimit(limits drain.Limits) string {
	if limits.End.IsZero() {
		return ""
	}
	return fmt.Sprintf(" The node is removed at %s at the latest.", limits.End.UTC().Format(time.RFC3339))
}

// namedPods is the maximum number of pods, or of hooks, that a message names.
const namedPods = 10

// drainPollInterval is the time that pods have to end before they are listed again: the longer
// a drain takes, the less it matters.
func drainPollInterval(since time.Duration) time.Duration {
	switch {
	case since < 30*time.Second:
		return 2 * time.Second
	case since < 5*time.Minute:
		return 5 * time.Second
	}
	return 15 * time.Second
}

// requeueAt has the node reconciled again at a time; zero stands for never.
func (rc *reconcileContext) requeueAt(at time.Time) {
	if !at.IsZero() {
		rc.requeueWithin(at.Sub(rc.now))
	}
}
