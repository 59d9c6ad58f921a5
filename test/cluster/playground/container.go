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

// StateDir returns the folder of the nodes' state on every agent.
func (p *Playground) StateDir() string {
	if p.RemoteHost != nil {
		return p.RemoteHost.StateDir
	}
	return p.dir.file("state")
}

// Container is the container of a task on one of the agents.
type Container struct {
	ID      string
	Sandbox string
}

// Container returns the container of a task that was launched.
func (p *Playground) Container(task string) (Container, error) {
	runs, _ := filepath.Glob(p.dir.file("agents", "*", "slaves", "*", "frameworks", "*", "executors", task, "runs", "*-*"))
	if len(runs) != 1 {
		return Container{}, fmt.Errorf("task %s has %d containers", task, len(runs))
	}
	return Container{ID: filepath.Base(runs[0]), Sandbox: runs[0]}, nil
}

// Executor returns the PID of the executor, which is a child of this process because the agent
// runs in it, or 0.
func (c Container) Executor() int {
	for _, pid := range children()[os.Getpid()] {
		if cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); cwd == c.Sandbox && NameOf(pid) == "executor" {
			return pid
		}
	}
	return 0
}

// InCgroup returns the running processes in the cgroup of that name and below it. The first one has
// a parent outside the cgroup.
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
	return strings.Contains(string(own), "/"+name) && IsRunning(pid)
}

// IsRunning reports whether a process exists and is no zombie. Orphans of this process's children
// stay zombies for as long as it runs.
func IsRunning(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name, in parentheses, may hold anything.
	return err == nil && !strings.HasPrefix(string(stat[strings.LastIndexByte(string(stat), ')')+1:]), " Z")
}

// NameOf returns the kernel's name of a process.
func NameOf(pid int) string {
	name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(name))
}

// Logged returns the times at which the executor logged a line with all the words.
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
