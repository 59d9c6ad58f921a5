package mesosnode

import (
	"context"
	"fmt"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// evacuation is how long before an agent's maintenance its node is let go. A drain
	// that may take longer begins earlier, but never earlier than maxEvacuation: for an
	// hour before a window nothing is placed on its agent, and a node that was placed
	// there before that must not be let go at once.
	evacuation    = 30 * time.Minute
	maxEvacuation = 55 * time.Minute
	// farewell is how long before the maintenance the drain ends, so that the task ends in
	// order, and Mesos hears of it while the agent is there.
	farewell = 2 * time.Minute
	// minDrain is how long every drain may take, however near the maintenance is.
	minDrain = time.Minute
)

// evacuate lets a node go whose agent is about to: its maintenance begins soon, or Mesos
// is ending the task, as it does when it drains the agent. Deleted, it goes the way of
// all nodes, and the pool makes another.
func (r *Reconciler) evacuate(_ context.Context, p *pass) error {
	if !p.mayRun() {
		return nil
	}
	task := p.node.Status.Task
	if scheduler.TaskState(task.State) == scheduler.TaskKilling && p.registered() {
		r.giveUp(p, v1alpha1.ReasonAgentDraining, v1alpha1.ConditionReady, fmt.Sprintf(
			"Mesos is ending the task on agent %s, and not because of k8sm: the agent is drained, most likely. The node is drained as far as there is time, and replaced.%s", nodemodel.AgentName(task), said(task)))
		return nil
	}
	window, planned := r.Frameworks.Maintenance(p.node.Spec.FrameworkRef.Name, task.AgentID)
	if !planned || window.HasEnded(p.now) {
		return nil
	}
	if wait := window.Start.Sub(p.now) - leadOf(p.node); wait > 0 {
		p.again(wait)
		return nil
	}
	r.giveUp(p, v1alpha1.ReasonMaintenance, v1alpha1.ConditionReady, fmt.Sprintf(
		"The maintenance of agent %s begins at %s: the node is drained before, and replaced.", nodemodel.AgentName(task), window.Start.UTC().Format(time.RFC3339)))
	return nil
}

// leadOf is how long before its agent's maintenance a node is let go.
func leadOf(node *v1alpha1.MesosNode) time.Duration {
	lead := evacuation
	if timeout := node.Spec.Drain.Timeout; timeout != nil {
		lead = max(lead, timeout.Duration+farewell)
	}
	return min(lead, maxEvacuation)
}

// deadline is by when the node's drain is to be over, and why; zero for never.
func (r *Reconciler) deadline(p *pass) (at time.Time, why string) {
	began := p.node.Status.DrainStartTime.Time
	if timeout := p.node.Spec.Drain.Timeout; timeout != nil {
		at, why = began.Add(timeout.Duration), fmt.Sprintf("The drain took longer than %s", timeout.Duration)
	}
	window, planned := r.Frameworks.Maintenance(p.node.Spec.FrameworkRef.Name, p.node.Status.Task.AgentID)
	if !planned || window.HasEnded(p.now) {
		return at, why
	}
	end := window.Start.Add(-farewell)
	if earliest := began.Add(minDrain); end.Before(earliest) {
		end = earliest
	}
	if at.IsZero() || end.Before(at) {
		return end, fmt.Sprintf("The maintenance of agent %s begins at %s", nodemodel.AgentName(p.node.Status.Task), window.Start.UTC().Format(time.RFC3339))
	}
	return at, why
}
