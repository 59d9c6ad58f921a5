package mount

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// Hide mounts something empty over files and folders of the host, in this process's mount
// namespace. Those that are not there are left out.
func Hide(paths ...string) error {
	if !inPrivateNamespace() {
		return errors.New("hiding files of the host needs a mount namespace of its own")
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		switch {
		case err != nil:
		case info.IsDir():
			err = unix.Mount("tmpfs", path, "tmpfs", unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV, "size=4k,mode=0755")
		default:
			err = unix.Mount(os.DevNull, path, "", unix.MS_BIND, "")
		}
		if err != nil {
			return fmt.Errorf("hiding %s: %w", path, err)
		}
	}
	return nil
}

// WithinView calls do in a mount namespace that sees what the given one sees (nil: this
// process's), and files of /proc replaced by others. All other mounts are shared by the two
// namespaces. Processes that do starts stay there, and when the last of them ends the
// namespace is gone. Containers that are made in the given namespace see nothing of it: the
// kernel would not let those with users of their own mount a /proc if files of it were hidden.
func WithinView(namespace *os.File, replaced []Bind, do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with this function
		if err := enterView(namespace, replaced); err != nil {
			done <- fmt.Errorf("making the kubelet's view of the machine: %w", err)
			return
		}
		done <- do()
	}()
	return <-done
}

func enterView(namespace *os.File, replaced []Bind) error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	if namespace != nil {
		if err := unix.Setns(int(namespace.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("entering mount namespace: %w", err)
		}
	}
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return err
	}
	// What is mounted upon /proc from here on is not seen elsewhere. /proc/sys may be a mount
	// of its own.
	for _, path := range []string{"/proc", "/proc/sys"} {
		if err := unix.Mount("", path, "", unix.MS_PRIVATE, ""); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("separating %s: %w", path, err)
		}
	}
	for _, b := range replaced {
		if err := unix.Mount(b.Source, b.Target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("replacing %s: %w", b.Target, err)
		}
	}
	return nil
}
