package hostruntime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/cri"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

// Release removes from the agent's runtime and folders what the node made there; dir is the
// node's own folder. It fails while another node has claimed them.
func (u Usage) Release(ctx context.Context, dir string) error {
	mounts, err := mountNamespaceOf(u.Socket)
	if err != nil {
		return err
	}
	defer mounts.Close()
	held, err := claimFolder(mounts)
	if err != nil {
		return err
	}
	defer held.release()
	asked, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	problems, err := u.removePods(asked)
	if err != nil {
		return err
	}
	problems = append(problems, mount.Within(mounts, func() error { return u.clearKubeletRoot(ctx) }), removeLinks(layout.ContainerLogs, dir))
	return errors.Join(problems...)
}

// removePods removes the node's pods, which are those below its cgroup.
func (u Usage) removePods(ctx context.Context) (problems []error, err error) {
	host := cri.New(u.Socket)
	pods, err := host.Sandboxes(ctx)
	if err != nil {
		return nil, err
	}
	for _, pod := range pods {
		if u.ContainerID != "" && slices.Contains(strings.Split(pod.CgroupParent, "/"), u.ContainerID) {
			problems = append(problems, host.Remove(ctx, pod.ID))
		}
	}
	return problems, nil
}

// removeLinks removes links from one folder into another.
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

// clearLogs removes the logs of the node's pods, and the links to them.
func (u Usage) clearLogs(ctx context.Context) error {
	if u.PodLogs == "" {
		return nil
	}
	entries, err := os.ReadDir(u.PodLogs)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", u.PodLogs, err)
	}
	var problems []error
	for _, e := range entries {
		if e.Name() == mount.MarkerName || slices.Contains(u.KeptLogs, e.Name()) {
			continue
		}
		path := filepath.Join(u.PodLogs, e.Name())
		problems = append(problems, removeLinks(layout.ContainerLogs, path), mount.RemoveTree(ctx, path))
	}
	return errors.Join(problems...)
}

// clearKubeletRoot restores the kubelet's folder to what it was before.
func (u Usage) clearKubeletRoot(ctx context.Context) error {
	entries, err := os.ReadDir(layout.KubeletRoot)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("reading %s: %w", layout.KubeletRoot, err)
	}
	var problems []error
	for _, e := range entries {
		if e.Name() == mount.MarkerName || slices.Contains(u.Kept, e.Name()) {
			continue
		}
		path := filepath.Join(layout.KubeletRoot, e.Name())
		if err := mount.UnmountBelow(path); err != nil {
			problems = append(problems, err)
			continue
		}
		problems = append(problems, mount.RemoveTree(ctx, path))
	}
	mounted, err := isKubeletRootMounted()
	if err == nil && mounted && !u.Mounted {
		// The kubelet mounts its folder upon itself, so that mounts in it are seen in pods.
		if err = unix.Unmount(layout.KubeletRoot, unix.UMOUNT_NOFOLLOW); err != nil {
			err = fmt.Errorf("unmounting %s: %w", layout.KubeletRoot, err)
		}
	}
	return errors.Join(append(problems, err)...)
}
