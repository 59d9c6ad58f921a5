package cgroup

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

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

// Container is the Mesos container's own cgroup: one path in every hierarchy.
type Container struct {
	// Path is /mesos/<container ID>.
	Path        string
	Hierarchies []Hierarchy
	// Made are the folders that were not there: Mesos makes its cgroup only in the
	// hierarchies that it isolates, and the kubelet wants its root in all of them.
	Made []string
}

// Find finds the container's cgroup and changes nothing.
func Find(containerID string) (*Container, error) {
	hierarchies, err := Mounted()
	if err != nil {
		return nil, err
	}
	path, err := pathOf(hierarchies, containerID)
	if err != nil {
		return nil, err
	}
	c := &Container{Path: path, Hierarchies: hierarchies}
	for _, h := range hierarchies {
		if _, err := os.Stat(h.Dir(path)); errors.Is(err, fs.ErrNotExist) {
			c.Made = append(c.Made, h.Dir(path))
		}
	}
	return c, nil
}

// Mounted returns the hierarchies that are mounted and can be used.
func Mounted() ([]Hierarchy, error) {
	mounts, err := mount.Table()
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
	return slices.DeleteFunc(hierarchies, func(h Hierarchy) bool {
		_, err := os.Stat(h.Dir("cgroup.procs"))
		return err != nil
	}), nil
}

// Dirs returns the cgroup's folder in every hierarchy.
func (c *Container) Dirs() []string {
	var dirs []string
	for _, h := range c.Hierarchies {
		dirs = append(dirs, h.Dir(c.Path))
	}
	return dirs
}

// unified returns the hierarchy of version 2, if it is mounted.
func (c *Container) unified() (Hierarchy, bool) {
	at := slices.IndexFunc(c.Hierarchies, func(h Hierarchy) bool { return h.Name == "" })
	if at < 0 {
		return Hierarchy{}, false
	}
	return c.Hierarchies[at], true
}

// Enter makes the cgroup in every hierarchy and moves this process into it, so that
// everything that it starts is there too. To enter twice does no harm.
func (c *Container) Enter() error {
	for _, h := range c.Hierarchies {
		enter := c.enterItself
		if h.Name == "" && (IsUnified(c.Hierarchies) || hasControllers(h)) {
			enter = c.enterLeaf
		}
		if err := enter(h); err != nil {
			return err
		}
	}
	return nil
}

// hasControllers reports whether a hierarchy of version 2 is more than a tree of names.
// This has to be found out on each host: where Mesos brings its freezer of version 1
// along, version 2 has all other controllers nevertheless.
func hasControllers(h Hierarchy) bool {
	data, err := os.ReadFile(h.Dir("cgroup.controllers"))
	return err == nil && len(bytes.TrimSpace(data)) > 0
}

func (c *Container) enterItself(h Hierarchy) error {
	if h.Path == c.Path {
		return nil
	}
	if err := makeCgroup(h.Dir(c.Path)); err != nil {
		return err
	}
	if h.Has("cpuset") {
		if err := InheritCPUSet(h, c.Path); err != nil {
			return err
		}
	}
	return Move(h.Dir(c.Path), os.Getpid())
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

// InheritCPUSet copies cpus and mems down the path: a cpuset without them cannot hold
// processes, and begins without them unless its parent clones.
func InheritCPUSet(h Hierarchy, path string) error {
	dir := h.Mount
	for _, name := range strings.Split(strings.Trim(path, "/"), "/") {
		parent := dir
		dir = filepath.Join(dir, name)
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if err := inherit(parent, dir, file); err != nil {
				return err
			}
		}
	}
	return nil
}

// inherit copies the file of the parent unless the child's has a value.
func inherit(parent, child, file string) error {
	present, err := os.ReadFile(filepath.Join(child, file))
	if err != nil {
		return fmt.Errorf("reading cpuset: %w", err)
	}
	if len(bytes.TrimSpace(present)) > 0 {
		return nil
	}
	inherited, err := os.ReadFile(filepath.Join(parent, file))
	if err != nil {
		return fmt.Errorf("reading cpuset: %w", err)
	}
	if err := os.WriteFile(filepath.Join(child, file), bytes.TrimSpace(inherited), 0); err != nil {
		return fmt.Errorf("writing cpuset: %w", err)
	}
	return nil
}

// enterLeaf moves this process and the processes in the container's cgroup into its leaf,
// and enables controllers for its other children, the pods. This process may come from
// elsewhere: where Mesos does not isolate by version 2, it is still with the agent.
func (c *Container) enterLeaf(h Hierarchy) error {
	dir := h.Dir(c.Path)
	if err := makeCgroup(filepath.Join(dir, leaf)); err != nil {
		return err
	}
	for _, pid := range append(processes(dir), os.Getpid()) {
		if err := Move(filepath.Join(dir, leaf), pid); err != nil {
			return err
		}
	}
	enableDownTo(h, filepath.Dir(c.Path))
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

// enableDownTo enables the hierarchy's controllers for the children of each cgroup down to
// path. Mesos does so for the controllers that it isolates by, and the kubelet wants more.
// Errors are left out: the kubelet names the controllers that it misses.
func enableDownTo(h Hierarchy, path string) {
	controllers, _ := os.ReadFile(h.Dir("cgroup.controllers"))
	dir := h.Mount
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

// HasCPUQuota reports whether the container has a CPU quota that binds its children too, as
// agents with --cgroups_enable_cfs set it. Version 1 would refuse a pod whose limit is above
// the allocation, which Kubernetes allows, with EINVAL. Without quotas for pods their limits
// do not hold, but the container's quota still does. Version 2 takes any quota and lets the
// smallest rule.
func (c *Container) HasCPUQuota() bool {
	return slices.ContainsFunc(c.Hierarchies, func(h Hierarchy) bool {
		if !h.Has("cpu") {
			return false
		}
		data, err := os.ReadFile(filepath.Join(h.Dir(c.Path), "cpu.cfs_quota_us"))
		if err != nil {
			return false
		}
		quota, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
		return err == nil && quota > 0
	})
}

// Move moves a process into a cgroup. A process that has ended is no error.
func Move(dir string, pid int) error {
	err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0)
	if err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("moving process %d into %s: %w", pid, dir, err)
	}
	return nil
}

// Leave moves this process back to where it was in the hierarchies in which Enter made the
// cgroup, so that it can be removed.
func (c *Container) Leave() error {
	var problems []error
	for _, h := range c.Hierarchies {
		if slices.Contains(c.Made, h.Dir(c.Path)) {
			problems = append(problems, Move(h.Dir(h.Path), os.Getpid()))
		}
	}
	return errors.Join(problems...)
}
