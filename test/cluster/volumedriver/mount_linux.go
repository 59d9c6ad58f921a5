package volumedriver

import (
	"errors"

	"golang.org/x/sys/unix"
)

func bind(folder, target string) error { return unix.Mount(folder, target, "", unix.MS_BIND, "") }

// unbind succeeds also if nothing is mounted at the path, or it does not exist.
func unbind(target string) error {
	err := unix.Unmount(target, 0)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
