package playground

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

const killTimeout = 15 * time.Second

// sweepDeadRuns removes what killed runs have left. A run that still runs holds the lock on its
// folder and is left alone.
func sweepDeadRuns(say func(string)) error {
	records, err := filepath.Glob(filepath.Join(os.TempDir(), runDirPrefix+"*", recordFile))
	if err != nil {
		return fmt.Errorf("looking for earlier runs: %w", err)
	}
	var problems []error
	for _, file := range records {
		path := filepath.Dir(file)
		lock, err := takeLock(path)
		if err != nil {
			continue
		}
		say("Removing what an earlier run left that was killed: " + path)
		if err := sweep(&runDir{path: path, lock: lock}); err != nil {
			problems = append(problems, fmt.Errorf("removing what run %s left: %w", path, err))
		}
	}
	return errors.Join(problems...)
}

func sweep(dir *runDir) error {
	data, err := os.ReadFile(dir.file(recordFile))
	if err != nil {
		return fmt.Errorf("reading record of run: %w", err)
	}
	var r record
	if err := json.Unmarshal(data, &r); err != nil || runDirPrefix+r.ID != filepath.Base(dir.path) {
		return errors.New("its record is not one of a playground")
	}
	groups := cgroups{name: runDirPrefix + r.ID}
	network := &network{id: r.ID}
	return errors.Join(removeContainers(dir.path, groups), network.removeCable(context.Background()), r.HostPaths.remove(), dir.remove(false))
}

// removeContainers kills the processes in the cgroups and unmounts what is mounted below the
// folder. Executors do this themselves, unless they were killed.
func removeContainers(folder string, groups cgroups) error {
	if err := groups.kill(killTimeout); err != nil {
		return err
	}
	return errors.Join(unmountBelow(folder), groups.remove(killTimeout))
}

// unmountBelow unmounts everything below a folder, the last mount first.
func unmountBelow(folder string) error {
	var problems []error
	for _, path := range slices.Backward(mountsBelow(folder)) {
		if err := syscall.Unmount(path, 0); err != nil {
			problems = append(problems, fmt.Errorf("unmounting %s: %w", path, err))
		}
	}
	return errors.Join(problems...)
}
