package mount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// namespaceVariable is the environment variable by which the process knows, after its exec,
// which mount namespace it made.
const namespaceVariable = "K8SM_MOUNT_NAMESPACE"

// EnterPrivateNamespace puts this process into a mount namespace of its own, which sees what
// the host mounts but mounts nothing upon the host, and which ends, with every mount in it,
// when the last process of the container does. The program begins anew in it: call this first
// in main. Where that is not allowed it does nothing; a node of real containers then fails at
// its launch, and others do not need it.
func EnterPrivateNamespace() error {
	if os.Geteuid() != 0 || inPrivateNamespace() {
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

func inPrivateNamespace() bool {
	id, err := os.Readlink("/proc/self/ns/mnt")
	return err == nil && strings.HasPrefix(id, "mnt:") && os.Getenv(namespaceVariable) == id
}

// BindAll mounts the node's own folders over system paths, in this process's mount namespace,
// and returns the host's folders that it claimed for that, by locks in the folder locks, also
// with an error.
func BindAll(ctx context.Context, locks string, binds []Bind) (held []*HostDir, err error) {
	if !inPrivateNamespace() {
		return nil, errors.New("running containers needs a mount namespace of its own, and with it CAP_SYS_ADMIN: start the agent as root")
	}
	for _, b := range binds {
		dir, err := ClaimHostDir(ctx, locks, b.Target)
		if err != nil {
			return held, err
		}
		held = append(held, dir)
		if err := b.mount(); err != nil {
			return held, fmt.Errorf("mounting over %s: %w", b.Target, err)
		}
	}
	return held, nil
}

func (b Bind) mount() error {
	if b.Source == "" {
		return unix.Mount("tmpfs", b.Target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755")
	}
	if err := os.MkdirAll(b.Source, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(b.Source, b.Target, "", unix.MS_BIND, ""); err != nil {
		return err
	}
	return unix.Mount("", b.Target, "", unix.MS_SHARED, "")
}

// Within calls do in a mount namespace, or in this process's if it is nil. Processes that do
// starts stay there. The thread is not used for anything else again.
func Within(namespace *os.File, do func() error) error {
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
