package kubelet

import (
	"fmt"
	"math"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Machine is what the kubelet sees of the agent: all of it.
type Machine struct {
	CPUs        int
	MemoryBytes int64
	// DiskBytes is the size of the file system that holds the node's state, FreeBytes
	// what is free of it.
	DiskBytes, FreeBytes int64
	// PIDs is how many processes and threads there can be.
	PIDs int64
}

// diskMargin is what stays free of the disk unless a pool says otherwise.
func (m Machine) diskMargin() int64 { return min(1024*mebibyte, m.DiskBytes/20) }

// checkDisk fails where a node of real containers would be under disk pressure from its
// first moment, and run nothing.
func (m Machine) checkDisk(dir string, margin int64) error {
	if m.FreeBytes < margin {
		return fmt.Errorf("the disk of %s has %d MiB free of %d, and the kubelet evicts pods below %d: make room there",
			dir, m.FreeBytes/mebibyte, m.DiskBytes/mebibyte, margin/mebibyte)
	}
	return nil
}

const mebibyte = 1 << 20

const (
	nodefsAvailable = "nodefs.available"
	never           = "0%" // the kubelet's word for no threshold
)

// Reservation is what the kubelet has to keep from pods so that the Node's allocatable
// is the allocation less the overhead. The kubelet computes
//
//	allocatable = machine − SystemReserved − KubeReserved − EvictionHard
//
// and lets pods together use allocatable + EvictionHard before the kernel steps in, so
// the margin in which it evicts is taken out of the overhead, not out of the pods' part.
type Reservation struct {
	// System is what Mesos has not allocated to this node, Kube the overhead. Keys
	// are the resource names cpu, memory and ephemeral-storage.
	System, Kube map[string]string
	// PIDsPerPod bounds each pod's processes and threads.
	PIDsPerPod int64
	// EvictionHard are the thresholds below which the kubelet evicts pods.
	EvictionHard map[string]string
	// DiskMargin is how much of the disk, in bytes, the kubelet wants free.
	DiskMargin int64
	// Exceeds names the resources of which Mesos allocated more than the machine has.
	Exceeds []string
}

// Mesos allots no process numbers, so a node gets as large a part of the machine's as of
// its memory, but at least minPIDs, and no pod more than maxPIDsPerPod.
const (
	minPIDs       = 1024
	maxPIDsPerPod = 4096
)

// Reserve computes the reservation. A node that has no real containers writes no disk,
// and gets no thresholds for it.
func Reserve(l *nodeapi.LaunchSpec, m Machine) Reservation {
	r := Reservation{System: map[string]string{}, Kube: map[string]string{}, EvictionHard: map[string]string{}}
	systemCPU := r.rest("cpu", int64(m.CPUs)*1000, milli(l.CPUs))
	r.System["cpu"] = fmt.Sprintf("%dm", systemCPU)
	r.Kube["cpu"] = fmt.Sprintf("%dm", milli(l.OverheadCPUs))

	wanted := overridesOf(l).EvictionHard
	allocated, overhead := nodeapi.Bytes(l.MemMiB), nodeapi.Bytes(l.OverheadMemMiB)
	margin := r.evictBelow(nodeapi.MemoryAvailable, wanted, allocated, min(100*mebibyte, overhead/4))
	r.System["memory"] = quantity(r.rest("memory", m.MemoryBytes, allocated))
	r.Kube["memory"] = quantity(overhead - margin)

	pids := int64(float64(m.PIDs) * float64(allocated) / float64(max(m.MemoryBytes, 1)))
	pids = min(max(pids, minPIDs), m.PIDs)
	r.System["pid"] = fmt.Sprintf("%d", m.PIDs-pids)
	r.PIDsPerPod = min(pids, maxPIDsPerPod)

	if l.ContainerRuntime == nodeapi.RuntimeContainerd {
		r.EvictionHard["imagefs.available"] = quantity(m.diskMargin())
		r.EvictionHard["nodefs.inodesFree"] = "5%"
		for signal, value := range wanted {
			if signal != nodeapi.MemoryAvailable {
				r.EvictionHard[signal] = value.String()
			}
		}
		r.DiskMargin = r.evictBelow(nodefsAvailable, wanted, m.DiskBytes, m.diskMargin())
	}
	if l.DiskMiB > 0 {
		r.System["ephemeral-storage"] = quantity(r.rest("ephemeral-storage", m.DiskBytes, nodeapi.Bytes(l.DiskMiB)+r.DiskMargin))
	}
	return r
}

// evictBelow sets the threshold of a signal: what is wanted of the whole, else ours. It is
// set in bytes, since the kubelet's percentages are of the machine.
func (r *Reservation) evictBelow(signal string, wanted map[string]nodeapi.Threshold, whole, ours int64) int64 {
	margin := ours
	if value, set := wanted[signal]; set {
		margin = value.Of(whole)
	}
	r.EvictionHard[signal] = quantity(margin)
	if margin == 0 {
		r.EvictionHard[signal] = never
	}
	return margin
}

// rest is what remains of the machine, and notes where the allocation is larger.
func (r *Reservation) rest(name string, machine, allocated int64) int64 {
	if allocated > machine {
		r.Exceeds = append(r.Exceeds, name)
		return 0
	}
	return machine - allocated
}

func milli(cpus float64) int64    { return int64(math.Round(cpus * 1000)) }
func quantity(bytes int64) string { return fmt.Sprintf("%d", bytes) }
