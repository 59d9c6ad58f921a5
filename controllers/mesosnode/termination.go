package mesosnode

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// The steps in this file let a node go, in the order of Reconciler.leaving. Each passes
// when what it awaits has come about, and ends the pass otherwise: nothing is killed
// before the drain is over, and no Node is deleted while its task may run. Every step
// finds out by itself whether it is done: a pass may begin at any of them.

// held ends the pass when the record is kept by the finalizers of others alone: ours is
// off, and all is done.
func (r *Reconciler) held(_ context.Context, p *pass) error {
	if controllerutil.ContainsFinalizer(p.node, v1alpha1.FinalizerRelease) {
		return nil
	}
	p.gone = true
	return errStop
}

// withdraw takes back the demand of a node that has no task. Should the session be
// writing an intent at this moment, one of the two writes meets a conflict: the record
// that release lets go is the one this pass has read.
func (r *Reconciler) withdraw(_ context.Context, p *pass) error {
	if p.node.Status.Task == nil && p.session != nil {
		p.session.WithdrawDemand(nodemodel.TaskID(p.node, p.node.Status.Attempt))
	}
	return nil
}

// force takes a person's word that the node may go although Mesos has not confirmed
// that its task ended. Should the task run after all, it is told to end.
func (r *Reconciler) force(_ context.Context, p *pass) error {
	if !p.mayRun() || p.node.Annotations[v1alpha1.AnnotationForceRelease] != "true" {
		return nil
	}
	p.forced = true
	if p.session != nil {
		p.session.Kill(p.node.Status.Task.ID, p.node.Status.Task.AgentID)
	}
	return nil
}

// cordon keeps new pods away.
func (r *Reconciler) cordon(ctx context.Context, p *pass) error {
	if !p.mayRun() || p.forced {
		return nil
	}
	if p.node.Status.DrainStartTime == nil {
		p.node.Status.DrainStartTime = &metav1.Time{Time: p.now}
		r.toldDraining(p)
	}
	if !p.ours() || p.object.Spec.Unschedulable {
		return nil
	}
	if p.condition(v1alpha1.ConditionDrained).Status == metav1.ConditionTrue {
		// It registered after it was found empty, or somebody took the cordon off. This
		// is written before the Node is cordoned: else the next pass would not know.
		p.await(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining, "Pods may have come to the Node since it was drained; it is drained once more.")
		p.again(time.Millisecond)
		return errStop
	}
	base := p.object.DeepCopy()
	p.object.Spec.Unschedulable = true
	if err := r.Client.Patch(ctx, p.object, client.MergeFrom(base)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("cordoning Node %s: %w", p.object.Name, err)
	}
	return nil
}

// drain evicts the node's pods until none is left, or the time for it is up. Once
// over, it is not begun again.
func (r *Reconciler) drain(ctx context.Context, p *pass) error {
	was := p.condition(v1alpha1.ConditionDrained)
	over := was.Status == metav1.ConditionTrue || was.Reason == v1alpha1.ReasonDrainTimedOut
	if over || !p.mayRun() || p.forced || p.foreign() {
		return nil
	}
	since := p.now.Sub(p.node.Status.DrainStartTime.Time)
	deadline, why := r.deadline(p)
	if !deadline.IsZero() && !p.now.Before(deadline) {
		p.set(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDrainTimedOut, fmt.Sprintf(
			"%s, and the node goes with the pods that are left on it. %s", why, was.Message))
		return nil
	}
	result, err := r.drainer.Drain(ctx, p.node.Name, drain.Options{Now: p.now, KubeletSilent: kubeletSilent(p.object)})
	if err != nil {
		return err
	}
	if result.Done() {
		p.set(v1alpha1.ConditionDrained, metav1.ConditionTrue, v1alpha1.ReasonDrained, result.String())
		r.toldDrained(p, since)
		return nil
	}
	if len(result.Held) > 0 && was.Message != result.String() {
		r.toldHeld(p, result)
	}
	p.await(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining, result.String())
	p.again(drainPoll(since))
	if !deadline.IsZero() {
		p.again(deadline.Sub(p.now))
	}
	return errStop
}

// kill ends the task, and waits until Mesos confirms that it has ended.
func (r *Reconciler) kill(_ context.Context, p *pass) error {
	if !p.mayRun() || p.forced {
		return nil
	}
	task := p.node.Status.Task
	if p.session != nil {
		p.do(func(context.Context) { p.session.Kill(task.ID, task.AgentID) })
	}
	status, reason, message := awaitedEnd(p)
	p.await(v1alpha1.ConditionLaunched, status, reason, message)
	return errStop
}

