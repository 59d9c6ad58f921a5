package mount

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// UnmountBelow unmounts everything at and below dir, the last mounted first.
func UnmountBelow(dir string) error {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil // nothing is there
	}
	var problems []error
	for range 10 { // mounts may be stacked
		mounts, err := Table()
		if err != nil {
			return err
		}
		paths := below(mounts, dir)
		if len(paths) == 0 {
			return nil
		}
		problems = problems[:0]
		for _, path := range paths {
			err := unix.Unmount(path, unix.UMOUNT_NOFOLLOW)
			if errors.Is(err, unix.EBUSY) {
				err = unix.Unmount(path, unix.UMOUNT_NOFOLLOW|unix.MNT_DETACH)
			}
			if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
				problems = append(problems, fmt.Errorf("unmounting %s: %w", path, err))
			}
		}
		if len(problems) > 0 {
			break
		}
	}
	return errors.Join(problems...)
}
