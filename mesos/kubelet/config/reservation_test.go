package config

import (
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/kubelet/machine"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func TestReserve(t *testing.T) {
	m := machine.Machine{CPUs: 8, MemoryBytes: 32 << 30, DiskBytes: 100 << 30, PIDs: 32768}
	tests := map[string]struct {
		change func(*nodeapi.LaunchSpec)
		want   Reservation
	}{
		"part of a machine": {
			func(*nodeapi.LaunchSpec) {},
			Reservation{
				System:       map[string]string{"cpu": "6000m", "memory": "32212254720", "ephemeral-storage": "97710505984", "pid": "30720"},
				Kube:         map[string]string{"cpu": "100m", "memory": "268435456"},
				Pods:         MemoryBounds{Max: 1946157056, High: 1912602624},
				PIDsPerPod:   2048,
				EvictionHard: map[string]string{"memory.available": "0%", "allocatableMemory.available": "67108864", "nodefs.available": "1073741824", "imagefs.available": "1073741824", "nodefs.inodesFree": "5%"},
				DiskMargin:   1 << 30,
			},
		},
		"without a share of the disk it is not limited": {
			func(l *nodeapi.LaunchSpec) { l.DiskMiB = 0 },
			Reservation{
				System:       map[string]string{"cpu": "6000m", "memory": "32212254720", "pid": "30720"},
				Kube:         map[string]string{"cpu": "100m", "memory": "268435456"},
				Pods:         MemoryBounds{Max: 1946157056, High: 1912602624},
				PIDsPerPod:   2048,
				EvictionHard: map[string]string{"memory.available": "0%", "allocatableMemory.available": "67108864", "nodefs.available": "1073741824", "imagefs.available": "1073741824", "nodefs.inodesFree": "5%"},
				DiskMargin:   1 << 30,
			},
		},
		"without real containers there is no disk to run full": {
			func(l *nodeapi.LaunchSpec) { l.ContainerRuntime = nodeapi.RuntimeNone },
			Reservation{
				System:       map[string]string{"cpu": "6000m", "memory": "32212254720", "ephemeral-storage": "98784247808", "pid": "30720"},
				Kube:         map[string]string{"cpu": "100m", "memory": "268435456"},
				PIDsPerPod:   2048,
				EvictionHard: map[string]string{"memory.available": "0%"},
			},
		},
		"a small part has a minimum of processes": {
			func(l *nodeapi.LaunchSpec) { l.MemMiB, l.DiskMiB = 512, 0 },
			Reservation{
				System:       map[string]string{"cpu": "6000m", "memory": "33822867456", "pid": "31744"},
				Kube:         map[string]string{"cpu": "100m", "memory": "268435456"},
				Pods:         MemoryBounds{Max: 335544320, High: 301989888},
				PIDsPerPod:   1024,
				EvictionHard: map[string]string{"memory.available": "0%", "allocatableMemory.available": "67108864", "nodefs.available": "1073741824", "imagefs.available": "1073741824", "nodefs.inodesFree": "5%"},
				DiskMargin:   1 << 30,
			},
		},
		"thresholds of the pool, in percent of the node and of the file system": {
			func(l *nodeapi.LaunchSpec) {
				l.OverheadMemMiB = 512
				l.KubeletConfig = []byte(`{"evictionHard": {"memory.available": "10%", "nodefs.available": "2%", "nodefs.inodesFree": "1000", "pid.available": "10%"}}`)
			},
			Reservation{
				System:     map[string]string{"cpu": "6000m", "memory": "32212254720", "ephemeral-storage": "96636764160", "pid": "30720"},
				Kube:       map[string]string{"cpu": "100m", "memory": "536870912"},
				Pods:       MemoryBounds{Max: 1825361100, High: 1717986918},
				PIDsPerPod: 2048,
				EvictionHard: map[string]string{"memory.available": "0%", "allocatableMemory.available": "214748364", "nodefs.available": "2147483648", "imagefs.available": "1073741824",
					"nodefs.inodesFree": "1000", "pid.available": "10%"},
				DiskMargin: 2 << 30,
			},
		},
		"a pool without thresholds": {
			func(l *nodeapi.LaunchSpec) {
				l.KubeletConfig = []byte(`{"evictionHard": {"memory.available": "0%", "nodefs.available": "0%"}}`)
			},
			Reservation{
				System:       map[string]string{"cpu": "6000m", "memory": "32212254720", "ephemeral-storage": "98784247808", "pid": "30720"},
				Kube:         map[string]string{"cpu": "100m", "memory": "268435456"},
				Pods:         MemoryBounds{Max: 1879048192, High: 0},
				PIDsPerPod:   2048,
				EvictionHard: map[string]string{"memory.available": "0%", "nodefs.available": "0%", "imagefs.available": "1073741824", "nodefs.inodesFree": "5%"},
			},
		},
		"huge pages are not the node's memory": {
			func(l *nodeapi.LaunchSpec) { l.DiskMiB = 0 },
			Reservation{
				System:       map[string]string{"cpu": "6000m", "memory": "30115102720", "pid": "30720"},
				Kube:         map[string]string{"cpu": "100m", "memory": "268435456"},
				Pods:         MemoryBounds{Max: 1946157056, High: 1912602624},
				PIDsPerPod:   2048,
				EvictionHard: map[string]string{"memory.available": "0%", "allocatableMemory.available": "67108864", "nodefs.available": "1073741824", "imagefs.available": "1073741824", "nodefs.inodesFree": "5%"},
				DiskMargin:   1 << 30,
			},
		},
		"huge pages in the place of what was allocated": {
			func(l *nodeapi.LaunchSpec) { l.MemMiB, l.DiskMiB = 32<<10, 0 },
			Reservation{
				System:       map[string]string{"cpu": "6000m", "memory": "0", "pid": "0"},
				Kube:         map[string]string{"cpu": "100m", "memory": "268435456"},
				Pods:         MemoryBounds{Max: 32061259776, High: 32027705344},
				PIDsPerPod:   4096,
				EvictionHard: map[string]string{"memory.available": "0%", "allocatableMemory.available": "67108864", "nodefs.available": "1073741824", "imagefs.available": "1073741824", "nodefs.inodesFree": "5%"},
				DiskMargin:   1 << 30,
				Exceeds:      []string{"memory"},
			},
		},
		"more than the machine has": {
			func(l *nodeapi.LaunchSpec) { l.CPUs, l.MemMiB, l.DiskMiB = 16, 64<<10, 200<<10 },
			Reservation{
				System:       map[string]string{"cpu": "0m", "memory": "0", "ephemeral-storage": "0", "pid": "0"},
				Kube:         map[string]string{"cpu": "100m", "memory": "268435456"},
				Pods:         MemoryBounds{Max: 34158411776, High: 34124857344},
				PIDsPerPod:   4096,
				EvictionHard: map[string]string{"memory.available": "0%", "allocatableMemory.available": "67108864", "nodefs.available": "1073741824", "imagefs.available": "1073741824", "nodefs.inodesFree": "5%"},
				DiskMargin:   1 << 30,
				Exceeds:      []string{"cpu", "memory", "ephemeral-storage"},
			},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := kubelettest.LaunchSpec()
			tc.change(l)
			m := m
			if strings.HasPrefix(name, "huge pages") {
				m.HugePageBytes = 2000 << 20
			}
			if diff := cmp.Diff(tc.want, reserve(l, m)); diff != "" {
				t.Errorf("reservation (-want +got):\n%s", diff)
			}
		})
	}
}

