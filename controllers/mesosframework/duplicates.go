package mesosframework

import (
	"fmt"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/detector"
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
	known := endpoints(b)
	return slices.ContainsFunc(endpoints(a), func(e string) bool { return slices.Contains(known, e) })
}

// endpoints returns the masters, or the ZooKeeper servers each with the path, in a form in which
// equal ones are equal: without scheme and login, hosts in lower case.
func endpoints(masters []string) []string {
	var all []string
	for _, m := range masters {
		if ensemble, err := detector.ParseEnsemble(m); err == nil {
			for _, server := range ensemble.Servers {
				all = append(all, strings.TrimSuffix(strings.ToLower(server)+ensemble.Path, "/"))
			}
			continue
		}
		if _, rest, ok := strings.Cut(m, "://"); ok {
			m = rest
		}
		all = append(all, strings.ToLower(strings.TrimSuffix(m, "/")))
	}
	return all
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
