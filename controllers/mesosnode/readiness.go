package mesosnode

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// summarize is responsible for the condition Ready: it has the first obstacle or, without
// one, what the kubelet reports of its Node.
func (r *Reconciler) summarize(_ context.Context, rc *reconcileContext) error {
	launched := rc.condition(v1alpha1.ConditionLaunched)
	registered := rc.condition(v1alpha1.ConditionRegistered)
	ready := nodemodel.KubeletReady(rc.kubeNode)
	first := rc.isReadyForTheFirstTime()
	switch {
	case registered.Reason == v1alpha1.ReasonNodeForeign || registered.Reason == v1alpha1.ReasonNodeDeleted:
		rc.setNotReady(registered.Reason, registered.Message)
	case launched.Status != metav1.ConditionTrue && (registered.Status != metav1.ConditionTrue || nodemodel.HasEnded(rc.node.Status.Task)):
		rc.setNotReady(launched.Reason, launched.Message)
	case registered.Status != metav1.ConditionTrue:
		rc.setNotReady(registered.Reason, registered.Message)
	case ready.Status == corev1.ConditionTrue:
		if rc.setCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady, "The Node is ready.") && first {
			r.recordReadyEvent(rc)
		}
	case launched.Reason == v1alpha1.ReasonTaskUnreachable:
		rc.setNotReady(launched.Reason, launched.Message)
	default:
		rc.setNotReady(v1alpha1.ReasonNodeNotReady, ready.Message)
	}
	return nil
}

// isReadyForTheFirstTime reports whether the node was never ready before: its condition Ready
// has not changed since before its task. Kubernetes itself records events about Nodes that
// cease to be ready and become ready again.
func (rc *reconcileContext) isReadyForTheFirstTime() bool {
	task := rc.node.Status.Task
	return task != nil && !rc.condition(v1alpha1.ConditionReady).LastTransitionTime.After(task.IntentTime.Time)
}

// setNotReady sets the condition Ready to False, with the cause.
func (rc *reconcileContext) setNotReady(reason, message string) {
	rc.setCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
}
