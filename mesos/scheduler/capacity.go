package scheduler

import (
	"maps"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
)

// ObserveAgents takes what the master answered about all agents when it was asked at some
// time: what they have in total and free, in each role. What was seen since stands.
func (c *Core) ObserveAgents(asked time.Time, totals, free []*placement.Offer) {
	if !c.connection.HasEnded() {
		c.observations.Survey(asked, totals, free)
	}
}

// Capacity is what could be placed, as far as is known. It is a copy.
func (c *Core) Capacity(now time.Time) placement.Capacity {
	if !c.canLaunch() {
		return placement.Capacity{UnknownReason: "waiting for the framework: " + c.state.Message}
	}
	out := placement.Capacity{UnknownReason: "the master has not reported its agents", Unplaced: c.unplaced(now)}
	out.Totals, out.SurveyedAt = c.observations.Totals(now)
	out.Free = placement.Input{
		Offers: c.observations.Free(now), Occupied: c.occupancy.Clone(), Now: now, MaintenanceLead: c.timing.MaintenanceLead,
		Maintenance: maps.Clone(c.schedule.Windows()), Draining: maps.Clone(c.draining.Agents()), Backoffs: c.failures.Backoffs(), LocalRegion: c.launcher.localRegion,
	}
	for d := range c.book.placeable() {
		out.Free.Demands = append(out.Free.Demands, d.Demand)
	}
	return out
}

// unplaced returns the demands that were not placed, or that REVIVE was repeated for, when
// every agent has had its time to offer what it has. One of several equal demands is enough.
func (c *Core) unplaced(now time.Time) []placement.UnplacedDemand {
	var out []placement.UnplacedDemand
	if c.launcher.isLimited {
		return nil
	}
	for d := range c.book.placeable() {
		if d.WaitingSince.Add(2 * c.timing.Revive.Initial).After(now) {
			continue
		}
		if d.Explanation().At.Before(c.connection.EstablishedAt()) && c.book.roles.Get(d.Role).Revives() < 2 {
			continue // no offers have come since the stream began
		}
		if slices.ContainsFunc(out, func(v placement.UnplacedDemand) bool { return v.Group == d.Group && v.Resources == d.Resources }) {
			continue
		}
		reason, _ := c.Explain(d.ID)
		out = append(out, placement.UnplacedDemand{Demand: d.Demand, Reason: reason})
	}
	return out
}

// MaintenanceWindow returns when an agent is to be unavailable, as far as the master has
// announced; false if nothing is planned.
func (c *Core) MaintenanceWindow(agentID string) (Window, bool) { return c.schedule.Window(agentID) }

// inverseOffersArrived handles INVERSE_OFFERS. All are accepted: whoever wants tasks ended
// in time asks MaintenanceWindow. They come again when the filter ends, as long as the
// window stands.
func (c *Core) inverseOffersArrived(now time.Time, arrived []mesos.InverseOffer) {
	var ids []string
	for i := range arrived {
		o := &arrived[i]
		if o.OfferID.Value == "" {
			continue
		}
		ids = append(ids, o.OfferID.Value)
		if agentID := o.GetAgentID().GetValue(); agentID != "" {
			c.launcher.announce(now, agentID, placement.ParseUnavailability(&o.Unavailability))
			c.schedule.Offer(agentID, o.OfferID.Value)
		}
	}
	if len(ids) > 0 {
		c.calls.Send(outgoing.AcceptInverseOffers(ids, c.timing.ImplicitInterval))
	}
}
