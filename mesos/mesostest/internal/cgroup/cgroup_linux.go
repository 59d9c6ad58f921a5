package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// isolated are the v1 hierarchies in which a Mesos agent with the isolators
// cgroups/cpu and cgroups/mem makes cgroups; freezer and systemd are the launcher's.
var isolated = []string{"cpu", "cpuacct", "memory", "freezer", "name=systemd"}

// Shares of a cpu, and what is the least of them and of memory, as in Mesos.
const (
	sharesPerCPU = 1024
	minShares    = 2
	minMemory    = 32 << 20
)

// Group is the cgroup of a container: one directory in each isolated hierarchy of cgroup v1,
// or one on v2. A nil cgroup is none.
type Group struct {
	paths   []string // to be removed, each with all below it
	procs   []string // files to write a PID to, in order to enter
	unified bool
}

// Make makes the cgroup <root>/<container ID>, and sets its limits. Without a root it makes
// none, and returns nil.
func Make(root, id string, limits Limits) (*Group, error) {
	if root == "" {
		return nil, nil
	}
	if !filepath.IsLocal(root) {
		return nil, fmt.Errorf("%q is no path below a hierarchy's root", root)
	}
	mounts, err := mountPoints()
	if err != nil {
		return nil, fmt.Errorf("reading mounts: %w", err)
	}
	shares := max(minShares, limits.MilliCPUs*sharesPerCPU/1000)
	memory := max(minMemory, limits.MilliMB*(1<<20)/1000)
	g := &Group{}
	if mounts["memory"] != "" {
		err = g.makeV1(mounts, filepath.Join(root, id), shares, memory)
	} else {
		err = g.makeV2(mounts["unified"], root, id, shares, memory)
	}
	if err != nil {
		return nil, errors.Join(err, g.Destroy())
	}
	return g, nil
}

func (g *Group) makeV1(mounts map[string]string, name string, shares, memory int64) error {
	for _, hierarchy := range isolated {
		mount := mounts[hierarchy]
		if mount == "" {
			continue // as on a host without systemd
		}
		path := filepath.Join(mount, name)
		if slices.Contains(g.paths, path) {
			continue // mounted together, as cpu,cpuacct
		}
		if err := makeAll(path); err != nil {
			return err
		}
		g.paths = append(g.paths, path)
		g.procs = append(g.procs, filepath.Join(path, "cgroup.procs"))
	}
	return errors.Join(
		writeControl(filepath.Join(mounts["cpu"], name), "cpu.shares", shares),
		writeControl(filepath.Join(mounts["memory"], name), "memory.limit_in_bytes", memory))
}

// makeV2 puts the processes into a child, leaf: on v2 none may be in an inner
// cgroup, and pods go beside it.
func (g *Group) makeV2(mount, root, id string, shares, memory int64) error {
	if mount == "" {
		return errors.New("no cgroups are mounted")
	}
	g.unified = true
	path := mount
	for _, part := range append(strings.Split(root, "/"), id) {
		enableControllers(path)
		path = filepath.Join(path, part)
		if err := makeAll(path); err != nil {
			return err
		}
	}
	g.paths = []string{path}
	enableControllers(path)
	leaf := filepath.Join(path, "leaf")
	if err := os.MkdirAll(leaf, 0o755); err != nil {
		return err
	}
	g.procs = []string{filepath.Join(leaf, "cgroup.procs")}
	weight := max(1, shares*100/sharesPerCPU)
	return errors.Join(writeControl(path, "cpu.weight", weight), writeControl(path, "memory.max", memory))
}

