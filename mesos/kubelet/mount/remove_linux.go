package mount

import (
	"errors"
	"fmt"
	"os"
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

// RemoveTree deletes dir and everything below, and never goes through a mount point: volumes
// of pods that are mounted in it, with their data, are left alone and named in the error.
// Symbolic links are deleted, not followed.
func RemoveTree(dir string) error {
	parent, err := os.Open(filepath.Dir(dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	defer parent.Close()
	r := remover{}
	r.remove(int(parent.Fd()), filepath.Base(dir), dir)
	return errors.Join(r.problems...)
}

// remover walks with folders held open, so that nobody can replace one by a link on the way.
type remover struct{ problems []error }

func (r *remover) remove(parent int, name, path string) {
	err := unix.Unlinkat(parent, name, 0)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return
	}
	if !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.EPERM) {
		r.problem(path, err)
		return
	}
	if mounted, err := isMountRoot(parent, name); err != nil || mounted {
		if err == nil {
			err = errors.New("something is mounted there")
		}
		r.problem(path, err)
		return
	}
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		r.problem(path, err)
		return
	}
	folder := os.NewFile(uintptr(fd), path)
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	if err != nil {
		r.problem(path, err)
	}
	before := len(r.problems)
	for _, child := range names {
		r.remove(fd, child, filepath.Join(path, child))
	}
	if len(r.problems) > before {
		return // not empty, for a reason that is among the problems
	}
	if err := unix.Unlinkat(parent, name, unix.AT_REMOVEDIR); err != nil && !errors.Is(err, unix.ENOENT) {
		r.problem(path, err)
	}
}

func (r *remover) problem(path string, err error) {
	r.problems = append(r.problems, fmt.Errorf("removing %s: %w", path, err))
}

// isMountRoot reports whether something is mounted there. The kernel also knows of folders
// that are mounted upon one of the same file system.
func isMountRoot(parent int, name string) (bool, error) {
	var x unix.Statx_t
	err := unix.Statx(parent, name, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT, unix.STATX_TYPE, &x)
	if err != nil {
		return false, err
	}
	if x.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return x.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0, nil
	}
	return differentDevice(parent, name)
}

// differentDevice is the best approximation before Linux 5.8.
func differentDevice(parent int, name string) (bool, error) {
	var outer, inner unix.Stat_t
	if err := unix.Fstat(parent, &outer); err != nil {
		return false, err
	}
	if err := unix.Fstatat(parent, name, &inner, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	return outer.Dev != inner.Dev, nil
}
