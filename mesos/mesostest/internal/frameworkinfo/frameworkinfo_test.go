package frameworkinfo_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/frameworkinfo"
)

const multiRole = mesos.FrameworkInfo_Capability_MULTI_ROLE

func framework(role *string, roles []string, capabilities ...mesos.FrameworkInfo_Capability_Type) *mesos.FrameworkInfo {
	info := &mesos.FrameworkInfo{Role: role, Roles: roles}
	for _, c := range capabilities {
		info.Capabilities = append(info.Capabilities, mesos.FrameworkInfo_Capability{Type: c})
	}
	return info
}

func name(role string) *string { return &role }

func TestRolesOfAFramework(t *testing.T) {
	for title, test := range map[string]struct {
		info *mesos.FrameworkInfo
		want []string
	}{
		"without a role it is in the role of all":      {framework(nil, nil), []string{"*"}},
		"with one role it is in that":                  {framework(name("a"), nil), []string{"a"}},
		"with several roles it is in all of them":      {framework(nil, []string{"a", "b"}, multiRole), []string{"a", "b"}},
		"with MULTI_ROLE it may be in no role":         {framework(nil, nil, multiRole), nil},
		"several roles are ignored without MULTI_ROLE": {framework(name("a"), []string{"b"}), []string{"a"}},
		"the single role is ignored with MULTI_ROLE":   {framework(name("a"), []string{"b"}, multiRole), []string{"b"}},
		"other capabilities do not matter":             {framework(name("a"), nil, mesos.FrameworkInfo_Capability_GPU_RESOURCES), []string{"a"}},
	} {
		t.Run(title, func(t *testing.T) {
			if diff := cmp.Diff(test.want, frameworkinfo.Roles(test.info)); diff != "" {
				t.Errorf("roles (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCapabilities(t *testing.T) {
	info := framework(nil, nil, multiRole, mesos.FrameworkInfo_Capability_PARTITION_AWARE)
	for capability, want := range map[mesos.FrameworkInfo_Capability_Type]bool{
		multiRole: true,
		mesos.FrameworkInfo_Capability_PARTITION_AWARE: true,
		mesos.FrameworkInfo_Capability_GPU_RESOURCES:   false,
		mesos.FrameworkInfo_Capability_UNKNOWN:         false,
	} {
		if got := frameworkinfo.HasCapability(info, capability); got != want {
			t.Errorf("%s: got %t, want %t", capability, got, want)
		}
	}
	if frameworkinfo.HasCapability(&mesos.FrameworkInfo{}, multiRole) {
		t.Error("a framework that names no capability has one")
	}
}

func TestRolesThatAreRefused(t *testing.T) {
	for title, test := range map[string]struct {
		info *mesos.FrameworkInfo
		want string // the error; empty if the roles are valid
	}{
		"no role at all":                               {framework(nil, nil), ""},
		"one role":                                     {framework(name("a"), nil), ""},
		"several roles":                                {framework(nil, []string{"a", "a/b"}, multiRole), ""},
		"one role with MULTI_ROLE":                     {framework(name("a"), nil, multiRole), "'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable"},
		"several roles without MULTI_ROLE":             {framework(nil, []string{"a"}), "'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable"},
		"a role twice":                                 {framework(nil, []string{"a", "b", "a"}, multiRole), "'FrameworkInfo.roles' contains duplicate items: { a }"},
		"each duplicate is named once":                 {framework(nil, []string{"a", "b", "a", "b", "a"}, multiRole), "'FrameworkInfo.roles' contains duplicate items: { a, b }"},
		"an invalid role":                              {framework(name("/a"), nil), "'FrameworkInfo.role' is not a valid role: Role '/a' cannot start with a slash"},
		"an invalid role among several":                {framework(nil, []string{"a", "-b"}, multiRole), "'FrameworkInfo.roles' contains invalid role: Role component '-b' is invalid because it begins with a dash"},
		"an empty role":                                {framework(name(""), nil), "'FrameworkInfo.role' is not a valid role: Empty role name is invalid"},
		"duplicates are reported before invalid names": {framework(nil, []string{"/", "/"}, multiRole), "'FrameworkInfo.roles' contains duplicate items: { / }"},
		"the role of all, by name":                     {framework(name("*"), nil), ""},
		"the role of all, by name, among others":       {framework(nil, []string{"*", "a"}, multiRole), ""},
	} {
		t.Run(title, func(t *testing.T) {
			got := ""
			if err := frameworkinfo.ValidateRoles(test.info); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFrameworkInfosThatAreRefused(t *testing.T) {
	least := func(quantities ...mesos.OfferFilters_ResourceQuantities) map[string]mesos.OfferFilters {
		return map[string]mesos.OfferFilters{"a": {MinAllocatableResources: &mesos.OfferFilters_MinAllocatableResources{Quantities: quantities}}}
	}
	quantity := func(name string, value float64) mesos.OfferFilters_ResourceQuantities {
		return mesos.OfferFilters_ResourceQuantities{Quantities: map[string]mesos.Value_Scalar{name: {Value: value}}}
	}
	for title, test := range map[string]struct {
		change func(*mesos.FrameworkInfo)
		want   string // the error; empty if the FrameworkInfo is valid
	}{
		"a plain framework":            {func(*mesos.FrameworkInfo) {}, ""},
		"an ID":                        {func(i *mesos.FrameworkInfo) { i.ID = &mesos.FrameworkID{Value: "f"} }, ""},
		"an empty ID":                  {func(i *mesos.FrameworkInfo) { i.ID = &mesos.FrameworkID{} }, ""},
		"an ID with a slash":           {func(i *mesos.FrameworkInfo) { i.ID = &mesos.FrameworkID{Value: "a/b"} }, "'a/b' contains invalid characters"},
		"roles are checked before IDs": {func(i *mesos.FrameworkInfo) { i.ID, i.Role = &mesos.FrameworkID{Value: "a/b"}, name("/") }, "'FrameworkInfo.role' is not a valid role: Role '/' cannot start with a slash"},
		"IDs are checked before offers": {func(i *mesos.FrameworkInfo) {
			i.ID, i.OfferFilters = &mesos.FrameworkID{Value: ".."}, least(quantity("cpus", -1))
		}, "'..' is disallowed"},
		"filters without resources": {func(i *mesos.FrameworkInfo) { i.OfferFilters = map[string]mesos.OfferFilters{"a": {}} }, ""},
		"least resources":           {func(i *mesos.FrameworkInfo) { i.OfferFilters = least(quantity("cpus", 1), quantity("mem", 0)) }, ""},
		"no least resources":        {func(i *mesos.FrameworkInfo) { i.OfferFilters = least() }, ""},
		"empty least resources":     {func(i *mesos.FrameworkInfo) { i.OfferFilters = least(mesos.OfferFilters_ResourceQuantities{}) }, "Resource quantities must contain at least one quantity"},
		"negative cpus":             {func(i *mesos.FrameworkInfo) { i.OfferFilters = least(quantity("cpus", 1), quantity("cpus", -1)) }, "Invalid resource quantity for 'cpus': Negative values not supported"},
		"infinite memory":           {func(i *mesos.FrameworkInfo) { i.OfferFilters = least(quantity("mem", math.Inf(1))) }, "Invalid resource quantity for 'mem': Infinite values not supported"},
		"NaN":                       {func(i *mesos.FrameworkInfo) { i.OfferFilters = least(quantity("mem", math.NaN())) }, "Invalid resource quantity for 'mem': NaN not supported"},
		"the smallest number":       {func(i *mesos.FrameworkInfo) { i.OfferFilters = least(quantity("mem", math.SmallestNonzeroFloat64)) }, "Invalid resource quantity for 'mem': Subnormal values not supported"},
	} {
		t.Run(title, func(t *testing.T) {
			info := framework(nil, nil)
			test.change(info)
			got := ""
			if err := frameworkinfo.Validate(info); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}
