package sweep

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Sweep removes what dead nodes left in a state folder: their processes, mounts, bridges,
// cgroups and files. It does not touch a node whose executor lives, since that holds a lock,
// a folder that no node made, or data that is mounted somewhere. It continues after an
// error, and returns the number of nodes that it removed. When the context ends it leaves the
// rest to the next sweep.
func Sweep(ctx context.Context, stateDir string, log logr.Logger) (int, error) {
	entries, err := os.ReadDir(stateDir)
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("sweeping %s: %w", stateDir, err)
	}
	swept := 0
	var problems []error
	for _, e := range entries {
		if !e.IsDir() || e.Name() == nodeapi.CacheDirName {
			continue
		}
		dir := filepath.Join(stateDir, e.Name())
		done, err := sweepNode(ctx, dir)
		if err != nil {
			problems = append(problems, fmt.Errorf("sweeping %s: %w", dir, err))
		}
		if done {
			swept++
			log.Info("Swept what a dead node left", "node", e.Name())
		}
	}
	return swept, errors.Join(problems...)
}

// sweepNode reports whether the folder was a dead node's, and is gone.
func sweepNode(ctx context.Context, dir string) (bool, error) {
	if r, err := read(dir); r == nil || err != nil {
		return false, err
	}
	l, err := filelock.Try(filepath.Join(dir, layout.LockFile))
	if errors.Is(err, filelock.ErrLocked) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer l.Close() // the file itself is removed with the folder
	r, err := read(dir)
	if r == nil || err != nil {
		return false, err
	}
	if err := r.Remove(ctx, dir); err != nil {
		return false, err
	}
	return true, nil
}
