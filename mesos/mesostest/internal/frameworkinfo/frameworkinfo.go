// Package frameworkinfo reads and checks the FrameworkInfo of a framework.
package frameworkinfo

import (
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
