package main

import (
	"context"
	"fmt"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/resources"

	"github.com/k8sm/k8sm/mesos/placement"
)

// measurePlan measures one placement pass, and one of a tenth of the size in both dimensions: the
// cost must not grow faster than the work.
func measurePlan(context.Context, options) ([]figure, error) {
	large, small := planTime(5000, 10000), planTime(500, 1000)
	return []figure{{
		Name: "plan_5000x10000", Value: large, Unit: "ms", Goal: "under 50",
		Beside: map[string]float64{"plan_500x1000_ms": small, "growth_for_10x": large / small},
	}}, nil
}

// planTime returns the time of one pass in milliseconds, with demands of ten pools and offers of
// one agent each, of which some are too small for any demand.
func planTime(demands, offers int) float64 {
	in := placement.Input{Demands: planDemands(demands), Offers: planOffers(offers)}
	result := testing.Benchmark(func(b *testing.B) {
		for b.Loop() {
			if r := placement.Plan(in); len(r.Matches) != demands {
				b.Fatalf("%d of %d demands were placed", len(r.Matches), demands)
			}
		}
	})
	return float64(result.NsPerOp()) / 1e6
}

func planDemands(n int) []placement.Demand {
	demands := make([]placement.Demand, n)
	for i := range demands {
		pool := i % 10
		demands[i] = placement.Demand{
			ID: fmt.Sprintf("node-%d", i), Group: fmt.Sprintf("pool-%d", pool), Role: "k8sm",
			Resources:   placement.Resources{CPUs: float64(1 + pool%4), MemMiB: float64(2048 * (1 + pool%3)), Ports: 2},
			MaxPerAgent: 1,
			Constraints: []placement.Constraint{{Attribute: "rack", Operator: placement.In, Values: []string{fmt.Sprintf("r%d", pool%5), "r9"}}},
		}
	}
	return demands
}

func planOffers(n int) []*placement.Offer {
	offers := make([]*placement.Offer, n)
	for i := range offers {
		role, rack := "k8sm", mesos.TEXT
		free := mesos.Resources{
			resources.NewCPUs(float64(i % 7 * 2)).Resource,
			resources.NewMemory(float64(4096 * (i % 5))).Resource,
			resources.Build().Name(resources.NamePorts).Ranges(resources.BuildRanges().Span(31000, 32000).Ranges).Resource,
		}
		offer, err := placement.ParseOffer(&mesos.Offer{
			ID: mesos.OfferID{Value: fmt.Sprintf("O%d", i)}, AgentID: mesos.AgentID{Value: fmt.Sprintf("S%d", i)},
			Hostname:       fmt.Sprintf("agent-%d", i),
			AllocationInfo: &mesos.Resource_AllocationInfo{Role: &role},
			Resources:      free,
			Attributes:     []mesos.Attribute{{Name: "rack", Type: rack, Text: &mesos.Value_Text{Value: fmt.Sprintf("r%d", i%10)}}},
		}, "")
		if err != nil {
			panic(err) // the offers are ours: a mistake here
		}
		offers[i] = offer
	}
	return offers
}
