package placement

import (
	"slices"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// Input of a pass.
type Input struct {
	// Demands in the order in which they are served.
	Demands []Demand
	// Offers at hand. Those of one agent and role are used together.
	Offers []*Offer
	// Occupied counts the tasks that are on agents already: by group, then agent ID.
	Occupied map[string]map[string]int
	// Now, and how long before a maintenance window an agent is no longer used.
	Now  time.Time
	Lead time.Duration
}

// Match is a place for a demand.
type Match struct {
	// Demand is the index in Input.Demands.
	Demand int
	Agent  Agent
	// Offer is one of the agent's, for its attributes.
	Offer *Offer
	// OfferIDs are all offers of the agent in the demand's role, sorted. Matches on the
	// same agent in the same role share them.
	OfferIDs []string
	// Resources to launch with, as they were offered.
	Resources []mesos.Resource
	// Ports among them, ascending.
	Ports []int
}

// Refusal is a demand without a place.
type Refusal struct {
	// Demand is the index in Input.Demands.
	Demand int
	// Explanation is shared by like demands.
	Explanation *Explanation
}

// Result of a pass. Every demand is in one of the two, in the order of the input.
type Result struct {
	Matches  []Match
	Refusals []Refusal
}

// Plan matches all demands to all offers. The same input gives the same result, in
// whatever order the offers are.
func Plan(in Input) Result {
	p := newPass(in)
	res := Result{Matches: make([]Match, 0, len(in.Demands))}
	for i := range in.Demands {
		d := &in.Demands[i]
		c := p.classOf(d)
		if m := c.claim(d); m != nil {
			res.Matches = append(res.Matches, c.place(i, m))
			continue
		}
		res.Refusals = append(res.Refusals, Refusal{Demand: i})
	}
	// Only now is it known what the pass leaves, so that an explanation holds for all.
	for i := range res.Refusals {
		d := &in.Demands[res.Refusals[i].Demand]
		res.Refusals[i].Explanation = p.explain(p.classOf(d), d)
	}
	return res
}

// machine is what one agent offers to one role.
type machine struct {
	first   *Offer   // by ID
	more    []*Offer // of the same agent: few have any
	left    pool
	owned   bool  // left is no longer an offer's own
	order   int   // by agent ID
	profile int32 // number in the pass
	down    bool  // or about to go down
	ids     []string
}

func (m *machine) offer() *Offer { return m.first }

// pass is the working state of Plan.
type pass struct {
	in       Input
	machines map[string][]*machine // by role
	classes  map[kin][]*class
	groups   map[string]*group
	profiles profiles
}

func newPass(in Input) *pass {
	p := &pass{in: in, machines: map[string][]*machine{}, classes: map[kin][]*class{}, groups: map[string]*group{}}
	p.profiles.number = map[profile]int32{}
	type key struct{ agent, role string }
	seen := make(map[key]*machine, len(in.Offers))
	all := make([]machine, 0, len(in.Offers)) // never grows: it is pointed into
	for _, o := range in.Offers {
		k := key{o.Agent.ID, o.Role}
		if m := seen[k]; m != nil {
			m.more = append(m.more, o)
			continue
		}
		all = append(all, machine{first: o, left: o.usable})
		m := &all[len(all)-1]
		seen[k] = m
		p.machines[o.Role] = append(p.machines[o.Role], m)
	}
	for _, ms := range p.machines {
		slices.SortFunc(ms, func(a, b *machine) int { return strings.Compare(a.offer().Agent.ID, b.offer().Agent.ID) })
		for i, m := range ms {
			m.order = i
			m.pool()
			m.profile = p.profiles.of(m.first)
			m.down = m.near(in.Now, in.Lead)
		}
	}
	return p
}

// pool makes one of the offers of an agent.
func (m *machine) pool() {
	if len(m.more) == 0 {
		return
	}
	all := append(m.more, m.first)
	slices.SortFunc(all, func(a, b *Offer) int { return strings.Compare(a.ID, b.ID) })
	m.first, m.more = all[0], all[1:]
	m.left, m.owned = m.first.usable.clone(), true
	for _, o := range m.more {
		m.left.join(&o.usable)
	}
}

// near says that the agent is about to go down, by any of its offers.
func (m *machine) near(now time.Time, lead time.Duration) bool {
	return m.first.down.nearAt(now, lead) || slices.ContainsFunc(m.more, func(o *Offer) bool { return o.down.nearAt(now, lead) })
}

func (m *machine) offerIDs() []string {
	if m.ids == nil {
		m.ids = append(m.ids, m.first.ID)
		for _, o := range m.more {
			m.ids = append(m.ids, o.ID)
		}
	}
	return m.ids
}

// group is who is on which agent.
type group struct {
	occupied map[string]int // before the pass
	placed   map[string]int // in the pass
}

func (p *pass) groupOf(name string) *group {
	g := p.groups[name]
	if g == nil {
		g = &group{occupied: p.in.Occupied[name], placed: map[string]int{}}
		p.groups[name] = g
	}
	return g
}

// count of the group's tasks on an agent.
func (g *group) count(m *machine) int {
	n := 0
	if len(g.occupied) > 0 {
		n += g.occupied[m.offer().Agent.ID]
	}
	if len(g.placed) > 0 {
		n += g.placed[m.offer().Agent.ID]
	}
	return n
}

// place takes what the demand wants off the agent.
func (c *class) place(i int, m *machine) Match {
	if !m.owned {
		m.left, m.owned = m.left.clone(), true
	}
	taken, numbers := m.left.take(c.want)
	o := m.offer()
	c.group.placed[o.Agent.ID]++
	return Match{
		Demand:    i,
		Agent:     o.Agent,
		Offer:     o,
		OfferIDs:  m.offerIDs(),
		Resources: taken,
		Ports:     numbers,
	}
}
