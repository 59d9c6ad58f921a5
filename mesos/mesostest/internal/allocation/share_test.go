package allocation_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/allocation"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

func parse(t *testing.T, text string) resource.Quantities {
	t.Helper()
	q, err := resource.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestMinimumAllocatableResources(t *testing.T) {
	for name, test := range map[string]struct {
		free string
		want bool
	}{
		"nothing":                        {"", false},
		"a hundredth of a cpu":           {"cpus:0.01", true},
		"less than a hundredth of a cpu": {"cpus:0.009", false},
		"32 MB":                          {"mem:32", true},
		"less than 32 MB":                {"mem:31.9", false},
		"disk and ports alone":           {"disk:1000;ports:[1-9]", false},
		"little of both":                 {"cpus:0.005;mem:16", false},
		"reserved resources":             {"cpus(a):1", true},
		"reserved and unreserved resources that are enough together": {"cpus(a):0.005;cpus:0.005", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := allocation.IsWorthOffering(parse(t, test.free)); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestDominantShare(t *testing.T) {
	const total = "cpus:10;mem:1000;disk:100;ports:[1-9]"
	for name, test := range map[string]struct {
		have, total string
		want        float64
	}{
		"nothing":                                    {"", total, 0},
		"the largest share of any":                   {"cpus:1;mem:500;disk:20", total, 0.5},
		"all of one resource":                        {"disk:100", total, 1},
		"ports have no share":                        {"ports:[1-9]", total, 0},
		"a resource that the cluster does not have":  {"gpus:1;cpus:2", total, 0.2},
		"an empty cluster":                           {"cpus:1", "", 0},
		"reserved resources in the allocation count": {"cpus(a):1;cpus:2", total, 0.3},
		"reserved resources in the total count":      {"cpus:1", "cpus(a):3;cpus:1", 0.25},
		"an allocation above the total":              {"cpus:20", total, 2},
		"two resources with equal shares":            {"cpus:5;mem:500", total, 0.5},
	} {
		t.Run(name, func(t *testing.T) {
			if got := allocation.DominantShare(parse(t, test.have), parse(t, test.total)); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// Each claim goes before the one behind it, for the reason that it has.
func TestOrderOfClaims(t *testing.T) {
	order := []struct {
		reason string
		claim  allocation.Claim
	}{
		{"its role has the smallest share", allocation.Claim{Role: "z", RoleShare: 0.1, RoleOffers: 9, FrameworkShare: 0.9, FrameworkOffers: 9, FrameworkNumber: 9}},
		{"its role had fewer offers", allocation.Claim{Role: "y", RoleShare: 0.2, RoleOffers: 1, FrameworkShare: 0.9, FrameworkOffers: 9, FrameworkNumber: 9}},
		{"its role's name goes first", allocation.Claim{Role: "a", RoleShare: 0.2, RoleOffers: 2, FrameworkShare: 0.9, FrameworkOffers: 9, FrameworkNumber: 9}},
		{"it has a smaller share in the role", allocation.Claim{Role: "b", RoleShare: 0.2, RoleOffers: 2, FrameworkShare: 0.3, FrameworkOffers: 9, FrameworkNumber: 9}},
		{"it had fewer offers in the role", allocation.Claim{Role: "b", RoleShare: 0.2, RoleOffers: 2, FrameworkShare: 0.4, FrameworkOffers: 1, FrameworkNumber: 9}},
		{"it came first", allocation.Claim{Role: "b", RoleShare: 0.2, RoleOffers: 2, FrameworkShare: 0.4, FrameworkOffers: 2, FrameworkNumber: 1}},
		{"", allocation.Claim{Role: "b", RoleShare: 0.2, RoleOffers: 2, FrameworkShare: 0.4, FrameworkOffers: 2, FrameworkNumber: 2}},
	}
	for i := range order {
		for j := range order {
			got := allocation.Compare(order[i].claim, order[j].claim)
			switch {
			case i < j && got >= 0:
				t.Errorf("claim %d goes before %d, as %s; got %d", i, j, order[i].reason, got)
			case i == j && got != 0:
				t.Errorf("claim %d differs from itself", i)
			case i > j && got <= 0:
				t.Errorf("claim %d goes behind %d; got %d", i, j, got)
			}
		}
	}
}

// Whoever goes first gets one unit each time: in the end roles of the same weight have
// the same, and so have the frameworks of a role.
func TestAllocationIsFair(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		claims := []allocation.Claim{
			{Role: "a", FrameworkNumber: 1}, {Role: "a", FrameworkNumber: 2},
			{Role: "b", FrameworkNumber: 3},
		}
		for range 400 {
			rng.Shuffle(len(claims), func(i, j int) { claims[i], claims[j] = claims[j], claims[i] })
			slices.SortFunc(claims, allocation.Compare)
			first := claims[0]
			for i := range claims {
				if claims[i].Role == first.Role {
					claims[i].RoleShare++
					claims[i].RoleOffers++
				}
			}
			claims[0].FrameworkShare++
			claims[0].FrameworkOffers++
		}
		for _, c := range claims {
			want := map[string]float64{"a": 100, "b": 200}[c.Role]
			if c.FrameworkShare != want {
				t.Fatalf("seed %d: framework %d in role %s got %v, want %v", seed, c.FrameworkNumber, c.Role, c.FrameworkShare, want)
			}
		}
	}
}
