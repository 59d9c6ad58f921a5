package volumedriver

import (
	"errors"

	"golang.org/x/sys/unix"
)

func bind(folder, target string) error { return unix.Mount(folder, target, "", unix.MS_BIND, "") }

// unbind is content where nothing is mounted, or there.
func unbind(target string) error {
	err := unix.Unmount(target, 0)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
