package mesosnode

import (
	"context"
	"fmt"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// minMaintenanceLead is the time before an agent's maintenance at which its node is let go.
	// A drain that may take longer begins earlier, but never earlier than maxMaintenanceLead:
	// for an hour before a window nothing is placed on its agent, and a node that was placed
	// there before that must not be let go at once.
	minMaintenanceLead = 30 * time.Minute
	maxMaintenanceLead = 55 * time.Minute
	// maintenanceMargin is the time before the maintenance at which the drain ends, so that
	// the task ends in order, and Mesos learns of it while the agent is there.
	maintenanceMargin = 2 * time.Minute
	// minDrainTime is the time that every drain has, however near the maintenance is.
	minDrainTime = time.Minute
)

// drainForMaintenance deletes a node whose agent will be unavailable: its maintenance begins soon,
// or Mesos is ending the task, as it does when it drains the agent. The deletion drains and
// releases the node, and the pool makes another.
func (r *Reconciler) drainForMaintenance(_ context.Context, rc *reconcileContext) error {
	if !rc.taskMayRun() {
		return nil
	}
	task := rc.node.Status.Task
	if scheduler.TaskState(task.State) == scheduler.TaskKilling && rc.hasRegistered() {
		r.deleteMesosNode(rc, v1alpha1.ReasonAgentDraining, v1alpha1.ConditionReady, fmt.Sprintf(
			"Mesos is ending the task on agent %s, and not because of k8sm: the agent is drained, most likely. The node is drained as far as there is time, and replaced.%s", nodemodel.AgentName(task), nodemodel.TaskMessage(task)))
		return nil
	}
	window, planned := r.Sessions.Maintenance(rc.node.Spec.FrameworkRef.Name, task.AgentID)
	if !planned || window.HasEnded(rc.now) {
		return nil
	}
	if wait := window.Start.Sub(rc.now) - rc.maintenanceLead(); wait > 0 {
		rc.requeueWithin(wait)
		return nil
	}
	r.deleteMesosNode(rc, v1alpha1.ReasonMaintenance, v1alpha1.ConditionReady, fmt.Sprintf(
		"The maintenance of agent %s begins at %s: the node is drained before, and replaced.", nodemodel.AgentName(task), window.Start.UTC().Format(time.RFC3339)))
	return nil
}

// maintenanceLead is the time before its agent's maintenance at which a node is deleted.
func (rc *reconcileContext) maintenanceLead() time.Duration {
	lead := max(minMaintenanceLead, drain.LongestDrain(rc.drainSettings())+maintenanceMargin)
	return min(lead, maxMaintenanceLead)
}

// drainLimits are the times at which the node's drain ends although it is not done.
func (r *Reconciler) drainLimits(rc *reconcileContext) drain.Limits {
	began := rc.node.Status.DrainStartTime.Time
	limits := drain.LimitsOf(rc.drainSettings(), began)
	window, planned := r.Sessions.Maintenance(rc.node.Spec.FrameworkRef.Name, rc.node.Status.Task.AgentID)
	if !planned || window.HasEnded(rc.now) {
		return limits
	}
	end := window.Start.Add(-maintenanceMargin)
	if earliest := began.Add(minDrainTime); end.Before(earliest) {
		end = earliest
	}
	return limits.NoLaterThan(end, fmt.Sprintf("The maintenance of agent %s begins at %s", nodemodel.AgentName(rc.node.Status.Task), window.Start.UTC().Format(time.RFC3339)))
}
