package mount

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
)

// HostDir is a folder of the host that must be there so that something can be mounted upon it
// in the node's namespace. All nodes on the agent share it: each holds a shared lock, and the
// last to leave removes the folder, if a node made it and it is empty.
type HostDir struct {
	Path string
	file *os.File
}

// MarkerName is a file that marks a folder as made by a node, for whichever node is the last.
// It also keeps others from removing the folder as empty: a mount upon a removed folder is
// gone, in every namespace.
const MarkerName = ".made-by-k8sm"

// ClaimHostDir makes the folder if it is missing, and holds it until Release.
func ClaimHostDir(path string) (*HostDir, error) {
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
		if err := filelock.Share(f); err == nil && filelock.IsAt(f, path) {
			return &HostDir{path, f}, nil
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
	if err := os.WriteFile(filepath.Join(path, MarkerName), nil, 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("marking %s: %w", path, err)
	}
	return nil
}

// Release gives up the folder, and removes it if no other node needs it.
func (h *HostDir) Release() {
	defer h.file.Close()
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
