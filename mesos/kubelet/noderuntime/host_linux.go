package noderuntime

import (
	"context"
	"errors"

	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/hostruntime"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/mount"
	"github.com/k8sm/k8sm/mesos/kubelet/preflight"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
	"github.com/k8sm/k8sm/mesos/kubelet/tool"
)

// HostContainerd runs containers in the agent's own containerd, which sees none of the
// executor's mounts. So the system paths are the agent's, and the kubelet runs in the mount
// namespace of that containerd, which also makes the pods' network.
type HostContainerd struct {
	isolation
	layout layout.Layout
	host   *hostruntime.Runtime
	// view: the kubelet can have a view of its own of the machine's settings, since what it
	// mounts is seen by the runtime nevertheless.
	view bool
}

// NewHostContainerd claims the containerd that listens on a socket.
func NewHostContainerd(containerID string, l layout.Layout, socket string) (Runtime, error) {
	i, err := detect(containerID)
	if err != nil {
		return nil, err
	}
	if err := tool.Require(neededTools...); err != nil {
		return nil, err
	}
	host, err := hostruntime.Acquire(socket)
	if err != nil {
		return nil, err
	}
	view, err := host.SharesMounts()
	if err != nil {
		host.Close()
		return nil, err
	}
	return &HostContainerd{i, l, host, view}, nil
}

// Describe implements Runtime.
func (h *HostContainerd) Describe(r *sweep.Record) {
	h.isolation.Describe(r)
	r.Runtime, r.Kept, r.Mounted = h.host.Socket, h.host.Kept, h.host.Mounted
	r.PodLogs, r.KeptLogs = h.host.PodLogs, h.host.KeptLogs
}

// Isolate implements Runtime.
func (h *HostContainerd) Isolate(ctx context.Context, cpus float64, memory int64) error {
	if err := h.enter(cpus, memory); err != nil {
		return err
	}
	// To check that the executor has a mount namespace of its own; nothing is mounted.
	if _, err := mount.BindAll(ctx, layout.Locks, nil); err != nil {
		return err
	}
	for _, path := range []string{layout.KubeletRoot, layout.PodLogs, layout.ContainerLogs} {
		dir, err := mount.ClaimHostDir(ctx, layout.Locks, path)
		if err != nil {
			return err
		}
		h.held = append(h.held, dir)
	}
	return nil
}

// Check implements Runtime.
func (h *HostContainerd) Check() error {
	return errors.Join(preflight.CheckKernelLog(preflight.KernelLog), preflight.CheckSysctls(procSys, h.view))
}

// Configure implements Runtime. The agent's containerd has its own configuration.
func (h *HostContainerd) Configure() ([]string, error) { return nil, nil }

// Settings implements Runtime.
func (h *HostContainerd) Settings() config.Runtime {
	return config.Runtime{
		Socket:      h.host.Socket,
		CgroupRoot:  h.cgroup.Path,
		HasCPUQuota: h.cgroup.HasCPUQuota(),
		RootDir:     layout.KubeletRoot,
		PodLogs:     layout.PodLogs,
	}
}

// Pods implements Runtime.
func (h *HostContainerd) Pods() (Pods, error) {
	cgroup, err := h.podsCgroup()
	return Pods{Cgroup: cgroup}, err
}

// StartKubelet implements Runtime.
func (h *HostContainerd) StartKubelet(start func() error) error {
	if !h.view {
		return mount.Within(h.host.Mounts, start)
	}
	copies, err := copySysctls(procSys, h.layout.Sysctls())
	if err != nil {
		return err
	}
	return mount.WithinView(h.host.Mounts, copies, start)
}

// Clear implements Runtime. The claim is given up before remove, which claims the runtime
// anew to release it.
func (h *HostContainerd) Clear(remove func() error) error { return h.clear(h.host.Close, remove) }
