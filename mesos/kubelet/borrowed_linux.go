package kubelet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/cri"
)

// borrowed is the agent's own containerd, which one node at a time has to itself: a
// kubelet takes all pods of its runtime for its own, and ends those that it does not know.
//
// The runtime mounts volumes into containers as it sees them, so the kubelet runs in the
// runtime's mount namespace, and its folder is the agent's.
type borrowed struct {
	socket string
	mounts *os.File
	claim  net.Listener
	// kept is what was in the kubelet's folder before, and mounted that it was a mount point.
	kept    []string
	mounted bool
}

// podsDir in the kubelet's folder is empty, or another kubelet's.
const podsDir = "pods"

// returnWithin is how long the runtime may take to answer, and to give up its pods.
const returnWithin = 30 * time.Second

// borrow says why the agent's runtime is not fit for a node, or claims it. Another agent
// may do better, so none of it is ErrInvalid.
func borrow(socket string) (*borrowed, error) {
	ctx, cancel := context.WithTimeout(context.Background(), returnWithin)
	defer cancel()
	b := &borrowed{socket: socket}
	for _, step := range []func(context.Context) error{b.fit, b.enter, b.alone, b.look} {
		if err := step(ctx); err != nil {
			b.release()
			return nil, fmt.Errorf("using the agent's container runtime: %w", err)
		}
	}
	return b, nil
}

// fit asks the runtime what it is.
func (b *borrowed) fit(ctx context.Context) error {
	host := cri.New(b.socket)
	name, err := host.Name(ctx)
	if refused, ok := errors.AsType[*cri.Error](err); ok && refused.Code == cri.Unimplemented {
		return fmt.Errorf("what listens on %s runs no pods: if it is containerd, its configuration disables the plugin io.containerd.grpc.v1.cri", b.socket)
	}
	if err != nil {
		return err
	}
	if name != "containerd" {
		return fmt.Errorf("%s is that of %s, and only containerd's pods can be cleaned up after", b.socket, name)
	}
	systemd, err := host.SystemdCgroups(ctx)
	if err == nil && systemd {
		err = fmt.Errorf("containerd at %s has systemd make cgroups, so pods would not be charged to the Mesos container: set SystemdCgroup = false for its runtime runc", b.socket)
	}
	return err
}

func (b *borrowed) enter(context.Context) (err error) {
	b.mounts, err = namespaceOf(b.socket)
	return err
}

func (b *borrowed) alone(ctx context.Context) (err error) {
	if b.claim, err = claimRuntime(b.socket); err != nil {
		return err
	}
	pods, err := cri.New(b.socket).Sandboxes(ctx)
	if err == nil && len(pods) > 0 {
		err = fmt.Errorf("containerd at %s runs %d pods of another kubelet, which this node's would end", b.socket, len(pods))
	}
	return err
}

// claimRuntime, until it is closed. The name belongs to the agent's network namespace, and
// goes with this process, however it ends. All sockets are one claim: there is one folder
// for the kubelet.
func claimRuntime(socket string) (net.Listener, error) {
	claim, err := net.Listen("unix", "@k8sm"+kubeletRoot)
	if errors.Is(err, unix.EADDRINUSE) {
		return nil, fmt.Errorf("another node on this agent uses its container runtime, and with it %s: an agent can have one such node (maxNodesPerAgent: 1), so pools of them are to be kept apart by placement", kubeletRoot)
	}
	if err != nil {
		return nil, fmt.Errorf("claiming %s: %w", socket, err)
	}
	return claim, nil
}

// look what is there, so that no more is removed than what the node makes.
func (b *borrowed) look(context.Context) error {
	return inMounts(b.mounts, func() error {
		entries, err := os.ReadDir(kubeletRoot)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("reading %s: %w", kubeletRoot, err)
		}
		for _, e := range entries {
			if e.Name() != podsDir {
				b.kept = append(b.kept, e.Name())
			}
		}
		if pods, _ := os.ReadDir(filepath.Join(kubeletRoot, podsDir)); len(pods) > 0 {
			return fmt.Errorf("%s holds %d pods of another kubelet", kubeletRoot, len(pods))
		}
		b.mounted, err = kubeletRootIsMounted()
		return err
	})
}

