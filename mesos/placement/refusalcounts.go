package placement

import (
	"fmt"
	"slices"
	"strings"
)

// refusalCounts counts why agents do not take a class.
type refusalCounts struct {
	class    *class
	unmet    []int // by constraint
	excluded [exclusionCount]int
	avoided  int
	remote   int
	// backingOff counts the agents that are left alone; firstBack is the one of them that
	// may be used first.
	backingOff int
	firstBack  *agentSlot
	full       int
	lacking    [kindCount]lack
	nearest    nearestMiss
}

// lack counts the agents that have too little of one kind, and keeps the one of them that
// has the most.
type lack struct {
	count   int
	most    int64
	agent   *Agent   // that has most
	omitted omission // of any of them
}

// nearestMiss is the agent that lacks the smallest part of what is wanted.
type nearestMiss struct {
	slot     *agentSlot
	lacks    amounts
	distance float64 // sum over the kinds of what is lacking, as a share of what is wanted
}

// add counts an agent for the first reason that applies to it. The order is fixed, and
// shows: a reason that no free resource could change comes before a lack of resources.
func (t *refusalCounts) add(p *cycle, s *agentSlot, avoid []string) {
	v := t.class.evaluate(p, s)
	switch {
	case v != allMet:
		t.unmet[v.unmetConstraint()]++
	case s.exclusion != notExcluded:
		t.excluded[s.exclusion]++
	case t.class.isTooFar(s):
		t.remote++
	case p.isBackingOff(t.class, s):
		t.backingOff++
		if t.firstBack == nil || s.backoff.Until.Before(t.firstBack.backoff.Until) {
			t.firstBack = s
		}
	case slices.Contains(avoid, s.first.Agent.ID):
		t.avoided++
	case t.class.isFull(s):
		t.full++
	default:
		t.addLack(s)
	}
}

// addLack counts an agent for the first kind that it has too little of.
func (t *refusalCounts) addLack(s *agentSlot) {
	miss := nearestMiss{slot: s}
	first := kindCount
	for k := range kindCount {
		short := t.class.want[k] - s.left.free[k]
		if short <= 0 {
			continue
		}
		miss.lacks[k] = short
		miss.distance += float64(short) / float64(t.class.want[k])
		first = min(first, k)
	}
	if first == kindCount {
		return
	}
	t.lacking[first].add(&s.first.Agent, s.left.free[first], s.left.omitted[first])
	if miss.isNearerThan(&t.nearest) {
		t.nearest = miss
	}
}

func (l *lack) add(a *Agent, free int64, omitted omission) {
	l.count++
	l.omitted |= omitted
	if l.agent == nil || free > l.most || (free == l.most && a.ID < l.agent.ID) {
		l.most, l.agent = free, a
	}
}

func (n *nearestMiss) isNearerThan(o *nearestMiss) bool {
	if o.slot == nil || n.distance != o.distance {
		return o.slot == nil || n.distance < o.distance
	}
	return n.slot.first.Agent.ID < o.slot.first.Agent.ID
}

func (n *nearestMiss) describe(want *amounts) *NearestMiss {
	var needs, has []string
	var omitted omission
	for k := range kindCount {
		if n.lacks[k] > 0 {
			needs = append(needs, amountText(k, want[k])+" "+kindNames[k])
			has = append(has, amountText(k, n.slot.left.free[k])+" "+kindNames[k])
			omitted |= n.slot.left.omitted[k]
		}
	}
	a := &n.slot.first.Agent
	return &NearestMiss{
		AgentID: a.ID, Hostname: a.Hostname, Lacks: n.lacks.toResources(),
		needs: strings.Join(needs, ", "), has: strings.Join(has, ", "), omitted: omitted,
	}
}

// reasons returns the reasons that apply to any agent, the most frequent first.
func (t *refusalCounts) reasons() []Reason {
	var rs []Reason
	put := func(n int, text string) {
		if n > 0 {
			rs = append(rs, Reason{Count: n, Text: text})
		}
	}
	for k := range kindCount {
		if l := &t.lacking[k]; l.count > 0 {
			put(l.count, fmt.Sprintf("%s %s (most offered %s on %s, wants %s%s)", verb(l.count, "lacks", "lack"), kindNames[k],
				amountText(k, l.most), l.agent.Hostname, amountText(k, t.class.want[k]), l.omitted.text()))
		}
	}
	for i, n := range t.unmet {
		put(n, t.class.constraints[i].refusalText(n))
	}
	put(t.full, fmt.Sprintf("%s as many as allowed (%d) already", verb(t.full, "holds", "hold"), t.class.demand.MaxPerAgent))
	if t.firstBack != nil {
		put(t.backingOff, backoffText(t.backingOff, t.firstBack))
	}
	put(t.remote, verb(t.remote, "is", "are")+" in another region than the master (a constraint on @region would allow that)")
	put(t.avoided, verb(t.avoided, "is", "are")+" left out after failures")
	for e, n := range t.excluded {
		put(n, exclusion(e).text(n))
	}
	slices.SortStableFunc(rs, func(a, b Reason) int { return b.Count - a.Count })
	return rs
}

// text returns why n agents are excluded.
func (e exclusion) text(n int) string {
	switch e {
	case hostLocalAddress:
		return verb(n, "has", "have") + " an address that no other machine can reach (set the agents' --ip)"
	case inMaintenance:
		return verb(n, "is", "are") + " down for maintenance, or about to be"
	case draining:
		return "refused a task a short time ago, because " + verb(n, "it was", "they were") + " draining"
	}
	return ""
}

// verb returns the form of a verb that agrees with a count.
func verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
