package nodemodel

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/placement"
)

func in(attribute string, values ...string) v1alpha1.AgentConstraint {
	return v1alpha1.AgentConstraint{Attribute: attribute, Operator: v1alpha1.ConstraintIn, Values: values}
}

func placed(cs ...v1alpha1.AgentConstraint) v1alpha1.Placement {
	return v1alpha1.Placement{Constraints: cs}
}

func TestDomainOfAPlacement(t *testing.T) {
	notIn := v1alpha1.AgentConstraint{Attribute: "@zone", Operator: v1alpha1.ConstraintNotIn, Values: []string{"a"}}
	for name, tc := range map[string]struct {
		placement v1alpha1.Placement
		want      Domain
	}{
		"no constraint allows any":                    {placed(), Domain{}},
		"a zone and a region are named":               {placed(in("rack", "r1"), in("@zone", "a"), in("@region", "eu")), Domain{"eu", "a"}},
		"one of two zones is none":                    {placed(in("@zone", "a", "b")), Domain{}},
		"any zone but one is none":                    {placed(notIn), Domain{}},
		"an attribute called zone is no fault domain": {placed(in("zone", "a")), Domain{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, DomainOf(tc.placement)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDomainsOfAPool(t *testing.T) {
	offers := func(domains ...Domain) (out []*placement.Offer) {
		for _, d := range domains {
			out = append(out, &placement.Offer{Agent: placement.Agent{Region: d.Region, Zone: d.Zone}})
		}
		return out
	}
	capacity := placement.Capacity{Totals: offers(Domain{"us", "b"}, Domain{"us", "a"}, Domain{"us", "b"}, Domain{"eu", "a"})}
	capacity.Free.Offers = offers(Domain{"us", "c"})
	local := capacity
	local.Free.LocalRegion = "us"
	mixed := placement.Capacity{Totals: offers(Domain{"us", "a"}, Domain{})}
	mixed.Free.LocalRegion = "us"
	notUS := v1alpha1.AgentConstraint{Attribute: "@region", Operator: v1alpha1.ConstraintNotIn, Values: []string{"us"}}
	for name, tc := range map[string]struct {
		placement v1alpha1.Placement
		capacity  placement.Capacity
		want      []Domain
	}{
		"any domain will do while no agent is known":        {placed(), placement.Capacity{}, []Domain{{}}},
		"each zone of the local region is there once":       {placed(), local, []Domain{{"us", "a"}, {"us", "b"}, {"us", "c"}}},
		"zones count within their region":                   {placed(), capacity, []Domain{{"eu", "a"}, {"us", "a"}, {"us", "b"}, {"us", "c"}}},
		"a region that is named is left to the placement":   {placed(in("@region", "eu")), local, []Domain{{"", "a"}}},
		"several regions are named":                         {placed(in("@region", "eu", "us"), in("@zone", "a")), local, []Domain{{"eu", ""}, {"us", ""}}},
		"any region but the local one is asked for":         {placed(notUS), local, []Domain{{"eu", "a"}}},
		"a zone that is named is of the local region":       {placed(in("@zone", "a")), local, []Domain{{"us", ""}}},
		"zones that the placement excludes are left out":    {placed(in("@zone", "b", "c")), local, []Domain{{"us", "b"}, {"us", "c"}}},
		"a zone without agents leaves any":                  {placed(in("@zone", "z")), local, []Domain{{}}},
		"agents without a fault domain count as local ones": {placed(), mixed, []Domain{{}, {"us", "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Domains(tc.placement, tc.capacity)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestNodesAreKeptInTheirDomain(t *testing.T) {
	pool := &v1alpha1.MesosNodePool{}
	pool.Spec.Placement = placed(in("rack", "r1"))
	for name, tc := range map[string]struct {
		size Size
		want []v1alpha1.AgentConstraint
	}{
		"anywhere":              {Size{}, []v1alpha1.AgentConstraint{in("rack", "r1")}},
		"in a zone":             {Size{Zone: "a"}, []v1alpha1.AgentConstraint{in("rack", "r1"), in("@zone", "a")}},
		"in a zone of a region": {Size{Region: "eu", Zone: "a"}, []v1alpha1.AgentConstraint{in("rack", "r1"), in("@region", "eu"), in("@zone", "a")}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, NewNode(pool, "n", tc.size).Spec.Placement.Constraints); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if len(pool.Spec.Placement.Constraints) != 1 {
		t.Errorf("the pool has the constraints %v now", pool.Spec.Placement.Constraints)
	}
}

func TestDomainIncludesWhatItLeavesOpen(t *testing.T) {
	for d, want := range map[Domain]bool{{}: true, {"eu", ""}: true, {"", "a"}: true, {"eu", "a"}: true, {"us", "a"}: false, {"eu", "b"}: false, {"us", ""}: false} {
		if got := d.Includes(Domain{"eu", "a"}); got != want {
			t.Errorf("%+v: %t, want %t", d, got, want)
		}
	}
}
