package kubelet

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Sweep removes what dead nodes left in a state folder: their processes, mounts,
// bridges, cgroups and files. A node whose executor lives holds a lock and is not
// touched; nor is a folder that no node made, nor data that is mounted somewhere. It
// goes on after an error, and returns how many nodes it removed.
func Sweep(stateDir string, log logr.Logger) (int, error) {
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
		done, err := sweepNode(dir)
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

// sweepNode says whether the folder was a dead node's, and is gone.
func sweepNode(dir string) (bool, error) {
	if r, err := readRecord(dir); r == nil || err != nil {
		return false, err
	}
	l, err := tryLock(filepath.Join(dir, lockFile))
	if errors.Is(err, errLocked) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer l.file.Close() // the file itself goes with the folder
	r, err := readRecord(dir)
	if r == nil || err != nil {
		return false, err
	}
	if err := r.remove(dir); err != nil {
		return false, err
	}
	return true, nil
}
