package nodemodel

import (
	"cmp"
	"slices"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/placement"
)

// Domain is where nodes of a pool may be: a region, and a zone that counts within its region.
// Both are empty where any will do, or agents have no fault domain.
type Domain struct{ Region, Zone string }

// Includes reports whether another domain is this one, or one of those that it leaves open.
func (d Domain) Includes(other Domain) bool {
	return (d.Region == "" || d.Region == other.Region) && (d.Zone == "" || d.Zone == other.Zone)
}

// DomainOf returns the one region and the one zone that a placement allows; either is empty if
// it allows more than one.
func DomainOf(p v1alpha1.Placement) Domain {
	return Domain{Region: onlyValue(p, placement.Region), Zone: onlyValue(p, placement.Zone)}
}

// onlyValue returns the one value that a placement allows for an attribute.
func onlyValue(p v1alpha1.Placement, attribute string) string {
	for _, c := range p.Constraints {
		if c.Attribute == attribute && c.Operator == v1alpha1.ConstraintIn && len(c.Values) == 1 {
			return c.Values[0]
		}
	}
	return ""
}

// Domains returns the domains in which agents are that a pool may use, sorted; one empty
// domain if none is known. Pods that are spread over zones, ask for a region, or have a volume
// in a zone need a node in a certain one. What the placement itself names is left empty.
func Domains(p v1alpha1.Placement, c placement.Capacity) []Domain {
	named := DomainOf(p)
	demand := placement.Demand{Constraints: constraints(p.Constraints)}
	isAllowed := func(a placement.Agent) bool {
		isTooFar := a.IsRemote(c.Free.LocalRegion) && !demand.Constrains(placement.Region)
		return !isTooFar && demand.AllowsFaultDomain(a)
	}
	var out []Domain
	for _, agents := range [][]*placement.Offer{c.Totals, c.Free.Offers} {
		for _, o := range agents {
			if !isAllowed(o.Agent) {
				continue
			}
			d := Domain{Region: o.Agent.Region, Zone: o.Agent.Zone}
			if named.Region != "" {
				d.Region = ""
			}
			if named.Zone != "" {
				d.Zone = ""
			}
			if !slices.Contains(out, d) {
				out = append(out, d)
			}
		}
	}
	if len(out) == 0 {
		return []Domain{{}}
	}
	slices.SortFunc(out, func(a, b Domain) int { return cmp.Or(cmp.Compare(a.Region, b.Region), cmp.Compare(a.Zone, b.Zone)) })
	return out
}
