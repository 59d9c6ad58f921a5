package nodepool

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// The functions in this file tell of what was done, one event for a whole batch.

func (r *Reconciler) toldCreated(pool *v1alpha1.MesosNodePool, n int) {
	if n > 0 {
		r.Recorder.Eventf(pool, nil, corev1.EventTypeNormal, v1alpha1.EventNodeCreated, "Scale", "%s", fmt.Sprintf("Created %s.", counted(n, "node", "nodes")))
	}
}

func (r *Reconciler) toldLost(pool *v1alpha1.MesosNodePool, lost []*v1alpha1.MesosNode) {
	for _, node := range lost {
		r.Recorder.Eventf(pool, node, corev1.EventTypeWarning, v1alpha1.EventNodeReplaced, "Replace",
			"Agent %s of node %s was cut off for longer than %s: the node is replaced.",
			node.Status.Task.AgentHostname, node.Name, pool.Spec.Unreachable.ReplaceAfter.Duration)
	}
}

func (r *Reconciler) toldRemoved(pool *v1alpha1.MesosNodePool, n int) {
	if n > 0 {
		r.Recorder.Eventf(pool, nil, corev1.EventTypeNormal, v1alpha1.EventNodeRemoved, "Scale", "%s", fmt.Sprintf("Told %s to go.", counted(n, "node", "nodes")))
	}
}
