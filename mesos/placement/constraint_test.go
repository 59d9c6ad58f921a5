package placement

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

func TestParseConstraintValue(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]constraintValue{
		"":                     {},
		"r1":                   {},
		"8":                    {number: 8000, isNumber: true, low: 8, high: 8, isRange: true},
		"2.5":                  {number: 2500, isNumber: true},
		"-3":                   {number: -3000, isNumber: true, high: 3},
		"8-15":                 {low: 8, high: 15, isRange: true},
		"15-8":                 {low: 15, high: 8},
		"8-":                   {low: 8},
		"a-b":                  {},
		"NaN":                  {},
		"Inf":                  {},
		"1e300":                {},
		"1e3":                  {number: 1_000_000, isNumber: true},
		"99999999999999999999": {low: 1<<64 - 1, high: 1<<64 - 1},
	} {
		want.text = text
		if diff := cmp.Diff(want, parseConstraintValue(text), cmp.AllowUnexported(constraintValue{})); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestAttributesAsText(t *testing.T) {
	t.Parallel()
	parsed := parseAttributes([]mesos.Attribute{
		{Name: "text", Type: mesos.TEXT, Text: &mesos.Value_Text{Value: "r1"}},
		{Name: "scalar", Type: mesos.SCALAR, Scalar: &mesos.Value_Scalar{Value: 2.5}},
		{Name: "ranges", Type: mesos.RANGES, Ranges: &mesos.Value_Ranges{Range: ranges(1, 2, 5, 5)}},
		{Name: "set", Type: mesos.SET, Set: &mesos.Value_Set{Item: []string{"a", "b"}}},
		{Name: "nothing", Type: mesos.TEXT},
	})
	got := map[string]string{}
	for _, a := range parsed {
		got[a.name] = a.text
	}
	want := map[string]string{"text": "r1", "scalar": "2.5", "ranges": "[1-2,5-5]", "set": "[a b]", "nothing": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

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
