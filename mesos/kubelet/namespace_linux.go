package kubelet

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespaceVariable tells the process after its exec which mount namespace it made.
const namespaceVariable = "K8SM_MOUNT_NAMESPACE"

// EnterPrivateMounts puts this process into a mount namespace of its own, that sees
// what the host mounts but mounts nothing upon it, and that ends, with every mount in
// it, when the last process of the container does. The program begins anew in it: call
// this first in main. Where it is not allowed to, it does nothing; a node of real
// containers then fails at its launch, others don't need it.
func EnterPrivateMounts() error {
	if !isRoot() || inPrivateMounts() {
		return nil
	}
	// The namespace belongs to the thread that makes it, and exec keeps that thread.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		if errors.Is(err, unix.EPERM) {
			return nil
		}
		return fmt.Errorf("making mount namespace: %w", err)
	}
	for _, flag := range []uintptr{unix.MS_SLAVE, unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", unix.MS_REC|flag, ""); err != nil {
			return fmt.Errorf("making mount namespace private: %w", err)
		}
	}
	id, err := os.Readlink("/proc/thread-self/ns/mnt")
	if err != nil {
		return fmt.Errorf("reading mount namespace: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("starting anew: %w", err)
	}
	env := append(os.Environ(), namespaceVariable+"="+id)
	return fmt.Errorf("starting anew: %w", unix.Exec(program, os.Args, env))
}

func inPrivateMounts() bool {
	id, err := os.Readlink("/proc/self/ns/mnt")
	return err == nil && strings.HasPrefix(id, "mnt:") && os.Getenv(namespaceVariable) == id
}

// mountAll puts the node's own folders over the system paths, in this process's mount
// namespace, and returns the host's folders that it holds.
func mountAll(mounts []mount) (held []*hostDir, err error) {
	if !inPrivateMounts() {
		return nil, errors.New("running containers needs a mount namespace of its own, and with it CAP_SYS_ADMIN: start the agent as root")
	}
	for _, m := range mounts {
		dir, err := claimHostDir(m.target)
		if err != nil {
			return held, err
		}
		held = append(held, dir)
		if err := m.mount(); err != nil {
			return held, fmt.Errorf("mounting over %s: %w", m.target, err)
		}
	}
	return held, nil
}

func (m mount) mount() error {
	if m.source == "" {
		return unix.Mount("tmpfs", m.target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755")
	}
	if err := os.MkdirAll(m.source, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(m.source, m.target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return unix.Mount("", m.target, "", unix.MS_SHARED, "")
}
