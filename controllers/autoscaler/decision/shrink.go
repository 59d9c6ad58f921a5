package decision

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Shrink decides which nodes to remove: empty nodes, and underutilized nodes whose pods, all
// together, fit on others. For an underutilized node whose pods fit nowhere else it finds out
// whether a smaller node would hold them.
func Shrink(in ShrinkInput) ShrinkPlan {
	mark := in.Cluster.Checkpoint()
	defer in.Cluster.Revert(mark)

	s := newScaleDown(in)
	s.placePending()
	s.placeLeaving()
	for _, c := range s.candidates() {
		s.decide(c)
	}
	return s.result()
}

// scaleDown is the working state of Shrink.
type scaleDown struct {
	in      ShrinkInput
	budgets disruptionBudgets
	pools   []*scaleDownPool
	// notReady has the nodes that take no pods yet, by name, as messages call them. The nodes
	// that this decision launches are among them.
	notReady map[string]string
	// receiving are the nodes that were given pods by this decision.
	receiving map[string]bool
	// emptyNodes are the pools' nodes without pods, by size. They are closed: pods of a node that
	// is removed go to one only if it is smaller than that node.
	emptyNodes []*Member
	verdicts   map[string]Verdict
	plan       ShrinkPlan
}

// scaleDownPool is a ShrinkPool and what the decision has taken from it.
type scaleDownPool struct {
	ShrinkPool
	growth *poolState
	// removed is the number of nodes that this decision removes or replaces, and aboveMin the
	// number of nodes that the pool has beyond its minimum.
	removed, aboveMin int
	// replacements is the number of nodes that may be replaced besides, where only the minimum
	// keeps them.
	replacements int
	// idleDelay is ConsolidateAfter, or longer.
	idleDelay time.Duration
}

