package poolnodes

import (
	"context"
	"slices"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// Candidate is a node that somebody wants to remove although it could stay.
type Candidate struct {
	Node   *v1alpha1.MesosNode
	Reason v1alpha1.DisruptionReason
}

// Disrupted is what became of candidates.
type Disrupted struct {
	// Removed are the names of the nodes that were deleted.
	Removed []string
	// Limit is why the first of the others stays, in words; empty if all were deleted.
	Limit string
	// Until is when a budget may allow more although no node changes; zero for never.
	Until time.Time
}

// Disrupt deletes candidates, in order, as far as the pool's disruption budgets allow, and records
// an event. Every voluntary removal goes through it: it counts what others have begun, also what
// the cache does not show yet, so that several causes never exceed a budget together. A candidate
// that has never been Ready, or has ceased to be, is deleted without regard to budgets: its
// removal disrupts nobody further.
func (s *Store) Disrupt(ctx context.Context, pool *v1alpha1.MesosNodePool, candidates []Candidate) (out Disrupted, err error) {
	chosen, out, err := s.reserve(ctx, pool, candidates)
	if err != nil {
		return out, err
	}
	out.Removed, err = s.removeAll(ctx, pool, chosen)
	return out, err
}

// reserve chooses the candidates that may go, and expects their deletion, so that a call that runs
// at the same time counts them.
func (s *Store) reserve(ctx context.Context, pool *v1alpha1.MesosNodePool, candidates []Candidate) (chosen []*v1alpha1.MesosNode, out Disrupted, err error) {
	if err := s.verify(ctx, pool); err != nil {
		return nil, out, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	inventory, err := s.read(ctx, pool)
	if err != nil {
		return nil, out, err
	}
	chosen, out = inventory.Choose(pool, candidates, s.now())
	for _, n := range chosen {
		s.expectations.remove(pool.Name, n.Name, n.UID, s.now())
	}
	return chosen, out, nil
}

// Choose returns the candidates that the pool's disruption budgets allow to go, in order, and why
// the first of the others stays.
func (i Inventory) Choose(pool *v1alpha1.MesosNodePool, candidates []Candidate, now time.Time) (chosen []*v1alpha1.MesosNode, out Disrupted) {
	budgets, usage := disruptionbudget.New(pool), i.Usage()
	for _, c := range candidates {
		if !slices.ContainsFunc(i.Alive, func(n *v1alpha1.MesosNode) bool { return n.UID == c.Node.UID }) {
			continue // another caller has removed it
		}
		if nodemodel.IsReady(c.Node) {
			allowance := budgets.Allow(c.Reason, now, usage)
			if allowance.Remaining == 0 {
				if out.Limit == "" {
					out.Limit, out.Until = allowance.Limit, allowance.Until
				}
				continue
			}
			usage.Disrupted++
		}
		chosen = append(chosen, c.Node)
	}
	return chosen, out
}

// Usage is what the disruption budgets of the pool are spent on: nodes that have registered and
// are leaving, whatever the cause, and nodes that have ceased to be Ready.
func (i Inventory) Usage() disruptionbudget.Usage {
	usage := disruptionbudget.Usage{Nodes: len(i.Alive)}
	for _, n := range i.Alive {
		if nodemodel.WasReady(n) && !nodemodel.IsReady(n) {
			usage.Disrupted++
		}
	}
	for _, n := range i.Leaving {
		if nodemodel.IsRegistered(n) {
			usage.Nodes++
			usage.Disrupted++
		}
	}
	return usage
}

// Allow returns what the budgets of a pool leave for a reason, as the inventory shows it.
func (i Inventory) Allow(pool *v1alpha1.MesosNodePool, reason v1alpha1.DisruptionReason, now time.Time) disruptionbudget.Allowance {
	return disruptionbudget.New(pool).Allow(reason, now, i.Usage())
}

// Replaced returns the nodes that are alive and that another one, which is alive too, was created
// to replace: the new node by the name of the old one. The pool has so many nodes more than it is
// to have.
func (i Inventory) Replaced() map[string]*v1alpha1.MesosNode {
	alive := make(map[string]bool, len(i.Alive))
	for _, n := range i.Alive {
		alive[n.Name] = true
	}
	out := map[string]*v1alpha1.MesosNode{}
	for _, n := range i.Alive {
		if old := n.Annotations[v1alpha1.AnnotationReplaces]; alive[old] {
			out[old] = n
		}
	}
	return out
}
