package kubelet

import (
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

// cgroups is the Mesos container's own cgroup: one path in every hierarchy.
type cgroups struct {
	path        string // /mesos/<container ID>
	hierarchies []hierarchy
	// made are the folders that were not there: Mesos makes its cgroup only in the
	// hierarchies that it isolates, the kubelet wants its root in all of them.
	made []string
}

// readCgroups finds the container's cgroup and changes nothing.
func readCgroups(containerID string) (*cgroups, error) {
	mounts, err := readMounts()
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, fmt.Errorf("reading own cgroups: %w", err)
	}
	hierarchies, err := parseHierarchies(bytes.NewReader(own), mounts)
	if err != nil {
		return nil, err
	}
	// One that is in the mount table may be hidden under another mount.
	hierarchies = slices.DeleteFunc(hierarchies, func(h hierarchy) bool {
		_, err := os.Stat(h.dir("cgroup.procs"))
		return err != nil
	})
	path, err := containerCgroup(hierarchies, containerID)
	if err != nil {
		return nil, err
	}
	c := &cgroups{path: path, hierarchies: hierarchies}
	for _, h := range hierarchies {
		if _, err := os.Stat(h.dir(path)); errors.Is(err, fs.ErrNotExist) {
			c.made = append(c.made, h.dir(path))
		}
	}
	return c, nil
}

func readMounts() ([]mountPoint, error) {
	// Of this thread, which may have entered another namespace.
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("opening mount table: %w", err)
	}
	defer f.Close()
	return parseMounts(f)
}

// enter makes the cgroup in every hierarchy and moves this process into it, so that
// all that it starts is there too.
func (c *cgroups) enter() error {
	for _, h := range c.hierarchies {
		enter := c.enterItself
		if h.name == "" && (unified(c.hierarchies) || hasControllers(h)) {
			enter = c.enterLeaf
		}
		if err := enter(h); err != nil {
			return err
		}
	}
	return nil
}

// hasControllers says that a hierarchy of version 2 is more than a tree of names. That
// is asked of each host: where Mesos brings its freezer of version 1 along, version 2
// has all other controllers nevertheless.
func hasControllers(h hierarchy) bool {
	data, err := os.ReadFile(h.dir("cgroup.controllers"))
	return err == nil && len(bytes.TrimSpace(data)) > 0
}

func (c *cgroups) enterItself(h hierarchy) error {
	if h.path == c.path {
		return nil
	}
	if err := makeCgroup(h.dir(c.path)); err != nil {
		return err
	}
	if slices.Contains(strings.Split(h.name, ","), "cpuset") {
		if err := inheritCPUSet(h, c.path); err != nil {
			return err
		}
	}
	return move(h.dir(c.path), os.Getpid())
}

// makeCgroup tries again when a node that leaves removes the parent at that moment.
func makeCgroup(dir string) error {
	var err error
	for range 10 {
		if err = os.MkdirAll(dir, 0o755); err == nil {
			return nil
		}
	}
	return fmt.Errorf("making cgroup: %w", err)
}

// inheritCPUSet copies cpus and mems down the path: a cpuset without can't hold
// processes, and begins without unless its parent clones.
func inheritCPUSet(h hierarchy, path string) error {
	dir := h.mount
	for _, name := range strings.Split(strings.Trim(path, "/"), "/") {
		parent := dir
		dir = filepath.Join(dir, name)
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			present, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil {
				return fmt.Errorf("reading cpuset: %w", err)
			}
			if len(bytes.TrimSpace(present)) > 0 {
				continue
			}
			inherited, err := os.ReadFile(filepath.Join(parent, file))
			if err != nil {
				return fmt.Errorf("reading cpuset: %w", err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), bytes.TrimSpace(inherited), 0); err != nil {
				return fmt.Errorf("writing cpuset: %w", err)
			}
		}
	}
	return nil
}

// enterLeaf moves this process and those that are in the container's cgroup into its
// leaf, and lets its other children, the pods, have controllers. This process may come
// from elsewhere: where Mesos does not isolate by version 2, it is still with the agent.
func (c *cgroups) enterLeaf(h hierarchy) error {
	dir := h.dir(c.path)
	if err := makeCgroup(filepath.Join(dir, leaf)); err != nil {
		return err
	}
	for _, pid := range append(processes(dir), os.Getpid()) {
		if err := move(filepath.Join(dir, leaf), pid); err != nil {
			return err
		}
	}
	handDown(h, filepath.Dir(c.path))
	available, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return fmt.Errorf("reading controllers: %w", err)
	}
	for _, controller := range strings.Fields(string(available)) {
		if err := enable(dir, controller); err != nil {
			return fmt.Errorf("enabling controller %s for pods: %w", controller, err)
		}
	}
	return nil
}

