package placement

import (
	"fmt"
	"time"
)

// Backoff is why an agent on which tasks failed is left alone, and until when. It must not
// change once a Plan has seen it.
type Backoff struct {
	// Until is when the agent may be used again. As long as it has a Backoff it is used
	// only for demands that no other agent takes.
	Until time.Time
	// Group is the only group that leaves the agent alone; empty for all groups.
	Group string
	// Reason is for a person: "after 2 failures in a row, the last: TASK_FAILED".
	Reason string
}

// Backoffs are the back-offs of agents. The zero value has none.
type Backoffs struct {
	ByAgentID map[string]*Backoff
	// ByHostname has those of agents that went away: an agent may come back under another
	// ID.
	ByHostname map[string]*Backoff
}

// find returns the back-off of an agent, nil if it has none. (A look-up in an empty map still
// hashes the key, which is measurable here.)
func (b *Backoffs) find(a *Agent) *Backoff {
	if len(b.ByAgentID) == 0 && len(b.ByHostname) == 0 {
		return nil
	}
	if found := b.ByAgentID[a.ID]; found != nil || a.Hostname == "" {
		return found
	}
	return b.ByHostname[a.Hostname]
}

// concerns reports whether the group of a class is to prefer other agents.
func (b *Backoff) concerns(c *class) bool {
	return b != nil && (b.Group == "" || b.Group == c.demand.Group)
}

// isBackingOff reports whether an agent is left alone by the class.
func (p *cycle) isBackingOff(c *class, s *agentSlot) bool {
	return s.backoff.concerns(c) && p.in.Now.Before(s.backoff.Until)
}

// backoffText says of n agents that they are left alone. The slot is the one of them that
// may be used first.
func backoffText(n int, first *agentSlot) string {
	b := first.backoff
	until := b.Until.UTC().Format(time.TimeOnly + " MST")
	if n == 1 {
		return fmt.Sprintf("is left alone until %s (%s, %s)", until, first.first.Agent.Hostname, b.Reason)
	}
	return fmt.Sprintf("are left alone after failures (%s until %s, %s)", first.first.Agent.Hostname, until, b.Reason)
}
