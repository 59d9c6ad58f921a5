package scheduler

import (
	"errors"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler/maintenance"
	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
	"github.com/k8sm/k8sm/mesos/scheduler/registration"
	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// taskUpdated handles UPDATE.
func (c *Core) taskUpdated(now time.Time, u *schedulerpb.Event_Update) {
	if u == nil {
		return
	}
	st := tasks.StatusOf(&u.Status)
	t, isNews := c.tracker.find(&st)
	if t == nil {
		return
	}
	// A draining agent makes no offers. Only a refused launch shows that it drains all the same.
	if st.Reason == maintenance.ReasonAgentDraining && st.State == TaskDropped {
		c.draining.Add(now, st.AgentID)
	}
	if c.tracker.reconciler.Heard(now, t, st.State) {
		c.finishReconciliation(now)
	}
	if isNews {
		c.tracker.updated(now, t, st)
	}
}

// agentFailed handles FAILURE of an agent, or of an executor.
func (c *Core) agentFailed(now time.Time, f *schedulerpb.Event_Failure) {
	if f.GetExecutorID().GetValue() == "" {
		c.observations.Forget(f.GetAgentID().GetValue(), c.book.roles.Names()...)
	}
	c.tracker.failed(now, f)
}

// reviewAgent has demands placed again when an agent may be used again.
func (c *Core) reviewAgent(now time.Time, id string) {
	c.failures.Review(now, id)
	c.agentsUsable(now)
}

// agentsUsable has demands placed again, on agents that were left alone before.
func (c *Core) agentsUsable(now time.Time) {
	c.setState(c.state)
	c.book.reviveWaiting(now)
	c.launcher.planSoon(now)
}

// ForgetAgentFailures has all agents used again that are left alone after failures.
func (c *Core) ForgetAgentFailures(now time.Time) {
	c.failures.Clear(now)
	c.agentsUsable(now)
	c.settle(now)
}

// AgentFailures returns the agents on which tasks failed lately. State.AgentFailures changes
// whenever the answer does.
func (c *Core) AgentFailures() []AgentFailure { return c.failures.Failures() }

// finishReconciliation lets launches begin, when the master has answered for all tasks, or
// the time for that is over: it is asked again about the tasks that it did not answer for.
func (c *Core) finishReconciliation(now time.Time) {
	if !c.connection.IsSubscribed() || c.state.Reconciled {
		return
	}
	c.tracker.reconciler.Finish()
	st := c.state
	st.Reconciled, st.Reason = true, Subscribed
	st.Message = "subscribed to the master at " + st.Master
	if n := c.tracker.reconciler.Awaited(); n > 0 {
		st.Message += "; it has not answered yet for " + countOf(n, "task")
	}
	c.setState(st)
	c.reconcileImplicitly(now)
	c.beginLaunching(now)
}

// reconcileImplicitly has the master report all tasks that it knows of the framework, so
// that tasks without a record are found.
func (c *Core) reconcileImplicitly(now time.Time) {
	if c.connection.IsSubscribed() && !c.connection.IsTearingDown() {
		c.calls.Send(outgoing.Reconcile(nil))
		c.timers.Set(timers.ReconcileImplicitly, "", now.Add(c.timing.ImplicitInterval))
	}
}

// Recorded answers Ready.Statuses.
func (c *Core) Recorded(now time.Time, taskID string, err error) {
	t := c.tracker.tasks.Get(taskID)
	if t == nil || !t.IsRecording() || c.connection.HasEnded() {
		return
	}
	if err != nil && !errors.Is(err, ErrUnknownTask) {
		c.tracker.recorder.Failed(now, t)
		return
	}
	st := c.tracker.recorder.Done(t)
	c.tracker.acknowledge(&st)
	c.applyRecord(now, t, &st, err)
	if t.HasStatuses() {
		c.tracker.recordNext(t)
	} else if t.IsOver {
		if t.IsInDoubt() && t.AgentID != "" {
			c.tracker.shutDown(t) // what ended the task for Mesos may not have ended its executor
		}
		c.tracker.tasks.Remove(t)
		c.launcher.planSoon(now) // its group may have room on the agent again
	}
	c.settle(now)
}

// applyRecord changes what is known of a task by a status that is on record, or has none.
func (c *Core) applyRecord(now time.Time, t *tasks.Task, st *TaskStatus, err error) {
	switch {
	case st.Source == SourceK8sm && c.launcher.launches.IsAbandoned(t.ID):
		t.IsOver = true
		c.launcher.retired(now, c.launcher.launches.TakeAbandoned(t.ID), err)
	case st.IsForeign:
		t.DisputeRecorded(st.State) // without a record of the task there is nothing to dispute
	case err != nil:
		if t.Orphaned(st.State) {
			c.tracker.kill(now, t)
		}
	default:
		t.Recorded(now, st.State)
		c.failures.Recorded(now, st, t.IsKilling())
		c.setState(c.state)
	}
}

// Kill has a task killed, again and again until a terminal status is recorded. The
// agent may be empty when it is not known.
func (c *Core) Kill(now time.Time, taskID, agentID string) {
	if c.connection.HasEnded() || registration.ValidateID(taskID) != nil {
		return
	}
	if c.book.Get(taskID) != nil {
		c.WithdrawDemand(now, taskID) // nothing of it was launched
		return
	}
	t := c.tracker.tasks.Get(taskID)
	if t == nil {
		t = c.tracker.tasks.Note(taskID, agentID)
	}
	if t.AgentID == "" {
		c.tracker.tasks.SetAgent(t, agentID)
	}
	c.tracker.kill(now, t)
	c.settle(now)
}

// SendMessage sends data to the executor of a task that may be alive: once, and only if
// there is a stream. Mesos promises nothing, and does not answer: the message is to be sent
// again until an update shows that it arrived.
func (c *Core) SendMessage(now time.Time, taskID string, data []byte) {
	if c.tracker.message(taskID, data) {
		c.settle(now)
	}
}