func (b *borrowed) release() {
	if b == nil {
		return
	}
	if b.claim != nil {
		_ = b.claim.Close()
	}
	_ = b.mounts.Close()
}

// giveBack removes from the agent's runtime and folders what the node made there. While
// another node has claimed them, that is not to be.
func (r *record) giveBack(dir string) error {
	claim, err := claimRuntime(r.Runtime)
	if err != nil {
		return err
	}
	defer claim.Close()
	ctx, cancel := context.WithTimeout(context.Background(), returnWithin)
	defer cancel()
	host := cri.New(r.Runtime)
	pods, err := host.Sandboxes(ctx)
	if err != nil {
		return err
	}
	var problems []error
	for _, pod := range pods {
		if r.ContainerID != "" && slices.Contains(strings.Split(pod.CgroupParent, "/"), r.ContainerID) {
			problems = append(problems, host.Remove(ctx, pod.ID))
		}
	}
	mounts, err := namespaceOf(r.Runtime)
	if err != nil {
		return errors.Join(append(problems, err)...)
	}
	defer mounts.Close()
	problems = append(problems, inMounts(mounts, r.clearKubeletRoot), removeLinks(containerLogs, dir))
	return errors.Join(problems...)
}

// removeLinks from one folder into another.
func removeLinks(from, into string) error {
	entries, err := os.ReadDir(from)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", from, err)
	}
	var problems []error
	for _, e := range entries {
		link := filepath.Join(from, e.Name())
		if target, err := os.Readlink(link); err == nil && strings.HasPrefix(target, into+"/") {
			problems = append(problems, os.Remove(link))
		}
	}
	return errors.Join(problems...)
}

func (r *record) clearKubeletRoot() error {
	entries, err := os.ReadDir(kubeletRoot)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", kubeletRoot, err)
	}
	var problems []error
	for _, e := range entries {
		if slices.Contains(append(r.Kept, madeByNode), e.Name()) {
			continue
		}
		path := filepath.Join(kubeletRoot, e.Name())
		if err := unmountBelow(path); err != nil {
			problems = append(problems, err)
			continue
		}
		problems = append(problems, removeTree(path))
	}
	mounted, err := kubeletRootIsMounted()
	if err == nil && mounted && !r.Mounted {
		// The kubelet mounts its folder upon itself, for mounts in it to be seen in pods.
		if err = unix.Unmount(kubeletRoot, unix.UMOUNT_NOFOLLOW); err != nil {
			err = fmt.Errorf("unmounting %s: %w", kubeletRoot, err)
		}
	}
	return errors.Join(append(problems, err)...)
}

func kubeletRootIsMounted() (bool, error) {
	mounts, err := readMounts()
	return slices.ContainsFunc(mounts, func(m mountPoint) bool { return m.path == kubeletRoot }), err
}

// namespaceOf is the mount namespace of who listens on a socket.
func namespaceOf(socket string) (*os.File, error) {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return nil, fmt.Errorf("asking who listens on %s: %w", socket, err)
	}
	defer c.Close()
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("asking who listens on %s: %w", socket, err)
	}
	var who *unix.Ucred
	var refused error
	if err := raw.Control(func(fd uintptr) { who, refused = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil || refused != nil {
		return nil, fmt.Errorf("asking who listens on %s: %w", socket, errors.Join(err, refused))
	}
	if who.Pid == 0 {
		return nil, fmt.Errorf("who listens on %s cannot be seen from the Mesos container: the agent must not isolate by namespaces/pid", socket)
	}
	mounts, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", who.Pid))
	if err != nil {
		return nil, fmt.Errorf("opening the mount namespace of who listens on %s: %w", socket, err)
	}
	return mounts, nil
}

// inMounts does something in a mount namespace, or in this process's where it is nil. A
// process that is started stays there. The thread is not used for anything else again.
func inMounts(namespace *os.File, do func() error) error {
	if namespace == nil {
		return do()
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := unix.Unshare(unix.CLONE_FS)
		if err == nil {
			err = unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNS)
		}
		if err != nil {
			done <- fmt.Errorf("entering mount namespace: %w", err)
			return
		}
		done <- do()
	}()
	return <-done
}
