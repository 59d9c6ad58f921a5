package agents

import "time"

const (
	// manyAgents is the number of agents on which a group has to fail before the fault is
	// looked for in the group itself.
	manyAgents = 3
	// provenAfter is how long a task must have run for its agent to count as good.
	provenAfter = 5 * time.Minute
)

// suspectGroups returns the groups that fail on many agents, and run on fewer: their tasks
// are at fault, not the agents. One pool with a template that starts nowhere must not take
// the agents from all other pools.
func (h *History) suspectGroups(now time.Time) map[string]bool {
	failedOn := map[string]int{}
	for _, a := range h.agents {
		for _, g := range a.Groups {
			failedOn[g]++
		}
	}
	var suspects map[string]bool
	for g, n := range failedOn {
		if n >= manyAgents && n > h.goodAgents(now, g) {
			if suspects == nil {
				suspects = map[string]bool{}
			}
			suspects[g] = true
		}
	}
	return suspects
}

// goodAgents counts the agents on which tasks of a group run well. It looks at all tasks,
// which is rare: only while the group fails on many agents.
func (h *History) goodAgents(now time.Time, group string) int {
	good := map[string]bool{}
	for _, t := range h.tasks {
		isProven := t.restored || !t.ranAt.IsZero() && now.Sub(t.ranAt) >= provenAfter
		if t.Group == group && isProven && h.agents[t.AgentID] == nil {
			good[t.AgentID] = true
		}
	}
	return len(good)
}
