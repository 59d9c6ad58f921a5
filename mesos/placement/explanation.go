package placement

import (
	"fmt"
	"strings"
)

// Explanation is why no agent took a demand.
type Explanation struct {
	// Role of the demand.
	Role string
	// Agents is the number of agents that offered something in the role.
	Agents int
	// Reasons with the number of agents that each excludes, the most frequent first. Each
	// agent counts for the first reason that applies to it.
	Reasons []Reason
	// Nearest is the agent that lacks least, of the agents that lack nothing but resources.
	Nearest *NearestMiss
	// Invalid is why the demand itself makes no sense; empty if it does.
	Invalid string
}

// Reason is one reason why agents were refused.
type Reason struct {
	// Count of agents.
	Count int
	// Text follows the count: "lack cpus (most offered 2 on agent-3, wants 4)".
	Text string
}

// NearestMiss is the agent that would almost do.
type NearestMiss struct {
	AgentID  string
	Hostname string
	// Lacks is what the agent has too little of.
	Lacks Resources
	// needs and has are what the demand wants, and what the agent has, of the kinds that are
	// lacking, for a person.
	needs, has string
	// omitted is what the agent has of these kinds and does not count.
	omitted omission
}

// String formats the explanation as one line for a person.
func (e *Explanation) String() string {
	switch {
	case e.Invalid != "":
		return "cannot be placed: " + e.Invalid
	case e.Agents == 0:
		return fmt.Sprintf("no agent offers anything in role %s", e.Role)
	}
	parts := make([]string, len(e.Reasons))
	for i, r := range e.Reasons {
		parts[i] = fmt.Sprintf("%d %s", r.Count, r.Text)
	}
	s := fmt.Sprintf("0 of %d agents fit: %s", e.Agents, strings.Join(parts, ", "))
	if e.Nearest != nil {
		s += fmt.Sprintf("; nearest is %s, which lacks %s", e.Nearest.Hostname, lackText(e.Nearest.Lacks))
	}
	return s
}

// nearestMissText formats what the demand needs, and what the nearest agent has of it. Which
// is "free" or "in all".
func (e *Explanation) nearestMissText(d *Demand, which string) string {
	if e.Nearest == nil {
		return e.String()
	}
	where := "one agent"
	if len(d.Constraints) > 0 {
		where += " with " + FormatConstraints(d.Constraints)
	}
	return fmt.Sprintf("needs %s on %s; %s comes nearest, with %s %s%s",
		e.Nearest.needs, where, e.Nearest.Hostname, e.Nearest.has, which, e.Nearest.omitted.text())
}

func lackText(r Resources) string {
	a, err := amountsOf(r)
	if err != nil {
		return err.Error()
	}
	return a.text()
}

// explainOnce explains why a demand was refused. The demands of a class that avoid no agent
// share one explanation.
func (p *cycle) explainOnce(c *class, d *Demand) *Explanation {
	if len(d.Avoid) > 0 {
		return p.explain(c, d.Avoid)
	}
	if c.explanation == nil {
		c.explanation = p.explain(c, nil)
	}
	return c.explanation
}

// explain considers every agent again and counts why each does not take the class.
func (p *cycle) explain(c *class, avoid []string) *Explanation {
	slots := p.slots[c.demand.Role]
	e := &Explanation{Role: c.demand.Role, Agents: len(slots)}
	switch {
	case c.err != nil:
		e.Invalid = c.err.Error()
		return e
	case c.want == (amounts{}):
		e.Invalid = "it asks for no resources"
		return e
	}
	counts := refusalCounts{class: c, unmet: make([]int, len(c.constraints))}
	for i := range slots {
		counts.add(p, &slots[i], avoid)
	}
	e.Reasons = counts.reasons()
	if counts.nearest.slot != nil {
		e.Nearest = counts.nearest.describe(&c.want)
	}
	return e
}
