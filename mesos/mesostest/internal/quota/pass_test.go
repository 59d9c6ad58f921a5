package quota_test

import (
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	quotapb "github.com/mesos/mesos-go/api/v1/lib/quota"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/quota"
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

func describe(q resource.Quantities) string { return resource.Describe(q.Messages("", false)) }

func configs(list ...quotapb.QuotaConfig) map[string]quotapb.QuotaConfig {
	out := map[string]quotapb.QuotaConfig{}
	for _, c := range list {
		out[c.Role] = c
	}
	return out
}

func TestPassWithoutQuotasLimitsNothing(t *testing.T) {
	p := quota.NewPass(nil, func(string) quota.Amounts { panic("consumption is asked for") }, nil)
	free := parse(t, "cpus:4;mem:100;ports:[1-9]")
	p.RecordOffer("a", free)
	if got := describe(p.Limit("a", free)); got != describe(free) {
		t.Errorf("of %s only %s is offered", describe(free), got)
	}
	if p.IsOwed("a") || p.IsAnyOwed() {
		t.Error("a guarantee is owed without quotas")
	}
}

func TestLimits(t *testing.T) {
	const free = "ports:[1-9]; cpus(reservations: [(STATIC,a)]):2; cpus:4; mem:100"
	for name, test := range map[string]struct {
		quotas   []quotapb.QuotaConfig
		consumed map[string]quota.Amounts
		role     string
		want     string
	}{
		"a role without a quota gets all": {
			quotas: []quotapb.QuotaConfig{config("b", nil, values("cpus", 1.0))},
			role:   "a", want: free,
		},
		"a limit cuts what is not reserved": {
			quotas: []quotapb.QuotaConfig{config("a", nil, values("cpus", 1.0))},
			role:   "a", want: "ports:[1-9]; cpus(reservations: [(STATIC,a)]):2; cpus:1; mem:100",
		},
		"a limit of 0": {
			quotas: []quotapb.QuotaConfig{config("a", nil, values("cpus", 0.0))},
			role:   "a", want: "ports:[1-9]; cpus(reservations: [(STATIC,a)]):2; mem:100",
		},
		"what is consumed counts against the limit": {
			quotas:   []quotapb.QuotaConfig{config("a", nil, values("cpus", 3.0))},
			consumed: map[string]quota.Amounts{"a": {"cpus": 2500}},
			role:     "a", want: "ports:[1-9]; cpus(reservations: [(STATIC,a)]):2; cpus:0.5; mem:100",
		},
		"more than the limit is consumed already": {
			quotas:   []quotapb.QuotaConfig{config("a", nil, values("mem", 50.0))},
			consumed: map[string]quota.Amounts{"a": {"mem": 60_000}},
			role:     "a", want: "ports:[1-9]; cpus(reservations: [(STATIC,a)]):2; cpus:4",
		},
		"another role's guarantee is held back": {
			quotas: []quotapb.QuotaConfig{config("b", values("cpus", 5.0), nil)},
			role:   "a", want: "ports:[1-9]; cpus(reservations: [(STATIC,a)]):2; cpus:3; mem:100",
		},
		"a guarantee above the total leaves nothing": {
			quotas: []quotapb.QuotaConfig{config("b", values("cpus", 50.0), nil)},
			role:   "a", want: "ports:[1-9]; cpus(reservations: [(STATIC,a)]):2; mem:100",
		},
		"a guarantee is not held back from its own role": {
			quotas: []quotapb.QuotaConfig{config("a", values("cpus", 5.0), nil)},
			role:   "a", want: free,
		},
		"a guarantee that is met is not held back": {
			quotas:   []quotapb.QuotaConfig{config("b", values("cpus", 5.0), nil)},
			consumed: map[string]quota.Amounts{"b": {"cpus": 5000}},
			role:     "a", want: free,
		},
		"the guarantees of several roles add up": {
			quotas: []quotapb.QuotaConfig{config("b", values("cpus", 5.0), nil), config("c", values("cpus", 1.0), nil)},
			role:   "a", want: "ports:[1-9]; cpus(reservations: [(STATIC,a)]):2; cpus:2; mem:100",
		},
	} {
		t.Run(name, func(t *testing.T) {
			consumed := func(role string) quota.Amounts {
				out := quota.Amounts{}
				out.Add(test.consumed[role])
				return out
			}
			p := quota.NewPass(configs(test.quotas...), consumed, quota.Amounts{"cpus": 8000, "mem": 200_000})
			q := parse(t, "cpus:4;mem:100;ports:[1-9];cpus(a):2")
			if diff := cmp.Diff(test.want, describe(p.Limit(test.role, q))); diff != "" {
				t.Errorf("offered (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(free, describe(q)); diff != "" {
				t.Errorf("what is free was changed (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGuaranteesAreOwedUntilOffered(t *testing.T) {
	none := func(string) quota.Amounts { return quota.Amounts{} }
	p := quota.NewPass(configs(config("a", values("cpus", 3.0, "mem", 50.0), nil)), none, quota.Amounts{"cpus": 8000, "mem": 100_000})
	steps := []struct {
		offer string
		role  string
		owed  bool
	}{
		{"cpus:3", "b", true},
		{"cpus:2;mem:50", "a", true},
		{"cpus(a):5", "a", true}, // reserved resources are not what a quota guarantees
		{"cpus:1", "a", false},
		{"cpus:1", "a", false},
	}
	if !p.IsOwed("a") || !p.IsAnyOwed() || p.IsOwed("b") {
		t.Error("at first only role a is owed its guarantee")
	}
	for _, step := range steps {
		p.RecordOffer(step.role, parse(t, step.offer))
		if p.IsOwed("a") != step.owed || p.IsAnyOwed() != step.owed {
			t.Errorf("after %s for %s: owed %t, want %t", step.offer, step.role, p.IsOwed("a"), step.owed)
		}
	}
}

func TestOffersToRolesBelowCountAgainstTheLimit(t *testing.T) {
	none := func(string) quota.Amounts { return quota.Amounts{} }
	p := quota.NewPass(configs(config("a", nil, values("cpus", 3.0))), none, quota.Amounts{"cpus": 8000})
	p.RecordOffer("a/b", parse(t, "cpus:2"))
	p.RecordOffer("ab", parse(t, "cpus:2"))
	if got := describe(p.Limit("a", parse(t, "cpus:4"))); got != "cpus:1" {
		t.Errorf("got %s, want cpus:1", got)
	}
}

// Whatever is offered in a pass, in whatever order: no role gets beyond its limit, and
// the guarantee of a role that got nothing stays free.
func TestPassKeepsLimitsAndGuarantees(t *testing.T) {
	none := func(string) quota.Amounts { return quota.Amounts{} }
	quotas := configs(
		config("limited", nil, values("cpus", 5.0)),
		config("waiting", values("cpus", 7.0), nil),
	)
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		free := quota.Amounts{"cpus": 20_000}
		p := quota.NewPass(quotas, none, free)
		given := map[string]int64{}
		for range 30 {
			role := []string{"limited", "limited/child", "other"}[rng.IntN(3)]
			agent := resource.QuantitiesOf()
			agent.Scalars["cpus"] = min(free["cpus"], int64(1+rng.IntN(4000)))
			q := p.Limit(role, agent)
			if !agent.Contains(q) {
				t.Fatalf("seed %d: of %s %s is offered", seed, describe(agent), describe(q))
			}
			p.RecordOffer(role, q)
			given[role] += q.Scalars["cpus"]
			free.Subtract(q.Scalars)
		}
		if given["limited"] > 5000 {
			t.Fatalf("seed %d: the limited role got %d thousandths", seed, given["limited"])
		}
		if free["cpus"] < 7000 {
			t.Fatalf("seed %d: %d thousandths are left for the guarantee", seed, free["cpus"])
		}
	}
}

func TestPassDoesNotChangeTheHeadroomOfItsCaller(t *testing.T) {
	headroom := quota.Amounts{"cpus": 8000}
	p := quota.NewPass(configs(config("a", nil, nil)), func(string) quota.Amounts { return quota.Amounts{} }, headroom)
	p.RecordOffer("a", parse(t, "cpus:1"))
	if headroom["cpus"] != 8000 {
		t.Errorf("it is %d", headroom["cpus"])
	}
}
