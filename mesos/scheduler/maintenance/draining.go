package maintenance

import (
	"maps"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// ReasonAgentDraining is the reason of a status when an agent's drain ends a task, or does
// not let it begin.
const ReasonAgentDraining = "REASON_AGENT_DRAINING"

// Draining remembers agents that refused a task because they drain. Such an agent makes no
// offers; but it may go on draining after it is active again, as long as an executor is
// left on it. Use NewDraining. It is not safe for concurrent use.
type Draining struct {
	avoidFor time.Duration
	timers   *timers.Queue
	until    map[string]time.Time // by agent
}

// NewDraining returns an empty set of agents, each of which is avoided for some time. It sets
// the timer EndDraining, with the agent as its key.
func NewDraining(avoidFor time.Duration, q *timers.Queue) *Draining {
	return &Draining{avoidFor: avoidFor, timers: q, until: map[string]time.Time{}}
}

// Add notes that an agent refused a task.
func (d *Draining) Add(now time.Time, agentID string) {
	if agentID != "" && len(d.until) < maxAgents {
		d.until[agentID] = now.Add(d.avoidFor)
		d.timers.Set(timers.EndDraining, agentID, d.until[agentID])
	}
}

// Remaining returns for how long an agent is still avoided; 0 if it is not.
func (d *Draining) Remaining(now time.Time, agentID string) time.Duration {
	until, avoided := d.until[agentID]
	if !avoided {
		return 0
	}
	return max(until.Sub(now), 0)
}

// Expire forgets the agents that were avoided for long enough.
func (d *Draining) Expire(now time.Time) {
	maps.DeleteFunc(d.until, func(_ string, until time.Time) bool { return !until.After(now) })
}

// Agents returns until when each agent is avoided. The map is the Draining's own: it is not
// to be changed, nor kept.
func (d *Draining) Agents() map[string]time.Time { return d.until }
