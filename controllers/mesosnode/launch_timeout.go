package mesosnode

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// checkLaunchTimeout kills a task that has not become a Node within the launch timeout. Its
// end is handled like any other failure. No task is killed while Mesos cannot report the state
// of the task, or while there is no session that could.
func (r *Reconciler) checkLaunchTimeout(_ context.Context, rc *reconcileContext) error {
	if !rc.taskMayRun() || rc.hasRegistered() || rc.session == nil || !rc.session.Ready() || nodemodel.IsUnreachable(rc.node.Status.Task) {
		return nil
	}
	task := rc.node.Status.Task
	if left := r.LaunchTimeout - rc.now.Sub(task.IntentTime.Time); left > 0 {
		rc.requeueWithin(left)
		return nil
	}
	if !rc.hasForeignNode() {
		rc.setCondition(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeNotFound, fmt.Sprintf(
			"No Node registered within %s of the launch on agent %s: the task is killed and the launch tried again.", r.LaunchTimeout, nodemodel.AgentName(task)))
	}
	rc.addEffectWithoutError(func(context.Context) { rc.session.Kill(task.ID, task.AgentID) })
	return nil
}
