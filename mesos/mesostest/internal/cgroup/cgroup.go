// Package cgroup makes, limits and destroys the cgroups of containers, as the isolators
// cgroups/cpu and cgroups/mem of a Mesos agent do.
//
// It knows cgroup version 1 and 2. Outside of Linux it makes none.
package cgroup

import "time"

// destroyTimeout bounds the wait for the processes in a cgroup that is being destroyed.
const destroyTimeout = 10 * time.Second

// Limits of a container, in thousandths of cpus and megabytes, as Mesos counts
// resources.
type Limits struct {
	MilliCPUs, MilliMB int64
}
