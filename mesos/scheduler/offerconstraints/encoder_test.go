package offerconstraints_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/offerconstraints"
)

func in(attribute string, values ...string) placement.Constraint {
	return placement.Constraint{Attribute: attribute, Operator: placement.In, Values: values}
}

func notIn(attribute string, values ...string) placement.Constraint {
	return placement.Constraint{Attribute: attribute, Operator: placement.NotIn, Values: values}
}

func exists(attribute string) placement.Constraint {
	return placement.Constraint{Attribute: attribute, Operator: placement.Exists}
}

func absent(attribute string) placement.Constraint {
	return placement.Constraint{Attribute: attribute, Operator: placement.DoesNotExist}
}

// many makes values v0, v1 and so on.
func many(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint("v", i)
	}
	return out
}

// manyDemands makes demands with a rack each.
func manyDemands(n int) [][]placement.Constraint {
	out := make([][]placement.Constraint, n)
	for i := range out {
		out[i] = []placement.Constraint{in("rack", fmt.Sprint("r", i))}
	}
	return out
}

func TestRoleConstraints(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		demands    [][]placement.Constraint
		duplicated []string
		want       string // groups, separated by |; empty for no constraints
		groups     int    // if the text would be long
	}{
		"no demand asks for no constraints": {},
		"a demand that fits everywhere needs every offer": {
			demands: [][]placement.Constraint{{in("rack", "r1")}, nil},
		},
		"In becomes a group for each value": {
			demands: [][]placement.Constraint{{in("rack", "r1", "r2")}},
			want:    "rack=r1|rack=r2",
		},
		"a value with spaces has the text that Mesos makes of it, too": {
			demands: [][]placement.Constraint{{in("rack", "row 1")}, {notIn("rack", "row 2")}, {in("@region", "eu west")}},
			want:    "REGION=eu west|rack!=row 2&rack!=row2|rack=row 1|rack=row1",
		},
		"constraints of one demand must hold together": {
			demands: [][]placement.Constraint{{in("rack", "r1", "r2"), exists("ssd")}},
			want:    "rack=r1&ssd|rack=r2&ssd",
		},
		"NotIn excludes each value in one group": {
			demands: [][]placement.Constraint{{notIn("rack", "r1", "r2")}},
			want:    "rack!=r1&rack!=r2",
		},
		"Exists and DoesNotExist are encoded": {
			demands: [][]placement.Constraint{{exists("ssd"), absent("gpu")}},
			want:    "ssd&!gpu",
		},
		"several demands are alternatives": {
			demands: [][]placement.Constraint{{in("rack", "r1")}, {exists("ssd")}},
			want:    "rack=r1|ssd",
		},
		"equal demands are encoded once": {
			demands: [][]placement.Constraint{{in("rack", "r1")}, {in("rack", "r1")}},
			want:    "rack=r1",
		},
		"the same group from different demands is encoded once": {
			demands: [][]placement.Constraint{{in("rack", "r1")}, {in("rack", "r1", "r2")}},
			want:    "rack=r1|rack=r2",
		},
		"host name, region and zone have selectors of their own": {
			demands: [][]placement.Constraint{{in(placement.Hostname, "h"), notIn(placement.Region, "eu"), exists(placement.Zone)}},
			want:    "HOSTNAME=h&REGION!=eu&ZONE",
		},
		"an empty region exists for Mesos, so its absence cannot be asked for": {
			demands: [][]placement.Constraint{{absent(placement.Region)}},
		},
		"a pseudo-attribute that Mesos does not know is left to placement": {
			demands: [][]placement.Constraint{{in("@nonsense", "x")}},
		},
		"an unknown pseudo-attribute is left out beside a known attribute": {
			demands: [][]placement.Constraint{{in("@nonsense", "x"), exists("ssd")}},
			want:    "ssd",
		},
		"an unknown operator is left to placement": {
			demands: [][]placement.Constraint{{{Attribute: "rack", Operator: "Like", Values: []string{"r*"}}}},
		},
		"In without values becomes existence": {
			demands: [][]placement.Constraint{{in("rack")}},
			want:    "rack",
		},
		"In with too many values becomes existence": {
			demands: [][]placement.Constraint{{in("rack", many(17)...)}},
			want:    "rack",
		},
		"the second In is relaxed if the product of both has too many groups": {
			demands: [][]placement.Constraint{{in("rack", many(8)...), in("disk", many(3)...)}},
			groups:  8,
		},
		"too many values for NotIn are left to placement": {
			demands: [][]placement.Constraint{{notIn("rack", many(17)...)}},
		},
		"an attribute that some agent has twice is compared by existence only": {
			demands: [][]placement.Constraint{{in("rack", "r1")}}, duplicated: []string{"rack"},
			want: "rack",
		},
		"the maximum number of groups is encoded": {
			demands: manyDemands(64), groups: 64,
		},
		"more groups than the maximum are left out": {
			demands: manyDemands(65),
		},
		"more bytes than the maximum are left out": {
			demands: [][]placement.Constraint{{in("rack", strings.Repeat("x", 16<<10))}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var e offerconstraints.Encoder
			e.Learn(tc.duplicated)
			got := groupsText(t, e.Role(slices.Values(tc.demands)))
			if tc.groups > 0 {
				if n := strings.Count(got, "|") + 1; n != tc.groups {
					t.Errorf("%d groups, want %d: %s", n, tc.groups, got)
				}
				return
			}
			if got != tc.want {
				t.Errorf("the constraints are %q, want %q", got, tc.want)
			}
		})
	}
}

// The order of demands must not matter, or the master would be sent the same again.
func TestRoleConstraintsDoNotDependOnTheOrderOfDemands(t *testing.T) {
	t.Parallel()
	var e offerconstraints.Encoder
	demands := manyDemands(10)
	forward := e.Role(slices.Values(demands))
	slices.Reverse(demands)
	if backward := e.Role(slices.Values(demands)); forward != backward {
		t.Errorf("%q and %q", groupsText(t, forward), groupsText(t, backward))
	}
}

func TestNumberOfLearntAttributesIsLimited(t *testing.T) {
	t.Parallel()
	var e offerconstraints.Encoder
	e.Learn(many(1000))
	e.Learn([]string{"rack"})
	demand := [][]placement.Constraint{{in("rack", "r1")}}
	if got := groupsText(t, e.Role(slices.Values(demand))); got != "rack=r1" {
		t.Errorf("after 1000 names another one is learnt: %q", got)
	}
	known := [][]placement.Constraint{{in("v999", "x")}}
	if got := groupsText(t, e.Role(slices.Values(known))); got != "v999" {
		t.Errorf("the last of 1000 names is not learnt: %q", got)
	}
}

func TestFrameworkConstraintsNameTheirRoles(t *testing.T) {
	t.Parallel()
	var e offerconstraints.Encoder
	rack := e.Role(slices.Values([][]placement.Constraint{{in("rack", "r1")}}))
	all := offerconstraints.Framework([]offerconstraints.RoleConstraints{{Role: "a", Constraints: rack}, {Role: "b"}, {Role: "c", Constraints: rack}})
	var got []string
	for _, entry := range parse(t, all)[1] {
		fields := parse(t, entry)
		got = append(got, fields[1][0]+":"+groupsText(t, fields[2][0]))
	}
	if want := []string{"a:rack=r1", "c:rack=r1"}; !slices.Equal(got, want) {
		t.Errorf("the roles are %q, want %q", got, want)
	}
	if none := offerconstraints.Framework([]offerconstraints.RoleConstraints{{Role: "b"}}); none != "" {
		t.Errorf("a role without constraints is encoded as %q", none)
	}
}
