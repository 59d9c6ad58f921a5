package placement

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Explanation says why no agent took a demand.
type Explanation struct {
	// Role in which it was wanted.
	Role string
	// Agents that offered something in the role.
	Agents int
	// Reasons with the number of agents that each turned away, most first. An agent
	// counts for the first reason that it has.
	Reasons []Reason
	// Nearest is the agent that lacks least, of those that lack resources only.
	Nearest *NearestMiss
	// Invalid says that the demand itself makes no sense, and how.
	Invalid string
}

// Reason why agents were refused.
type Reason struct {
	Count int
	// Text is said of the agents: "lack cpus (most offered 2 on agent-3, wants 4)".
	Text string
}

// NearestMiss is an agent that would nearly do.
type NearestMiss struct {
	AgentID  string
	Hostname string
	Lacks    Resources
	// needs and has are what is wanted, and there, of what is lacking, for a person.
	needs, has string
}

// String is one line for a person.
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

// explainOnce asks every agent again, now that the pass is over.
func (p *cycle) explainOnce(c *class, d *Demand) *Explanation {
	if len(d.Avoid) > 0 {
		return p.explain(c, d.Avoid)
	}
	if c.explained == nil {
		c.explained = p.explain(c, nil)
	}
	return c.explained
}

func (p *cycle) explain(c *class, avoid []string) *Explanation {
	machines := p.slots[c.demand.Role]
	e := &Explanation{Role: c.demand.Role, Agents: len(machines)}
	switch {
	case c.err != nil:
		e.Invalid = c.err.Error()
		return e
	case c.want == (amounts{}):
		e.Invalid = "it asks for no resources"
		return e
	}
	t := refusalCounts{c: c, unmet: make([]int, len(c.constraints))}
	for i := range machines {
		t.add(p, &machines[i], avoid)
	}
	e.Reasons = t.toReasons()
	if t.nearest != nil {
		a := t.nearest.offer().Agent
		e.Nearest = &NearestMiss{AgentID: a.ID, Hostname: a.Hostname, Lacks: t.lacks.toResources()}
		e.Nearest.needs, e.Nearest.has = t.nearestTexts()
	}
	return e
}

// refusalCounts counts refusals.
type refusalCounts struct {
	c             *class
	unmet         []int // by constraint
	excluded      [exclusionCount]int
	avoided, full int
	lackFirst     [kindCount]int
	mostFree      [kindCount]int64
	mostOn        [kindCount]*agentSlot
	nearest       *agentSlot
	lacks         amounts
	nearestBy     float64
}

// add finds an agent's first reason.
func (t *refusalCounts) add(p *cycle, m *agentSlot, avoid []string) {
	o := m.offer()
	v := t.c.evaluate(p, m)
	switch {
	case v != allMet:
		t.unmet[v-allMet-1]++
	case m.exclusion != notExcluded:
		t.excluded[m.exclusion]++
	case slices.Contains(avoid, o.Agent.ID):
		t.avoided++
	case t.c.demand.MaxPerAgent > 0 && t.c.group.count(m) >= t.c.demand.MaxPerAgent:
		t.full++
	default:
		t.addLack(m)
	}
}

func (t *refusalCounts) addLack(m *agentSlot) {
	var lacks amounts
	first, miss := kindCount, 0.0
	for k := range kindCount {
		short := t.c.want[k] - m.left.free[k]
		if short <= 0 {
			continue
		}
		lacks[k] = short
		miss += float64(short) / float64(t.c.want[k])
		first = min(first, k)
	}
	if first == kindCount {
		return
	}
	t.lackFirst[first]++
	better := t.mostOn[first] == nil || m.left.free[first] > t.mostFree[first] ||
		(m.left.free[first] == t.mostFree[first] && m.offer().Agent.ID < t.mostOn[first].offer().Agent.ID)
	if better {
		t.mostFree[first], t.mostOn[first] = m.left.free[first], m
	}
	if t.nearest == nil || miss < t.nearestBy || (miss == t.nearestBy && m.offer().Agent.ID < t.nearest.offer().Agent.ID) {
		t.nearest, t.nearestBy, t.lacks = m, miss, lacks
	}
}

// nearestTexts tells of the nearest agent, for each kind that it lacks, what is wanted and
// what is there.
func (t *refusalCounts) nearestTexts() (needs, has string) {
	var wanted, there []string
	for k := range kindCount {
		if t.lacks[k] > 0 {
			wanted = append(wanted, amountText(k, t.c.want[k])+" "+kindNames[k])
			there = append(there, amountText(k, t.nearest.left.free[k])+" "+kindNames[k])
		}
	}
	return strings.Join(wanted, ", "), strings.Join(there, ", ")
}

func (t *refusalCounts) toReasons() []Reason {
	var rs []Reason
	put := func(n int, what string) {
		if n > 0 {
			rs = append(rs, Reason{Count: n, Text: what})
		}
	}
	for k := range kindCount {
		if t.lackFirst[k] > 0 {
			put(t.lackFirst[k], fmt.Sprintf("%s %s (most offered %s on %s, wants %s)", verb(t.lackFirst[k], "lacks", "lack"), kindNames[k],
				amountText(k, t.mostFree[k]), t.mostOn[k].offer().Agent.Hostname, amountText(k, t.c.want[k])))
		}
	}
	for i := range t.unmet {
		put(t.unmet[i], t.c.constraints[i].refusalText(t.unmet[i]))
	}
	put(t.full, fmt.Sprintf("%s as many as allowed (%d) already", verb(t.full, "holds", "hold"), t.c.demand.MaxPerAgent))
	put(t.avoided, verb(t.avoided, "is", "are")+" left out after failures")
	put(t.excluded[hostLocalAddress], verb(t.excluded[hostLocalAddress], "has", "have")+" an address that no other machine can reach (set the agents' --ip)")
	put(t.excluded[inMaintenance], verb(t.excluded[inMaintenance], "is", "are")+" down for maintenance, or about to be")
	put(t.excluded[draining], verb(t.excluded[draining], "turns", "turn")+" tasks away while draining")
	slices.SortStableFunc(rs, func(a, b Reason) int { return b.Count - a.Count })
	return rs
}

// verb agrees with a count.
func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func amountText(k resourceKind, n int64) string {
	switch k {
	case ports:
		return strconv.FormatInt(n, 10)
	case cpus:
		return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64)
	}
	return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64) + " MiB"
}

func lackText(r Resources) string {
	a, err := amountsOf(r)
	if err != nil {
		return err.Error()
	}
	var parts []string
	for k := range kindCount {
		if a[k] > 0 {
			parts = append(parts, amountText(k, a[k])+" "+kindNames[k])
		}
	}
	return strings.Join(parts, ", ")
}
