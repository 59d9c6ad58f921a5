// Package quota is the arithmetic of quotas: which configurations a master accepts,
// and how much one pass of the allocator may offer to each role.
//
// It knows neither frameworks nor agents. Its callers pass what roles consume and what is
// free.
package quota

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	quotapb "github.com/mesos/mesos-go/api/v1/lib/quota"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// maxValue is the largest amount that Mesos takes in a quota.
const maxValue = 1e12

// Amounts are scalar resources by name, in thousandths, as Mesos rounds them.
type Amounts map[string]int64

// AmountsOf converts the values of a guarantee or limit.
func AmountsOf(values map[string]mesos.Value_Scalar) Amounts {
	out := Amounts{}
	for name, v := range values {
		out[name] = int64(math.Round(v.Value * 1000))
	}
	return out
}

// IsWithin reports whether no amount exceeds its limit. A resource that the limits do not
// name is unlimited.
func (a Amounts) IsWithin(limits Amounts) bool {
	for name, amount := range a {
		if limit, ok := limits[name]; ok && amount > limit {
			return false
		}
	}
	return true
}

// Covers reports whether there is at least as much of every resource as wanted.
func (a Amounts) Covers(wanted Amounts) bool {
	for name, amount := range wanted {
		if a[name] < amount {
			return false
		}
	}
	return true
}

// Add adds the other amounts to a.
func (a Amounts) Add(more Amounts) {
	for name, amount := range more {
		a[name] += amount
	}
}

// Subtract takes the other amounts off a, below zero if need be.
func (a Amounts) Subtract(less Amounts) {
	for name, amount := range less {
		a[name] -= amount
	}
}

// String writes amounts as Mesos does in its messages: cpus:4; mem:512.
func (a Amounts) String() string {
	values := map[string]mesos.Value_Scalar{}
	for name, amount := range a {
		values[name] = mesos.Value_Scalar{Value: float64(amount) / 1000}
	}
	return describe(values, ":", "; ")
}

// Validate returns an error in Mesos' words unless a master accepts the configurations. It
// does not look at what roles consume.
func Validate(configs []quotapb.QuotaConfig) error {
	for _, c := range configs {
		if strings.Contains(c.Role, "/") {
			return mesoserror.Errorf("Updating quota on nested role '%s' is not supported yet", c.Role)
		}
		if err := validateConfig(c); err != nil {
			return mesoserror.Errorf("Invalid QuotaConfig: %v", err)
		}
	}
	return nil
}

func validateConfig(c quotapb.QuotaConfig) error {
	if err := naming.ValidateRole(c.Role); err != nil {
		return mesoserror.Errorf("Invalid 'QuotaConfig.role': %v", err)
	}
	if err := validateValues("guarantee", c.Guarantees); err != nil {
		return err
	}
	if err := validateValues("limit", c.Limits); err != nil {
		return err
	}
	if !AmountsOf(c.Guarantees).IsWithin(AmountsOf(c.Limits)) {
		return mesoserror.Errorf("'QuotaConfig.guarantees' { %s } is not contained within the 'QuotaConfig.limits' { %s }",
			describe(c.Guarantees, ": ", ", "), describe(c.Limits, ": ", ", "))
	}
	return nil
}

func validateValues(kind string, values map[string]mesos.Value_Scalar) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		v := values[name].Value
		why := ""
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			why = "Infinite values not supported"
		case v < 0:
			why = "Negative values not supported"
		case v > maxValue:
			return mesoserror.Errorf("Invalid 'QuotaConfig.%ss': {'%s': %s} is invalid: values greater than 1 trillion (1000000000000) are not supported",
				kind, name, FormatNumber(v))
		}
		if why != "" {
			return mesoserror.Errorf("Invalid %s configuration {'%s': %s}: %s", kind, name, FormatNumber(v), why)
		}
	}
	return nil
}

// Usage is what a cluster uses and has.
type Usage struct {
	// Consumed returns what a role and the roles below it consume, without offers.
	Consumed func(role string) Amounts
	// Capacity of all registered agents.
	Capacity Amounts
}

// ValidateUsage returns an error in Mesos' words unless the limits of the new
// configurations hold already, and the guarantees of all are there.
func ValidateUsage(present map[string]quotapb.QuotaConfig, configs []quotapb.QuotaConfig, use Usage) error {
	planned := maps.Clone(present)
	if planned == nil {
		planned = map[string]quotapb.QuotaConfig{}
	}
	for _, c := range configs {
		planned[c.Role] = c
		if used := use.Consumed(c.Role); !used.IsWithin(AmountsOf(c.Limits)) {
			return mesoserror.Errorf("Invalid QuotaConfig: Role '%s' is already consuming '%s'; this is more than the requested limits '%s' "+
				"(use 'force' flag to bypass this check)", c.Role, used, describe(c.Limits, ":", "; "))
		}
	}
	guaranteed := Amounts{}
	for _, c := range planned {
		guaranteed.Add(AmountsOf(c.Guarantees))
	}
	if !use.Capacity.Covers(guaranteed) {
		return mesoserror.Errorf("Invalid QuotaConfig: total quota guarantees '%s' exceed cluster capacity '%s' (use 'force' flag to bypass this check)",
			guaranteed, use.Capacity)
	}
	return nil
}

// FormatNumber writes a number as Mesos does, without an exponent.
func FormatNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func describe(values map[string]mesos.Value_Scalar, is, then string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, name+is+FormatNumber(values[name].Value))
	}
	return strings.Join(parts, then)
}
