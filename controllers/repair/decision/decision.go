// Package decision decides which nodes of a pool are replaced because they do not work, and when
// none is because too many do not.
//
// Where many nodes fail at once, the cause is hardly the nodes: a rack has lost its network, the API
// server does not hear kubelets, or a rule matches every node. Others in their places would fail
// alike, and the drain of the old ones would take what still runs from the users. So there is a
// circuit breaker for each pool, and for each zone of it.
//
// It refuses to know MesosNodes, Nodes and rules: package repair finds out since when a node does
// not work. It reads no clock and writes nothing.
package decision

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/controllers/disruptionbudget"
)

// smallestZone is the number of nodes that a zone must have to be looked at by itself: of fewer,
// a few are no sign of an outage.
const smallestZone = 3

// Node is what is known of a node of a pool that is not being deleted.
type Node struct {
	Name string
	// Zone is empty if its agent has no fault domain, or if it is on no agent.
	Zone string
	// UnhealthyFrom is when the node begins to count as unhealthy; zero if nothing is wrong.
	UnhealthyFrom time.Time
	// Due is when it is to be replaced unless it recovers; zero for never.
	Due time.Time
}

// Pool is what a decision depends on.
type Pool struct {
	Now time.Time
	// MaxUnhealthy is the greatest number of nodes, or share of the nodes, that may be unhealthy.
	// A share is rounded up, so that one node of a small pool is always replaced.
	MaxUnhealthy intstr.IntOrString
	// NotBefore is when nodes may be replaced again; zero for now. Never is true if they may
	// not, until something other than the time changes.
	NotBefore time.Time
	Never     bool
	// Nodes are those that have registered, or are unhealthy: a node that is still on its way says
	// nothing about the others.
	Nodes []Node
}

// Scope is a pool, or a zone of it, with more unhealthy nodes than there may be.
type Scope struct {
	// Zone is empty for the whole pool.
	Zone string
	// Unhealthy of Nodes nodes are unhealthy; Allowed may be.
	Unhealthy, Nodes, Allowed int
}

// Plan is the decision.
type Plan struct {
	// Replace are the names of the nodes to be replaced now, sorted.
	Replace []string
	// Unhealthy are the names of all unhealthy nodes, sorted.
	Unhealthy []string
	// Open are the scopes in which no node is replaced, the whole pool first and then by zone.
	Open []Scope
	// HeldBack counts the nodes that would be replaced now if nothing were open.
	HeldBack int
	// Next is when the decision may change although nothing else does; zero for never.
	Next time.Time
}

// Decide returns which nodes are replaced now.
func Decide(p Pool) (plan Plan) {
	wake := func(at time.Time) {
		if at.After(p.Now) && (plan.Next.IsZero() || at.Before(plan.Next)) {
			plan.Next = at
		}
	}
	for _, n := range p.Nodes {
		switch {
		case n.isUnhealthy(p.Now):
			plan.Unhealthy = append(plan.Unhealthy, n.Name)
		case !n.UnhealthyFrom.IsZero():
			wake(n.UnhealthyFrom)
		}
	}
	slices.Sort(plan.Unhealthy)
	plan.Open = openScopes(p)
	for _, n := range p.Nodes {
		if n.Due.IsZero() || p.Never {
			continue
		}
		due := n.Due
		if due.Before(p.NotBefore) {
			due = p.NotBefore
		}
		switch {
		case due.After(p.Now):
			wake(due)
		case isHeld(n, plan.Open):
			plan.HeldBack++
		default:
			plan.Replace = append(plan.Replace, n.Name)
		}
	}
	slices.Sort(plan.Replace)
	return plan
}

func (n Node) isUnhealthy(now time.Time) bool {
	return !n.UnhealthyFrom.IsZero() && !n.UnhealthyFrom.After(now)
}

// isHeld reports whether a node is in one of the scopes.
func isHeld(n Node, open []Scope) bool {
	return slices.ContainsFunc(open, func(s Scope) bool { return s.Zone == "" || s.Zone == n.Zone })
}

// openScopes returns the scopes that have too many unhealthy nodes.
func openScopes(p Pool) (open []Scope) {
	pool, zones := Scope{}, map[string]*Scope{}
	for _, n := range p.Nodes {
		counted := []*Scope{&pool}
		if n.Zone != "" {
			if zones[n.Zone] == nil {
				zones[n.Zone] = &Scope{Zone: n.Zone}
			}
			counted = append(counted, zones[n.Zone])
		}
		for _, s := range counted {
			s.Nodes++
			if n.isUnhealthy(p.Now) {
				s.Unhealthy++
			}
		}
	}
	scopes := []*Scope{&pool}
	for _, s := range slices.SortedFunc(maps.Values(zones), func(a, b *Scope) int { return cmp.Compare(a.Zone, b.Zone) }) {
		if s.Nodes >= smallestZone {
			scopes = append(scopes, s)
		}
	}
	for _, s := range scopes {
		if s.Allowed = disruptionbudget.Resolve(p.MaxUnhealthy, s.Nodes); s.Unhealthy > s.Allowed {
			open = append(open, *s)
		}
	}
	return open
}
