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
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/patch"
)

// The steps in this file let a node go, in the order of Reconciler.deletionSteps. Each returns
// nil when what it awaits has come about, and ends the reconcile otherwise: nothing is killed
// before the drain is over, and no Node is deleted while its task may run. Every step
// finds out by itself whether it is done: a reconcile may begin at any of them.

// checkFinalizer ends the reconcile when only the finalizers of others keep the record: k8sm
// has removed its own, and nothing is left to do.
func (r *Reconciler) checkFinalizer(_ context.Context, rc *reconcileContext) error {
	if controllerutil.ContainsFinalizer(rc.node, v1alpha1.FinalizerRelease) {
		return nil
	}
	rc.recordGone = true
	return errStop
}

// withdrawDemand withdraws the demand of a node that has no task, or whose task has ended: if the
// session has not learned that a launch that came to nothing is on record, it would try it again and
// again for a node that is gone. Should the session be writing an intent at this moment, one of the
// two writes meets a conflict: the finalizer is removed from the very record that this reconcile has
// read.
func (r *Reconciler) withdrawDemand(_ context.Context, rc *reconcileContext) error {
	if !rc.taskMayRun() && rc.session != nil {
		rc.session.WithdrawDemand(nodemodel.TaskID(rc.node, rc.node.Status.Attempt))
	}
	return nil
}

// forceRelease releases the node although Mesos has not confirmed that its task ended, if a
// person has set the annotation. If the task runs after all, it is killed.
func (r *Reconciler) forceRelease(_ context.Context, rc *reconcileContext) error {
	if !rc.taskMayRun() || rc.node.Annotations[v1alpha1.AnnotationForceRelease] != "true" {
		return nil
	}
	rc.forcedRelease = true
	if rc.session != nil {
		rc.session.Kill(rc.node.Status.Task.ID, rc.node.Status.Task.AgentID)
	}
	return nil
}

// cordon keeps new pods away.
func (r *Reconciler) cordon(ctx context.Context, rc *reconcileContext) error {
	if !rc.taskMayRun() || rc.forcedRelease {
		return nil
	}
	if rc.node.Status.DrainStartTime == nil {
		rc.node.Status.DrainStartTime = &metav1.Time{Time: rc.now}
		r.recordDrainingEvent(rc)
	}
	if !rc.hasCurrentNode() || rc.kubeNode.Spec.Unschedulable {
		return nil
	}
	if rc.condition(v1alpha1.ConditionDrained).Status == metav1.ConditionTrue {
		// It registered after it was found empty, or its cordon was removed. This
		// is written before the Node is cordoned: else the next reconcile would not know.
		rc.setAwaiting(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining, "Pods may have come to the Node since it was drained; it is drained once more.")
		rc.requeueWithin(time.Millisecond)
		return errStop
	}
	base := rc.kubeNode.DeepCopy()
	rc.kubeNode.Spec.Unschedulable = true
	if err := r.Client.Patch(ctx, rc.kubeNode, client.MergeFrom(base)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("cordoning Node %s: %w", rc.kubeNode.Name, err)
	}
	return nil
}

// killTask ends the task, and waits until Mesos confirms that it has ended.
func (r *Reconciler) killTask(_ context.Context, rc *reconcileContext) error {
	if !rc.taskMayRun() || rc.forcedRelease {
		return nil
	}
	task := rc.node.Status.Task
	if rc.session != nil {
		rc.addEffectWithoutError(func(context.Context) { rc.session.Kill(task.ID, task.AgentID) })
	}
	status, reason, message := describeAwaitedEnd(rc)
	rc.setAwaiting(v1alpha1.ConditionLaunched, status, reason, message)
	return errStop
}

// deleteNode deletes the Node, and waits until it is gone. Before the node is let go
// the API server is asked too: a Node that registered a moment ago must not stay behind.
func (r *Reconciler) deleteNode(ctx context.Context, rc *reconcileContext) error {
	object := rc.kubeNode
	if object == nil && rc.node.Status.Task != nil {
		var err error
		if object, err = r.readLiveNode(ctx, rc.node.Name); err != nil {
			return err
		}
	}
	if object == nil || nodemodel.AttemptOf(rc.node, object.Spec.ProviderID) == 0 {
		return nil
	}
	if err := r.deleteNodeObject(ctx, object); err != nil {
		return err
	}
	rc.setNotReady(v1alpha1.ReasonTerminating, "The task has ended; waiting for the Node to be deleted.")
	rc.requeueWithin(nodeDeletionPoll)
	return errStop
}

// revokeToken makes the bootstrap token useless, if the kubelet has not used it.
func (r *Reconciler) revokeToken(ctx context.Context, rc *reconcileContext) error {
	if err := r.Tokens.Revoke(ctx, rc.node); err != nil {
		return fmt.Errorf("revoking the bootstrap token: %w", err)
	}
	return nil
}

// removeFinalizer removes the finalizer from the very record that this reconcile went by: if
// it has changed since, that is a conflict, and the reconcile is repeated.
func (r *Reconciler) removeFinalizer(ctx context.Context, rc *reconcileContext) error {
	switch err := patch.RemoveFinalizer(ctx, r.Client, rc.before, v1alpha1.FinalizerRelease); {
	case err == nil:
		r.recordReleasedEvent(rc)
	case client.IgnoreNotFound(err) != nil:
		return err
	}
	rc.recordGone = true
	return nil
}

// nodeDeletionPoll is the time after which a Node that is being deleted is read again, should
// the event of its end have come before its deletion was asked for.
const nodeDeletionPoll = 2 * time.Second

// setAwaiting sets a condition to what the node's release waits for, and Ready to the same.
func (rc *reconcileContext) setAwaiting(kind string, status metav1.ConditionStatus, reason, message string) {
	rc.setCondition(kind, status, reason, message)
	rc.setNotReady(reason, message)
}

// describeAwaitedEnd returns what the end of the task waits for, and what a person can do.
func describeAwaitedEnd(rc *reconcileContext) (metav1.ConditionStatus, string, string) {
	task := rc.node.Status.Task
	remedy := fmt.Sprintf(" If agent %s is known to no longer exist, annotate this MesosNode with %s=true.", nodemodel.AgentName(task), v1alpha1.AnnotationForceRelease)
	switch {
	case rc.framework == nil:
		return metav1.ConditionUnknown, v1alpha1.ReasonWaitingForFramework, fmt.Sprintf(
			"There is no MesosFramework %q that could confirm that task %s ended.", rc.node.Spec.FrameworkRef.Name, task.ID) + remedy
	case rc.session == nil || !rc.session.Ready():
		return metav1.ConditionUnknown, v1alpha1.ReasonWaitingForFramework, fmt.Sprintf(
			"Waiting for Mesos to confirm that task %s ended. %s", task.ID, describeFrameworkNotReady(rc.framework)) + remedy
	case nodemodel.IsUnreachable(task):
		return metav1.ConditionUnknown, v1alpha1.ReasonTaskUnreachable, fmt.Sprintf(
			"Agent %s is cut off from the Mesos master (%s): its task is killed when it comes back.", nodemodel.AgentName(task), task.State) + remedy
	}
	return metav1.ConditionFalse, v1alpha1.ReasonTerminating, fmt.Sprintf(
		"Task %s on agent %s is being killed; waiting for Mesos to confirm that it ended.", task.ID, nodemodel.AgentName(task))
}

// isKubeletSilent reports whether the control plane has not heard from the kubelet lately.
func isKubeletSilent(object *corev1.Node) bool {
	return object != nil && nodemodel.KubeletReady(object).Status == corev1.ConditionUnknown
}
