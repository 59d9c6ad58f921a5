package placement

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestAmountsOf(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		resources Resources
		want      amounts
		err       string
	}{
		"nothing":               {},
		"thousandths of a core": {resources: Resources{CPUs: 0.125}, want: amounts{cpus: 125}},
		"a third is rounded":    {resources: Resources{CPUs: 1.0 / 3}, want: amounts{cpus: 333}},
		"binary fractions do not lose a thousandth": {resources: Resources{CPUs: 0.1 + 0.2}, want: amounts{cpus: 300}},
		"every kind":                {resources: Resources{CPUs: 1, MemMiB: 2, DiskMiB: 3, Ports: 4}, want: amounts{1000, 2000, 3000, 4}},
		"all ports":                 {resources: Resources{Ports: math.MaxUint16}, want: amounts{ports: math.MaxUint16}},
		"negative cpus":             {resources: Resources{CPUs: -1}, err: "reading cpus: -1 is no amount of a resource"},
		"not a number":              {resources: Resources{MemMiB: math.NaN()}, err: "reading mem: NaN is no amount of a resource"},
		"infinite":                  {resources: Resources{DiskMiB: math.Inf(1)}, err: "reading disk: +Inf is no amount of a resource"},
		"more than any agent has":   {resources: Resources{CPUs: 2 * maxAmount}, err: "reading cpus: 2e+12 is no amount of a resource"},
		"negative ports":            {resources: Resources{Ports: -1}, err: "reading ports: -1 is no count of ports"},
		"more ports than there are": {resources: Resources{Ports: math.MaxUint16 + 1}, err: "reading ports: 65536 is no count of ports"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := amountsOf(tc.resources)
			if tc.err != "" {
				if err == nil || err.Error() != tc.err {
					t.Fatalf("the error is %v, want %s", err, tc.err)
				}
				return
			}
			if err != nil || got != tc.want {
				t.Errorf("got %v, %v, want %v", got, err, tc.want)
			}
		})
	}
}

func TestCoversComparesEachKind(t *testing.T) {
	t.Parallel()
	has := amounts{4000, 4000, 4000, 4}
	if !has.covers(&has) || !has.covers(&amounts{}) {
		t.Error("an amount does not cover itself, or nothing")
	}
	for k := range kindCount {
		more := has
		more[k]++
		if has.covers(&more) {
			t.Errorf("one more of %s is covered", kindNames[k])
		}
		if !more.covers(&has) {
			t.Errorf("one less of %s is not covered", kindNames[k])
		}
	}
}

// What was added and taken away again leaves what was there, and nothing is below zero.
func TestAddAndMinusAreInverse(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	random := func() amounts {
		return amounts{r.Int64N(9000), r.Int64N(9000), r.Int64N(9000), r.Int64N(50)}
	}
	for range 1000 {
		a, b := random(), random()
		sum := a
		sum.add(&b)
		if got := sum.minus(&b); got != a {
			t.Fatalf("%v + %v - %v is %v", a, b, b, got)
		}
		rest := a.minus(&b)
		for k := range kindCount {
			if want := max(a[k]-b[k], 0); rest[k] != want {
				t.Fatalf("%v - %v has %d %s, want %d", a, b, rest[k], kindNames[k], want)
			}
		}
		if again, err := amountsOf(a.toResources()); err != nil || again != a {
			t.Fatalf("%v becomes %v as resources and back: %v", a, again, err)
		}
	}
}

func TestAmountsText(t *testing.T) {
	t.Parallel()
	for want, a := range map[string]amounts{
		"":                                       {},
		"0.5 cpus":                               {cpus: 500},
		"1536 MiB mem, 0.25 MiB disk":            {mem: 1_536_000, disk: 250},
		"2 cpus, 1 MiB mem, 7 ports":             {cpus: 2000, mem: 1000, ports: 7},
		"8 cpus, 1 MiB mem, 1 MiB disk, 1 ports": {8000, 1000, 1000, 1},
	} {
		if got := a.text(); got != want {
			t.Errorf("%v is shown as %q, want %q", a, got, want)
		}
	}
}

func TestKindOfKnowsOnlyUsedResources(t *testing.T) {
	t.Parallel()
	for i, name := range strings.Fields("cpus mem disk ports") {
		if k, known := kindOf(name); !known || int(k) != i {
			t.Errorf("%s is kind %d, %v; want %d", name, k, known, i)
		}
	}
	for _, name := range []string{"gpus", "CPUs", "", "network_bandwidth"} {
		if _, known := kindOf(name); known {
			t.Errorf("%q is used", name)
		}
	}
}
