package playground

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroups are all folders of one name, one in each mounted hierarchy: the
// containers of one run.
type cgroups struct{ name string }

// folders that exist now.
func (c cgroups) folders() []string {
	var found []string
	for _, m := range mounts() {
		if m.kind != "cgroup" && m.kind != "cgroup2" {
			continue
		}
		folder := filepath.Join(m.path, c.name)
		if info, err := os.Stat(folder); err == nil && info.IsDir() {
			found = append(found, folder)
		}
	}
	return found
}

// pids of all processes in them.
func (c cgroups) pids() map[int]bool {
	pids := map[int]bool{}
	for _, folder := range c.folders() {
		for _, sub := range subfolders(folder) {
			data, err := os.ReadFile(filepath.Join(sub, "cgroup.procs"))
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(data)) {
				if pid, err := strconv.Atoi(strings.TrimSpace(line)); err == nil && pid > 0 {
					pids[pid] = true
				}
			}
		}
	}
	return pids
}

// kill ends all processes in them, and waits until they have ended.
func (c cgroups) kill(patience time.Duration) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		pids := c.pids()
		if len(pids) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("killing processes in cgroup %s: %d do not end", c.name, len(pids))
		}
		for pid := range pids {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// remove deletes the folders, in which no process may run. The kernel returns EBUSY until
// the last process has been reaped, so it tries for a while.
func (c cgroups) remove(patience time.Duration) error {
	var problems []error
	deadline := time.Now().Add(patience)
	for _, folder := range c.folders() {
		for _, sub := range slices.Backward(subfolders(folder)) {
			for {
				err := syscall.Rmdir(sub)
				if err == nil || errors.Is(err, fs.ErrNotExist) {
					break
				}
				if time.Now().After(deadline) {
					problems = append(problems, fmt.Errorf("removing cgroup %s: %w", sub, err))
					break
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
	}
	return errors.Join(problems...)
}

// subfolders of a folder, itself first, each before what it contains.
func subfolders(folder string) []string {
	var found []string
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// mount is a line of the mount table.
type mount struct{ path, kind string }

// mounts of this process; none where the system has no such table.
func mounts() []mount {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	defer func() { _ = file.Close() }()
	var found []mount
	for lines := bufio.NewScanner(file); lines.Scan(); {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		fields, kinds := strings.Fields(before), strings.Fields(after)
		if ok && len(fields) > 4 && len(kinds) > 0 {
			found = append(found, mount{path: fields[4], kind: kinds[0]})
		}
	}
	return found
}

// mountsBelow a folder, the folder itself included.
func mountsBelow(folder string) []string {
	var found []string
	for _, m := range mounts() {
		if m.path == folder || strings.HasPrefix(m.path, folder+"/") {
			found = append(found, m.path)
		}
	}
	return found
}
