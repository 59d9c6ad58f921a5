package scheduler

import (
	"fmt"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
)

// beginReconciliation follows SUBSCRIBED: the master is asked for every task that may
// be alive, with its agent, before anything is launched.
func (c *Core) beginReconciliation(now time.Time) {
	c.unheard = 0
	for _, t := range c.sortedTasks() {
		if t.over || t.intent != nil {
			continue
		}
		t.unheard, t.asked = true, 0
		if t.seen.IsZero() {
			t.seen = now // its record has just been read
		}
		c.unheard++
		c.ask(now, t.id)
	}
	if c.unheard == 0 {
		c.finishReconciliation(now)
		return
	}
	c.agenda.set(dutyPatience, "", now.Add(c.timing.ReconcileTimeout))
}

// ask puts a task into the next round, and sets the one after it.
func (c *Core) ask(now time.Time, id string) {
	t := c.tasks.known[id]
	if t == nil || t.over || c.phase != up {
		return
	}
	c.round = append(c.round, t)
	wait := c.timing.Reconcile.after(t.asked)
	if !t.unheard && t.state.doubtful() {
		wait = c.timing.ImplicitInterval
	}
	c.agenda.set(dutyAsk, id, now.Add(wait))
	t.asked++
}

// sendRound asks for all tasks of a round at once.
func (c *Core) sendRound() {
	if len(c.round) > 0 && c.phase == up {
		c.enqueue(reconcileCall(c.round))
	}
	c.round = nil
}

// hear notes that the master said something of a task.
func (c *Core) hear(now time.Time, t *task, s TaskState) {
	t.asked = 0
	if s.doubtful() {
		// It may come back, and the word of it may be lost.
		c.agenda.set(dutyAsk, t.id, now.Add(c.timing.ImplicitInterval))
	} else {
		c.agenda.clear(dutyAsk, t.id)
	}
	if t.unheard {
		t.unheard = false
		c.unheard--
		if c.unheard == 0 {
			c.finishReconciliation(now)
		}
	}
}

// finishReconciliation lets launches begin, when all tasks were told of, or patience is
// at its end: the silent ones are asked for on.
func (c *Core) finishReconciliation(now time.Time) {
	if c.phase != up || c.state.Reconciled {
		return
	}
	c.agenda.clear(dutyPatience, "")
	st := c.state
	st.Reconciled, st.Reason = true, Subscribed
	st.Message = "subscribed to the master at " + st.Master
	if c.unheard > 0 {
		st.Message += "; it has said nothing yet of " + countOf(c.unheard, "task")
	}
	c.setState(st)
	c.reconcileImplicitly(now)
	c.beginLaunching(now)
}

// beginLaunching has offers come where something is wanted. Where the subscription did
// not suppress them they come by themselves, and REVIVE is for when they do not.
func (c *Core) beginLaunching(now time.Time) {
	if !c.launching() {
		return
	}
	for _, name := range c.info.Roles {
		r := c.roles[name]
		r.revives = 0
		switch {
		case r.waiting == 0 && !r.suppressed:
			c.agenda.set(dutySuppress, name, now.Add(c.timing.SuppressDelay))
		case r.waiting > 0 && (r.suppressed || r.constraints != c.constraintsOf(r)):
			c.revive(now, name)
		case r.waiting > 0:
			c.agenda.hasten(dutyRevive, name, now.Add(c.timing.Revive.Initial))
		}
	}
	c.planSoon(now)
}

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// reconcileImplicitly has the master tell all tasks that it knows of us, so that those
// without a record come to light.
func (c *Core) reconcileImplicitly(now time.Time) {
	if c.phase != up || c.tearing {
		return
	}
	c.enqueue(calls.Reconcile())
	c.agenda.set(dutyImplicit, "", now.Add(c.timing.ImplicitInterval))
}