// The kubelet's own sum must come out at the allocation less the overhead, for any
// sizes.
func TestAllocatableIsAllocationLessOverhead(t *testing.T) {
	m := machine.Machine{CPUs: 64, MemoryBytes: 512 << 30, DiskBytes: 2 << 40}
	configs := []string{"", `{"evictionHard": {"memory.available": "0.03%", "nodefs.available": "3%"}}`, `{"evictionHard": {"nodefs.available": "5000000000"}}`}
	for i, overhead := range []float64{0, 64, 256, 300.5, 1000, 64, 256, 300.5, 1000} {
		for _, mem := range []float64{1100, 4096, 100_000.25} {
			l := kubelettest.LaunchSpec()
			l.KubeletConfig = []byte(configs[i%len(configs)])
			l.MemMiB, l.OverheadMemMiB, l.CPUs, l.OverheadCPUs, l.DiskMiB = mem, overhead, 3.7, 0.25, 12345
			m.HugePageBytes = int64(i) * 2000 << 20
			r := reserve(l, m)
			memory := m.MemoryBytes - m.HugePageBytes - number(t, r.System["memory"]) - number(t, r.Kube["memory"]) - number(t, r.EvictionHard["memory.available"])
			cpu := int64(m.CPUs)*1000 - number(t, r.System["cpu"]) - number(t, r.Kube["cpu"])
			disk := m.DiskBytes - number(t, r.System["ephemeral-storage"]) - number(t, r.EvictionHard["nodefs.available"])
			got := []int64{cpu, memory, disk}
			want := []int64{3450, nodeapi.Bytes(mem) - nodeapi.Bytes(overhead), 12345 << 20}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("allocatable of %g MiB with %g overhead (-want +got):\n%s", mem, overhead, diff)
			}
		}
	}
}

func reserve(l *nodeapi.LaunchSpec, m machine.Machine) Reservation {
	allocation, thresholds := allocationOf(l)
	return Reserve(allocation, m, thresholds, l.ContainerRuntime == nodeapi.RuntimeContainerd)
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(strings.TrimRight(s, "m%"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}
