package decision

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Shrink decides which nodes to remove: those that are empty, and those that are under-used
// and whose pods all fit on others, all of them together. Of a node that is under-used and
// whose pods fit nowhere else, it finds out whether a smaller one would do.
func Shrink(in ShrinkInput) ShrinkPlan {
	mark := in.Cluster.Checkpoint()
	defer in.Cluster.Revert(mark)

	s := newShrinkage(in)
	s.settle()
	for _, c := range s.candidates() {
		s.judge(c)
	}
	return s.result()
}

// shrinkage is a decision in the making.
type shrinkage struct {
	in      ShrinkInput
	budgets budgets
	pools   []*shrinking
	// rising are nodes that take no pods yet; took are those that were given pods here.
	rising map[string]bool
	took   map[string]bool
	// spares are the pools' nodes without pods, by size. They are not in the Cluster: pods
	// that leave a node go to one only where that is smaller.
	spares   []spare
	verdicts map[string]Verdict
	plan     ShrinkPlan
}

// spare is a node without pods, but for those of its DaemonSets.
type spare struct {
	*Member
	daemons []*corev1.Pod
}

// shrinking is a ShrinkPool, with what was taken from it.
type shrinking struct {
	ShrinkPool
	grows *pool
	left  int // how many may go
	spent string
	// exchanges is how many may be replaced besides, where only the minimum keeps them.
	exchanges int
	// patience is After, or longer.
	patience time.Duration
}

