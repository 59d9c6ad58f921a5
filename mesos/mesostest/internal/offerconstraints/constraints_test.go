package offerconstraints_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/offerconstraints"
)

// read reads constraints, given as the roles of a message in JSON.
func read(t *testing.T, roles string) *offerconstraints.Message {
	t.Helper()
	call := &offerconstraints.Call{}
	raw := `{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"},"offer_constraints":{"role_constraints":{` + roles + `}}}}`
	if err := codec.Decode(codec.MediaJSON, []byte(raw), call, "Call"); err != nil {
		t.Fatal(err)
	}
	return &call.Constraints
}

// group of constraints, each a selector and a predicate.
func group(pairs ...string) string {
	var constraints []string
	for i := 0; i < len(pairs); i += 2 {
		constraints = append(constraints, fmt.Sprintf(`{"selector":{%s},"predicate":{%s}}`, pairs[i], pairs[i+1]))
	}
	return `{"attribute_constraints":[` + strings.Join(constraints, ",") + `]}`
}

func role(name string, groups ...string) string {
	return fmt.Sprintf(`%q:{"groups":[%s]}`, name, strings.Join(groups, ","))
}

func attribute(name string) string { return fmt.Sprintf(`"attribute_name":%q`, name) }
func pseudo(name string) string    { return fmt.Sprintf(`"pseudoattribute_type":%q`, name) }

const (
	exists    = `"exists":{}`
	notExists = `"not_exists":{}`
)

func equals(text string) string      { return fmt.Sprintf(`"text_equals":{"value":%q}`, text) }
func notEquals(text string) string   { return fmt.Sprintf(`"text_not_equals":{"value":%q}`, text) }
func matches(regex string) string    { return fmt.Sprintf(`"text_matches":{"regex":%q}`, regex) }
func matchesNot(regex string) string { return fmt.Sprintf(`"text_not_matches":{"regex":%q}`, regex) }

// agent has a text, a number, ranges, and an attribute twice.
var agent = &offerconstraints.Agent{
	Hostname: "agent-1.example",
	Region:   "north",
	Zone:     "z1",
	Attributes: []mesos.Attribute{
		{Name: "rack", Type: mesos.TEXT, Text: &mesos.Value_Text{Value: "r1"}},
		{Name: "slots", Type: mesos.SCALAR, Scalar: &mesos.Value_Scalar{Value: 8}},
		{Name: "ports", Type: mesos.RANGES, Ranges: &mesos.Value_Ranges{}},
		{Name: "twice", Type: mesos.TEXT, Text: &mesos.Value_Text{Value: "first"}},
		{Name: "twice", Type: mesos.TEXT, Text: &mesos.Value_Text{Value: "second"}},
	},
}

