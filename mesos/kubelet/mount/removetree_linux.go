package mount

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// A tree may be as deep and as wide as a pod made it. These bound what its removal needs.
const (
	// maxDepth is the number of folders that are open at a time. A folder below them is moved
	// up to the top of the tree, and removed from there.
	maxDepth = 64
	// namesAtOnce is the number of names that are read from a folder at a time.
	namesAtOnce = 512
	// maxProblems is the number of problems that are described one by one.
	maxProblems = 10
	// maxPasses is the number of times that a folder is read again because it has got new
	// entries while it was emptied.
	maxPasses = 3
)

// RemoveTree deletes dir and everything below, and never goes through a mount point: volumes
// of pods that are mounted in it, with their data, are left alone and named in the error.
// Symbolic links are deleted, not followed. Memory and open files are bounded, however deep
// and wide the tree is. When the context ends, the rest of the tree stays, and the error wraps
// the context's.
func RemoveTree(ctx context.Context, dir string) error {
	parent, err := os.Open(filepath.Dir(dir))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("removing %s: %w", dir, err)
	}
	defer parent.Close()
	r := remover{ctx: ctx, dir: dir}
	r.remove(int(parent.Fd()), filepath.Base(dir), dir, 0)
	return r.err()
}

// remover walks with folders held open, so that nobody can replace one by a link on the way.
type remover struct {
	ctx context.Context
	dir string
	// top is the file descriptor of dir. Folders that are too deep are moved there.
	top int
	// moved counts the folders that were moved to the top.
	moved    int
	problems []error
	// more counts the problems that are not described.
	more int
}

func (r *remover) err() error {
	if r.more > 0 {
		r.problems = append(r.problems, fmt.Errorf("removing %s: %d more of its files and folders can't be removed", r.dir, r.more))
	}
	if r.ctx.Err() != nil {
		r.problems = append(r.problems, fmt.Errorf("removing %s: it takes too long, and its rest stays for the next time: %w", r.dir, context.Cause(r.ctx)))
	}
	return errors.Join(r.problems...)
}

// remove deletes one entry of a folder, and what is below it.
func (r *remover) remove(parent int, name, path string, depth int) {
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
	if !isFolder(parent, name) { // a file that may not be deleted, as an immutable one
		r.problem(path, err)
		return
	}
	err = unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
	if err == nil || errors.Is(err, unix.ENOENT) {
		return
	}
	if depth < maxDepth {
		r.removeFolder(parent, name, path, depth)
		return
	}
	if err := r.moveToTop(parent, name); err != nil {
		r.problem(path, fmt.Errorf("it is %d folders deep and can't be moved up: %w", depth, err))
	}
}

func isFolder(parent int, name string) bool {
	var stat unix.Stat_t
	return unix.Fstatat(parent, name, &stat, unix.AT_SYMLINK_NOFOLLOW) == nil && stat.Mode&unix.S_IFMT == unix.S_IFDIR
}

// removeFolder empties a folder and deletes it, unless something in it can't be deleted.
func (r *remover) removeFolder(parent int, name, path string, depth int) {
	fd, err := unix.Openat(parent, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		r.problem(path, err)
		return
	}
	folder := os.NewFile(uintptr(fd), path)
	defer folder.Close()
	if depth == 0 {
		r.top = fd
	}
	for pass := 0; ; pass++ {
		problems, moved := r.countProblems(), r.moved
		r.empty(folder, path, depth)
		if r.ctx.Err() != nil {
			return
		}
		if depth == 0 && r.moved > moved {
			pass = 0 // what was moved to the top may not have been read
			continue
		}
		if r.countProblems() > problems {
			return // not empty, for a reason that is among the problems
		}
		err := unix.Unlinkat(parent, name, unix.AT_REMOVEDIR)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return
		}
		if pass >= maxPasses || !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
			r.problem(path, err)
			return
		}
	}
}

// empty removes what is in a folder.
func (r *remover) empty(folder *os.File, path string, depth int) {
	if _, err := folder.Seek(0, io.SeekStart); err != nil {
		r.problem(path, err)
		return
	}
	for r.ctx.Err() == nil {
		names, err := folder.Readdirnames(namesAtOnce)
		for _, child := range names {
			if r.ctx.Err() != nil {
				return
			}
			r.remove(int(folder.Fd()), child, filepath.Join(path, child), depth+1)
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			r.problem(path, err)
			return
		}
	}
}

// moveToTop gives a folder a new place directly below the top. Names that are taken there
// are passed by: a folder can replace nothing but an empty folder.
func (r *remover) moveToTop(parent int, name string) error {
	for {
		r.moved++
		err := unix.Renameat(parent, name, r.top, ".k8sm-remove-"+strconv.Itoa(r.moved))
		if !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOTDIR) {
			return err
		}
	}
}

func (r *remover) countProblems() int { return len(r.problems) + r.more }

func (r *remover) problem(path string, err error) {
	if len(r.problems) >= maxProblems {
		r.more++
		return
	}
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
