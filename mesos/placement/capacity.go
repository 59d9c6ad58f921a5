package placement

import (
	"math"
	"slices"
	"time"
)

// Capacity is what is known of a cluster's agents at one time. It is a snapshot that never
// changes, and its methods may be called concurrently.
type Capacity struct {
	// SurveyedAt is when the master last reported all agents; zero when it never did, or
	// long ago. Offers alone are not enough, because an agent without free resources makes
	// none.
	SurveyedAt time.Time
	// UnknownReason is why SurveyedAt is zero, for a person.
	UnknownReason string
	// Free is what agents have free, as synthetic offers. Its demands wait already, and are
	// served before the one that is asked about.
	Free Input
	// Totals is what agents have in all, as synthetic offers: one for each role.
	Totals []*Offer
	// Unplaced are demands that found no place although every agent had time to make an
	// offer.
	Unplaced []UnplacedDemand
}

// UnplacedDemand is a demand that found no place although every agent had time to make an
// offer.
type UnplacedDemand struct {
	Demand
	Reason string // why, for a person
}

// UnknownCount is the Count of a Headroom that cannot be computed.
const UnknownCount = -1

// Headroom is how many more tasks like a demand a cluster has room for.
type Headroom struct {
	// Count of tasks; UnknownCount when it cannot be computed.
	Count int
	// Reason why there is no room for more, or why the count is unknown, for a person:
	// "needs 8 cpus on one agent with @zone In [b]; agent-17 comes nearest, with 6.5 cpus
	// free".
	Reason string
}

// Headroom computes the room for more tasks like a demand, beside the demands that wait
// already. It is an upper bound, because neither quotas nor what other frameworks take first
// is known beforehand. There is no room at all while a demand for no more than this one is
// unplaced, whatever the master reported.
func (c Capacity) Headroom(d Demand) Headroom {
	for i := range c.Unplaced {
		if u := &c.Unplaced[i]; u.ID != d.ID && u.needsAtMost(&d) {
			return Headroom{Reason: u.Reason}
		}
	}
	if c.SurveyedAt.IsZero() {
		return Headroom{Count: UnknownCount, Reason: c.UnknownReason}
	}
	p := newCycle(c.Free)
	for i := range c.Free.Demands {
		waiting := &c.Free.Demands[i]
		if waiting.ID == d.ID {
			continue
		}
		class := p.ensureClass(waiting)
		if s := class.selectSlot(waiting); s != nil {
			class.reserve(s, 1)
		}
	}
	return p.fillAgents(&d, "free")
}

// HeadroomWhenEmpty computes how many tasks like a demand there would be room for if the
// cluster were empty and no agent had ever failed.
func (c Capacity) HeadroomWhenEmpty(d Demand) Headroom {
	d.Avoid = nil
	if c.SurveyedAt.IsZero() {
		return Headroom{Count: UnknownCount, Reason: c.UnknownReason}
	}
	return newCycle(Input{Offers: c.Totals, LocalRegion: c.Free.LocalRegion}).fillAgents(&d, "in all")
}

// needsAtMost reports whether any place that is good for d would be good for u as well.
func (u *UnplacedDemand) needsAtMost(d *Demand) bool {
	a, errA := amountsOf(u.Resources)
	b, errB := amountsOf(d.Resources)
	return errA == nil && errB == nil && b.covers(&a) && u.Group == d.Group && u.Role == d.Role &&
		u.MaxPerAgent == d.MaxPerAgent && slices.EqualFunc(u.Constraints, d.Constraints, Constraint.Equal)
}

// fillAgents fills the agents with tasks like the demand, and explains why one more has no
// room. Which is "free" or "in all", and completes that sentence.
func (p *cycle) fillAgents(d *Demand, which string) Headroom {
	c := p.ensureClass(d)
	count := 0
	if c.err == nil && c.want != (amounts{}) {
		for i := range c.slots {
			s := &c.slots[i]
			more := c.countFits(p, s, d.Avoid)
			c.reserve(s, more)
			count += more
		}
	}
	return Headroom{Count: count, Reason: p.explain(c, d.Avoid).nearestMissText(d, which)}
}

// countFits counts how many more tasks of the class fit on an agent.
func (c *class) countFits(p *cycle, s *agentSlot, avoid []string) int {
	if !c.mayUse(p, s) || slices.Contains(avoid, s.first.Agent.ID) || c.evaluate(p, s) != allMet {
		return 0
	}
	n := int64(math.MaxInt32)
	for k := range kindCount {
		if c.want[k] > 0 {
			n = min(n, s.left.free[k]/c.want[k])
		}
	}
	if most := c.demand.MaxPerAgent; most > 0 {
		n = min(n, int64(most-c.group.taskCount(s)))
	}
	return int(max(n, 0))
}

// reserve takes what n tasks of the class want from an agent with a synthetic offer, which
// has no pieces to take.
func (c *class) reserve(s *agentSlot, n int) {
	for k := range kindCount {
		s.left.free[k] -= int64(n) * c.want[k]
	}
	if n > 0 {
		c.group.placed[s.first.Agent.ID] += n
	}
}