func TestPredicates(t *testing.T) {
	for name, test := range map[string]struct {
		selector, predicate string
		want                bool
	}{
		"a text exists":                                               {attribute("rack"), exists, true},
		"a number exists":                                             {attribute("slots"), exists, true},
		"ranges exist":                                                {attribute("ports"), exists, true},
		"a missing attribute does not exist":                          {attribute("row"), exists, false},
		"not_exists of an existing attribute":                         {attribute("rack"), notExists, false},
		"not_exists of a missing attribute":                           {attribute("row"), notExists, true},
		"a text equals":                                               {attribute("rack"), equals("r1"), true},
		"a text does not equal":                                       {attribute("rack"), equals("r"), false},
		"texts are compared with their case":                          {attribute("rack"), equals("R1"), false},
		"a missing attribute equals nothing":                          {attribute("row"), equals(""), false},
		"a text differs":                                              {attribute("rack"), notEquals("r2"), true},
		"a text does not differ":                                      {attribute("rack"), notEquals("r1"), false},
		"a missing attribute differs from every text":                 {attribute("row"), notEquals("r1"), true},
		"a pattern matches":                                           {attribute("rack"), matches("r[0-9]"), true},
		"a pattern of a part does not match":                          {attribute("rack"), matches("r"), false},
		"an alternative matches a whole text":                         {attribute("rack"), matches("r1|x"), true},
		"an alternative does not match the beginning of a text":       {attribute("rack"), matches("r|x"), false},
		"a pattern of anything":                                       {attribute("rack"), matches(".*"), true},
		"a missing attribute matches no pattern":                      {attribute("row"), matches(".*"), false},
		"text_not_matches of a pattern that does not match":           {attribute("rack"), matchesNot("x.*"), true},
		"text_not_matches of a pattern that matches":                  {attribute("rack"), matchesNot("r.*"), false},
		"text_not_matches of a missing attribute":                     {attribute("row"), matchesNot(".*"), true},
		"text_equals of a scalar is true":                             {attribute("slots"), equals("9"), true},
		"text_not_equals of a scalar is true":                         {attribute("slots"), notEquals("8"), true},
		"text_matches of a scalar is true":                            {attribute("slots"), matches("x"), true},
		"text_equals of ranges is true":                               {attribute("ports"), equals("x"), true},
		"the first of two attributes counts":                          {attribute("twice"), equals("first"), true},
		"the second of two attributes does not count":                 {attribute("twice"), equals("second"), false},
		"the hostname":                                                {pseudo("HOSTNAME"), equals("agent-1.example"), true},
		"the hostname always exists":                                  {pseudo("HOSTNAME"), exists, true},
		"a pattern of hostnames":                                      {pseudo("HOSTNAME"), matches(`agent-[0-9]+\.example`), true},
		"the region":                                                  {pseudo("REGION"), equals("north"), true},
		"the zone":                                                    {pseudo("ZONE"), notEquals("z2"), true},
		"a pseudo-attribute does not select an attribute of its name": {attribute("HOSTNAME"), exists, false},
		"an attribute's name counts before a pseudo-attribute":        {attribute("rack") + "," + pseudo("HOSTNAME"), equals("r1"), true},
	} {
		t.Run(name, func(t *testing.T) {
			constraints, err := read(t, role("a", group(test.selector, test.predicate))).Compile()
			if err != nil {
				t.Fatal(err)
			}
			if got := constraints.Admit("a", agent); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestAgentsWithoutADomain(t *testing.T) {
	nowhere := &offerconstraints.Agent{Hostname: "agent"}
	for _, kind := range []string{"REGION", "ZONE"} {
		for predicate, want := range map[string]bool{exists: false, notExists: true, equals(""): false, notEquals("x"): true} {
			constraints, err := read(t, role("a", group(pseudo(kind), predicate))).Compile()
			if err != nil {
				t.Fatal(err)
			}
			if got := constraints.Admit("a", nowhere); got != want {
				t.Errorf("%s, %s: got %t, want %t", kind, predicate, got, want)
			}
		}
	}
}

func TestGroupsAreAlternatives(t *testing.T) {
	holds, fails := []string{attribute("rack"), exists}, []string{attribute("row"), exists}
	both := func(a, b []string) string { return group(append(append([]string{}, a...), b...)...) }
	for name, test := range map[string]struct {
		groups []string
		want   bool
	}{
		"all of a group must hold":         {[]string{both(holds, holds)}, true},
		"one of a group that fails":        {[]string{both(holds, fails)}, false},
		"one of two groups is enough":      {[]string{group(fails...), group(holds...)}, true},
		"no group holds":                   {[]string{group(fails...), both(holds, fails)}, false},
		"the first group is enough":        {[]string{group(holds...), group(fails...)}, true},
		"three groups, of which one holds": {[]string{group(fails...), group(fails...), both(holds, holds)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			constraints, err := read(t, role("a", test.groups...)).Compile()
			if err != nil {
				t.Fatal(err)
			}
			if got := constraints.Admit("a", agent); got != test.want {
				t.Errorf("got %t, want %t", got, test.want)
			}
		})
	}
}

func TestRolesHaveTheirOwnConstraints(t *testing.T) {
	constraints, err := read(t, role("a", group(attribute("row"), exists))+","+role("b", group(attribute("rack"), exists))).Compile()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"a": false, "b": true, "c": true, "a/b": true} {
		if got := constraints.Admit(name, agent); got != want {
			t.Errorf("role %s: got %t, want %t", name, got, want)
		}
	}
	none, err := (&offerconstraints.Message{}).Compile()
	if err != nil || !none.Admit("a", agent) {
		t.Errorf("without constraints an agent is kept back, or %v", err)
	}
}

func TestConstraintsThatAreRefused(t *testing.T) {
	const invalid = "A role a has an invalid 'AttributeConstraint': "
	for name, test := range map[string]struct{ roles, want string }{
		"a role without groups":                   {`"a":{}`, "'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role a"},
		"an empty group":                          {role("a", `{}`), "'OfferConstraints::RoleConstraints::groups' for role acontains an empty RoleConstraints::Group"},
		"no selector":                             {role("a", group("", exists)), invalid + "Exactly one of 'AttributeConstraint::Selector::name' or 'AttributeConstraint::Selector::pseudoattribute_type' must be set"},
		"an unknown kind":                         {role("a", group(pseudo("UNKNOWN"), exists)), invalid + "Unknown pseudoattribute type"},
		"no predicate":                            {role("a", group(attribute("rack"), "")), invalid + "Unknown predicate type"},
		"a bracket that is open":                  {role("a", group(attribute("rack"), matches("r[0-9"))), invalid + "Failed to construct regex from pattern 'r[0-9': missing ]: [0-9"},
		"a parenthesis":                           {role("a", group(attribute("rack"), matches("(r"))), invalid + "Failed to construct regex from pattern '(r': missing ): (r"},
		"nothing to repeat":                       {role("a", group(attribute("rack"), matchesNot("*"))), invalid + "Failed to construct regex from pattern '*': missing argument to repetition operator: *"},
		"a pattern that is long":                  {role("a", group(attribute("rack"), matches("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"))), invalid + "Failed to construct regex from pattern 'abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz': pattern too large - compile failed"},
		"repeated many times":                     {role("a", group(attribute("rack"), matches("r{100}"))), invalid + "Failed to construct regex from pattern 'r{100}': pattern too large - compile failed"},
		"the error names the first role in order": {`"b":{},"a":{}`, "'OfferConstraints::role_constraints' has an empty 'RoleConstraints::groups' for role a"},
	} {
		t.Run(name, func(t *testing.T) {
			constraints, err := read(t, test.roles).Compile()
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			if constraints != nil {
				t.Error("constraints are returned with the error")
			}
		})
	}
}

func TestCallsWithConstraints(t *testing.T) {
	constraints := `"offer_constraints":{"role_constraints":{` + role("a", group(attribute("row"), exists)) + `}}`
	for name, test := range map[string]struct {
		raw      string
		callType schedulerpb.Call_Type
		want     bool // whether the agent is kept from role a
	}{
		"SUBSCRIBE":                          {`{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"},` + constraints + `}}`, schedulerpb.Call_SUBSCRIBE, true},
		"UPDATE_FRAMEWORK":                   {`{"type":"UPDATE_FRAMEWORK","framework_id":{"value":"f"},"update_framework":{"framework_info":{"user":"u","name":"n"},` + constraints + `}}`, schedulerpb.Call_UPDATE_FRAMEWORK, true},
		"SUBSCRIBE without any":              {`{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}}`, schedulerpb.Call_SUBSCRIBE, false},
		"constraints of a call without them": {`{"type":"REVIVE","framework_id":{"value":"f"},"revive":{` + constraints + `}}`, schedulerpb.Call_REVIVE, false},
		"constraints that are no object":     {`{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"},"offer_constraints":1}}`, schedulerpb.Call_SUBSCRIBE, false},
	} {
		t.Run(name, func(t *testing.T) {
			call := &offerconstraints.Call{}
			if err := codec.Decode(codec.MediaJSON, []byte(test.raw), call, "Call"); err != nil {
				t.Fatal(err)
			}
			if call.Type != test.callType {
				t.Errorf("it is %s", call.Type)
			}
			compiled, err := call.Constraints.Compile()
			if err != nil {
				t.Fatal(err)
			}
			if got := !compiled.Admit("a", agent); got != test.want {
				t.Errorf("kept back: %t, want %t", got, test.want)
			}
		})
	}
}

func TestConstraintsThatCannotBeRead(t *testing.T) {
	raw := `{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"},"offer_constraints":{"role_constraints":{"a":{"groups":[{"attribute_constraints":[{}]}]}}}}}`
	err := codec.Decode(codec.MediaJSON, []byte(raw), &offerconstraints.Call{}, "Call")
	const want = "Failed to convert JSON into Call protobuf: Missing required fields: " +
		"subscribe.offer_constraints.role_constraints.a.groups[0].attribute_constraints[0].selector, " +
		"subscribe.offer_constraints.role_constraints.a.groups[0].attribute_constraints[0].predicate"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Every agent meets a text predicate or its opposite; one whose attribute is no text meets
// both, as on a real master.
func TestOppositePredicates(t *testing.T) {
	admits := func(selector, predicate string) bool {
		constraints, err := read(t, role("a", group(selector, predicate))).Compile()
		if err != nil {
			t.Fatal(err)
		}
		return constraints.Admit("a", agent)
	}
	for _, name := range []string{"rack", "slots", "ports", "twice", "missing"} {
		isText := name == "rack" || name == "twice" || name == "missing"
		for _, text := range []string{"r1", "first", "second", "8", "", "R1", "r1 "} {
			for _, pair := range [][2]string{{equals(text), notEquals(text)}, {matches(text), matchesNot(text)}} {
				is, isNot := admits(attribute(name), pair[0]), admits(attribute(name), pair[1])
				if isText && is == isNot || !isText && (!is || !isNot) {
					t.Errorf("%s: %s is %t, %s is %t", name, pair[0], is, pair[1], isNot)
				}
			}
			// A pattern without special characters is the text itself.
			if admits(attribute(name), equals(text)) != admits(attribute(name), matches(text)) {
				t.Errorf("%s: the pattern %q differs from the text", name, text)
			}
		}
		if admits(attribute(name), exists) == admits(attribute(name), notExists) {
			t.Errorf("%s exists and does not exist, or neither", name)
		}
	}
}

// Groups are alternatives and constraints of a group hold together, whatever their order.
func TestOrderOfConstraintsDoesNotMatter(t *testing.T) {
	holds, fails := []string{attribute("rack"), exists}, []string{attribute("rack"), notExists}
	for bits := range 16 {
		var all [][]string
		for i := range 4 {
			if bits>>i&1 == 1 {
				all = append(all, holds)
			} else {
				all = append(all, fails)
			}
		}
		// Two groups of two constraints each.
		want := bits&3 == 3 || bits&12 == 12
		for _, order := range [][]int{{0, 1, 2, 3}, {1, 0, 3, 2}, {2, 3, 0, 1}, {3, 2, 1, 0}} {
			first := group(append(append([]string{}, all[order[0]]...), all[order[1]]...)...)
			second := group(append(append([]string{}, all[order[2]]...), all[order[3]]...)...)
			constraints, err := read(t, role("a", first, second)).Compile()
			if err != nil {
				t.Fatal(err)
			}
			if got := constraints.Admit("a", agent); got != want {
				t.Errorf("constraints %04b in the order %v: got %t", bits, order, got)
			}
		}
	}
}