// deleteNode deletes the Node, and waits until it is gone. Before the node is let go
// the API server is asked too: a Node that registered a moment ago must not stay behind.
func (r *Reconciler) deleteNode(ctx context.Context, p *pass) error {
	object := p.object
	if object == nil && p.node.Status.Task != nil {
		var err error
		if object, err = r.liveNode(ctx, p.node.Name); err != nil {
			return err
		}
	}
	if object == nil || nodemodel.AttemptOf(p.node, object.Spec.ProviderID) == 0 {
		return nil
	}
	if err := r.removeNode(ctx, object); err != nil {
		return err
	}
	p.notReady(v1alpha1.ReasonTerminating, "The task has ended; waiting for the Node to be deleted.")
	p.again(nodeGonePoll)
	return errStop
}

// revoke makes the bootstrap token useless, if the kubelet has not used it.
func (r *Reconciler) revoke(ctx context.Context, p *pass) error {
	if err := r.Tokens.Revoke(ctx, p.node); err != nil {
		return fmt.Errorf("revoking the bootstrap token: %w", err)
	}
	return nil
}

// release removes the finalizer from the very record that this pass went by: if it has
// changed, the pass is made again.
func (r *Reconciler) release(ctx context.Context, p *pass) error {
	released := p.before.DeepCopy()
	controllerutil.RemoveFinalizer(released, v1alpha1.FinalizerRelease)
	patch := client.MergeFromWithOptions(p.before, client.MergeFromWithOptimisticLock{})
	switch err := r.Client.Patch(ctx, released, patch); {
	case err == nil:
		r.toldReleased(p)
	case client.IgnoreNotFound(err) != nil:
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	p.gone = true
	return nil
}

// nodeGonePoll is when the deletion of a Node is looked at again, should the event of
// its end have come before its deletion was asked for.
const nodeGonePoll = 2 * time.Second

// await sets a condition to what the node's end waits for, and Ready to the same.
func (p *pass) await(kind string, status metav1.ConditionStatus, reason, message string) {
	p.set(kind, status, reason, message)
	p.notReady(reason, message)
}

// awaitedEnd tells what the end of the task waits for, and what a person can do.
func awaitedEnd(p *pass) (metav1.ConditionStatus, string, string) {
	task := p.node.Status.Task
	remedy := fmt.Sprintf(" If agent %s is known to be gone for good, annotate this MesosNode with %s=true.", nodemodel.AgentName(task), v1alpha1.AnnotationForceRelease)
	switch {
	case p.framework == nil:
		return metav1.ConditionUnknown, v1alpha1.ReasonWaitingForFramework, fmt.Sprintf(
			"There is no MesosFramework %q: nobody can confirm that task %s ended.", p.node.Spec.FrameworkRef.Name, task.ID) + remedy
	case p.session == nil || !p.session.Ready():
		return metav1.ConditionUnknown, v1alpha1.ReasonWaitingForFramework, fmt.Sprintf(
			"Waiting for Mesos to confirm that task %s ended. %s", task.ID, notReady(p.framework)) + remedy
	case nodemodel.IsUnreachable(task):
		return metav1.ConditionUnknown, v1alpha1.ReasonTaskUnreachable, fmt.Sprintf(
			"Agent %s is cut off from the Mesos master (%s): its task is killed when it comes back.", nodemodel.AgentName(task), task.State) + remedy
	}
	return metav1.ConditionFalse, v1alpha1.ReasonTerminating, fmt.Sprintf(
		"Task %s on agent %s was told to end; waiting for Mesos to confirm.", task.ID, nodemodel.AgentName(task))
}

// drainPoll is how long to let pods end before they are looked at again: the longer a
// drain takes, the less it matters.
func drainPoll(since time.Duration) time.Duration {
	switch {
	case since < 30*time.Second:
		return 2 * time.Second
	case since < 5*time.Minute:
		return 5 * time.Second
	}
	return 15 * time.Second
}

// kubeletSilent tells whether the control plane has not heard from the kubelet lately.
func kubeletSilent(object *corev1.Node) bool {
	return object != nil && nodemodel.KubeletReady(object).Status == corev1.ConditionUnknown
}
