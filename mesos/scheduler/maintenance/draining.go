package maintenance

import (
	"maps"
	"time"
)

// ReasonAgentDraining is the reason of a status when an agent's drain ends a task, or does
// not let it begin.
const ReasonAgentDraining = "REASON_AGENT_DRAINING"

// Draining remembers agents that refused a task because they drain. Such an agent makes no
// offers; but it may go on draining after it is active again, as long as an executor is
// left on it. Use NewDraining. It is not safe for concurrent use.
type Draining struct {
	avoidFor time.Duration
	until    map[string]time.Time // by agent
}

// NewDraining returns an empty set of agents, each of which is avoided for some time.
func NewDraining(avoidFor time.Duration) *Draining {
	return &Draining{avoidFor: avoidFor, until: map[string]time.Time{}}
}

// Add notes that an agent refused a task.
func (d *Draining) Add(now time.Time, agentID string) {
	if agentID != "" && len(d.until) < maxAgents {
		d.until[agentID] = now.Add(d.avoidFor)
	}
}

// Expire forgets the agents that were avoided for long enough.
func (d *Draining) Expire(now time.Time) {
	maps.DeleteFunc(d.until, func(_ string, until time.Time) bool { return !until.After(now) })
}

// Agents returns until when each agent is avoided. The map is the Draining's own: it is not
// to be changed, nor kept.
func (d *Draining) Agents() map[string]time.Time { return d.until }
