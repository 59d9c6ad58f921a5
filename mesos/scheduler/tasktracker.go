package scheduler

import (
	"fmt"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/scheduler/capacity"
	"github.com/k8sm/k8sm/mesos/scheduler/connection"
	"github.com/k8sm/k8sm/mesos/scheduler/origin"
	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
	"github.com/k8sm/k8sm/mesos/scheduler/registration"
	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// taskTracker follows tasks from their ACCEPT, or their record, to their end: statuses are
// recorded and acknowledged, the master is asked about tasks, KILL is repeated.
type taskTracker struct {
	timing     *Timing
	timers     *timers.Queue
	out        *output
	calls      *outgoing.Queue
	counters   *Counters
	connection *connection.Connection

	tasks      *tasks.Set
	recorder   *tasks.Recorder
	reconciler *tasks.Reconciler
	killer     *tasks.Killer
	// lastIgnored says why the last status update, or the last offer, was ignored.
	lastIgnored string
}

func newTaskTracker(c *Core, occupancy *capacity.Occupancy) *taskTracker {
	t, q := &c.timing, c.timers
	cfg := tasks.ReconcilerConfig{Delay: t.Reconcile, Timeout: t.ReconcileTimeout, Interval: t.ImplicitInterval}
	return &taskTracker{
		timing: t, timers: q, out: &c.out, calls: c.calls, counters: &c.counters, connection: c.connection,
		tasks: tasks.NewSet(occupancy, q), recorder: tasks.NewRecorder(t.Store, q),
		reconciler: tasks.NewReconciler(cfg, q), killer: tasks.NewKiller(t.Kill, t.KillGrace, q),
	}
}

func (k *taskTracker) restore(t Task) error {
	if err := registration.ValidateID(t.ID); err != nil {
		return fmt.Errorf("restoring a task: %w", err)
	}
	k.tasks.Restore(t.ID, t.AgentID, t.Group, t.State, t.Disputed...)
	return nil
}

// launched adds a task whose ACCEPT is on its way. The master is asked about it unless it
// reports something soon.
func (k *taskTracker) launched(now time.Time, id, agentID, group string) {
	k.tasks.Launched(id, agentID, group)
	k.reconciler.AskUnlessHeard(now.Add(k.timing.LaunchTimeout), id)
}

// find returns the task that a status of the master is about; nil for a status that
// nothing can be done with. It completes the status and corrects the agent of the task. A
// status that is no news answers the question about the task, and no more.
func (k *taskTracker) find(st *TaskStatus) (t *tasks.Task, isNews bool) {
	if st.TaskID == "" || !st.State.IsValid() {
		return nil, false
	}
	t = k.tasks.Get(st.TaskID)
	switch origin.Judge(st, t) {
	case origin.Foreign:
		k.ignore(st, t)
		return nil, false
	case origin.Echo:
		return t, false
	}
	if t == nil {
		if k.tasks.Len() >= tasks.MaxTasks {
			return nil, false
		}
		t = k.tasks.Note(st.TaskID, st.AgentID)
	}
	if st.AgentID == "" {
		st.AgentID = t.AgentID
	}
	k.tasks.SetAgent(t, st.AgentID)
	if len(st.UUID) > 0 {
		t.Settle()
	}
	return t, true
}

// ignore acknowledges a foreign update, which changes nothing here. But the master keeps
// what it claimed, and repeats it when it is asked, also by a later process: the claim is
// recorded before that.
func (k *taskTracker) ignore(st *TaskStatus, t *tasks.Task) {
	k.counters.Ignored++
	k.lastIgnored = origin.Explain(st, t)
	if t == nil {
		k.acknowledge(st)
		return
	}
	switch mustRecord, isRecorded := t.Dispute(st.State); {
	case mustRecord:
		claim := TaskStatus{TaskID: st.TaskID, AgentID: st.AgentID, State: st.State, Source: st.Source, UUID: st.UUID, IsForeign: true}
		k.record(t, claim)
	case isRecorded:
		k.acknowledge(st)
	}
}

// updated has a status of the master recorded, unless it is known.
func (k *taskTracker) updated(now time.Time, t *tasks.Task, st TaskStatus) {
	if t.IsKnown(now, &st, k.timing.ImplicitInterval) {
		return
	}
	k.record(t, st)
	if !st.State.Terminal() && !st.State.IsUncertain() {
		k.killer.Reachable(now, t)
	}
}

// record has a status recorded after the earlier statuses of its task.
func (k *taskTracker) record(t *tasks.Task, st TaskStatus) { k.handOut(k.recorder.Add(t, st)) }

// recordNext hands the next status of a task to the store.
func (k *taskTracker) recordNext(t *tasks.Task) {
	if t != nil {
		k.handOut(k.recorder.Next(t))
	}
}

// handOut gives a status to the store, if there is one to give.
func (k *taskTracker) handOut(next TaskStatus, ok bool) {
	if ok {
		k.out.record(next)
	}
}

// acknowledge goes out at once, past the rate limit: an update that is not acknowledged
// blocks the updates that follow it. Without a stream the agent sends the update again.
func (k *taskTracker) acknowledge(st *TaskStatus) {
	if len(st.UUID) > 0 && k.connection.IsSubscribed() {
		k.out.send(k.calls.Address(&Call{Call: outgoing.Acknowledge(st.TaskID, st.AgentID, st.UUID)}))
	}
}

// kill has a task killed.
func (k *taskTracker) kill(now time.Time, t *tasks.Task) {
	if k.killer.Start(t) {
		k.sendKill(now, t)
	}
}

// sendKill sends KILL if the task is to be killed. Without a stream it follows the next
// subscription.
func (k *taskTracker) sendKill(now time.Time, t *tasks.Task) {
	if t != nil && k.connection.IsSubscribed() && k.killer.Send(now, t) {
		k.calls.Send(calls.Kill(t.ID, t.AgentID))
		if k.killer.MustShutDown(now, t) {
			k.shutDown(t)
		}
	}
}

// shutDown has the agent end the executor of a task, and all in its container. The executor
// of a task has its ID.
func (k *taskTracker) shutDown(t *tasks.Task) { k.calls.Send(calls.Shutdown(t.ID, t.AgentID)) }

// killAgain repeats every KILL on a new stream.
func (k *taskTracker) killAgain(now time.Time) {
	for _, t := range k.tasks.All() {
		if t.IsKilling() {
			k.killer.Resubscribed(t)
			k.sendKill(now, t)
		}
	}
}

// message sends data to the executor of a task. It reports whether there is one that can
// be reached.
func (k *taskTracker) message(taskID string, data []byte) (sent bool) {
	t := k.tasks.Get(taskID)
	if !k.connection.IsSubscribed() || t == nil || t.AgentID == "" || t.IsKilling() || t.IsOver {
		return false
	}
	k.calls.Send(calls.Message(t.AgentID, taskID, data))
	return true
}

// beginReconciliation asks about every task that may be alive, and returns how many there
// are. Tasks whose launch was abandoned are left out: the master knows nothing of them.
func (k *taskTracker) beginReconciliation(now time.Time, isAbandoned func(taskID string) bool) int {
	var alive []*tasks.Task
	for _, t := range k.tasks.All() {
		if !t.IsOver && !isAbandoned(t.ID) {
			alive = append(alive, t)
		}
	}
	return k.reconciler.Begin(now, alive)
}

// ask has the master asked about a task.
func (k *taskTracker) ask(now time.Time, id string) {
	if t := k.tasks.Get(id); t != nil && k.connection.IsSubscribed() {
		k.reconciler.Ask(now, t)
	}
}

// sendRound asks about all tasks at once that are due.
func (k *taskTracker) sendRound() {
	if round := k.reconciler.TakeRound(); len(round) > 0 && k.connection.IsSubscribed() {
		k.calls.Send(outgoing.Reconcile(round))
	}
}

// failed asks about the tasks on an agent, or under an executor, that is reported to be
// gone. The event is a hint: it may be wrong, late or missing.
func (k *taskTracker) failed(now time.Time, f *schedulerpb.Event_Failure) {
	at := now.Add(k.timing.FailureDelay)
	if id := f.GetExecutorID().GetValue(); id != "" {
		if k.tasks.Get(id) != nil { // the executor of a task has its ID
			k.reconciler.AskSoon(at, id)
		}
		return
	}
	for _, id := range k.tasks.OnAgent(f.GetAgentID().GetValue()) {
		k.reconciler.AskSoon(at, id)
	}
}

// launchFailed records the end of the tasks of a call that certainly did not launch them.
func (k *taskTracker) launchFailed(call *Call, s TaskState, reason, message string) {
	for _, id := range call.LaunchedTaskIDs() {
		if t := k.tasks.Get(id); t != nil {
			k.counters.Dropped++
			k.reconciler.StopAsking(id)
			k.record(t, tasks.OwnStatus(id, t.AgentID, s, reason, message))
		}
	}
}

// dropUnsent drops the calls that have not gone out on a stream that ended.
func (k *taskTracker) dropUnsent() {
	for _, call := range append(k.out.dropCalls(), k.calls.Drop()...) {
		k.launchFailed(call, TaskDropped, ReasonInvalidOffers, "the master was lost before the launch was sent")
	}
}
