package mount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
)

// HostDir is a folder of the host that must be there so that something can be mounted upon it
// in the node's namespace. All nodes on the agent share it: each holds a shared lock, and the
// last to leave removes the folder, if a node made it and it is empty.
//
// The lock is a file that only root can open: other users can open the folder itself. The lock
// of the folder is held as well where that is possible, since nodes of release 1 look at it.
type HostDir struct {
	Path string
	file *os.File
	lock *filelock.Lock
}

// MarkerName is a file that marks a folder as made by a node, for whichever node is the last.
// It also keeps others from removing the folder as empty: a mount upon a removed folder is
// gone, in every namespace.
const MarkerName = ".made-by-k8sm"

// claimEvery is the time between two attempts to claim a folder.
const claimEvery = 10 * time.Millisecond

// ClaimHostDir makes the folder if it is missing, and holds it until Release, by a lock in the
// folder locks. It waits for a node that is just leaving, until the context ends.
func ClaimHostDir(ctx context.Context, locks, path string) (*HostDir, error) {
	for {
		h, err := tryHostDir(locks, path)
		if h != nil || err != nil {
			return h, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("claiming %s: a node that leaves the agent holds it: %w", path, ctx.Err())
		case <-time.After(claimEvery):
		}
	}
}

// tryHostDir returns nil if another node is just leaving the folder.
func tryHostDir(locks, path string) (*HostDir, error) {
	if err := errors.Join(filelock.MakeDir(locks), makeMarked(path)); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // removed by one that just left
	}
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", path, err)
	}
	lock, err := shareLock(locks, f)
	if err == nil && filelock.IsAt(f, path) {
		_ = filelock.Share(f)
		return &HostDir{path, f, lock}, nil
	}
	f.Close()
	if err == nil {
		_ = lock.Close()
		return nil, nil
	}
	if errors.Is(err, filelock.ErrLocked) || errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	return nil, err
}

// shareLock shares the lock of an open folder, which bears the folder's number.
func shareLock(locks string, folder *os.File) (*filelock.Lock, error) {
	info, err := folder.Stat()
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", folder.Name(), err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	return filelock.TryShare(filepath.Join(locks, fmt.Sprintf("folder-%x-%x", stat.Dev, stat.Ino)))
}

func makeMarked(path string) error {
	err := os.Mkdir(path, 0o755)
	switch {
	case errors.Is(err, os.ErrExist):
		return nil
	case errors.Is(err, os.ErrNotExist):
		if err := makeMarked(filepath.Dir(path)); err != nil {
			return err
		}
		return makeMarked(path)
	case err != nil:
		return fmt.Errorf("making %s: %w", path, err)
	}
	if err := os.WriteFile(filepath.Join(path, MarkerName), nil, 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("marking %s: %w", path, err)
	}
	return nil
}

// Release gives up the folder, and removes it if no other node needs it.
func (h *HostDir) Release() {
	defer h.file.Close()
	if !h.lock.Alone() {
		_ = h.lock.Close()
		return
	}
	defer h.lock.RemoveLast()
	if filelock.TryExclusive(h.file) != nil || !filelock.IsAt(h.file, h.Path) {
		return
	}
	marker := filepath.Join(h.Path, MarkerName)
	if os.Remove(marker) != nil {
		return // there before any node
	}
	if errors.Is(unix.Rmdir(h.Path), unix.ENOTEMPTY) {
		_ = os.WriteFile(marker, nil, 0o644)
	}
}
