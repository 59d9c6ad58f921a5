package scheduler

import (
	"maps"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/placement"
)

// maintenance is the part of the core that knows which agents go down, and when.
type maintenance struct {
	// windows by agent, until they have passed or are called off; and when they were last
	// told, zero if they have been taken back.
	windows map[string]placement.MaintenanceWindow
	told    map[string]time.Time
	// inverse are the inverse offers that the windows come from: by agent, and back.
	inverse   map[string]string
	inverseOf map[string]string
	// draining agents turned a task away: until when they are left alone.
	draining map[string]time.Time
}

// windowsMost bounds what is remembered of agents.
const windowsMost = 100000

// reasonAgentDraining comes with what an agent's drain ends, or does not let begin.
const reasonAgentDraining = "REASON_AGENT_DRAINING"

func newMaintenance() maintenance {
	return maintenance{
		windows: map[string]placement.MaintenanceWindow{}, told: map[string]time.Time{}, inverse: map[string]string{}, inverseOf: map[string]string{},
		draining: map[string]time.Time{},
	}
}

// MaintenanceWindow is when an agent is to be unavailable, as far as the master has told.
func (c *Core) MaintenanceWindow(agentID string) (Window, bool) {
	w, planned := c.windows[agentID]
	return w, planned
}

// onInverseOffers accepts them all: whoever wants his tasks gone in time has to hear of
// the window, and does from Maintenance. They come again when the filter ends, as long as
// the window stands.
func (c *Core) onInverseOffers(now time.Time, os []mesos.InverseOffer) {
	var ids []mesos.OfferID
	for i := range os {
		o := &os[i]
		if o.OfferID.Value == "" {
			continue
		}
		ids = append(ids, o.OfferID)
		if agentID := o.GetAgentID().GetValue(); agentID != "" {
			c.foresee(now, agentID, placement.ParseUnavailability(&o.Unavailability))
			c.link(agentID, o.OfferID.Value)
		}
	}
	if len(ids) > 0 {
		call := calls.AcceptInverseOffers(ids...)
		calls.RefuseSeconds(c.timing.ImplicitInterval)(call)
		c.enqueue(call)
	}
}

// onRescindInverseOffer forgets a window, but not at once: a changed schedule takes all
// inverse offers back and makes them anew.
func (c *Core) onRescindInverseOffer(now time.Time, id string) {
	if agentID, ok := c.inverseOf[id]; ok {
		c.unlink(agentID)
		c.told[agentID] = time.Time{}
		c.agenda.set(dutyWindow, agentID, now.Add(c.timing.FailureDelay))
	}
}

// foresee takes what an offer, or an inverse offer, says of an agent; nil is that nothing
// is planned.
func (c *Core) foresee(now time.Time, agentID string, w *placement.MaintenanceWindow) {
	before, planned := c.windows[agentID]
	switch {
	case w == nil && !planned:
		return
	case w == nil || w.HasEnded(now):
		c.forgetWindow(agentID)
		return
	case !planned && len(c.windows) >= windowsMost:
		return
	case !planned || before != *w:
		c.windows[agentID] = *w
		c.out.Changed = true
	}
	c.told[agentID] = now
	c.agenda.clear(dutyWindow, agentID)
	c.review(now, agentID)
}

// review forgets a window that is over, or was called off. Nobody says that one was whose
// inverse offer we have accepted; but if it stands, and has not begun, it is offered
// again. Without a stream it could not be.
func (c *Core) review(now time.Time, agentID string) {
	w, told := c.windows[agentID], c.told[agentID]
	lapse := now.Add(2 * c.timing.ImplicitInterval)
	if c.phase == up {
		lapse = later(told, c.since).Add(2 * c.timing.ImplicitInterval)
	}
	switch begun := !w.Start.After(now); {
	case told.IsZero() || w.HasEnded(now) || (!begun && !lapse.After(now)):
		c.forgetWindow(agentID)
	case !begun:
		c.agenda.set(dutyWindow, agentID, earlier(w.Start, lapse))
	case w.Duration > 0:
		c.agenda.set(dutyWindow, agentID, w.Start.Add(w.Duration))
	}
}

func (c *Core) forgetWindow(agentID string) {
	if _, planned := c.windows[agentID]; planned {
		delete(c.windows, agentID)
		delete(c.told, agentID)
		c.out.Changed = true
	}
	c.unlink(agentID)
	c.agenda.clear(dutyWindow, agentID)
}

// link notes from which inverse offer the window of an agent comes.
func (c *Core) link(agentID, id string) {
	c.unlink(agentID)
	if _, planned := c.windows[agentID]; planned {
		c.inverse[agentID], c.inverseOf[id] = id, agentID
	}
}

func (c *Core) unlink(agentID string) {
	delete(c.inverseOf, c.inverse[agentID])
	delete(c.inverse, agentID)
}

// forgetInverseOffers: they are void without a stream; the windows stand.
func (c *Core) forgetInverseOffers() {
	clear(c.inverse)
	clear(c.inverseOf)
}

// onDraining leaves an agent alone for a while. It makes no offers while it drains; but it
// may drain on after it is active again, as long as an executor is left on it.
func (c *Core) onDraining(now time.Time, agentID string) {
	if agentID != "" && len(c.draining) < windowsMost {
		c.draining[agentID] = now.Add(c.timing.DeclineFilter)
	}
}

// drained forgets who was left alone for long enough.
func (c *Core) drained(now time.Time) {
	maps.DeleteFunc(c.draining, func(_ string, until time.Time) bool { return !until.After(now) })
}
