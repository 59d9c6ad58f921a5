package tasks

import (
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// Killer decides when KILL is sent: again and again, until the task is over, because any of
// them may be lost. Use NewKiller.
type Killer struct {
	delay  timers.Backoff
	timers *timers.Queue
}

// NewKiller returns a killer with a delay between KILLs of a task. It sets the timer Kill,
// with the task as its key.
func NewKiller(delay timers.Backoff, q *timers.Queue) *Killer {
	return &Killer{delay: delay, timers: q}
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
	k.timers.Set(timers.Kill, t.ID, now.Add(k.delay.After(t.kills)))
	t.kills++
	return true
}

// Resubscribed notes a new stream: KILLs on the one before may be lost.
func (k *Killer) Resubscribed(t *Task) { t.kills = 0 }

// Reachable notes that the master reports the task alive. If it is to be killed, KILL is
// sent soon: the last may have been lost.
func (k *Killer) Reachable(now time.Time, t *Task) {
	if t.isKilling {
		k.timers.SetNoLater(timers.Kill, t.ID, now.Add(k.delay.Initial))
	}
}
