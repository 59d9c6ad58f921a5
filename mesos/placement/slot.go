package placement

import "slices"

// agentSlot is what one agent offers to one role.
type agentSlot struct {
	first     *Offer   // the first one by ID
	more      []*Offer // further offers of the agent; few agents have any
	left      resourcePool
	ownsLeft  bool // left is a copy; until then it is the first offer's own
	exclusion exclusion
	isRemote  bool     // the agent is in another region than the master
	backoff   *Backoff // nil if nothing failed on the agent lately
	profile   int32    // number of the agent's profile in the cycle
	offerIDs  []string // of all offers; nil until something is placed
}

// exclusion is why nothing at all may be placed on an agent in this cycle.
type exclusion uint8

const (
	notExcluded      exclusion = iota
	hostLocalAddress           // other hosts cannot connect to the agent's address
	inMaintenance              // maintenance has begun, or is imminent
	draining                   // the agent rejects tasks while it drains
	exclusionCount
)

// newSlots makes the slots of one role from its offers, which are sorted.
func newSlots(sorted []*Offer, in *Input, profiles *profileIndex) []agentSlot {
	slots := make([]agentSlot, 0, len(sorted))
	for i, o := range sorted {
		if i > 0 && sorted[i-1].Agent.ID == o.Agent.ID {
			slots[len(slots)-1].add(o)
			continue
		}
		slots = append(slots, agentSlot{first: o, left: o.usable, profile: profiles.ensureNumber(o)})
	}
	for i := range slots {
		slots[i].exclusion = slots[i].findExclusion(in)
		slots[i].isRemote = slots[i].first.Agent.IsRemote(in.LocalRegion)
		slots[i].backoff = in.Backoffs.find(&slots[i].first.Agent)
	}
	return slots
}

// add adds another offer of the agent.
func (s *agentSlot) add(o *Offer) {
	s.more = append(s.more, o)
	s.own()
	s.left.merge(&o.usable)
}

// own makes a copy of the remaining resources, so that taking from it does not change the offer.
func (s *agentSlot) own() {
	if !s.ownsLeft {
		s.left, s.ownsLeft = s.left.clone(), true
	}
}

func (s *agentSlot) findExclusion(in *Input) exclusion {
	switch {
	case s.first.Agent.hasHostLocalAddress():
		return hostLocalAddress
	case s.isInMaintenance(in):
		return inMaintenance
	case in.Draining[s.first.Agent.ID].After(in.Now):
		return draining
	}
	return notExcluded
}

// isInMaintenance reports whether any known window has begun or is imminent: one of the
// input, or of any of the agent's offers.
func (s *agentSlot) isInMaintenance(in *Input) bool {
	if w, planned := in.Maintenance[s.first.Agent.ID]; planned && w.isImminent(in.Now, in.MaintenanceLead) {
		return true
	}
	isImminent := func(o *Offer) bool {
		return o.Maintenance != nil && o.Maintenance.isImminent(in.Now, in.MaintenanceLead)
	}
	return isImminent(s.first) || slices.ContainsFunc(s.more, isImminent)
}

func (s *agentSlot) collectOfferIDs() []string {
	ids := []string{s.first.ID}
	for _, o := range s.more {
		ids = append(ids, o.ID)
	}
	return ids
}

// group counts the tasks of one group by agent ID.
type group struct {
	occupied map[string]int // before the cycle
	placed   map[string]int // in the cycle
}

// taskCount returns the number of the group's tasks on an agent. (A look-up in an empty map
// still hashes the key, which is measurable here.)
func (g *group) taskCount(s *agentSlot) int {
	n := 0
	if len(g.occupied) > 0 {
		n += g.occupied[s.first.Agent.ID]
	}
	if len(g.placed) > 0 {
		n += g.placed[s.first.Agent.ID]
	}
	return n
}