// makeAll makes a directory and its parents, though another agent may be removing
// its root, which may be a parent, when it is empty.
func makeAll(path string) (err error) {
	for range 5 {
		if err = os.MkdirAll(path, 0o755); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// RemoveRoot removes the root from all hierarchies where it is empty; what is
// above it is others' to remove.
func RemoveRoot(root string) {
	mounts, err := mountPoints()
	if err != nil || root == "" || !filepath.IsLocal(root) {
		return
	}
	for _, mount := range mounts {
		_ = os.Remove(filepath.Join(mount, root))
	}
}

// enableControllers lets children of the cgroup use all controllers that it has.
// What cannot be enabled is missed where it is used.
func enableControllers(path string) {
	all, _ := os.ReadFile(filepath.Join(path, "cgroup.controllers"))
	for _, controller := range strings.Fields(string(all)) {
		_ = os.WriteFile(filepath.Join(path, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
	}
}

func writeControl(path, name string, value int64) error {
	return os.WriteFile(filepath.Join(path, name), strconv.AppendInt(nil, value, 10), 0o644)
}

// ProcsFiles lists the files to which a process writes its PID to enter the cgroup.
func (g *Group) ProcsFiles() []string {
	if g == nil {
		return nil
	}
	return g.procs
}

// Destroy kills everything in the cgroup and below it, and removes it, within a bound.
func (g *Group) Destroy() error {
	if g == nil {
		return nil
	}
	deadline := time.Now().Add(destroyTimeout)
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		left := g.kill()
		if left == 0 {
			if err := g.remove(); err == nil || time.Now().After(deadline) {
				return err
			}
		} else if time.Now().After(deadline) {
			return fmt.Errorf("%d processes in %s do not end", left, g.paths[0])
		}
		time.Sleep(pause)
	}
}

// HasOOM reports whether memory.events of the cgroup count an OOM, in it or, unless the
// hierarchy is mounted with memory_localevents, below it. It is the reason for which a Mesos
// agent on version 2 destroys a container.
func (g *Group) HasOOM() bool {
	if g == nil || !g.unified {
		return false
	}
	events, _ := os.ReadFile(filepath.Join(g.paths[0], "memory.events"))
	for line := range strings.Lines(string(events)) {
		if count, is := strings.CutPrefix(line, "oom "); is {
			return strings.TrimSpace(count) != "0"
		}
	}
	return false
}

// kill sends SIGKILL to all processes in the cgroup, and returns their number.
func (g *Group) kill() int {
	pids := map[int]bool{}
	for _, path := range g.paths {
		if g.unified {
			killTree(path)
		}
		for _, dir := range Tree(path) {
			for _, pid := range PIDs(dir) {
				pids[pid] = true
			}
		}
	}
	for pid := range pids {
		_ = unix.Kill(pid, unix.SIGKILL)
	}
	return len(pids)
}

// killTree has the kernel do it, where there is such a file.
func killTree(path string) {
	if f, err := os.OpenFile(filepath.Join(path, "cgroup.kill"), os.O_WRONLY, 0); err == nil {
		_, _ = f.WriteString("1")
		_ = f.Close()
	}
}

// PIDs lists the processes in a cgroup, without the cgroups below it.
func PIDs(dir string) []int {
	raw, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	var pids []int
	for _, line := range strings.Fields(string(raw)) {
		if pid, err := strconv.Atoi(line); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (g *Group) remove() error {
	var errs []error
	for _, path := range g.paths {
		dirs := Tree(path)
		slices.Reverse(dirs)
		for _, dir := range dirs {
			if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				errs = append(errs, fmt.Errorf("removing cgroup: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// Tree lists a cgroup and all below it, parents first.
func Tree(path string) []string {
	var dirs []string
	_ = filepath.WalkDir(path, func(dir string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, dir)
		}
		return nil // what vanishes meanwhile needs no removing
	})
	return dirs
}

// mountPoints finds where each v1 controller, named hierarchy and, as "unified",
// v2 is mounted.
func mountPoints() (map[string]string, error) {
	raw, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	mounts := map[string]string{}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 {
			continue
		}
		switch fields[2] {
		case "cgroup2":
			mounts["unified"] = fields[1]
		case "cgroup":
			for _, option := range strings.Split(fields[3], ",") {
				if slices.Contains(isolated, option) {
					mounts[option] = fields[1]
				}
			}
		}
	}
	return mounts, nil
}
