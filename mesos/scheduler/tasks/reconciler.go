package tasks

import (
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// ReconcilerConfig configures a Reconciler.
type ReconcilerConfig struct {
	// Delay between questions about one task.
	Delay timers.Backoff
	// Timeout after which launches begin although not every task was answered for.
	Timeout time.Duration
	// Interval between questions about a task of which the master is uncertain.
	Interval time.Duration
}

// Reconciler decides when the master is asked about which task (explicit task
// reconciliation). It counts the tasks that it has not answered for since SUBSCRIBED. Use
// NewReconciler.
type Reconciler struct {
	cfg     ReconcilerConfig
	timers  *timers.Queue
	awaited int
	round   []outgoing.TaskRef // to be asked about next
}

// NewReconciler returns a reconciler. It sets the timers ReconcileTask, with the task as its
// key, and ReconcileTimeout.
func NewReconciler(cfg ReconcilerConfig, q *timers.Queue) *Reconciler {
	return &Reconciler{cfg: cfg, timers: q}
}

// Begin asks about all tasks that may be alive, on a new stream. It returns how many there
// are.
func (r *Reconciler) Begin(now time.Time, all []*Task) int {
	r.awaited = 0
	for _, t := range all {
		t.isAwaited, t.asked = true, 0
		if t.confirmedAt.IsZero() {
			t.confirmedAt = now // its record has just been read
		}
		r.awaited++
		r.Ask(now, t)
	}
	if r.awaited > 0 {
		r.timers.Set(timers.ReconcileTimeout, "", now.Add(r.cfg.Timeout))
	}
	return r.awaited
}

// Awaited returns the number of tasks that the master has yet to answer for.
func (r *Reconciler) Awaited() int { return r.awaited }

// Ask puts a task into the next round, and sets the timer for the round after it.
func (r *Reconciler) Ask(now time.Time, t *Task) {
	if t.IsOver {
		return
	}
	r.round = append(r.round, outgoing.TaskRef{TaskID: t.ID, AgentID: t.AgentID})
	wait := r.cfg.Delay.After(t.asked)
	if !t.isAwaited && t.State.IsUncertain() {
		wait = r.cfg.Interval
	}
	r.timers.Set(timers.ReconcileTask, t.ID, now.Add(wait))
	t.asked++
}

// AskSoon sets the timer for a task that may have come to harm.
func (r *Reconciler) AskSoon(at time.Time, taskID string) {
	r.timers.SetNoLater(timers.ReconcileTask, taskID, at)
}

// AskUnlessHeard sets the timer for a task that was just launched.
func (r *Reconciler) AskUnlessHeard(at time.Time, taskID string) {
	r.timers.Set(timers.ReconcileTask, taskID, at)
}

// StopAsking stops the timer of a task that is known not to exist.
func (r *Reconciler) StopAsking(taskID string) { r.timers.Stop(timers.ReconcileTask, taskID) }

// TakeRound removes and returns the tasks to ask about now, in one call.
func (r *Reconciler) TakeRound() []outgoing.TaskRef {
	round := r.round
	r.round = nil
	return round
}

// Heard notes that the master reported a state of a task. It reports whether that was the
// last task to answer for. A task that the master is uncertain about is asked about again:
// it may come back, and the report of that may be lost.
func (r *Reconciler) Heard(now time.Time, t *Task, s State) (isLast bool) {
	t.asked = 0
	if s.IsUncertain() {
		r.timers.Set(timers.ReconcileTask, t.ID, now.Add(r.cfg.Interval))
	} else {
		r.timers.Stop(timers.ReconcileTask, t.ID)
	}
	if !t.isAwaited {
		return false
	}
	t.isAwaited, t.killedSince = false, time.Time{} // a KILL before this may not have got there
	r.awaited--
	return r.awaited == 0
}

// Finish stops the timer for the timeout.
func (r *Reconciler) Finish() { r.timers.Stop(timers.ReconcileTimeout, "") }
