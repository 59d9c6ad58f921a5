package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Where cgroup has version 2 only, an agent that is started again takes every cgroup
// below its containers' for a container nested in them. It does not know those of pods,
// so it means to destroy them; but it looks for <id>/kubepods/pod1 where it would have
// made it, at <id>/mesos/kubepods/mesos/pod1. Where that can't be found or made, the agent
// does not come back. An empty cgroup that stands in for each is found, and destroyed in
// the pod's place; then it is made anew.
const (
	standInLevel = "mesos"
	standInEvery = 2 * time.Second
)

// keepStandIns until the context ends, and tell of each new problem. An agent that comes
// back in the moment in which a new pod has none fails, and finds it when it is started
// again.
func (g *ground) keepStandIns(ctx context.Context, tell func(error)) {
	if g == nil || !unified(g.cgroups.hierarchies) {
		return
	}
	at := slices.IndexFunc(g.cgroups.hierarchies, func(h hierarchy) bool { return h.name == "" })
	if at < 0 {
		return
	}
	dir, told := g.cgroups.hierarchies[at].dir(g.cgroups.path), ""
	tick := time.NewTicker(standInEvery)
	defer tick.Stop()
	for {
		if err := standIn(dir); err != nil && err.Error() != told {
			told = err.Error()
			tell(err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// standIn makes the stand-ins of all cgroups below a container's, and removes those whose
// cgroups are gone.
func standIn(dir string) error {
	made := filepath.Join(dir, standInLevel)
	wanted := map[string]bool{}
	var problems []error
	for _, d := range descendants(dir) {
		relative := strings.TrimPrefix(d, dir+"/")
		if first, _, _ := strings.Cut(relative, "/"); first == leaf || first == standInLevel {
			continue
		}
		at := filepath.Join(made, strings.ReplaceAll(relative, "/", "/"+standInLevel+"/"))
		for up := at; up != made; up = filepath.Dir(up) {
			wanted[up] = true
		}
		if err := os.MkdirAll(at, 0o755); err != nil {
			problems = append(problems, fmt.Errorf("making a stand-in for cgroup %s: %w", d, err))
		}
	}
	for _, d := range descendants(made) { // children before their parents
		agents := filepath.Base(d) == leaf && wanted[filepath.Dir(d)] // made by one that comes back just now
		if wanted[d] || agents {
			continue
		}
		if err := unix.Rmdir(d); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, unix.EBUSY) {
			problems = append(problems, fmt.Errorf("removing stand-in %s: %w", d, err))
		}
	}
	return errors.Join(problems...)
}
