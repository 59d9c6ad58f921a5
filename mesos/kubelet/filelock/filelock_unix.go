//go:build unix

// Package filelock lets processes exclude each other by files, and share files that must
// stay as long as anybody uses them.
//
// All locks are the kernel's: it releases them when the process dies, however it dies, and
// children do not inherit them. Whoever can open a file can hold its lock, and keep all others
// waiting. So locks are on files in folders that only one user can enter, and nothing waits
// for a lock without a limit.
//
// The package refuses to know what a lock protects; the artifact cache, the mounts of a node
// and the sweep of dead nodes use it.
package filelock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Lock is a file that one process holds.
type Lock struct{ file *os.File }

// ErrLocked means that another process holds the lock.
var ErrLocked = errors.New("locked by another process")

// pollEvery is the time between two attempts of Acquire.
const pollEvery = 100 * time.Millisecond

// Try makes the file if needed and locks it, or returns ErrLocked. A file that its last
// holder removed meanwhile is made anew.
func Try(path string) (*Lock, error) { return try(path, syscall.LOCK_EX) }

// TryShare makes the file if needed and locks it together with others who share it. It
// returns ErrLocked if somebody holds it alone.
func TryShare(path string) (*Lock, error) { return try(path, syscall.LOCK_SH) }

func try(path string, kind int) (*Lock, error) {
	for range 100 {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("opening lock file: %w", err)
		}
		err = syscall.Flock(int(f.Fd()), kind|syscall.LOCK_NB)
		if err == nil && IsAt(f, path) {
			return &Lock{f}, nil
		}
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
	}
	return nil, fmt.Errorf("locking %s: it keeps vanishing", path)
}

// Acquire waits for the lock until the context ends. The error then wraps both the
// context's error and ErrLocked.
func Acquire(ctx context.Context, path string) (*Lock, error) {
	for {
		l, err := Try(path)
		if !errors.Is(err, ErrLocked) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ctx.Err(), ErrLocked)
		case <-time.After(pollEvery):
		}
	}
}

// Remove removes the file and releases the lock, in this order, so that nobody locks a
// file that is about to vanish without noticing.
func (l *Lock) Remove() {
	_ = os.Remove(l.file.Name())
	_ = l.file.Close()
}

// RemoveLast removes the file and releases the lock. It also removes the files beside it that
// nobody holds, since processes that were killed left them, and the folder if it is empty then.
// Others who are about to lock a file there find it or the folder missing, and have to make
// them again.
func (l *Lock) RemoveLast() {
	l.Remove()
	dir := filepath.Dir(l.file.Name())
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if left, err := Try(filepath.Join(dir, e.Name())); err == nil {
			left.Remove()
		}
	}
	_ = os.Remove(dir)
}

// Close releases the lock and leaves the file.
func (l *Lock) Close() error { return l.file.Close() }

// IsAt reports whether the open file is still the one at path.
func IsAt(f *os.File, path string) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there)
}

// Alone turns a shared lock into one that nobody else holds, and reports whether it could.
func (l *Lock) Alone() bool { return TryExclusive(l.file) == nil }

// MakeDir makes a folder for lock files, and the folders above it, or takes one that is there:
// no other user may enter it.
func MakeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making folder of locks: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("making folder of locks: %w", err)
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !info.IsDir() || !known || int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("making folder of locks: %s is not a folder of user %d: remove it", dir, os.Geteuid())
	}
	if info.Mode().Perm()&0o077 == 0 {
		return nil
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return fmt.Errorf("closing folder of locks to other users: %w", err)
	}
	return nil
}

// Share locks the file together with others who share it, until they close it, or fails if
// anybody holds it alone.
func Share(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) }

// TryExclusive locks the file, or fails if anybody else holds a lock on it.
func TryExclusive(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}
