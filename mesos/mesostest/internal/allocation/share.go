// Package allocation holds the rules by which a master's allocator chooses: whose turn it
// is, what is worth an offer, and what a framework has lately refused.
//
// It knows neither the frameworks nor the agents of a cluster, and offers nothing itself.
package allocation

import (
	"cmp"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// What an agent must have free to be offered: 0.01 cpus or 32 MB, in thousandths.
const (
	minCPUs = 10
	minMem  = 32_000
)

// IsWorthOffering reports whether there is enough for an offer.
func IsWorthOffering(q resource.Quantities) bool {
	scalars := q.ByName().Scalars
	return scalars["cpus"] >= minCPUs || scalars["mem"] >= minMem
}

// DominantShare is the largest share that the quantities have of any resource of the
// total.
func DominantShare(q, total resource.Quantities) float64 {
	share := 0.0
	all := total.ByName().Scalars
	for name, amount := range q.ByName().Scalars {
		if total := all[name]; total > 0 {
			share = max(share, float64(amount)/float64(total))
		}
	}
	return share
}

// Claim is what decides on the turn of a framework in one of its roles.
type Claim struct {
	Role           string
	RoleShare      float64 // the dominant share of the role, by its weight
	RoleOffers     int     // made to the role so far
	FrameworkShare float64 // the dominant share of the framework in the role
	// FrameworkOffers is the number of offers made to the framework in the role so far.
	FrameworkOffers int
	// FrameworkNumber is smaller for the framework that came first.
	FrameworkNumber int
}

// Compare orders claims as Mesos does: roles by their shares first, then frameworks in a
// role. Among equals, the one who had fewer offers goes first.
func Compare(a, b Claim) int {
	return cmp.Or(
		cmp.Compare(a.RoleShare, b.RoleShare), cmp.Compare(a.RoleOffers, b.RoleOffers), cmp.Compare(a.Role, b.Role),
		cmp.Compare(a.FrameworkShare, b.FrameworkShare), cmp.Compare(a.FrameworkOffers, b.FrameworkOffers),
		cmp.Compare(a.FrameworkNumber, b.FrameworkNumber),
	)
}
