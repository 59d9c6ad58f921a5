package placement_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/placement"
)

// randomInput is a random input, with the offers as Mesos sent them.
type randomInput struct {
	in  placement.Input
	raw map[string]*mesos.Offer
}

func newRandomInput(t testing.TB, seed uint64) randomInput {
	r := rand.New(rand.NewPCG(seed, 0))
	s := randomInput{raw: map[string]*mesos.Offer{}, in: placement.Input{Now: noon, Occupied: map[string]map[string]int{"g0": {}, "g1": {}}}}
	agents := 1 + r.IntN(12)
	for n := range 1 + r.IntN(25) {
		o := makeOffer(r.IntN(agents)).id(fmt.Sprintf("o%d", n)).role([]string{"k8sm", "other"}[r.IntN(2)])
		o.has(float64(r.IntN(120))/10, float64(r.IntN(9000)), float64(r.IntN(3000)))
		// Ports of one agent never overlap.
		last := &o.Offer.Resources[len(o.Offer.Resources)-1]
		*last = portRange(uint64(1000+n*10), uint64(1000+n*10+r.IntN(6)))
		last.AllocationInfo = o.AllocationInfo
		if r.IntN(3) == 0 {
			o.resource(reserved(scalar("cpus", float64(r.IntN(40))/10), "k8sm"))
		}
		if r.IntN(2) == 0 {
			o.text("rack", fmt.Sprintf("r%d", r.IntN(3)))
		}
		s.in.Offers = append(s.in.Offers, o.parse(t))
		s.raw[o.ID.Value] = &o.Offer
		s.in.Occupied["g0"][o.AgentID.Value] = r.IntN(3)
	}
	for i := range r.IntN(60) {
		d := placement.Demand{
			ID: fmt.Sprintf("d%d", i), Group: fmt.Sprintf("g%d", r.IntN(2)), Role: []string{"k8sm", "other"}[r.IntN(2)], MaxPerAgent: r.IntN(4),
			Resources: placement.Resources{CPUs: float64(1+r.IntN(3)) / 2, MemMiB: float64(r.IntN(3) * 512), DiskMiB: float64(r.IntN(2) * 100), Ports: r.IntN(3)},
		}
		if r.IntN(3) == 0 {
			d.Constraints = []placement.Constraint{{Attribute: "rack", Operator: []placement.Operator{placement.In, placement.NotIn}[r.IntN(2)], Values: []string{"r1"}}}
		}
		if r.IntN(4) == 0 {
			d.Avoid = []string{fmt.Sprintf("S%d", r.IntN(agents))}
		}
		s.in.Demands = append(s.in.Demands, d)
	}
	return s
}

