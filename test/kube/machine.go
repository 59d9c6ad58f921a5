package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"

	cadvisorapi "github.com/google/cadvisor/lib/model"
	"golang.org/x/sys/unix"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	cadvisortest "k8s.io/kubernetes/pkg/kubelet/cadvisor/testing"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/kubernetes/pkg/kubelet/eviction"
	evictionapi "k8s.io/kubernetes/pkg/kubelet/eviction/api"
)

// machine is a cAdvisor that reports the machine's real size and no containers. The real
// size is needed because reservations are subtracted from it.
type machine struct {
	cadvisortest.Fake
	root string
}

func newMachine(root string) *machine { return &machine{root: root} }

// MachineInfo reports processors and memory as the kernel does.
func (m *machine) MachineInfo(klog.Logger) (*cadvisorapi.MachineInfo, error) {
	memory, err := totalMemory()
	if err != nil {
		return nil, fmt.Errorf("asking for the size of memory: %w", err)
	}
	return &cadvisorapi.MachineInfo{NumCores: runtime.NumCPU(), MemoryCapacity: memory}, nil
}

// VersionInfo names the kernel.
func (m *machine) VersionInfo() (*cadvisorapi.VersionInfo, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, fmt.Errorf("asking for the kernel's name: %w", err)
	}
	return &cadvisorapi.VersionInfo{
		KernelVersion:      unix.ByteSliceToString(name.Release[:]),
		ContainerOsVersion: "hollow",
	}, nil
}

// RootFsInfo reports the file system of the kubelet's root directory.
func (m *machine) RootFsInfo() (cadvisorapi.FsInfo, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(m.root, &fs); err != nil {
		return cadvisorapi.FsInfo{}, fmt.Errorf("asking for the size of the file system: %w", err)
	}
	return cadvisorapi.FsInfo{
		Capacity:  fs.Blocks * uint64(fs.Bsize),
		Available: fs.Bavail * uint64(fs.Bsize),
	}, nil
}

// ImagesFsInfo reports the same file system.
func (m *machine) ImagesFsInfo(context.Context) (cadvisorapi.FsInfo, error) {
	return m.RootFsInfo()
}

// ContainerFsInfo reports the same file system.
func (m *machine) ContainerFsInfo(context.Context) (cadvisorapi.FsInfo, error) {
	return m.RootFsInfo()
}

// hollowResources is a container manager without cgroups. It subtracts the configured
// reservations from what pods can use, as the real one does.
type hollowResources struct {
	cm.ContainerManager
	storage  resource.Quantity
	reserved v1.ResourceList
}

func newHollowResources(server *options.KubeletServer) (*hollowResources, error) {
	size := newMachine(server.RootDirectory)
	info, err := size.MachineInfo(klog.Background())
	if err != nil {
		return nil, err
	}
	fs, err := size.RootFsInfo()
	if err != nil {
		return nil, err
	}
	memory := resource.NewQuantity(int64(info.MemoryCapacity), resource.BinarySI)
	evicted, err := evictionReserve(server.EvictionHard, memory)
	if err != nil {
		return nil, err
	}
	reserved := v1.ResourceList{v1.ResourceMemory: evicted}
	for _, list := range []map[string]string{server.SystemReserved, server.KubeReserved} {
		if err := addReserved(reserved, list); err != nil {
			return nil, err
		}
	}
	return &hollowResources{
		ContainerManager: cm.NewStubContainerManager(),
		storage:          *resource.NewQuantity(int64(fs.Capacity), resource.BinarySI),
		reserved:         reserved,
	}, nil
}

// evictionReserve is the memory below which the kubelet would evict pods.
func evictionReserve(hard map[string]string, memory *resource.Quantity) (resource.Quantity, error) {
	if hard == nil {
		hard = eviction.DefaultEvictionHard
	}
	thresholds, err := eviction.ParseThresholdConfig(nil, hard, nil, nil, nil)
	if err != nil {
		return resource.Quantity{}, fmt.Errorf("parsing eviction thresholds: %w", err)
	}
	at := slices.IndexFunc(thresholds, func(t evictionapi.Threshold) bool {
		return t.Signal == evictionapi.SignalMemoryAvailable
	})
	if at < 0 {
		return resource.Quantity{}, nil
	}
	return *evictionapi.GetThresholdQuantity(thresholds[at].Value, memory), nil
}

func addReserved(sum v1.ResourceList, list map[string]string) error {
	for name, value := range list {
		quantity, err := resource.ParseQuantity(value)
		if err != nil {
			return fmt.Errorf("parsing reserved %s: %w", name, err)
		}
		total := sum[v1.ResourceName(name)]
		total.Add(quantity)
		sum[v1.ResourceName(name)] = total
	}
	return nil
}

// GetCapacity adds the file system to what cAdvisor reports.
func (r *hollowResources) GetCapacity(_ klog.Logger, localStorage bool) v1.ResourceList {
	if !localStorage {
		return v1.ResourceList{}
	}
	return v1.ResourceList{v1.ResourceEphemeralStorage: r.storage}
}

// GetNodeAllocatableReservation returns the resources that pods cannot use.
func (r *hollowResources) GetNodeAllocatableReservation() v1.ResourceList {
	return r.reserved.DeepCopy()
}
