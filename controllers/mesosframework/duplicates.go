package mesosframework

import (
	"fmt"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// olderDuplicate returns the oldest other MesosFramework that would be the same registration,
// nil if there is none. Two registrations are the same if they have a master, the name and
// the roles in common: both would compete for the same resources, and users could not
// distinguish them in Mesos.
func olderDuplicate(of *v1alpha1.MesosFramework, all []v1alpha1.MesosFramework) *v1alpha1.MesosFramework {
	var oldest *v1alpha1.MesosFramework
	for i := range all {
		other := &all[i]
		if other.Name == of.Name || !isSameRegistration(of.Spec, other.Spec) || !older(other, of) {
			continue
		}
		if oldest == nil || older(other, oldest) {
			oldest = other
		}
	}
	return oldest
}

func isSameRegistration(a, b v1alpha1.MesosFrameworkSpec) bool {
	return a.Name == b.Name && equalSets(a.Roles, b.Roles) && intersects(a.Masters, b.Masters)
}

func equalSets(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(s string) bool { return !slices.Contains(b, s) })
}

func intersects(a, b []string) bool {
	return slices.ContainsFunc(a, func(m string) bool {
		return slices.ContainsFunc(b, func(n string) bool { return address(m) == address(n) })
	})
}

// address returns the address of a master, or of ZooKeeper, without scheme and login.
func address(master string) string {
	plain, _ := splitLogin([]string{master})
	master = plain[0]
	if _, rest, ok := strings.Cut(master, "://"); ok {
		master = rest
	}
	return strings.ToLower(strings.TrimSuffix(master, "/"))
}

// older orders by creation, then by name, so that all reconciliations agree on the order.
func older(a, b *v1alpha1.MesosFramework) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.Name < b.Name
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

func duplicateOf(other *v1alpha1.MesosFramework) *terminalError {
	return &terminalError{v1alpha1.ReasonDuplicateFramework, fmt.Sprintf(
		"MesosFramework %q is older and has a master, the name %q and the roles in common with this one: let pools refer to that one. If two registrations are intended, change the name or the roles of one of them.",
		other.Name, other.Spec.Name)}
}
