package config

import (
	"fmt"
	"math"

	"github.com/k8sm/k8sm/mesos/kubelet/machine"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

const mebibyte = 1 << 20

const (
	nodefsAvailable = "nodefs.available"
	// podMemoryAvailable is what is left of the memory of the pods' cgroup. MemoryAvailable is
	// what is left of the machine's, which other tenants use as well.
	podMemoryAvailable = "allocatableMemory.available"
	noThreshold        = "0%" // the kubelet's way to write it
)

// Allocation is what Mesos allocated to a node, and the part of it that pods do not get.
type Allocation struct {
	CPUs    float64 // cores
	MemMiB  float64
	DiskMiB float64 // 0: the disk is not limited

	OverheadCPUs   float64
	OverheadMemMiB float64
}

// Reservation is what the kubelet has to keep from pods so that the Node's allocatable
// is the allocation less the overhead. The kubelet computes
//
//	allocatable = machine − SystemReserved − KubeReserved − EvictionHard − huge pages
//
// Huge pages are the agent's; what the kubelet subtracts for them is left out of
// SystemReserved. The margin of memory in which the kubelet evicts is no threshold of the
// machine's memory but of the pods'. It is taken out of the overhead: Pods is what pods can use
// together before the kernel steps in.
type Reservation struct {
	// System is what Mesos has not allocated to this node, Kube the overhead. Keys
	// are the resource names cpu, memory and ephemeral-storage.
	System, Kube map[string]string
	// Pods bounds the memory of all pods together.
	Pods MemoryBounds
	// PIDsPerPod bounds each pod's processes and threads.
	PIDsPerPod int64
	// EvictionHard are the thresholds below which the kubelet evicts pods.
	EvictionHard map[string]string
	// DiskMargin is the part of the disk, in bytes, that the kubelet wants free.
	DiskMargin int64
	// Exceeds names the resources of which Mesos allocated more than the machine has.
	Exceeds []string
}

// MemoryBounds of a cgroup, in bytes.
type MemoryBounds struct {
	// Max is what the kernel allows.
	Max int64
	// High is what it slows allocations down beyond, so that the kubelet has the time to see
	// which pod allocates. 0: nowhere.
	High int64
}

// Mesos allots no process numbers, so a node gets as large a part of the machine's as of
// its memory, but at least minPIDs, and no pod more than maxPIDsPerPod.
const (
	minPIDs       = 1024
	maxPIDsPerPod = 4096
)

// Reserve computes the reservation. The pool's thresholds replace ours. A node that has no
// real containers writes no disk, and gets no thresholds for it.
func Reserve(a Allocation, m machine.Machine, thresholds map[string]nodeapi.Threshold, realContainers bool) Reservation {
	r := Reservation{System: map[string]string{}, Kube: map[string]string{}, EvictionHard: map[string]string{}}
	systemCPU := r.rest("cpu", int64(m.CPUs)*1000, milli(a.CPUs))
	r.System["cpu"] = fmt.Sprintf("%dm", systemCPU)
	r.Kube["cpu"] = fmt.Sprintf("%dm", milli(a.OverheadCPUs))

	allocated, overhead := nodeapi.Bytes(a.MemMiB), nodeapi.Bytes(a.OverheadMemMiB)
	margin := min(100*mebibyte, overhead/4)
	if threshold, set := thresholds[nodeapi.MemoryAvailable]; set {
		margin = threshold.Of(allocated)
	}
	r.System["memory"] = quantity(r.rest("memory", m.MemoryBytes-m.HugePageBytes, allocated))
	r.Kube["memory"] = quantity(overhead)
	r.EvictionHard[nodeapi.MemoryAvailable] = noThreshold

	pids := int64(float64(m.PIDs) * float64(allocated) / float64(max(m.MemoryBytes, 1)))
	pids = min(max(pids, minPIDs), m.PIDs)
	r.System["pid"] = fmt.Sprintf("%d", m.PIDs-pids)
	r.PIDsPerPod = min(pids, maxPIDsPerPod)

	if realContainers {
		pods := min(allocated, max(m.MemoryBytes-m.HugePageBytes, 0)) - overhead + margin
		r.Pods = MemoryBounds{Max: max(pods, 0)}
		if margin > 0 {
			r.EvictionHard[podMemoryAvailable] = quantity(margin)
			r.Pods.High = max(pods-margin/2, 0)
		}
		r.EvictionHard["imagefs.available"] = quantity(m.DiskMargin())
		r.EvictionHard["nodefs.inodesFree"] = "5%"
		for signal, value := range thresholds {
			if signal != nodeapi.MemoryAvailable {
				r.EvictionHard[signal] = value.String()
			}
		}
		r.DiskMargin = r.evictBelow(nodefsAvailable, thresholds, m.DiskBytes, m.DiskMargin())
	}
	if a.DiskMiB > 0 {
		r.System["ephemeral-storage"] = quantity(r.rest("ephemeral-storage", m.DiskBytes, nodeapi.Bytes(a.DiskMiB)+r.DiskMargin))
	}
	return r
}

// evictBelow sets the threshold of a signal, the pool's or else ours, and returns it in
// bytes. It is set in bytes, since the kubelet's percentages are of the machine.
func (r *Reservation) evictBelow(signal string, thresholds map[string]nodeapi.Threshold, whole, ours int64) int64 {
	margin := ours
	if threshold, set := thresholds[signal]; set {
		margin = threshold.Of(whole)
	}
	r.EvictionHard[signal] = quantity(margin)
	if margin == 0 {
		r.EvictionHard[signal] = noThreshold
	}
	return margin
}

// rest returns what remains of the machine, and notes where the allocation is larger.
func (r *Reservation) rest(name string, machine, allocated int64) int64 {
	if allocated > machine {
		r.Exceeds = append(r.Exceeds, name)
		return 0
	}
	return machine - allocated
}

func milli(cpus float64) int64    { return int64(math.Round(cpus * 1000)) }
func quantity(bytes int64) string { return fmt.Sprintf("%d", bytes) }
