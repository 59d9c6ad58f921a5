// Package hostruntime lets a node use the agent's own containerd: it finds out whether that
// is fit for a node, claims it for one node at a time, and removes what a node made in it and
// in the agent's folders.
//
// It refuses to know how a node is configured. The runtime of package noderuntime acquires
// it, and the sweep releases what a dead node left.
package hostruntime

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/cri"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

// Runtime is the agent's own containerd, which one node at a time has to itself: a kubelet
// takes all pods of its runtime for its own, and ends the pods that it does not know.
//
// The runtime mounts volumes into containers as it sees them, so the kubelet runs in the
// runtime's mount namespace, and its folder is the agent's.
type Runtime struct {
	Usage
	// Mounts is the runtime's mount namespace.
	Mounts *os.File
	claim  *claim
}

// Usage is what a node uses of the agent, and what was there before.
type Usage struct {
	// Socket of the runtime.
	Socket string
	// ContainerID is the last part of the node's cgroup, by which its pods are found.
	ContainerID string
	// Kept names what was in the kubelet's folder before.
	Kept []string
	// Mounted: the kubelet's folder was a mount point before.
	Mounted bool
	// PodLogs is the folder of the pods' logs on the agent, and KeptLogs names what was in it
	// before. PodLogs is empty for nodes that had a folder of their own.
	PodLogs  string
	KeptLogs []string
}

// podsDir in the kubelet's folder is empty, or another kubelet's.
const podsDir = "pods"

// answerWithin is the time that the runtime has to answer, and to give up its pods.
const answerWithin = 30 * time.Second

// Acquire claims the agent's runtime for a node. It returns an error if a node cannot use it. Another
// agent may do better, so the errors are not nodeapi.ErrInvalid.
func Acquire(socket string) (*Runtime, error) {
	ctx, cancel := context.WithTimeout(context.Background(), answerWithin)
	defer cancel()
	r := &Runtime{Usage: Usage{Socket: socket}}
	for _, step := range []func(context.Context) error{r.checkFitness, r.openNamespace, r.claimAlone, r.recordFolder, r.recordLogs} {
		if err := step(ctx); err != nil {
			r.Close()
			return nil, fmt.Errorf("using the agent's container runtime: %w", err)
		}
	}
	return r, nil
}

// checkFitness asks the runtime what it is.
func (r *Runtime) checkFitness(ctx context.Context) error {
	host := cri.New(r.Socket)
	name, err := host.Name(ctx)
	if refused, ok := errors.AsType[*cri.Error](err); ok && refused.Code == cri.Unimplemented {
		return fmt.Errorf("what listens on %s runs no pods: if it is containerd, its configuration disables the plugin io.containerd.grpc.v1.cri", r.Socket)
	}
	if err != nil {
		return err
	}
	if name != "containerd" {
		return fmt.Errorf("%s is that of %s, and only containerd's pods can be cleaned up after", r.Socket, name)
	}
	systemd, err := host.SystemdCgroups(ctx)
	if err == nil && systemd {
		err = fmt.Errorf("containerd at %s has systemd make cgroups, so pods would not be charged to the Mesos container: set SystemdCgroup = false for its runtime runc", r.Socket)
	}
	return err
}

func (r *Runtime) openNamespace(context.Context) (err error) {
	r.Mounts, err = mountNamespaceOf(r.Socket)
	return err
}

func (r *Runtime) claimAlone(ctx context.Context) (err error) {
	if r.claim, err = claimFolder(r.Mounts); err != nil {
		return err
	}
	pods, err := cri.New(r.Socket).Sandboxes(ctx)
	if err == nil && len(pods) > 0 {
		err = fmt.Errorf("containerd at %s runs %d pods of another kubelet, which this node's would end", r.Socket, len(pods))
	}
	return err
}

// recordFolder records what is in the kubelet's folder, so that no more is removed than what
// the node makes.
func (r *Runtime) recordFolder(context.Context) error {
	return mount.Within(r.Mounts, func() error {
		entries, err := os.ReadDir(layout.KubeletRoot)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("reading %s: %w", layout.KubeletRoot, err)
		}
		for _, e := range entries {
			if e.Name() != podsDir {
				r.Kept = append(r.Kept, e.Name())
			}
		}
		if pods, _ := os.ReadDir(filepath.Join(layout.KubeletRoot, podsDir)); len(pods) > 0 {
			return fmt.Errorf("%s holds %d pods of another kubelet", layout.KubeletRoot, len(pods))
		}
		r.Mounted, err = isKubeletRootMounted()
		return err
	})
}

// SharesMounts reports whether the runtime sees what is mounted in the kubelet's folder in a
// mount namespace that was made of its own.
func (r *Runtime) SharesMounts() (shared bool, err error) {
	err = mount.Within(r.Mounts, func() (err error) {
		shared, err = mount.IsShared(layout.KubeletRoot)
		return err
	})
	return shared, err
}

// recordLogs records whose logs are there already.
func (r *Runtime) recordLogs(context.Context) error {
	r.PodLogs = layout.PodLogs
	entries, err := os.ReadDir(r.PodLogs)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", r.PodLogs, err)
	}
	for _, e := range entries {
		r.KeptLogs = append(r.KeptLogs, e.Name())
	}
	return nil
}

// Close gives up the claim.
func (r *Runtime) Close() {
	if r.claim != nil {
		r.claim.release()
	}
	_ = r.Mounts.Close()
}

func isKubeletRootMounted() (bool, error) {
	mounts, err := mount.Table()
	return slices.ContainsFunc(mounts, func(m mount.Point) bool { return m.Path == layout.KubeletRoot }), err
}

// mountNamespaceOf returns the mount namespace of the process that listens on a socket.
func mountNamespaceOf(socket string) (*os.File, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("asking who listens on %s: %w", socket, err)
	}
	defer c.Close()
	peer, err := peerOf(c)
	if err != nil {
		return nil, fmt.Errorf("asking who listens on %s: %w", socket, err)
	}
	if peer.Pid == 0 {
		return nil, fmt.Errorf("who listens on %s cannot be seen from the Mesos container: the agent must not isolate by namespaces/pid", socket)
	}
	mounts, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", peer.Pid))
	if err != nil {
		return nil, fmt.Errorf("opening the mount namespace of who listens on %s: %w", socket, err)
	}
	return mounts, nil
}
