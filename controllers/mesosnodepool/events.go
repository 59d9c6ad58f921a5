package mesosnodepool

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// The functions in this file record events on the pool. poolnodes.Store records the creation and
// removal of its nodes.

func (r *Reconciler) recordReplacedEvents(pool *v1alpha1.MesosNodePool, lost []*v1alpha1.MesosNode) {
	for _, node := range lost {
		r.Recorder.Eventf(pool, node, corev1.EventTypeWarning, v1alpha1.EventNodeReplaced, "Replace",
			"Agent %s of node %s was cut off for longer than %s: the node is replaced.",
			node.Status.Task.AgentHostname, node.Name, pool.Spec.Unreachable.ReplaceAfter.Duration)
	}
}

// recordTemplateInvalidEvent records what has become wrong with the template since the status
// before.
func (r *Reconciler) recordTemplateInvalidEvent(pool, before *v1alpha1.MesosNodePool) {
	is := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.ConditionTemplateValid)
	was := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.ConditionTemplateValid)
	if is.Status == metav1.ConditionTrue || was != nil && was.Message == is.Message {
		return
	}
	r.Recorder.Eventf(pool, nil, corev1.EventTypeWarning, v1alpha1.EventTemplateInvalid, "Validate", "%s", truncate(is.Message))
}
