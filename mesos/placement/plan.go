package placement

import (
	"cmp"
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
	// Down are windows that are known from elsewhere than the offers, by agent ID.
	Down map[string]Window
	// Draining agents turned a task away; by ID, until when they are left out.
	Draining map[string]time.Time
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
	owned   bool // left is no longer an offer's own
	closed  closure
	profile int32 // number in the pass
	ids     []string
}

func (m *machine) offer() *Offer { return m.first }

// closure is why nothing at all is placed on an agent.
type closure uint8

const (
	open     closure = iota
	cutOff           // its address is good for itself alone
	down             // or about to go down
	draining         // and turns away what comes
	closures
)

// pass is the working state of Plan.
type pass struct {
	in       Input
	machines map[string][]machine // by role, in order of agent IDs
	classes  map[kin][]*class
	groups   map[string]*group
	profiles profiles
}

func newPass(in Input) *pass {
	p := &pass{in: in, machines: map[string][]machine{}, classes: map[kin][]*class{}, groups: map[string]*group{}}
	p.profiles.number = map[profile]int32{}
	offers := slices.Clone(in.Offers)
	SortOffers(offers)
	for len(offers) > 0 {
		n := sameRole(offers)
		p.machines[offers[0].Role] = p.pool(offers[:n])
		offers = offers[n:]
	}
	return p
}

// SortOffers puts offers in the order of a pass: by role, agent and ID. A pass over those
// that are in it already begins sooner.
func SortOffers(offers []*Offer) {
	slices.SortFunc(offers, func(a, b *Offer) int {
		return cmp.Or(strings.Compare(a.Role, b.Role), strings.Compare(a.Agent.ID, b.Agent.ID), strings.Compare(a.ID, b.ID))
	})
}

// sameRole counts the offers that have the first one's role.
func sameRole(sorted []*Offer) int {
	n := slices.IndexFunc(sorted, func(o *Offer) bool { return o.Role != sorted[0].Role })
	if n < 0 {
		return len(sorted)
	}
	return n
}

// pool makes machines of the offers in one role.
func (p *pass) pool(sorted []*Offer) []machine {
	ms := make([]machine, 0, len(sorted))
	for i, o := range sorted {
		if i > 0 && sorted[i-1].Agent.ID == o.Agent.ID {
			ms[len(ms)-1].add(o)
			continue
		}
		ms = append(ms, machine{first: o, left: o.usable, profile: p.profiles.of(o)})
	}
	for i := range ms {
		ms[i].closed = ms[i].closure(&p.in)
	}
	return ms
}

// add pools another offer of the agent.
func (m *machine) add(o *Offer) {
	m.more = append(m.more, o)
	if !m.owned {
		m.left, m.owned = m.left.clone(), true
	}
	m.left.join(&o.usable)
}

func (m *machine) closure(in *Input) closure {
	a := &m.first.Agent
	switch {
	case a.ownOnly():
		return cutOff
	case m.near(in):
		return down
	case in.Draining[a.ID].After(in.Now):
		return draining
	}
	return open
}

// near says that the agent is down, or about to go down, by any of its offers or else.
func (m *machine) near(in *Input) bool {
	if w, planned := in.Down[m.first.Agent.ID]; planned && w.nearAt(in.Now, in.Lead) {
		return true
	}
	soon := func(o *Offer) bool { return o.Down != nil && o.Down.nearAt(in.Now, in.Lead) }
	return soon(m.first) || slices.ContainsFunc(m.more, soon)
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
