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
	Now             time.Time
	MaintenanceLead time.Duration
	// Maintenance are windows that are known from elsewhere than the offers, by agent ID.
	Maintenance map[string]MaintenanceWindow
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
	p := newCycle(in)
	res := Result{Matches: make([]Match, 0, len(in.Demands))}
	for i := range in.Demands {
		d := &in.Demands[i]
		c := p.ensureClass(d)
		if m := c.selectSlot(d); m != nil {
			res.Matches = append(res.Matches, c.place(i, m))
			continue
		}
		res.Refusals = append(res.Refusals, Refusal{Demand: i})
	}
	// Only now is it known what the pass leaves, so that an explanation holds for all.
	for i := range res.Refusals {
		d := &in.Demands[res.Refusals[i].Demand]
		res.Refusals[i].Explanation = p.explainOnce(p.ensureClass(d), d)
	}
	return res
}

// agentSlot is what one agent offers to one role.
type agentSlot struct {
	first     *Offer   // by ID
	more      []*Offer // of the same agent: few have any
	left      resourcePool
	isOwned   bool // left is no longer an offer's own
	exclusion exclusion
	profile   int32 // number in the pass
	offerIDs  []string
}

func (m *agentSlot) offer() *Offer { return m.first }

// exclusion is why nothing at all is placed on an agent.
type exclusion uint8

const (
	notExcluded      exclusion = iota
	hostLocalAddress           // its address is good for itself alone
	inMaintenance              // or about to go down
	draining                   // and turns away what comes
	exclusionCount
)

// cycle is the working state of Plan.
type cycle struct {
	in       Input
	slots    map[string][]agentSlot // by role, in order of agent IDs
	classes  map[classKey][]*class
	groups   map[string]*group
	profiles profileIndex
}

func newCycle(in Input) *cycle {
	p := &cycle{in: in, slots: map[string][]agentSlot{}, classes: map[classKey][]*class{}, groups: map[string]*group{}}
	p.profiles.numbers = map[profile]int32{}
	offers := slices.Clone(in.Offers)
	SortOffers(offers)
	for len(offers) > 0 {
		n := countSameRole(offers)
		p.slots[offers[0].Role] = p.slotsOf(offers[:n])
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

// countSameRole counts the offers that have the first one's role.
func countSameRole(sorted []*Offer) int {
	n := slices.IndexFunc(sorted, func(o *Offer) bool { return o.Role != sorted[0].Role })
	if n < 0 {
		return len(sorted)
	}
	return n
}

// slotsOf makes machines of the offers in one role.
func (p *cycle) slotsOf(sorted []*Offer) []agentSlot {
	ms := make([]agentSlot, 0, len(sorted))
	for i, o := range sorted {
		if i > 0 && sorted[i-1].Agent.ID == o.Agent.ID {
			ms[len(ms)-1].add(o)
			continue
		}
		ms = append(ms, agentSlot{first: o, left: o.usable, profile: p.profiles.ensureNumber(o)})
	}
	for i := range ms {
		ms[i].exclusion = ms[i].findExclusion(&p.in)
	}
	return ms
}

// add pools another offer of the agent.
func (m *agentSlot) add(o *Offer) {
	m.more = append(m.more, o)
	if !m.isOwned {
		m.left, m.isOwned = m.left.clone(), true
	}
	m.left.merge(&o.usable)
}

func (m *agentSlot) findExclusion(in *Input) exclusion {
	a := &m.first.Agent
	switch {
	case a.hasHostLocalAddress():
		return hostLocalAddress
	case m.isInMaintenance(in):
		return inMaintenance
	case in.Draining[a.ID].After(in.Now):
		return draining
	}
	return notExcluded
}

// isInMaintenance says that the agent is down, or about to go down, by any of its offers or else.
func (m *agentSlot) isInMaintenance(in *Input) bool {
	if w, planned := in.Maintenance[m.first.Agent.ID]; planned && w.isImminent(in.Now, in.MaintenanceLead) {
		return true
	}
	soon := func(o *Offer) bool {
		return o.Maintenance != nil && o.Maintenance.isImminent(in.Now, in.MaintenanceLead)
	}
	return soon(m.first) || slices.ContainsFunc(m.more, soon)
}

func (m *agentSlot) collectOfferIDs() []string {
	if m.offerIDs == nil {
		m.offerIDs = append(m.offerIDs, m.first.ID)
		for _, o := range m.more {
			m.offerIDs = append(m.offerIDs, o.ID)
		}
	}
	return m.offerIDs
}

// group is who is on which agent.
type group struct {
	occupied map[string]int // before the pass
	placed   map[string]int // in the pass
}

func (p *cycle) ensureGroup(name string) *group {
	g := p.groups[name]
	if g == nil {
		g = &group{occupied: p.in.Occupied[name], placed: map[string]int{}}
		p.groups[name] = g
	}
	return g
}

// count of the group's tasks on an agent.
func (g *group) count(m *agentSlot) int {
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
func (c *class) place(i int, m *agentSlot) Match {
	if !m.isOwned {
		m.left, m.isOwned = m.left.clone(), true
	}
	taken, numbers := m.left.take(c.want)
	o := m.offer()
	c.group.placed[o.Agent.ID]++
	return Match{
		Demand:    i,
		Agent:     o.Agent,
		Offer:     o,
		OfferIDs:  m.collectOfferIDs(),
		Resources: taken,
		Ports:     numbers,
	}
}
