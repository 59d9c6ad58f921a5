package resource

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// randomQuantities are some of each kind: scalars and ranges, reserved and not.
func randomQuantities(rng *rand.Rand) Quantities {
	var parts []string
	for _, name := range []string{"cpus", "mem", "cpus(a)", "cpus(a/b)", "mem(b)", "gpus"} {
		if rng.IntN(2) == 0 {
			parts = append(parts, fmt.Sprintf("%s:%.3f", name, float64(1+rng.IntN(9000))/1000))
		}
	}
	for _, name := range []string{"ports", "ports(a)"} {
		for range rng.IntN(4) {
			begin := rng.IntN(60)
			parts = append(parts, fmt.Sprintf("%s:[%d-%d]", name, begin, begin+rng.IntN(8)))
		}
	}
	q, err := Parse(strings.Join(parts, ";"))
	if err != nil {
		panic(err)
	}
	return q
}

func text(q Quantities) string { return Describe(q.Messages("", false)) }

func forRandom(t *testing.T, check func(t *testing.T, a, b Quantities)) {
	t.Helper()
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 7))
		a, b := randomQuantities(rng), randomQuantities(rng)
		before := text(a) + " | " + text(b)
		check(t, a, b)
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, before)
		}
	}
}

func sum(a, b Quantities) Quantities {
	out := a.Clone()
	out.Add(b)
	return out
}

func difference(a, b Quantities) Quantities {
	out := a.Clone()
	out.Subtract(b)
	return out
}

func TestSumsDoNotDependOnTheirOrder(t *testing.T) {
	forRandom(t, func(t *testing.T, a, b Quantities) {
		if x, y := text(sum(a, b)), text(sum(b, a)); x != y {
			t.Errorf("%s and %s", x, y)
		}
	})
}

func TestASumContainsItsParts(t *testing.T) {
	forRandom(t, func(t *testing.T, a, b Quantities) {
		if s := sum(a, b); !s.Contains(a) || !s.Contains(b) {
			t.Errorf("%s lacks a part", text(s))
		}
	})
}

func TestSubtractedAndAddedResourcesRemain(t *testing.T) {
	forRandom(t, func(t *testing.T, a, b Quantities) {
		all := sum(a, b)
		if got := sum(difference(all, b), b); text(got) != text(all) {
			t.Errorf("got %s, want %s", text(got), text(all))
		}
	})
}

func TestSubtractingASumLeavesNothing(t *testing.T) {
	forRandom(t, func(t *testing.T, a, b Quantities) {
		if left := difference(a, sum(a, b)); !left.IsEmpty() {
			t.Errorf("left is %s", text(left))
		}
	})
}

func TestContainmentAgreesWithSubtraction(t *testing.T) {
	forRandom(t, func(t *testing.T, a, b Quantities) {
		fits := text(sum(difference(a, b), b)) == text(a)
		if a.Contains(b) && !fits {
			t.Errorf("%s contains %s, but cannot be put together again", text(a), text(b))
		}
		if !a.Contains(a) || !a.Contains(QuantitiesOf()) {
			t.Errorf("%s does not contain itself, or nothing", text(a))
		}
	})
}

func TestClonesAreIndependent(t *testing.T) {
	forRandom(t, func(t *testing.T, a, b Quantities) {
		before, clone := text(a), a.Clone()
		clone.Add(b)
		clone.Subtract(a)
		if text(a) != before {
			t.Errorf("%s became %s", before, text(a))
		}
	})
}

func TestMessagesAreReadAsTheyWereWritten(t *testing.T) {
	forRandom(t, func(t *testing.T, a, _ Quantities) {
		for _, oldFormat := range []bool{false, true} {
			if got := QuantitiesOf(a.Messages("a", oldFormat)...); text(got) != text(a) {
				t.Errorf("old format %t: got %s, want %s", oldFormat, text(got), text(a))
			}
		}
	})
}

// A framework without RESERVATION_REFINEMENT sends back only the old fields.
func TestOldFieldsDescribeSimpleReservations(t *testing.T) {
	forRandom(t, func(t *testing.T, a, _ Quantities) {
		messages := a.Messages("", true)
		for i := range messages {
			messages[i].Reservations = nil
		}
		if got := QuantitiesOf(messages...); text(got) != text(a) {
			t.Errorf("got %s, want %s", text(got), text(a))
		}
	})
}

func TestReservedAndUnreservedAreAll(t *testing.T) {
	forRandom(t, func(t *testing.T, a, _ Quantities) {
		total := maps.Clone(a.Unreserved().ByName().Scalars)
		if total == nil {
			total = map[string]int64{}
		}
		for _, amounts := range a.ReservedByRole() {
			for name, amount := range amounts {
				total[name] += amount
			}
		}
		if want := a.ByName().Scalars; !maps.Equal(total, want) {
			t.Errorf("got %v, want %v", total, want)
		}
	})
}

func TestRoleMayUseUnreservedAndItsOwnResources(t *testing.T) {
	forRandom(t, func(t *testing.T, a, _ Quantities) {
		own := a.AllocatableTo("a/b")
		if !a.Contains(own) || !own.Contains(a.Unreserved()) {
			t.Errorf("of %s role a/b may have %s", text(a), text(own))
		}
		if _, ok := own.ReservedByRole()["b"]; ok {
			t.Errorf("it may have what is reserved for b: %s", text(own))
		}
		if got, want := own.ReservedByRole()["a"], a.ReservedByRole()["a"]; !maps.Equal(got, want) {
			t.Errorf("of what is reserved for the role above it may have %v, want %v", got, want)
		}
		if _, ok := a.AllocatableTo("a").ReservedByRole()["a/b"]; ok {
			t.Error("role a may have what is reserved for the role below")
		}
	})
}

func TestOverlap(t *testing.T) {
	forRandom(t, func(t *testing.T, a, b Quantities) {
		if a.Overlaps(b) != b.Overlaps(a) {
			t.Error("one overlaps with the other, and not the other way round")
		}
		if !a.IsEmpty() && !a.Overlaps(a) {
			t.Error("it does not overlap with itself")
		}
		if a.Overlaps(QuantitiesOf()) {
			t.Error("it overlaps with nothing")
		}
	})
}

// Spans against the plainest thing that they could be: a set of numbers.
func TestSpansAreSets(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 3))
		var spans []span
		set := map[uint64]bool{}
		for range 30 {
			begin := rng.Uint64N(50)
			s := span{begin, begin + rng.Uint64N(6)}
			if rng.IntN(2) == 0 {
				spans = addSpan(spans, s)
			} else {
				spans = cutSpan(spans, s)
			}
			added := slices.ContainsFunc(spans, func(x span) bool { return x.begin <= s.begin && s.end <= x.end })
			for n := s.begin; n <= s.end; n++ {
				set[n] = added
			}
			checkSpans(t, seed, spans, set)
		}
	}
}

func checkSpans(t *testing.T, seed uint64, spans []span, set map[uint64]bool) {
	t.Helper()
	for i, s := range spans {
		if s.end < s.begin || i > 0 && s.begin <= spans[i-1].end+1 {
			t.Fatalf("seed %d: %v are not sorted, disjoint and apart", seed, spans)
		}
	}
	for n := range uint64(60) {
		in := slices.ContainsFunc(spans, func(x span) bool { return x.begin <= n && n <= x.end })
		if in != set[n] {
			t.Fatalf("seed %d: %d in %v: got %t, want %t", seed, n, spans, in, set[n])
		}
	}
}
