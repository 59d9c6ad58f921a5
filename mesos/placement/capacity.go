package placement

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Capacity is what is known of a cluster's agents at one time. It is a snapshot: nobody
// changes it, and it may be asked concurrently.
type Capacity struct {
	// SurveyedAt is when the master last told of all agents; zero when it never did, or long
	// ago. Offers alone do not tell what agents have that offer nothing.
	SurveyedAt time.Time
	// UnknownReason says why there is no survey, for a person.
	UnknownReason string
	// Free is what agents have free: Offers as they are remembered. Its Demands wait
	// already, and are served first.
	Free Input
	// Totals is what agents have in all, in each role.
	Totals []*Offer
	// UnplacedDemand are demands that offers had time to come for, and why they wait still.
	Unplaced []UnplacedDemand
}

// UnplacedDemand is a demand that waits although offers had time to come.
type UnplacedDemand struct {
	Demand
	Reason string
}

// UnknownCount is the count of a Room that nobody can tell.
const UnknownCount = -1

// Headroom is how many more tasks like a demand a cluster has place for.
type Headroom struct {
	// Count of tasks; Unknown when that cannot be told.
	Count int
	// Reason there are not more, or why it cannot be told, for a person: "needs 8 cpus on one
	// agent with @zone In [b]; agent-17 comes nearest, with 6.5 cpus free".
	Reason string
}

// Headroom for more tasks like a demand, beside others that wait already. It is an upper bound:
// quotas, and what other frameworks take first, nobody knows beforehand. But where another
// demand, for no more, waits in vain there is none, whatever a survey says.
func (c Capacity) Headroom(d Demand) Headroom {
	for i := range c.Unplaced {
		if v := &c.Unplaced[i]; v.ID != d.ID && v.needsAtMost(&d) {
			return Headroom{Reason: v.Reason}
		}
	}
	if c.SurveyedAt.IsZero() {
		return Headroom{Count: UnknownCount, Reason: c.UnknownReason}
	}
	p := newCycle(c.Free)
	for i := range c.Free.Demands {
		w := &c.Free.Demands[i]
		if w.ID == d.ID {
			continue
		}
		class := p.ensureClass(w)
		if m := class.selectSlot(w); m != nil {
			class.reserve(m, 1)
		}
	}
	return p.fillAgents(&d, "free")
}

// HeadroomWhenEmpty is how many tasks like a demand there would be place for if nothing else ran, and
// nothing had ever failed.
func (c Capacity) HeadroomWhenEmpty(d Demand) Headroom {
	d.Avoid = nil
	if c.SurveyedAt.IsZero() {
		return Headroom{Count: UnknownCount, Reason: c.UnknownReason}
	}
	return newCycle(Input{Offers: c.Totals}).fillAgents(&d, "in all")
}

// needsAtMost says that a place for the one would be had by the other as well.
func (v *UnplacedDemand) needsAtMost(d *Demand) bool {
	a, errA := amountsOf(v.Resources)
	b, errB := amountsOf(d.Resources)
	return errA == nil && errB == nil && b.covers(&a) && v.Group == d.Group && v.Role == d.Role &&
		v.MaxPerAgent == d.MaxPerAgent && slices.EqualFunc(v.Constraints, d.Constraints, Constraint.Equal)
}

// fillAgents fills the agents with tasks like the demand, and says what keeps one more away.
func (p *cycle) fillAgents(d *Demand, of string) Headroom {
	c := p.ensureClass(d)
	n := 0
	if c.err == nil && c.want != (amounts{}) {
		for i := range c.slots {
			m := &c.slots[i]
			more := c.countFits(p, m, d.Avoid)
			c.reserve(m, more)
			n += more
		}
	}
	return Headroom{Count: n, Reason: p.explain(c, d.Avoid).nearestMissText(d, of)}
}

// countFits counts how many more of the class an agent has place for.
func (c *class) countFits(p *cycle, m *agentSlot, avoid []string) int {
	if m.exclusion != notExcluded || slices.Contains(avoid, m.offer().Agent.ID) || c.evaluate(p, m) != allMet {
		return 0
	}
	n := int64(math.MaxInt32)
	for k := range kindCount {
		if c.want[k] > 0 {
			n = min(n, m.left.free[k]/c.want[k])
		}
	}
	if most := c.demand.MaxPerAgent; most > 0 {
		n = min(n, int64(most-c.group.count(m)))
	}
	return int(max(n, 0))
}

// reserve takes what n of the class want off an agent that is only remembered: there are no
// pieces to be taken.
func (c *class) reserve(m *agentSlot, n int) {
	for k := range kindCount {
		m.left.free[k] -= int64(n) * c.want[k]
	}
	if n > 0 {
		c.group.placed[m.offer().Agent.ID] += n
	}
}

// nearestMissText says what the demand needs that the nearest agent lacks.
func (e *Explanation) nearestMissText(d *Demand, of string) string {
	if e.Nearest == nil {
		return e.String()
	}
	where := "one agent"
	if len(d.Constraints) > 0 {
		where += " with " + FormatConstraints(d.Constraints)
	}
	return fmt.Sprintf("needs %s on %s; %s comes nearest, with %s %s",
		e.Nearest.needs, where, e.Nearest.Hostname, e.Nearest.has, of)
}
