package resource

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQuantities(t *testing.T) {
	for name, test := range map[string]struct {
		have, take string
		fits       bool
		left       string
	}{
		"a part":                              {"cpus:4;mem:100", "cpus:1.5;mem:1", true, "cpus:2.5; mem:99"},
		"all":                                 {"cpus:4;ports:[1-9]", "cpus:4;ports:[1-9]", true, ""},
		"too much":                            {"cpus:4", "cpus:4.001", false, ""},
		"a resource that is missing":          {"cpus:4", "mem:1", false, "cpus:4"},
		"ports out of the middle":             {"ports:[1-9]", "ports:[3-4,7-7]", true, "ports:[1-2, 5-6, 8-9]"},
		"ports across a gap":                  {"ports:[1-3,5-9]", "ports:[3-5]", false, "ports:[1-2, 6-9]"},
		"amounts are compared in thousandths": {"cpus:0.3", "cpus:0.1", true, "cpus:0.2"},
		"a part of what is reserved":          {"cpus(a):3;cpus:1", "cpus(a):2", true, "cpus(reservations: [(STATIC,a)]):1; cpus:1"},
		"reserved resources do not contain unreserved ones": {"cpus(a):3;cpus:1", "cpus:2", false, "cpus(reservations: [(STATIC,a)]):3"},
		"for another role": {"cpus(a):3", "cpus(b):1", false, "cpus(reservations: [(STATIC,a)]):3"},
		"for no role":      {"cpus(*):3", "cpus:1", true, "cpus:2"},
	} {
		t.Run(name, func(t *testing.T) {
			have, take := mustResources(t, test.have), mustResources(t, test.take)
			if got := have.Contains(take); got != test.fits {
				t.Errorf("contains: got %t, want %t", got, test.fits)
			}
			before := Describe(have.Messages("", false))
			rest := have.Clone()
			rest.Subtract(take)
			if diff := cmp.Diff(test.left, Describe(rest.Messages("", false))); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			if test.fits {
				rest.Add(take)
				if diff := cmp.Diff(before, Describe(rest.Messages("", false))); diff != "" {
					t.Errorf("given back (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func mustResources(t *testing.T, text string) Quantities {
	t.Helper()
	q, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}
