package kubelet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// hostDir is a folder of the host that must be there for something to be mounted upon
// it in the node's namespace. All nodes on the agent share it: each holds a shared
// lock, and the last to go removes it, if it was a node that made it and it is empty.
type hostDir struct {
	path string
	file *os.File
}

// madeByNode is a file in a folder that a node made, for whichever node is the last. It
// also keeps the folder from being removed as empty by others: a mount upon a removed
// folder is gone, in every namespace.
const madeByNode = ".made-by-k8sm"

// claimHostDir makes the folder if it is missing, and holds it.
func claimHostDir(path string) (*hostDir, error) {
	for range 100 {
		if err := makeMarked(path); err != nil {
			return nil, err
		}
		f, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // removed by one that just left
		}
		if err != nil {
			return nil, fmt.Errorf("opening %s: %w", path, err)
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_SH); err == nil && sameFile(f, path) {
			return &hostDir{path, f}, nil
		}
		f.Close()
	}
	return nil, fmt.Errorf("opening %s: it keeps vanishing", path)
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
	if err := os.WriteFile(filepath.Join(path, madeByNode), nil, 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("marking %s: %w", path, err)
	}
	return nil
}

// release lets go of the folder, and removes it if nobody else needs it.
func (h *hostDir) release() {
	defer h.file.Close()
	if unix.Flock(int(h.file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil || !sameFile(h.file, h.path) {
		return
	}
	marker := filepath.Join(h.path, madeByNode)
	if os.Remove(marker) != nil {
		return // there before any node
	}
	if errors.Is(unix.Rmdir(h.path), unix.ENOTEMPTY) {
		_ = os.WriteFile(marker, nil, 0o644)
	}
}
