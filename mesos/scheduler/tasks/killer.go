package tasks

import (
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// Killer decides when KILL is sent: again and again, until the task is over, because any of
// them may be lost. Only the executor carries out a KILL. An executor that does not, because
// it was stopped or hangs, is shut down by its agent, which ends the container. Use
// NewKiller.
type Killer struct {
	delay  timers.Backoff
	grace  time.Duration
	timers *timers.Queue
}

// NewKiller returns a killer with a delay between KILLs of a task, whose executor has grace
// from the first of them before it is shut down. It sets the timer Kill, with the task as
// its key.
func NewKiller(delay timers.Backoff, grace time.Duration, q *timers.Queue) *Killer {
	return &Killer{delay: delay, grace: grace, timers: q}
}

// Start has a task killed. It reports whether that is new.
func (k *Killer) Start(t *Task) bool {
	if t.isKilling || t.IsOver {
		return false
	}
	t.isKilling = true
	return true
}

// Send reports whether KILL is to be sent now, and sets the timer for the next.
func (k *Killer) Send(now time.Time, t *Task) bool {
	if !t.isKilling || t.IsOver {
		return false
	}
	if t.killedSince.IsZero() {
		t.killedSince = now
	}
	next := now.Add(k.delay.After(t.kills))
	if end := t.killedSince.Add(k.grace); end.After(now) && t.isWithinReach() {
		next = timers.Earlier(next, end)
	}
	k.timers.Set(timers.Kill, t.ID, next)
	t.kills++
	return true
}

// MustShutDown reports whether the executor of a task that is killed had its grace and did
// not use it. An agent that is away gets no call, and has the grace anew when it is back.
func (k *Killer) MustShutDown(now time.Time, t *Task) bool {
	return t.isWithinReach() && !t.killedSince.IsZero() && !now.Before(t.killedSince.Add(k.grace))
}

// Resubscribed notes a new stream: KILLs on the one before may be lost.
func (k *Killer) Resubscribed(t *Task) { t.kills, t.killedSince = 0, time.Time{} }

// Reachable notes that the master reports the task alive. If it is to be killed, KILL is
// sent soon: the last may have been lost. Where the agent was away, all were.
func (k *Killer) Reachable(now time.Time, t *Task) {
	if t.State.IsUncertain() {
		t.killedSince = time.Time{}
	}
	if t.isKilling {
		k.timers.SetNoLater(timers.Kill, t.ID, now.Add(k.delay.Initial))
	}
}
