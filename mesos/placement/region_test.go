package placement_test

import (
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/placement"
)

func TestTheLocalRegionIsUsedUnlessOthersAreNamed(t *testing.T) {
	t.Parallel()
	constraint := func(operator placement.Operator, attribute string, values ...string) []placement.Constraint {
		return []placement.Constraint{{Attribute: attribute, Operator: operator, Values: values}}
	}
	for name, tc := range map[string]struct {
		local       string
		constraints []placement.Constraint
		want        string // agents that may be used: S1 in eu, S2 in us, S3 without a domain
	}{
		"no constraint means the local region":           {"us", nil, "S2 S3"},
		"a constraint on the zone counts within it":      {"us", constraint(placement.In, placement.Zone, "a"), "S2"},
		"a remote region may be named":                   {"us", constraint(placement.In, placement.Region, "eu"), "S1"},
		"all regions may be named":                       {"us", constraint(placement.Exists, placement.Region), "S1 S2"},
		"the local region may be excluded":               {"us", constraint(placement.NotIn, placement.Region, "us"), "S1 S3"},
		"a master without a domain makes no difference":  {"", nil, "S1 S2 S3"},
		"a local region without agents leaves the rest":  {"asia", nil, "S3"},
		"a constraint on an attribute called region too": {"us", constraint(placement.DoesNotExist, "region"), "S2 S3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := placement.Input{
				Demands: demands(4, func(d *placement.Demand) { d.Constraints, d.MaxPerAgent = tc.constraints, 1 }),
				Offers:  parseAll(t, makeOffer(1).has(4, 4096, 1024).zone("eu", "a"), makeOffer(2).has(4, 4096, 1024).zone("us", "a"), makeOffer(3).has(4, 4096, 1024)),
				Now:     noon, LocalRegion: tc.local,
			}
			used := map[string]bool{}
			for _, m := range placement.Plan(in).Matches {
				used[m.Agent.ID] = true
			}
			var got []string
			for _, id := range []string{"S1", "S2", "S3"} {
				if used[id] {
					got = append(got, id)
				}
			}
			if strings.Join(got, " ") != tc.want {
				t.Errorf("used are %v, want %s", got, tc.want)
			}
			c := placement.Capacity{SurveyedAt: noon, Totals: in.Offers, Free: placement.Input{Offers: in.Offers, Now: noon, LocalRegion: tc.local}}
			if free, total := c.Headroom(in.Demands[0]), c.HeadroomWhenEmpty(in.Demands[0]); free.Count != len(got) || total.Count != len(got) {
				t.Errorf("there is room for %d, and for %d when empty, want %d", free.Count, total.Count, len(got))
			}
		})
	}
}

func TestRefusalNamesTheRegion(t *testing.T) {
	t.Parallel()
	in := placement.Input{Demands: demands(1), Offers: parseAll(t, makeOffer(1).has(8, 8192, 10240).zone("eu", "a")), Now: noon, LocalRegion: "us"}
	want := "0 of 1 agents fit: 1 is in another region than the master (a constraint on @region would allow that)"
	if got := placement.Plan(in).Refusals[0].Explanation.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestFaultDomainsThatADemandAllows(t *testing.T) {
	t.Parallel()
	d := placement.Demand{Constraints: []placement.Constraint{
		{Attribute: "rack", Operator: placement.In, Values: []string{"r1"}}, // says nothing of the domain
		{Attribute: placement.Region, Operator: placement.In, Values: []string{"eu", "us"}},
		{Attribute: placement.Zone, Operator: placement.NotIn, Values: []string{"b"}},
	}}
	for agent, want := range map[placement.Agent]bool{
		{Region: "eu", Zone: "a"}:   true,
		{Region: "us"}:              true,
		{Region: "eu", Zone: "b"}:   false,
		{Region: "asia", Zone: "a"}: false,
		{}:                          false,
	} {
		if got := d.AllowsFaultDomain(agent); got != want {
			t.Errorf("%+v: %v, want %v", agent, got, want)
		}
	}
}