func newScaleDown(in ShrinkInput) *scaleDown {
	s := &scaleDown{in: in, budgets: newBudgets(in.Budgets), notReady: map[string]string{}, receiving: map[string]bool{}, verdicts: map[string]Verdict{}}
	s.plan.NodeStates, s.plan.Histories = NodeStates{}, map[string]RemovalHistory{}
	for _, p := range in.Pools {
		p.History = p.History.assess(&p, in.Now)
		s.plan.Histories[p.Name] = p.History
		p.Members = slices.SortedFunc(slices.Values(p.Members), func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
		s.pools = append(s.pools, newScaleDownPool(p))
		for i := range p.Members {
			if m := &p.Members[i]; !m.Ready {
				s.notReady[m.Name] = m.Name
			}
		}
	}
	slices.SortFunc(s.pools, func(a, b *scaleDownPool) int { return strings.Compare(a.Name, b.Name) })
	return s
}

func newScaleDownPool(p ShrinkPool) *scaleDownPool {
	surplus := 0 // nodes that replace others of the pool
	for i := range p.Members {
		if p.Members[i].Replaces != "" {
			surplus++
		}
	}
	out := &scaleDownPool{ShrinkPool: p, growth: newPoolState(p.Pool), aboveMin: len(p.Members) - surplus - p.Lost - p.Min, idleDelay: p.History.idleDelay(&p)}
	out.replacements = max(p.Underutilized.Remaining-max(out.aboveMin, 0), 0)
	return out
}

// candidate is a member that may be removed, as far as the member itself shows.
type candidate struct {
	*Member
	pool  *scaleDownPool
	load  nodeLoad
	state NodeState
	phase phase
}

// candidates returns the members that may be removed, in the order in which they are decided
// on, and gives the others a verdict. First come nodes that a smaller empty node may replace,
// so that the empty node is not removed before. Then come empty nodes, those first that have
// been empty for longest, then underutilized ones, the least utilized first.
func (s *scaleDown) candidates() []*candidate {
	var out []*candidate
	for _, p := range s.pools {
		for i := range p.Members {
			if c := s.candidate(p, &p.Members[i]); c != nil {
				out = append(out, c)
			}
		}
	}
	slices.SortStableFunc(s.emptyNodes, func(a, b *Member) int {
		return cmp.Or(a.Resources.Cpu().Cmp(*b.Resources.Cpu()), a.Resources.Memory().Cmp(*b.Resources.Memory()))
	})
	for _, c := range out {
		c.phase = s.phaseOf(c)
	}
	slices.SortStableFunc(out, func(a, b *candidate) int {
		if a.Cordoned != b.Cordoned {
			return compareTrueFirst(a.Cordoned, b.Cordoned)
		}
		if a.load.pods == 0 && b.load.pods == 0 {
			return a.state.IdleSince.Compare(b.state.IdleSince)
		}
		return cmp.Or(cmp.Compare(a.phase, b.phase), cmp.Compare(a.load.utilization, b.load.utilization))
	})
	return out
}

func compareTrueFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// phase is when a candidate is decided on.
type phase int

const (
	phaseReplaceable phase = iota
	phaseEmpty
	phaseUnderused
)

func (s *scaleDown) phaseOf(c *candidate) phase {
	switch {
	case c.load.pods == 0:
		return phaseEmpty
	case slices.ContainsFunc(s.emptyNodes, func(m *Member) bool { return takesLess(m.Resources, c.Resources) }):
		return phaseReplaceable
	}
	return phaseUnderused
}

// candidate returns the candidate of a member, or nil after it has given the verdict that the
// member stays.
func (s *scaleDown) candidate(p *scaleDownPool, m *Member) *candidate {
	c := &candidate{Member: m, pool: p, load: loadOf(s.in.Cluster, m, s.drainOptions(p.Drain)), state: s.in.NodeStates[m.Name]}
	if c.load.pods == 0 && !s.receiving[m.Name] {
		s.emptyNodes = append(s.emptyNodes, m)
		s.in.Cluster.SetClosed(m.Name, true)
	}
	switch reason, message := s.keepReason(c); {
	case reason != "":
		s.setNotDisruptable(c, reason, message)
		return nil
	case c.state.IdleSince.IsZero():
		c.state.IdleSince = s.in.Now
	}
	s.plan.NodeStates[m.Name] = c.state
	return c
}

// keepReason returns why a node must stay; empty if nothing that concerns only this node keeps
// it.
func (s *scaleDown) keepReason(c *candidate) (reason, message string) {
	switch {
	case c.DoNotDisrupt:
		return v1alpha1.ReasonDoNotDisrupt, fmt.Sprintf("It is annotated %s=true.", v1alpha1.AnnotationDoNotDisrupt)
	case c.Replaces != "":
		return v1alpha1.ReasonReplacesNode, fmt.Sprintf("It takes the place of %s, which is removed next.", c.Replaces)
	case !c.Ready:
		return v1alpha1.ReasonNodeNotReady, "It is not ready."
	case len(c.Nominated) > 0:
		return v1alpha1.ReasonUtilized, fmt.Sprintf("The scheduler has nominated it for pod %s/%s.", c.Nominated[0].Namespace, c.Nominated[0].Name)
	case s.receiving[c.Name]:
		return v1alpha1.ReasonUtilized, "Pending pods fit on it."
	case c.pool.OnlyEmpty && c.load.pods+len(c.load.expendable) > 0:
		return v1alpha1.ReasonUtilized, fmt.Sprintf("It has %d pods, and of its pool only empty nodes are removed.", c.load.pods+len(c.load.expendable))
	case c.load.pods == 0:
		return s.budgets.violation(c.load.expendable)
	case c.load.utilization >= float64(c.pool.Threshold)/100:
		return v1alpha1.ReasonUtilized, fmt.Sprintf("Its pods request %s; below %d %% it would be under-used.", c.load, c.pool.Threshold)
	case c.load.heldBy != "":
		return v1alpha1.ReasonPodHoldsNode, c.load.heldBy
	}
	return s.budgets.violation(c.load.evicted())
}

// decide decides on a candidate. Earlier candidates that are removed have left the cluster.
func (s *scaleDown) decide(c *candidate) {
	if s.receiving[c.Name] {
		s.setNotDisruptable(c, v1alpha1.ReasonUtilized, "Pods of nodes that are removed fit on it.")
		return
	}
	wait, full := s.waitReason(c), s.limitReason(c)
	switch {
	case c.phase == phaseReplaceable:
		s.moveOrReplace(c, cmp.Or(wait, full))
	case wait == "" && full != "" && c.phase == phaseUnderused && c.pool.replacements > 0:
		s.replaceAtMinimum(c, full)
	case wait != "" || full != "":
		s.setDisruptable(c, cmp.Or(wait, full))
	case c.phase == phaseEmpty:
		cause := fmt.Sprintf("it has been empty for %s", s.elapsedSince(c.state.IdleSince))
		if n := len(c.load.expendable); n > 0 {
			cause += fmt.Sprintf(", except for %d expendable pods", n)
		}
		s.cordon(c)
		s.remove(c, cause)
	default:
		s.moveOrReplace(c, "")
	}
}

// waitReason returns what the removal of a node that is not needed waits for, in words; empty if
// nothing.
func (s *scaleDown) waitReason(c *candidate) string {
	p := c.pool
	for _, w := range []struct {
		until time.Time
		what  string
	}{
		{c.Created.Add(p.MinNodeLifetime), fmt.Sprintf("%s after it was created", p.MinNodeLifetime)},
		{p.LastGrowth.Add(p.AfterGrowth), fmt.Sprintf("%s after its pool grew", p.AfterGrowth)},
		{c.state.IdleSince.Add(p.idleDelay), p.idleCondition()},
	} {
		if w.until.After(s.in.Now) {
			s.recheckAt(w.until)
			return "It can be removed " + w.what + "."
		}
	}
	if p.RemovalBlocked != "" {
		return fmt.Sprintf("It is kept for now: %s.", p.RemovalBlocked)
	}
	return ""
}

// limitReason returns why no more nodes of the pool may be removed, in words; empty if they
// may.
func (s *scaleDown) limitReason(c *candidate) string {
	p, allowance := c.pool, c.pool.Underutilized
	if c.reason() == v1alpha1.DisruptionEmpty {
		allowance = p.Empty
	}
	limit := ""
	switch {
	case p.removed >= min(allowance.Remaining, p.aboveMin) && p.removed > 0:
		limit = "others of its pool are removed first"
	case p.aboveMin <= 0:
		limit = fmt.Sprintf("its pool has no more than its minReplicas, %d", p.Min)
	case allowance.Remaining == 0:
		limit = allowance.Limit
	default:
		return ""
	}
	if !allowance.Until.IsZero() {
		s.recheckAt(allowance.Until)
	}
	return fmt.Sprintf("It is kept for now: %s.", limit)
}

// reason is that of the removal of the candidate.
func (c *candidate) reason() v1alpha1.DisruptionReason {
	if c.load.pods == 0 {
		return v1alpha1.DisruptionEmpty
	}
	return v1alpha1.DisruptionUnderutilized
}

func (p *scaleDownPool) idleCondition() string {
	if p.idleDelay > p.ConsolidateAfter {
		return fmt.Sprintf("when it has been in this state for %s; the time is longer than usual, because removed nodes of its pool were needed again soon", p.idleDelay)
	}
	return fmt.Sprintf("when it has been in this state for %s", p.ConsolidateAfter)
}

func (s *scaleDown) remove(c *candidate, cause string) {
	c.pool.removed++
	s.setDisruptable(c, "It is being removed.")
	s.plan.Removals = append(s.plan.Removals, Removal{Pool: c.pool.Name, Node: c.Name, Reason: c.reason(), Cause: cause})
}

// setDisruptable gives the verdict that a node could be removed, and what happens then or is
// still in the way.
func (s *scaleDown) setDisruptable(c *candidate, then string) {
	reason, message := v1alpha1.ReasonEmpty, "No pod needs it."
	if c.load.pods > 0 {
		reason, message = v1alpha1.ReasonUnderutilized, fmt.Sprintf("Its pods request %s.", c.load)
	}
	s.setVerdict(c, Verdict{Disruptable: true, Reason: reason, Message: message + " " + then})
}

func (s *scaleDown) setNotDisruptable(c *candidate, reason, message string) {
	s.setVerdict(c, Verdict{Reason: reason, Message: message})
}

func (s *scaleDown) setVerdict(c *candidate, v Verdict) {
	v.Pool, v.Node = c.pool.Name, c.Name
	s.verdicts[c.Name] = v
}

// result returns the plan, with its verdicts in order.
func (s *scaleDown) result() ShrinkPlan {
	for _, p := range s.pools {
		for i := range p.Members {
			s.plan.Verdicts = append(s.plan.Verdicts, s.verdicts[p.Members[i].Name])
		}
	}
	return s.plan
}

// recheckAt makes the caller decide again at that time or earlier.
func (s *scaleDown) recheckAt(at time.Time) {
	if s.plan.RecheckAt.IsZero() || at.Before(s.plan.RecheckAt) {
		s.plan.RecheckAt = at
	}
}

func (s *scaleDown) elapsedSince(t time.Time) time.Duration {
	return s.in.Now.Sub(t).Round(time.Second)
}
