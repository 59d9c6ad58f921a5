//go:build unix

package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// lock is a file that one process holds. The kernel lets go of it when the process
// dies, however it dies; children don't inherit it.
type lock struct{ file *os.File }

// errLocked: another process holds the lock.
var errLocked = errors.New("locked by another process")

// tryLock makes the file if needed and locks it, or returns errLocked. A file that was
// removed meanwhile by its last holder is made anew.
func tryLock(path string) (*lock, error) {
	for range 100 {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("opening lock file: %w", err)
		}
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil && sameFile(f, path) {
			return &lock{f}, nil
		}
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return nil, fmt.Errorf("locking %s: %w", path, err)
		}
	}
	return nil, fmt.Errorf("locking %s: it keeps vanishing", path)
}

func sameFile(f *os.File, path string) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(held, there)
}

// shareLock waits for a lock on the file that many may hold, until they close it.
func shareLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_SH) }

// soleLock fails if anybody else holds a lock on the file.
func soleLock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) }

// acquire waits for the lock until the context ends.
func acquire(ctx context.Context, path string) (*lock, error) {
	for {
		l, err := tryLock(path)
		if !errors.Is(err, errLocked) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ctx.Err(), errLocked)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// release removes the file and unlocks.
func (l *lock) release() {
	_ = os.Remove(l.file.Name())
	_ = l.file.Close()
}
