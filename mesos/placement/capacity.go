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
	// Surveyed is when the master last told of all agents; zero when it never did, or long
	// ago. Offers alone do not tell what agents have that offer nothing.
	Surveyed time.Time
	// Unknown says why there is no survey, for a person.
	Unknown string
	// Free is what agents have free: Offers as they are remembered. Its Demands wait
	// already, and are served first.
	Free Input
	// Totals is what agents have in all, in each role.
	Totals []*Offer
	// InVain are demands that offers had time to come for, and why they wait still.
	InVain []InVain
}

// InVain is a demand that waits although offers had time to come.
type InVain struct {
	Demand
	Why string
}

// Unknown is the count of a Room that nobody can tell.
const Unknown = -1

// Room is how many more tasks like a demand a cluster has place for.
type Room struct {
	// Count of tasks; Unknown when that cannot be told.
	Count int
	// Why there are not more, or why it cannot be told, for a person: "needs 8 cpus on one
	// agent with @zone In [b]; agent-17 comes nearest, with 6.5 cpus free".
	Why string
}

// Room for more tasks like a demand, beside others that wait already. It is an upper bound:
// quotas, and what other frameworks take first, nobody knows beforehand. But where another
// demand, for no more, waits in vain there is none, whatever a survey says.
func (c Capacity) Room(d Demand) Room {
	for i := range c.InVain {
		if v := &c.InVain[i]; v.ID != d.ID && v.asksNoMoreThan(&d) {
			return Room{Why: v.Why}
		}
	}
	if c.Surveyed.IsZero() {
		return Room{Count: Unknown, Why: c.Unknown}
	}
	p := newPass(c.Free)
	for i := range c.Free.Demands {
		w := &c.Free.Demands[i]
		if w.ID == d.ID {
			continue
		}
		class := p.classOf(w)
		if m := class.claim(w); m != nil {
			class.occupy(m, 1)
		}
	}
	return p.room(&d, "free")
}

// Ever is how many tasks like a demand there would be place for if nothing else ran, and
// nothing had ever failed.
func (c Capacity) Ever(d Demand) Room {
	d.Avoid = nil
	if c.Surveyed.IsZero() {
		return Room{Count: Unknown, Why: c.Unknown}
	}
	return newPass(Input{Offers: c.Totals}).room(&d, "in all")
}

// asksNoMoreThan says that a place for the one would be had by the other as well.
func (v *InVain) asksNoMoreThan(d *Demand) bool {
	a, errA := amountsOf(v.Resources)
	b, errB := amountsOf(d.Resources)
	return errA == nil && errB == nil && b.holds(&a) && v.Group == d.Group && v.Role == d.Role &&
		v.MaxPerAgent == d.MaxPerAgent && slices.EqualFunc(v.Constraints, d.Constraints, Constraint.Equal)
}

// room fills the agents with tasks like the demand, and says what keeps one more away.
func (p *pass) room(d *Demand, of string) Room {
	c := p.classOf(d)
	n := 0
	if c.err == nil && c.want != (amounts{}) {
		for i := range c.machines {
			m := &c.machines[i]
			more := c.holds(p, m, d.Avoid)
			c.occupy(m, more)
			n += more
		}
	}
	return Room{Count: n, Why: p.census(c, d.Avoid).miss(d, of)}
}

// holds counts how many more of the class an agent has place for.
func (c *class) holds(p *pass, m *machine, avoid []string) int {
	if m.closed != open || slices.Contains(avoid, m.offer().Agent.ID) || c.judge(p, m) != met {
		return 0
	}
	n := int64(math.MaxInt32)
	for k := range kinds {
		if c.want[k] > 0 {
			n = min(n, m.left.free[k]/c.want[k])
		}
	}
	if most := c.like.MaxPerAgent; most > 0 {
		n = min(n, int64(most-c.group.count(m)))
	}
	return int(max(n, 0))
}

// occupy takes what n of the class want off an agent that is only remembered: there are no
// pieces to be taken.
func (c *class) occupy(m *machine, n int) {
	for k := range kinds {
		m.left.free[k] -= int64(n) * c.want[k]
	}
	if n > 0 {
		c.group.placed[m.offer().Agent.ID] += n
	}
}

// miss says what the demand needs that the nearest agent lacks.
func (e *Explanation) miss(d *Demand, of string) string {
	if e.Nearest == nil {
		return e.String()
	}
	where := "one agent"
	if len(d.Constraints) > 0 {
		where += " with " + ConstraintsText(d.Constraints)
	}
	return fmt.Sprintf("needs %s on %s; %s comes nearest, with %s %s",
		e.Nearest.needs, where, e.Nearest.Hostname, e.Nearest.has, of)
}
