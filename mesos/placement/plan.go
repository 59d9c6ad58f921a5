package placement

import (
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// Input is everything that Plan looks at.
type Input struct {
	// Demands, in the order in which they are served.
	Demands []Demand
	// Offers to place demands on. The offers of one agent and role are used together.
	Offers []*Offer
	// Occupied is the number of tasks that agents have already: by group, then agent ID.
	Occupied map[string]map[string]int
	// Now is the time of the cycle.
	Now time.Time
	// MaintenanceLead is how long before a maintenance window its agent is no longer used.
	MaintenanceLead time.Duration
	// Maintenance has windows that are known from elsewhere than the offers, by agent ID.
	Maintenance map[string]MaintenanceWindow
	// Draining has the agents that rejected a task because they drain, by ID, and until
	// when they are left out.
	Draining map[string]time.Time
	// LocalRegion is the region of the master. Agents of other regions are used only by
	// demands with a constraint on the region. If it is empty, regions make no difference.
	LocalRegion string
	// Backoffs of agents on which tasks failed.
	Backoffs Backoffs
}

// Match is a place for a demand.
type Match struct {
	// Demand is the index in Input.Demands.
	Demand int
	Agent  Agent
	// Offer is one of the agent's offers. It has the agent's attributes.
	Offer *Offer
	// OfferIDs are the IDs of all offers of the agent in the demand's role, sorted. Matches
	// on the same agent in the same role share them.
	OfferIDs []string
	// Resources to launch with, in the form in which they were offered.
	Resources []mesos.Resource
	// Ports are the port numbers in Resources, ascending.
	Ports []int
}

// Refusal is a demand without a place.
type Refusal struct {
	// Demand is the index in Input.Demands.
	Demand int
	// Explanation is shared by the demands of one class.
	Explanation *Explanation
}

// Result of a cycle. Every demand is in one of the two, in the order of the input.
type Result struct {
	Matches  []Match
	Refusals []Refusal
}

// Plan matches demands to offers. The same input gives the same result, whatever the order
// of the offers.
func Plan(in Input) Result {
	p := newCycle(in)
	res := Result{Matches: make([]Match, 0, len(in.Demands))}
	for i := range in.Demands {
		d := &in.Demands[i]
		c := p.ensureClass(d)
		if s := c.selectSlot(d); s != nil {
			res.Matches = append(res.Matches, c.place(i, d.ID, s))
			continue
		}
		res.Refusals = append(res.Refusals, Refusal{Demand: i})
	}
	// Refusals are explained last, when it is known what the cycle leaves on each agent. The
	// explanation then holds for all demands of a class.
	for i := range res.Refusals {
		d := &in.Demands[res.Refusals[i].Demand]
		res.Refusals[i].Explanation = p.explainOnce(p.ensureClass(d), d)
	}
	return res
}

// cycle is the working state of one call of Plan, or of one question to a Capacity.
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
		p.slots[offers[0].Role] = newSlots(offers[:n], &p.in, &p.profiles)
		offers = offers[n:]
	}
	return p
}

// countSameRole counts the offers at the beginning that have the first one's role.
func countSameRole(sorted []*Offer) int {
	n := slices.IndexFunc(sorted, func(o *Offer) bool { return o.Role != sorted[0].Role })
	if n < 0 {
		return len(sorted)
	}
	return n
}

// ensureGroup returns the group with a name.
func (p *cycle) ensureGroup(name string) *group {
	g := p.groups[name]
	if g == nil {
		g = &group{occupied: p.in.Occupied[name], placed: map[string]int{}}
		p.groups[name] = g
	}
	return g
}
