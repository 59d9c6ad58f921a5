package sweep

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/hostruntime"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/loopdevice"
	"github.com/k8sm/k8sm/mesos/kubelet/mount"
	"github.com/k8sm/k8sm/mesos/kubelet/netfilter"
	"github.com/k8sm/k8sm/mesos/kubelet/network"
)

// Remove removes all that the record names, then the node's folder. The order matters:
// processes may hold mounts and cgroups; mounts must be unmounted before anything is
// deleted; and as long as something is left, the record stays for the next sweep. The
// context bounds the time in which files are removed.
func (r *Record) Remove(ctx context.Context, dir string) error {
	problems := []error{cgroup.KillAll(r.Cgroups, cgroup.Ancestors())}
	if r.ContainerID != "" {
		problems = append(problems, netfilter.Remove(network.Name(r.NodeName)), removeProxyRules(dir))
	}
	if r.Network != "" {
		problems = append(problems, network.Remove(r.Network))
	}
	if r.Runtime != "" {
		usage := hostruntime.Usage{Socket: r.Runtime, ContainerID: r.ContainerID, Kept: r.Kept, Mounted: r.Mounted,
			PodLogs: r.PodLogs, KeptLogs: r.KeptLogs}
		problems = append(problems, usage.Release(ctx, dir))
	}
	problems = append(problems, cgroup.Remove(r.Cgroups, r.Made), mount.UnmountBelow(dir))
	problems = append(problems, r.detachLoops(ctx, dir))
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		problems = append(problems, err)
	}
	for _, e := range entries {
		if e.Name() != layout.RecordFile && e.Name() != layout.LockFile {
			problems = append(problems, mount.RemoveTree(ctx, filepath.Join(dir, e.Name())))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	return mount.RemoveTree(ctx, dir)
}

// detachLoops gives up the loop devices that are recorded, and then those that are made of
// files in the node's folder: volume drivers may have made some.
func (r *Record) detachLoops(ctx context.Context, dir string) error {
	inside, err := loopdevice.Inside(ctx, dir)
	problems := []error{err}
	for _, d := range append(append([]loopdevice.Device{}, r.Loops...), inside...) {
		problems = append(problems, loopdevice.Detach(d))
	}
	return errors.Join(problems...)
}

// removeProxyRules removes what a kube-proxy on the agent's last node left, which would go on
// to take ports of other tenants. Where other nodes are left, or another Kubernetes runs on
// the machine, the rules are in use.
func removeProxyRules(dir string) error {
	if others, err := otherNodes(dir); err != nil || others {
		return err
	}
	if netfilter.ForeignKubernetes() != "" {
		return nil
	}
	return netfilter.RemoveProxyRules()
}
