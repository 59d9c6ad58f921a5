// Package frameworkinfo reads and checks the FrameworkInfo of a framework.
package frameworkinfo

import (
	"maps"
	"math"
	"slices"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// HasCapability reports whether the framework has the capability.
func HasCapability(info *mesos.FrameworkInfo, of mesos.FrameworkInfo_Capability_Type) bool {
	return slices.ContainsFunc(info.Capabilities, func(c mesos.FrameworkInfo_Capability) bool { return c.Type == of })
}

// Roles lists the roles that the framework is in.
func Roles(info *mesos.FrameworkInfo) []string {
	for _, c := range info.Capabilities {
		if c.Type == mesos.FrameworkInfo_Capability_MULTI_ROLE {
			return info.Roles
		}
	}
	return []string{info.GetRole()}
}

// Validate checks what a master checks of a FrameworkInfo by itself, in its order.
func Validate(info *mesos.FrameworkInfo) error {
	if err := ValidateRoles(info); err != nil {
		return err
	}
	if id := info.GetID().GetValue(); id != "" {
		if err := naming.ValidateID(id); err != nil {
			return err
		}
	}
	for _, role := range slices.Sorted(maps.Keys(info.OfferFilters)) {
		if err := validateOfferFilters(info.OfferFilters[role]); err != nil {
			return err
		}
	}
	return nil
}

// validateOfferFilters checks the least resources that offers in a role shall have.
func validateOfferFilters(filters mesos.OfferFilters) error {
	if filters.MinAllocatableResources == nil {
		return nil
	}
	for _, least := range filters.MinAllocatableResources.Quantities {
		if len(least.Quantities) == 0 {
			return mesoserror.Errorf("Resource quantities must contain at least one quantity")
		}
		for _, name := range slices.Sorted(maps.Keys(least.Quantities)) {
			if err := validateQuantity(least.Quantities[name].Value); err != nil {
				return mesoserror.Errorf("Invalid resource quantity for '%s': %v", name, err)
			}
		}
	}
	return nil
}

func validateQuantity(value float64) error {
	const leastNormal = 0x1p-1022
	switch {
	case math.IsInf(value, 0):
		return mesoserror.Errorf("Infinite values not supported")
	case math.IsNaN(value):
		return mesoserror.Errorf("NaN not supported")
	case value != 0 && math.Abs(value) < leastNormal:
		return mesoserror.Errorf("Subnormal values not supported")
	case value < 0:
		return mesoserror.Errorf("Negative values not supported")
	}
	return nil
}

// ValidateRoles returns an error in Mesos' words unless the roles are valid.
func ValidateRoles(info *mesos.FrameworkInfo) error {
	multiRole := slices.ContainsFunc(info.Capabilities, func(c mesos.FrameworkInfo_Capability) bool {
		return c.Type == mesos.FrameworkInfo_Capability_MULTI_ROLE
	})
	switch {
	case multiRole && info.Role != nil:
		return mesoserror.Errorf("'FrameworkInfo.role' must not be set when the framework is MULTI_ROLE capable")
	case !multiRole && len(info.Roles) > 0:
		return mesoserror.Errorf("'FrameworkInfo.roles' must not be set when the framework is not MULTI_ROLE capable")
	}
	var duplicates []string
	for i, role := range info.Roles {
		if slices.Contains(info.Roles[:i], role) && !slices.Contains(duplicates, role) {
			duplicates = append(duplicates, role)
		}
	}
	if len(duplicates) > 0 {
		return mesoserror.Errorf("'FrameworkInfo.roles' contains duplicate items: { %s }", strings.Join(duplicates, ", "))
	}
	for _, role := range info.Roles {
		if err := naming.ValidateRole(role); err != nil {
			return mesoserror.Errorf("'FrameworkInfo.roles' contains invalid role: %v", err)
		}
	}
	if info.Role != nil {
		if err := naming.ValidateRole(*info.Role); err != nil {
			return mesoserror.Errorf("'FrameworkInfo.role' is not a valid role: %v", err)
		}
	}
	return nil
}
