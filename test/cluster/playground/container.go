package playground

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// StateDir is where nodes keep what is theirs, on every agent.
func (p *Playground) StateDir() string {
	if p.Elsewhere != nil {
		return p.Elsewhere.StateDir
	}
	return p.dir.file("state")
}

// Container is that of a task on one of the agents.
type Container struct {
	ID      string
	Sandbox string
}

// Container of a task that was launched.
func (p *Playground) Container(task string) (Container, error) {
	runs, _ := filepath.Glob(p.dir.file("agents", "*", "slaves", "*", "frameworks", "*", "executors", task, "runs", "*-*"))
	if len(runs) != 1 {
		return Container{}, fmt.Errorf("task %s has %d containers", task, len(runs))
	}
	return Container{ID: filepath.Base(runs[0]), Sandbox: runs[0]}, nil
}

// Executor is the process that the agent, which is in this process, has started; 0 if it
// is not there.
func (c Container) Executor() int {
	for _, pid := range children()[os.Getpid()] {
		if cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); cwd == c.Sandbox && NameOf(pid) == "executor" {
			return pid
		}
	}
	return 0
}

// InCgroup are the living processes of the cgroup of that name, a container's, and those below
// it; the first is one whose parent is elsewhere.
func InCgroup(name string) []int {
	var inside, first []int
	for parent, pids := range children() {
		mine := slices.DeleteFunc(pids, func(pid int) bool { return !isInCgroup(pid, name) })
		if isInCgroup(parent, name) {
			inside = append(inside, mine...)
		} else {
			first = append(first, mine...)
		}
	}
	return append(first, inside...)
}

func isInCgroup(pid int, name string) bool {
	own, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	return strings.Contains(string(own), "/"+name) && Lives(pid)
}

// Lives says whether a process is there, and does not only wait to be reaped: the orphans
// of this process's children do, for as long as it runs.
func Lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name, in parentheses, may hold anything.
	return err == nil && !strings.HasPrefix(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " Z")
}

// NameOf a process, as the kernel has it.
func NameOf(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(name))
}

// Logged is when the executor logged a line with all the words, each time.
func (c Container) Logged(words ...string) ([]time.Time, error) {
	log, err := os.ReadFile(filepath.Join(c.Sandbox, "stderr"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the executor's log: %w", err)
	}
	var times []time.Time
	for line := range strings.Lines(string(log)) {
		stamp, rest, _ := strings.Cut(strings.TrimPrefix(line, "time="), " ")
		if slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(rest, w) }) {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil {
			return nil, fmt.Errorf("reading the executor's log: %w", err)
		}
		times = append(times, at)
	}
	return times, nil
}
