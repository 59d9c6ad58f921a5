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

const killPatience = 15 * time.Second

// sweepDeadRuns removes what runs left that were killed before they could do it
// themselves. A run that lives holds the lock on its folder, and is let be.
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
		say("Sweeping up after an earlier run that was killed: " + path)
		if err := sweep(&runDir{path: path, lock: lock}); err != nil {
			problems = append(problems, fmt.Errorf("sweeping up after %s: %w", path, err))
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
	return errors.Join(removeContainers(dir.path, groups), network.unplug(context.Background()), r.HostPaths.remove(), dir.remove(false))
}

// removeContainers ends what runs in the cgroups, and takes away what was mounted
// for it below the folder. Executors do so themselves; this is for those that had no
// time to.
func removeContainers(folder string, groups cgroups) error {
	if err := groups.kill(killPatience); err != nil {
		return err
	}
	return errors.Join(unmountBelow(folder), groups.remove(killPatience))
}

// unmountBelow a folder: what is mounted last goes first.
func unmountBelow(folder string) error {
	var problems []error
	for _, path := range slices.Backward(mountsBelow(folder)) {
		if err := syscall.Unmount(path, 0); err != nil {
			problems = append(problems, fmt.Errorf("unmounting %s: %w", path, err))
		}
	}
	return errors.Join(problems...)
}
