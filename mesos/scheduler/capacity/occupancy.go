package capacity

import "maps"

// Occupancy counts the tasks of each group on each agent, and the tasks that are being
// launched. Use NewOccupancy. It is not safe for concurrent use.
type Occupancy struct {
	counts map[string]map[string]int // by group, then agent ID; without zeros
}

// NewOccupancy returns the occupancy of agents without tasks.
func NewOccupancy() *Occupancy { return &Occupancy{counts: map[string]map[string]int{}} }

// Add changes a count. A task whose agent is not known is not counted.
func (o *Occupancy) Add(group, agentID string, n int) {
	if agentID == "" {
		return
	}
	agents := o.counts[group]
	if agents == nil {
		agents = map[string]int{}
		o.counts[group] = agents
	}
	if agents[agentID] += n; agents[agentID] <= 0 {
		delete(agents, agentID)
	}
	if len(agents) == 0 {
		delete(o.counts, group)
	}
}

// Counts returns the counts by group, then agent ID. The map is the Occupancy's own: it is
// not to be changed, nor kept.
func (o *Occupancy) Counts() map[string]map[string]int { return o.counts }

// Clone returns a copy of the counts.
func (o *Occupancy) Clone() map[string]map[string]int {
	out := make(map[string]map[string]int, len(o.counts))
	for group, agents := range o.counts {
		out[group] = maps.Clone(agents)
	}
	return out
}
