package placement

import (
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

func TestRefusalTextAgreesWithTheCount(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		constraint Constraint
		one, many  string
	}{
		"in":             {Constraint{"rack", In, []string{"r1", "r2"}}, "has not rack in [r1 r2]", "have not rack in [r1 r2]"},
		"not in":         {Constraint{"rack", NotIn, []string{"r1"}}, "has rack in [r1]", "have rack in [r1]"},
		"exists":         {Constraint{"rack", Exists, nil}, "has not the attribute rack", "have not the attribute rack"},
		"does not exist": {Constraint{"rack", DoesNotExist, nil}, "has the attribute rack", "have the attribute rack"},
		"unknown":        {Constraint{"rack", "Like", nil}, `cannot be judged: "Like" is no operator`, `cannot be judged: "Like" is no operator`},
	} {
		c := &parseConstraints([]Constraint{tc.constraint})[0]
		if one, many := c.refusalText(1), c.refusalText(2); one != tc.one || many != tc.many {
			t.Errorf("%s: got %q and %q", name, one, many)
		}
	}
}

func TestConstraintsAsText(t *testing.T) {
	t.Parallel()
	cs := []Constraint{{"rack", In, []string{"r1", "r2"}}, {"gpu", Exists, nil}}
	if got, want := FormatConstraints(cs), "rack In [r1 r2] and gpu Exists"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := FormatConstraints(nil); got != "" {
		t.Errorf("no constraints are shown as %q", got)
	}
}

func TestConstraintEquality(t *testing.T) {
	t.Parallel()
	c := Constraint{"rack", In, []string{"r1", "r2"}}
	for name, other := range map[string]Constraint{
		"another attribute":       {"row", In, []string{"r1", "r2"}},
		"another operator":        {"rack", NotIn, []string{"r1", "r2"}},
		"fewer values":            {"rack", In, []string{"r1"}},
		"values in another order": {"rack", In, []string{"r2", "r1"}},
	} {
		if c.Equal(other) || other.Equal(c) {
			t.Errorf("%s counts as equal", name)
		}
	}
	if !c.Equal(Constraint{"rack", In, []string{"r1", "r2"}}) {
		t.Error("a copy is not equal")
	}
}

// Two agents have the same profile exactly if no constraint, except on the host name,
// distinguishes them.
func TestProfiles(t *testing.T) {
	t.Parallel()
	text := func(name, value string) mesos.Attribute {
		return mesos.Attribute{Name: name, Type: mesos.TEXT, Text: &mesos.Value_Text{Value: value}}
	}
	number := mesos.Attribute{Name: "slots", Type: mesos.SCALAR, Scalar: &mesos.Value_Scalar{Value: 8}}
	offer := func(zone, host string, as ...mesos.Attribute) *Offer {
		o, err := NewSyntheticOffer(Agent{ID: host, Hostname: host, Zone: zone}, "k8sm", as, Resources{})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	base := offer("a", "h1", text("rack", "r1"))
	if other := offer("a", "h2", text("rack", "r1")); other.profile != base.profile {
		t.Error("another host name makes another profile")
	}
	for name, other := range map[string]*Offer{
		"another zone":                offer("b", "h1", text("rack", "r1")),
		"another value":               offer("a", "h1", text("rack", "r2")),
		"another name":                offer("a", "h1", text("row", "r1")),
		"one more attribute":          offer("a", "h1", text("rack", "r1"), number),
		"none":                        offer("a", "h1"),
		"a name and value that shift": offer("a", "h1", text("rackr", "1")),
	} {
		if other.profile == base.profile {
			t.Errorf("%s has the same profile", name)
		}
	}
	if offer("a", "h", number).profile == offer("a", "h", text("slots", "8")).profile {
		t.Error("the number 8 and the text 8 have the same profile")
	}
}
