package noderuntime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/mount"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
	"github.com/k8sm/k8sm/mesos/kubelet/termination"
)

// isolation is the kernel's side of real containers: cgroups and mounts.
type isolation struct {
	containerID string
	cgroup      *cgroup.Container
	held        []*mount.HostDir
}

// detect finds the Mesos container's cgroup, and changes nothing.
func detect(containerID string) (isolation, error) {
	c, err := cgroup.Find(containerID)
	return isolation{containerID: containerID, cgroup: c}, err
}

// Describe implements Runtime.
func (i *isolation) Describe(r *sweep.Record) {
	r.ContainerID = i.containerID
	r.Cgroups, r.Made = i.cgroup.Dirs(), i.cgroup.Made
}

// enter enters the cgroups and limits them.
func (i *isolation) enter(cpus float64, memory int64) error {
	if err := i.cgroup.Enter(); err != nil {
		return err
	}
	if err := i.cgroup.UseLocalMemoryEvents(); err != nil {
		return err
	}
	return i.cgroup.SetLimits(cpus, memory)
}

// podsCgroup makes the cgroup that the kubelet puts all pods into, so that a rule can name it
// before there are any. It returns "" where version 1 is in use.
func (i *isolation) podsCgroup() (string, error) {
	if !cgroup.IsUnified(i.cgroup.Hierarchies) {
		return "", nil
	}
	path := filepath.Join(i.cgroup.Path, "kubepods")
	for _, h := range i.cgroup.Hierarchies {
		if h.Name != "" {
			continue
		}
		if err := os.MkdirAll(h.Dir(path), 0o755); err != nil {
			return "", fmt.Errorf("making the cgroup of pods: %w", err)
		}
		return path, nil
	}
	return "", nil
}

// Limits implements Runtime.
func (i *isolation) Limits() (cgroup.Limits, error) { return i.cgroup.Limits() }

// BoundPods implements Runtime.
func (i *isolation) BoundPods(b config.MemoryBounds) error { return i.cgroup.BoundPods(b.Max, b.High) }

// Maintain implements Runtime.
func (i *isolation) Maintain(ctx context.Context, report func(error)) {
	i.cgroup.KeepPlaceholders(ctx, report)
}

// Containers implements Runtime. They are found by their first processes.
func (i *isolation) Containers() []termination.Container {
	var found []termination.Container
	for _, pid := range cgroup.InitProcesses(i.cgroup.Dirs()) {
		found = append(found, termination.Container{PID: pid, PodUID: termination.PodUIDOf(pid)})
	}
	return found
}

// clear implements Clear; unclaim is called when nothing runs or is mounted any more.
func (i *isolation) clear(unclaim func(), remove func() error) error {
	problems := []error{cgroup.KillAll(i.cgroup.Dirs(), cgroup.Ancestors()), i.cgroup.Leave()}
	for n := len(i.held) - 1; n >= 0; n-- {
		problems = append(problems, mount.UnmountBelow(i.held[n].Path))
	}
	unclaim()
	problems = append(problems, remove())
	for _, h := range i.held {
		h.Release()
	}
	return errors.Join(problems...)
}
