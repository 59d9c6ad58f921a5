package cgroup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

// localEvents is the mount option of version 2 with which the memory.events of a cgroup
// count its own events only, and not the events of all cgroups below.
const localEvents = "memory_localevents"

// UseLocalMemoryEvents lets the node outlive a pod that is killed at its own memory limit.
// An agent that isolates by cgroups/mem on version 2 destroys a container as soon as its
// memory.events count an oom, which they also do for a cgroup below. So the machine's
// hierarchy gets the option, once and for as long as it is up. Mesos loses nothing by it:
// the limit that it sets and the events that it reads are the same cgroup's.
func (c *Container) UseLocalMemoryEvents() error {
	h, mounted := c.unified()
	if !mounted {
		return nil
	}
	limit, err := os.ReadFile(filepath.Join(h.Dir(c.Path), "memory.max"))
	if err != nil || strings.TrimSpace(string(limit)) == "max" {
		return nil // the agent does not look at memory
	}
	options, err := superOptions(h.Mount)
	if err != nil || slices.Contains(options, localEvents) {
		return err
	}
	if err := reconfigure(h.Mount, append(options, localEvents)); err != nil {
		return fmt.Errorf("keeping pods that are killed for their memory from ending the node: %w", err)
	}
	if options, err := superOptions(h.Mount); err != nil || !slices.Contains(options, localEvents) {
		return fmt.Errorf("keeping pods that are killed for their memory from ending the node: %s can't be given the mount option %s from here; "+
			"give it to it on the agent, or run the agent without cgroups/mem: %w", h.Mount, localEvents, errors.Join(err, errors.ErrUnsupported))
	}
	return nil
}

// superOptions returns the options of the file system that is mounted there.
func superOptions(dir string) ([]string, error) {
	mounts, err := mount.Table()
	for _, m := range slices.Backward(mounts) {
		if m.Path == dir {
			return m.Super, err
		}
	}
	return nil, err
}

// reconfigure gives a mounted file system these options, and no others. The options of the
// mount itself stay.
func reconfigure(dir string, options []string) error {
	fd, err := unix.Fspick(unix.AT_FDCWD, dir, unix.FSPICK_CLOEXEC)
	if err != nil {
		return fmt.Errorf("opening file system at %s: %w", dir, err)
	}
	defer unix.Close(fd)
	for _, option := range options {
		if err := unix.FsconfigSetFlag(fd, option); err != nil {
			return fmt.Errorf("setting option %s of %s: %w", option, dir, err)
		}
	}
	if err := unix.FsconfigReconfigure(fd); err != nil {
		return fmt.Errorf("setting options of %s: %w", dir, err)
	}
	return nil
}