func newShrinkage(in ShrinkInput) *shrinkage {
	s := &shrinkage{in: in, budgets: newBudgets(in.Budgets), rising: map[string]bool{}, took: map[string]bool{}, verdicts: map[string]Verdict{}}
	s.plan.Memory, s.plan.Pasts = Memory{}, map[string]Past{}
	for _, p := range in.Pools {
		p.Past = p.Past.learn(&p, in.Now)
		s.plan.Pasts[p.Name] = p.Past
		p.Members = slices.SortedFunc(slices.Values(p.Members), func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
		s.pools = append(s.pools, newShrinking(p))
		for i := range p.Members {
			if m := &p.Members[i]; !m.Ready {
				s.rising[m.Name] = true
			}
		}
	}
	slices.SortFunc(s.pools, func(a, b *shrinking) int { return strings.Compare(a.Name, b.Name) })
	return s
}

func newShrinking(p ShrinkPool) *shrinking {
	allowed := budgetOf(p.Budget, len(p.Members)+p.Leaving)
	out := &shrinking{ShrinkPool: p, grows: newPool(p.Pool), left: allowed - p.Leaving, patience: p.Past.patience(&p)}
	out.spent = fmt.Sprintf("%d of its pool's nodes are on their way out, and the budget is %d", p.Leaving, allowed)
	if above := len(p.Members) - p.Min; above < out.left {
		out.exchanges = out.left - max(above, 0)
		out.left, out.spent = above, fmt.Sprintf("its pool has no more than its minReplicas, %d", p.Min)
	}
	return out
}

// settle places the pods that wait already: they need what they wait for.
func (s *shrinkage) settle() {
	for _, pod := range InOrder(s.in.Cluster, s.in.Pending) {
		if node, placed := s.in.Cluster.Place(pod); placed {
			s.took[node] = true
		}
	}
}

// candidate is a member that may go, as far as can be told from itself.
type candidate struct {
	*Member
	pool  *shrinking
	load  load
	trace Trace
	turn  turn
}

// candidates are in the order in which they go: those that a smaller spare may replace, so
// that it does not go before; the empty ones, those that have been so for longest; then the
// others, those that are used least. Of those that stay the verdict says why.
func (s *shrinkage) candidates() []*candidate {
	var out []*candidate
	for _, p := range s.pools {
		for i := range p.Members {
			if c := s.candidate(p, &p.Members[i]); c != nil {
				out = append(out, c)
			}
		}
	}
	slices.SortStableFunc(s.spares, func(a, b spare) int {
		return cmp.Or(a.Taken.Cpu().Cmp(*b.Taken.Cpu()), a.Taken.Memory().Cmp(*b.Taken.Memory()))
	})
	for _, c := range out {
		c.turn = s.turnOf(c)
	}
	slices.SortStableFunc(out, func(a, b *candidate) int {
		if a.load.pods == 0 && b.load.pods == 0 {
			return a.trace.Idle.Compare(b.trace.Idle)
		}
		return cmp.Or(cmp.Compare(a.turn, b.turn), cmp.Compare(a.load.use, b.load.use))
	})
	return out
}

// turn is when a candidate is judged.
type turn int

const (
	replaceable turn = iota
	empty
	underused
)

func (s *shrinkage) turnOf(c *candidate) turn {
	switch {
	case c.load.pods == 0:
		return empty
	case slices.ContainsFunc(s.spares, func(m spare) bool { return smaller(m.Taken, c.Taken) }):
		return replaceable
	}
	return underused
}

// candidate is a member's, or nil after the verdict was spoken that it stays.
func (s *shrinkage) candidate(p *shrinking, m *Member) *candidate {
	c := &candidate{Member: m, pool: p, load: loadOf(s.in.Cluster, m, s.in.Now), trace: s.in.Memory[m.Name]}
	if c.load.pods == 0 && !s.took[m.Name] {
		s.spares = append(s.spares, spare{m, c.load.daemons})
		s.in.Cluster.RemoveNode(m.Name)
	}
	switch reason, message := s.needed(c); {
	case reason != "":
		s.stays(c, reason, message)
		return nil
	case c.trace.Idle.IsZero():
		c.trace.Idle = s.in.Now
	}
	s.plan.Memory[m.Name] = c.trace
	return c
}

// needed tells why a node is not to be disturbed; empty if nobody would mind.
func (s *shrinkage) needed(c *candidate) (reason, message string) {
	switch {
	case c.Spared:
		return v1alpha1.ReasonDoNotDisrupt, fmt.Sprintf("It is annotated %s=true.", v1alpha1.AnnotationDoNotDisrupt)
	case !c.Ready:
		return v1alpha1.ReasonNodeNotReady, "It is not ready yet."
	case s.took[c.Name]:
		return v1alpha1.ReasonUtilized, "Pods that wait for a place fit on it."
	case c.pool.OnlyEmpty && c.load.pods+len(c.load.expendable) > 0:
		return v1alpha1.ReasonUtilized, fmt.Sprintf("It has %d pods, and only empty nodes of its pool go.", c.load.pods+len(c.load.expendable))
	case c.load.pods == 0:
		return s.budgets.forbid(c.load.expendable)
	case c.load.use >= float64(c.pool.Threshold)/100:
		return v1alpha1.ReasonUtilized, fmt.Sprintf("Its pods ask for %s of it; less than %d %% would be under-used.", c.load, c.pool.Threshold)
	case c.load.kept != "":
		return v1alpha1.ReasonPodHoldsNode, c.load.kept
	}
	return s.budgets.forbid(c.load.disturbed())
}

// judge decides on a candidate, with those before it gone.
func (s *shrinkage) judge(c *candidate) {
	if s.took[c.Name] {
		s.stays(c, v1alpha1.ReasonUtilized, "Pods of nodes that go fit on it.")
		return
	}
	wait, full := s.waits(c), c.pool.full()
	switch {
	case c.turn == replaceable:
		s.move(c, cmp.Or(wait, full))
	case wait == "" && full != "" && c.turn == underused && c.pool.exchanges > 0:
		s.exchange(c, full)
	case wait != "" || full != "":
		s.mayGo(c, cmp.Or(wait, full))
	case c.turn == empty:
		cause := fmt.Sprintf("it has been empty for %s", s.since(c.trace.Idle))
		if n := len(c.load.expendable); n > 0 {
			cause += fmt.Sprintf(", but for %d pods that are expendable", n)
		}
		s.remove(c, cause)
	default:
		s.move(c, "")
	}
}

// waits tells what a node that nobody would miss waits for, in words; empty if for nothing.
func (s *shrinkage) waits(c *candidate) string {
	p := c.pool
	for _, w := range []struct {
		until time.Time
		what  string
	}{
		{c.Created.Add(p.Lifetime), fmt.Sprintf("%s after it was created", p.Lifetime)},
		{p.Grown.Add(p.Calm), fmt.Sprintf("%s after its pool grew", p.Calm)},
		{c.trace.Idle.Add(p.patience), p.untilIdle()},
	} {
		if w.until.After(s.in.Now) {
			s.again(w.until)
			return "It may go " + w.what + "."
		}
	}
	if p.Held != "" {
		return fmt.Sprintf("It stays for now: %s.", p.Held)
	}
	return ""
}

// full tells why no more nodes of the pool may go, in words; empty if they may.
func (p *shrinking) full() string {
	if p.left <= 0 {
		return fmt.Sprintf("It stays for now: %s.", p.spent)
	}
	return ""
}

func (p *shrinking) untilIdle() string {
	if p.patience > p.After {
		return fmt.Sprintf("when it has been so for %s: longer than usual, since nodes of its pool that went were needed again soon", p.patience)
	}
	return fmt.Sprintf("when it has been so for %s", p.After)
}

func (s *shrinkage) remove(c *candidate, cause string) {
	c.pool.left--
	c.pool.spent = "others of its pool go first"
	s.mayGo(c, "It goes now.")
	past := s.plan.Pasts[c.pool.Name]
	past.Gone = append(slices.Clone(past.Gone), s.in.Now)
	s.plan.Pasts[c.pool.Name] = past
	s.plan.Removals = append(s.plan.Removals, Removal{Pool: c.pool.Name, Node: c.Name, Cause: cause})
}

// mayGo says that nobody would miss a node, and what is still in the way.
func (s *shrinkage) mayGo(c *candidate, then string) {
	reason, message := v1alpha1.ReasonEmpty, "No pod needs it."
	if c.load.pods > 0 {
		reason, message = v1alpha1.ReasonUnderutilized, fmt.Sprintf("Its pods ask for %s of it.", c.load)
	}
	s.say(c, Verdict{Disruptable: true, Reason: reason, Message: message + " " + then})
}

func (s *shrinkage) stays(c *candidate, reason, message string) {
	s.say(c, Verdict{Reason: reason, Message: message})
}

func (s *shrinkage) say(c *candidate, v Verdict) {
	v.Pool, v.Node = c.pool.Name, c.Name
	s.verdicts[c.Name] = v
}

// result is the plan, with its verdicts in order.
func (s *shrinkage) result() ShrinkPlan {
	for _, p := range s.pools {
		for i := range p.Members {
			s.plan.Verdicts = append(s.plan.Verdicts, s.verdicts[p.Members[i].Name])
		}
	}
	return s.plan
}

// again has it decided again at some time, at the latest.
func (s *shrinkage) again(at time.Time) {
	if s.plan.Again.IsZero() || at.Before(s.plan.Again) {
		s.plan.Again = at
	}
}

func (s *shrinkage) since(t time.Time) time.Duration { return s.in.Now.Sub(t).Round(time.Second) }
