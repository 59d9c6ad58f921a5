package cgroup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Where cgroup has version 2 only, an agent that is started again takes every cgroup
// below its containers' for a container nested in them. It does not know those of pods,
// so it means to destroy them; but it looks for <id>/kubepods/pod1 where it would have
// made it, at <id>/mesos/kubepods/mesos/pod1. Where that cannot be found or made, the agent
// does not come back. An empty cgroup as a placeholder for each is found, and destroyed in
// the pod's place; then it is made anew.
const (
	placeholderLevel = "mesos"
	placeholderEvery = 2 * time.Second
)

// KeepPlaceholders keeps the placeholders up to date until the context ends, and reports
// each new problem. An agent that comes back in the moment in which a new pod has none
// fails, and finds it when it is started again.
func (c *Container) KeepPlaceholders(ctx context.Context, report func(error)) {
	h, mounted := c.unified()
	if !mounted || !IsUnified(c.Hierarchies) {
		return
	}
	reported := ""
	tick := time.NewTicker(placeholderEvery)
	defer tick.Stop()
	for {
		if err := syncPlaceholders(h.Dir(c.Path)); err != nil && err.Error() != reported {
			reported = err.Error()
			report(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// syncPlaceholders makes the placeholders of all cgroups below a container's, and removes
// those whose cgroups are gone.
func syncPlaceholders(dir string) error {
	made := filepath.Join(dir, placeholderLevel)
	wanted := map[string]bool{}
	var problems []error
	for _, d := range descendants(dir) {
		relative := strings.TrimPrefix(d, dir+"/")
		if first, _, _ := strings.Cut(relative, "/"); first == leaf || first == placeholderLevel {
			continue
		}
		at := filepath.Join(made, strings.ReplaceAll(relative, "/", "/"+placeholderLevel+"/"))
		for up := at; up != made; up = filepath.Dir(up) {
			wanted[up] = true
		}
		if err := os.MkdirAll(at, 0o755); err != nil {
			problems = append(problems, fmt.Errorf("making a placeholder for cgroup %s: %w", d, err))
		}
	}
	for _, d := range descendants(made) { // children before their parents
		byAgent := filepath.Base(d) == leaf && wanted[filepath.Dir(d)] // an agent that comes back just now makes it
		if wanted[d] || byAgent {
			continue
		}
		if err := unix.Rmdir(d); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EBUSY) {
			problems = append(problems, fmt.Errorf("removing placeholder %s: %w", d, err))
		}
	}
	return errors.Join(problems...)
}
