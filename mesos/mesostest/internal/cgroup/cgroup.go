package cgroup

import "time"

// cgroupTimeout bounds the wait for the processes in a cgroup that is being destroyed.
const destroyTimeout = 10 * time.Second

// cgroupLimits of a container, in thousandths of cpus and megabytes, as Mesos counts
// resources.
type Limits struct {
	MilliCPUs, MilliMB int64
}
