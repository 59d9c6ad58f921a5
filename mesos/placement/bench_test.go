package placement_test

import (
	"fmt"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
)

// manyOffers is 10,000 agents of four sizes in three zones and 40 racks.
func manyOffers(n int) []*offer {
	os := make([]*offer, n)
	for i := range os {
		size := float64(1 + i%4)
		os[i] = makeOffer(i).has(8*size, 32768*size, 100000*size).
			zone("eu", fmt.Sprintf("eu-%c", 'a'+i%3)).text("rack", fmt.Sprintf("r%d", i%40)).number("generation", float64(i%5)).text("os", "debian")
	}
	return os
}

// tenPools are demands of ten pools with sizes and constraints of their own, mixed.
func tenPools(n int) []placement.Demand {
	ds := make([]placement.Demand, n)
	for i := range ds {
		pool := i % 10
		ds[i] = placement.Demand{
			ID: fmt.Sprintf("pool%d-%d.12345678.1", pool, i), Group: fmt.Sprintf("pool%d", pool), Role: "k8sm", MaxPerAgent: 1 + pool%3,
			Resources: placement.Resources{CPUs: float64(2 + pool), MemMiB: float64(4096 * (1 + pool%4)), DiskMiB: 20480, Ports: 2},
			Constraints: []placement.Constraint{
				{Attribute: placement.Zone, Operator: placement.In, Values: []string{"eu-a", fmt.Sprintf("eu-%c", 'a'+pool%3)}},
				{Attribute: "rack", Operator: placement.NotIn, Values: []string{fmt.Sprintf("r%d", pool)}},
			},
		}
	}
	return ds
}

// BenchmarkPlan5000x10000 plans once over parsed offers.
func BenchmarkPlan5000x10000(b *testing.B) {
	in := placement.Input{Demands: tenPools(5000), Offers: parseAll(b, manyOffers(10000)...), Now: noon}
	for b.Loop() {
		if res := placement.Plan(in); len(res.Matches) != len(in.Demands) {
			b.Fatalf("%d of %d placed: %v", len(res.Matches), len(in.Demands), res.Refusals[0].Explanation)
		}
	}
}

// BenchmarkPlanRefused5000x10000 plans when nothing fits: every class needs an explanation.
func BenchmarkPlanRefused5000x10000(b *testing.B) {
	in := placement.Input{Demands: tenPools(5000), Offers: parseAll(b, manyOffers(10000)...), Now: noon}
	for i := range in.Demands {
		in.Demands[i].Resources.CPUs = 64
	}
	for b.Loop() {
		if res := placement.Plan(in); len(res.Refusals) != len(in.Demands) {
			b.Fatal("something was placed")
		}
	}
}

// BenchmarkParse10000 parses 10,000 offers.
func BenchmarkParse10000(b *testing.B) {
	raw := manyOffers(10000)
	offers := make([]*mesos.Offer, len(raw))
	for i := range raw {
		offers[i] = &raw[i].Offer
	}
	for b.Loop() {
		for _, o := range offers {
			if _, err := placement.ParseOffer(o, ""); err != nil {
				b.Fatal(err)
			}
		}
	}
}
