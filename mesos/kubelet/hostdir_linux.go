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

// madeByUs marks a folder, for whichever node is the last.
const madeByUs = "trusted.k8sm.made"

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
	// A file system without such attributes keeps the folder: it is empty.
	_ = unix.Setxattr(path, madeByUs, []byte("1"), 0)
	return nil
}

// release lets go of the folder, and removes it if nobody else needs it.
func (h *hostDir) release() {
	defer h.file.Close()
	if unix.Flock(int(h.file.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil || !sameFile(h.file, h.path) {
		return
	}
	if n, err := unix.Fgetxattr(int(h.file.Fd()), madeByUs, nil); err == nil && n > 0 {
		_ = unix.Rmdir(h.path)
	}
}
