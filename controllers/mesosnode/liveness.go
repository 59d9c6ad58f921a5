package mesosnode

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// expire gives up on a launch that leads nowhere: a task that has not become a Node in
// time is killed, and its end is answered like any other failure. A task that Mesos
// itself has lost sight of is not judged, nor is any while Mesos is out of sight.
func (r *Reconciler) expire(_ context.Context, p *pass) error {
	if !p.mayRun() || p.registered() || p.session == nil || !p.session.Ready() || nodemodel.IsUnreachable(p.node.Status.Task) {
		return nil
	}
	task := p.node.Status.Task
	if left := r.LaunchTimeout - p.now.Sub(task.IntentTime.Time); left > 0 {
		p.again(left)
		return nil
	}
	if !p.foreign() {
		p.set(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeNotFound, fmt.Sprintf(
			"No Node registered within %s of the launch on agent %s: the task is killed and the launch tried again.", r.LaunchTimeout, nodemodel.AgentName(task)))
	}
	p.do(func(context.Context) { p.session.Kill(task.ID, task.AgentID) })
	return nil
}