func forSeeds(t *testing.T, n uint64, f func(t *testing.T, s randomInput)) {
	t.Helper()
	for seed := range n {
		f(t, newRandomInput(t, seed))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// sumResources adds the resources to a sum by resource and owner, and counts each port.
func sumResources(rs []mesos.Resource, into map[string]float64, ports map[uint64]int) {
	for _, r := range rs {
		into[r.Name+"/"+r.ReservationRole()] += r.GetScalar().GetValue()
		for _, span := range r.GetRanges().GetRange() {
			for p := span.Begin; p <= span.End; p++ {
				ports[p]++
			}
		}
	}
}

func TestPlanNeverOvercommits(t *testing.T) {
	t.Parallel()
	forSeeds(t, 600, func(t *testing.T, s randomInput) {
		taken := map[string]map[string]float64{}
		takenPorts := map[string]map[uint64]int{}
		for _, m := range placement.Plan(s.in).Matches {
			d := s.in.Demands[m.Demand]
			key := strings.Join(m.OfferIDs, " ")
			if taken[key] == nil {
				taken[key], takenPorts[key] = map[string]float64{}, map[uint64]int{}
			}
			sumResources(m.Resources, taken[key], takenPorts[key])
			if len(m.Ports) != d.Resources.Ports || slices.Contains(d.Avoid, m.Agent.ID) {
				t.Errorf("%s got ports %v on %s, wants %d, avoids %v", d.ID, m.Ports, m.Agent.ID, d.Resources.Ports, d.Avoid)
			}
			for _, id := range m.OfferIDs {
				o := s.raw[id]
				if o.AgentID.Value != m.Agent.ID || o.AllocationInfo.GetRole() != d.Role {
					t.Errorf("%s on %s in role %s uses an offer of %s in role %s", d.ID, m.Agent.ID, d.Role, o.AgentID.Value, o.AllocationInfo.GetRole())
				}
			}
		}
		for key, have := range taken {
			offered, ports := map[string]float64{}, map[uint64]int{}
			for id, o := range s.raw {
				if slices.Contains(strings.Fields(key), id) {
					sumResources(o.Resources, offered, ports)
				}
			}
			for name, n := range have {
				if n > offered[name]+1e-9 {
					t.Errorf("%s of %s: took %g of %g", name, key, n, offered[name])
				}
			}
			for p, n := range takenPorts[key] {
				if n > ports[p] {
					t.Errorf("port %d of %s was given %d times, offered %d times", p, key, n, ports[p])
				}
			}
		}
	})
}

func TestPlanNeverExceedsMaxPerAgent(t *testing.T) {
	t.Parallel()
	forSeeds(t, 600, func(t *testing.T, s randomInput) {
		count := map[string]int{}
		for _, m := range placement.Plan(s.in).Matches {
			d := s.in.Demands[m.Demand]
			key := d.Group + "/" + m.Agent.ID
			count[key]++
			if n := s.in.Occupied[d.Group][m.Agent.ID] + count[key]; d.MaxPerAgent > 0 && n > d.MaxPerAgent {
				t.Errorf("%s is number %d of %s on %s, at most %d", d.ID, n, d.Group, m.Agent.ID, d.MaxPerAgent)
			}
		}
	})
}

func TestPlanIsDeterministic(t *testing.T) {
	t.Parallel()
	forSeeds(t, 150, func(t *testing.T, s randomInput) {
		first := placement.Plan(s.in)
		r := rand.New(rand.NewPCG(1, 1))
		for range 3 {
			shuffled := s.in
			shuffled.Offers = slices.Clone(s.in.Offers)
			r.Shuffle(len(shuffled.Offers), func(i, j int) {
				shuffled.Offers[i], shuffled.Offers[j] = shuffled.Offers[j], shuffled.Offers[i]
			})
			if again := placement.Plan(shuffled); !reflect.DeepEqual(first, again) { // cmp is slow on thousands
				t.Errorf("another order of offers gives another plan:\n%s", cmp.Diff(first, again, cmpopts.IgnoreUnexported(placement.Offer{})))
			}
		}
	})
}

// A refusal is right if no agent could hold the demand after the plan: planned alone over
// the remaining resources, the demand is refused again.
func TestPlanRefusesOnlyDemandsThatDoNotFit(t *testing.T) {
	t.Parallel()
	forSeeds(t, 150, func(t *testing.T, s randomInput) {
		whole := placement.Plan(s.in)
		for _, refused := range whole.Refusals {
			alone := s.in
			alone.Demands = nil
			for _, m := range whole.Matches {
				alone.Demands = append(alone.Demands, s.in.Demands[m.Demand])
			}
			alone.Demands = append(alone.Demands, s.in.Demands[refused.Demand])
			again := placement.Plan(alone)
			if len(again.Refusals) == 0 {
				t.Errorf("%s was refused (%s) and fits", s.in.Demands[refused.Demand].ID, refused.Explanation)
			}
			sum := 0
			for _, reason := range refused.Explanation.Reasons {
				sum += reason.Count
			}
			if refused.Explanation.Invalid == "" && sum != refused.Explanation.Agents {
				t.Errorf("%s: the reasons count %d of %d agents", refused.Explanation, sum, refused.Explanation.Agents)
			}
		}
	})
}
