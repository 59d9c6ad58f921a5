package cgroup

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pollEvery    = 20 * time.Millisecond
	killWithin   = 10 * time.Second
	removeWithin = 5 * time.Second
)

// processes returns the processes of one cgroup. Processes that are not visible from this PID
// namespace are left out.
func processes(dir string) []int {
	data, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	var pids []int
	for _, field := range strings.Fields(string(data)) {
		if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// allProcesses returns the processes of the cgroups and of the cgroups below them, each once and
// sorted, without the spared ones.
func allProcesses(dirs []string, spared map[int]bool) []int {
	seen := map[int]bool{}
	for _, dir := range dirs {
		for _, d := range append(descendants(dir), dir) {
			for _, pid := range processes(d) {
				if !spared[pid] {
					seen[pid] = true
				}
			}
		}
	}
	var pids []int
	for pid := range seen {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}

// descendants returns the cgroups below one, children before their parents.
func descendants(dir string) []string {
	var dirs []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			child := filepath.Join(dir, e.Name())
			dirs = append(append(dirs, descendants(child)...), child)
		}
	}
	return dirs
}

// Ancestors returns this process and its ancestors, which must not be killed. Mesos' own
// launcher may be one of them, in the container's cgroup.
func Ancestors() map[int]bool {
	spared := map[int]bool{}
	for pid := os.Getpid(); pid > 0 && !spared[pid]; pid = parentOf(pid) {
		spared[pid] = true
	}
	return spared
}

func parentOf(pid int) int {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	return parseParent(data)
}

// parseParent reads the parent's ID from /proc/<pid>/stat. The name of the program, which is
// in parentheses, may hold anything.
func parseParent(stat []byte) int {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	return parent
}

// InitProcesses returns the first processes of containers: processes in cgroups below the
// given ones whose parents, shims, are not there.
func InitProcesses(dirs []string) []int {
	var pods []string
	for _, dir := range dirs {
		for _, d := range descendants(dir) {
			if filepath.Base(d) != leaf {
				pods = append(pods, d)
			}
		}
	}
	inside := map[int]bool{}
	for _, pid := range allProcesses(pods, nil) {
		inside[pid] = true
	}
	var inits []int
	for pid := range inside {
		if !inside[parentOf(pid)] {
			inits = append(inits, pid)
		}
	}
	slices.Sort(inits)
	return inits
}

// KillAll kills until the cgroups hold nothing but spared processes, for a bounded time.
func KillAll(dirs []string, spared map[int]bool) error {
	for waited := time.Duration(0); ; waited += pollEvery {
		pids := allProcesses(dirs, spared)
		if len(pids) == 0 {
			return nil
		}
		if waited >= killWithin {
			return fmt.Errorf("killing the container's remaining processes: processes %v are still there after %s", pids, killWithin)
		}
		thaw(dirs)
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		time.Sleep(pollEvery)
	}
}

// thaw lets processes end that are frozen by version 1: they get no signal, not even SIGKILL.
func thaw(dirs []string) {
	for _, dir := range dirs {
		for _, d := range append(descendants(dir), dir) {
			file := filepath.Join(d, "freezer.state")
			if state, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(state)) != "THAWED" {
				_ = os.WriteFile(file, []byte("THAWED"), 0)
			}
		}
	}
}

// Remove removes the cgroups below dirs, and the made ones together with parents that are
// empty then. A cgroup whose last process has just died is busy for a moment.
func Remove(dirs, made []string) error {
	all := append(removable(dirs), made...)
	var problems []error
	for waited := time.Duration(0); ; waited += pollEvery {
		problems = problems[:0]
		for _, d := range all {
			if err := unix.Rmdir(d); err != nil && !errors.Is(err, unix.ENOENT) {
				problems = append(problems, fmt.Errorf("removing cgroup %s: %w", d, err))
			}
		}
		if len(problems) == 0 || waited >= removeWithin {
			break
		}
		time.Sleep(pollEvery)
	}
	for _, d := range made {
		for unix.Rmdir(filepath.Dir(d)) == nil { // a hierarchy's root is busy
			d = filepath.Dir(d)
		}
	}
	return errors.Join(problems...)
}

// removable returns the cgroups below dirs. A leaf with processes is Mesos' own.
func removable(dirs []string) []string {
	var all []string
	for _, dir := range dirs {
		for _, d := range descendants(dir) {
			if filepath.Base(d) != leaf || len(processes(d)) == 0 {
				all = append(all, d)
			}
		}
	}
	return all
}
