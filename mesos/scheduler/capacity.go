package scheduler

import (
	"maps"
	"slices"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
)

// capacity is the part of the core that remembers what agents have: what each offered
// last, and what the master told of all of them. It decides nothing here: to whoever has
// yet to say what is wanted, it tells what could be had.
type capacity struct {
	seen map[spot]sight
	// totals of all agents, and when they were asked for; zero if they are not known.
	totals   []*placement.Offer
	surveyed time.Time
}

// spot is an agent, as one role sees it.
type spot struct{ role, agentID string }

// sight is what was known at a time to be free.
type sight struct {
	agent *placement.Offer
	at    time.Time
	// offer that it was seen in last; empty when the master told of it.
	offer string
}

// sightsMost bounds what is remembered.
const sightsMost = 100000

func newCapacity() capacity { return capacity{seen: map[spot]sight{}} }

// recall is for how long agents are remembered: for longer, one that others have taken
// from would not be offered again without a change.
func (c *Core) recall() time.Duration { return c.timing.DeclineFilter }

// see remembers an offer. Offers of one agent that are out together count together.
func (c *Core) see(now time.Time, o *placement.Offer) {
	at := spot{o.Role, o.Agent.ID}
	before, known := c.seen[at]
	if !known && len(c.seen) >= sightsMost {
		return
	}
	seen := sight{agent: o.ToSynthetic(), at: now, offer: o.ID}
	if h := c.held[before.offer]; h != nil && h.batch == nil {
		seen.agent = before.agent.Plus(o)
	}
	c.seen[at] = seen
	c.forgetLater(now)
}

// taken remembers that something was placed on an agent.
func (c *Core) taken(now time.Time, role, agentID string, r placement.Resources) {
	if s, known := c.seen[spot{role, agentID}]; known {
		s.agent, s.at = s.agent.Minus(r), now
		c.seen[spot{role, agentID}] = s
	}
}

// lost forgets an agent of which nothing is certain any more.
func (c *Core) lost(agentID string) {
	for name := range c.roles {
		delete(c.seen, spot{name, agentID})
	}
}

// ObserveAgents says what the master told of all agents when it was asked at some time: what
// they have in all, and free, in each role. What was seen since stands.
func (c *Core) ObserveAgents(asked time.Time, totals, free []*placement.Offer) {
	if c.phase == ended || !asked.After(c.surveyed) {
		return
	}
	maps.DeleteFunc(c.seen, func(_ spot, s sight) bool { return s.at.Before(asked) })
	for _, o := range free {
		at := spot{o.Role, o.Agent.ID}
		if _, later := c.seen[at]; !later && len(c.seen) < sightsMost {
			c.seen[at] = sight{agent: o, at: asked}
		}
	}
	c.totals, c.surveyed = totals, asked
	c.forgetLater(asked)
}

func (c *Core) forgetLater(now time.Time) {
	if !c.agenda.has(dutyForget, "") {
		c.agenda.set(dutyForget, "", now.Add(c.recall()))
	}
}

// forgetStale lets go what is too old to be believed.
func (c *Core) forgetStale(now time.Time) {
	next := time.Time{}
	stays := func(at time.Time) bool {
		until := at.Add(c.recall())
		if !until.After(now) {
			return false
		}
		if next.IsZero() || until.Before(next) {
			next = until
		}
		return true
	}
	maps.DeleteFunc(c.seen, func(_ spot, s sight) bool { return !stays(s.at) })
	if !c.surveyed.IsZero() && !stays(c.surveyed) {
		c.totals, c.surveyed = nil, time.Time{}
	}
	if !next.IsZero() {
		c.agenda.set(dutyForget, "", next)
	}
}

// Capacity is what could be had, as far as is known. It is not changed by what follows.
func (c *Core) Capacity(now time.Time) placement.Capacity {
	if !c.launching() {
		return placement.Capacity{UnknownReason: "waiting for the framework: " + c.state.Message}
	}
	out := placement.Capacity{UnknownReason: "the master has not told of its agents", Totals: c.totals, Unplaced: c.inVain(now)}
	if now.Sub(c.surveyed) < c.recall() {
		out.SurveyedAt = c.surveyed
	}
	out.Free = placement.Input{
		Occupied: map[string]map[string]int{}, Now: now, MaintenanceLead: c.timing.MaintenanceLead, Maintenance: maps.Clone(c.windows), Draining: maps.Clone(c.draining),
	}
	for group, agents := range c.occupied {
		out.Free.Occupied[group] = maps.Clone(agents)
	}
	for _, s := range c.seen {
		if now.Sub(s.at) < c.recall() {
			out.Free.Offers = append(out.Free.Offers, s.agent)
		}
	}
	placement.SortOffers(out.Free.Offers)
	for _, w := range c.line {
		if c.waits(w) {
			out.Free.Demands = append(out.Free.Demands, w.Demand)
		}
	}
	return out
}

// waits says that a want could be placed, and is not.
func (c *Core) waits(w *want) bool {
	return !w.gone && !w.invalid && w.place == waiting && c.roles[w.Role].member
}

// inVain are the wants that were refused, or that REVIVE was repeated for, when every agent
// has had its time to offer what it has. Of those that are alike one is enough.
func (c *Core) inVain(now time.Time) []placement.UnplacedDemand {
	var out []placement.UnplacedDemand
	for _, w := range c.line {
		if !c.waits(w) || c.crowded || w.since.Add(2*c.timing.Revive.Initial).After(now) {
			continue
		}
		if w.judged.Before(c.since) && c.roles[w.Role].revives < 2 {
			continue // nothing was heard since the stream began
		}
		if slices.ContainsFunc(out, func(v placement.UnplacedDemand) bool { return v.Group == w.Group && v.Resources == w.Resources }) {
			continue
		}
		why, _ := c.Explain(w.ID)
		out = append(out, placement.UnplacedDemand{Demand: w.Demand, Reason: why})
	}
	return out
}
