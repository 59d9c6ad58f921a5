package mesosnode

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// sumUp answers for the condition Ready: the first thing that is in the way, or else
// what the kubelet says of its Node.
func (r *Reconciler) sumUp(_ context.Context, p *pass) error {
	launched := p.condition(v1alpha1.ConditionLaunched)
	registered := p.condition(v1alpha1.ConditionRegistered)
	ready := nodemodel.KubeletReady(p.object)
	first := p.readyForTheFirstTime()
	switch {
	case registered.Reason == v1alpha1.ReasonNodeForeign || registered.Reason == v1alpha1.ReasonNodeDeleted:
		p.notReady(registered.Reason, registered.Message)
	case launched.Status != metav1.ConditionTrue && (registered.Status != metav1.ConditionTrue || nodemodel.HasEnded(p.node.Status.Task)):
		p.notReady(launched.Reason, launched.Message)
	case registered.Status != metav1.ConditionTrue:
		p.notReady(registered.Reason, registered.Message)
	case ready.Status == corev1.ConditionTrue:
		if p.set(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady, "The Node is ready.") && first {
			r.toldReady(p)
		}
	case launched.Reason == v1alpha1.ReasonTaskUnreachable:
		p.notReady(launched.Reason, launched.Message)
	default:
		p.notReady(v1alpha1.ReasonNodeNotReady, ready.Message)
	}
	return nil
}

// readyForTheFirstTime tells whether the node was never ready before: it has not been
// otherwise than unready since before its task. Nodes that come and go have events of
// their own.
func (p *pass) readyForTheFirstTime() bool {
	task := p.node.Status.Task
	return task != nil && !p.condition(v1alpha1.ConditionReady).LastTransitionTime.After(task.IntentTime.Time)
}

// notReady says that the node is not ready, and why.
func (p *pass) notReady(reason, message string) {
	p.set(v1alpha1.ConditionReady, metav1.ConditionFalse, reason, message)
}