// handDown lets the children of each cgroup down to path have the hierarchy's
// controllers. Mesos does so for those that it isolates by, the kubelet wants more. What
// can't be had the kubelet will miss by name.
func handDown(h hierarchy, path string) {
	controllers, _ := os.ReadFile(h.dir("cgroup.controllers"))
	dir := h.mount
	for _, name := range append([]string{""}, strings.Split(strings.Trim(path, "/"), "/")...) {
		dir = filepath.Join(dir, name)
		for _, controller := range strings.Fields(string(controllers)) {
			_ = enable(dir, controller)
		}
	}
}

func enable(dir, controller string) error {
	return os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+controller), 0o644)
}

// cpuQuota says that the container has a CPU quota that binds those of its children
// too, as agents with --cgroups_enable_cfs give it. A pod whose limit is above the
// allocation, which Kubernetes allows, would be refused by version 1: EINVAL. Without
// quotas for pods their limits do not hold; what holds them all together still does.
// Version 2 takes any quota and lets the smallest rule.
func (c *cgroups) cpuQuota() bool {
	return slices.ContainsFunc(c.hierarchies, func(h hierarchy) bool {
		if !slices.Contains(strings.Split(h.name, ","), "cpu") {
			return false
		}
		data, err := os.ReadFile(filepath.Join(h.dir(c.path), "cpu.cfs_quota_us"))
		if err != nil {
			return false
		}
		quota, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
		return err == nil && quota > 0
	})
}

func move(dir string, pid int) error {
	err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("moving process %d into %s: %w", pid, dir, err)
	}
	return nil
}

// leave moves this process back to where it was in the hierarchies in which the
// cgroup was made for it.
func (c *cgroups) leave() error {
	var problems []error
	for _, h := range c.hierarchies {
		if slices.Contains(c.made, h.dir(c.path)) {
			problems = append(problems, move(h.dir(h.path), os.Getpid()))
		}
	}
	return errors.Join(problems...)
}

// dirs is the cgroup's folder in every hierarchy.
func (c *cgroups) dirs() []string {
	var dirs []string
	for _, h := range c.hierarchies {
		dirs = append(dirs, h.dir(c.path))
	}
	return dirs
}

// processes of one cgroup. Those that are not visible from here are left out.
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

// allProcesses of the cgroups and those below them, each once, without spared ones.
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

// descendants of a cgroup, children before their parents.
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

// family is this process and its ancestors. Mesos' own launcher may be one, in the
// container's cgroup.
func family() map[int]bool {
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
	// The name, in parentheses, may hold anything.
	fields := bytes.Fields(data[bytes.LastIndexByte(data, ')')+1:])
	if len(fields) < 2 {
		return 0
	}
	parent, _ := strconv.Atoi(string(fields[1]))
	return parent
}

// containerInits are the first processes of containers: those in cgroups below ours
// whose parents, shims, are not.
func containerInits(dirs []string) []int {
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

// killAll kills until the cgroups hold nothing but spared processes, for a bounded time.
func killAll(dirs []string, spared map[int]bool) error {
	for waited := time.Duration(0); ; waited += pollEvery {
		pids := allProcesses(dirs, spared)
		if len(pids) == 0 {
			return nil
		}
		if waited >= killWithin {
			return fmt.Errorf("killing what is left in the container: processes %v are still there after %s", pids, killWithin)
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		time.Sleep(pollEvery)
	}
}

const (
	pollEvery    = 20 * time.Millisecond
	killWithin   = 10 * time.Second
	removeWithin = 5 * time.Second
)

// removeCgroups removes the cgroups below dirs, and those that were made, with parents
// that are empty then. A cgroup whose last process has just died is busy for a moment.
func removeCgroups(dirs, made []string) error {
	var all []string
	for _, dir := range dirs {
		for _, d := range descendants(dir) {
			if filepath.Base(d) != leaf || len(processes(d)) == 0 {
				all = append(all, d)
			}
		}
	}
	all = append(all, made...)
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
