package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// separator is the level between the cgroups of a container and of containers nested in it.
const separator = "mesos"

// Recover does what a Mesos agent does when it starts where cgroup has version 2
// only: whatever is a cgroup below its root it takes for a container, and those that it
// does not know it destroys. Where it looks for them is another matter: what is at
// <id>/kubepods is nested in <id> to it, so it belongs at <id>/mesos/kubepods, and is made
// there first. If that cannot be, the agent does not start.
//
// On version 1 it knows its own cgroups from others, and nothing happens here.
func Recover(root string, known []string) error {
	mounts, err := mountPoints()
	if err != nil {
		return fmt.Errorf("reading mounts: %w", err)
	}
	if root == "" || mounts["memory"] != "" || mounts["unified"] == "" {
		return nil
	}
	return recoverBelow(filepath.Join(mounts["unified"], root), known)
}

func recoverBelow(root string, known []string) error {
	var orphans []string // where the agent looks for them
	for _, dir := range Tree(root)[1:] {
		id := nestedID(strings.TrimPrefix(dir, root+"/"))
		if len(id) == 0 || len(id) == 1 && slices.Contains(known, id[0]) {
			continue
		}
		if at := filepath.Join(root, strings.Join(id, "/"+separator+"/")); !slices.Contains(orphans, at) {
			orphans = append(orphans, at)
		}
	}
	for _, at := range orphans {
		for _, dir := range []string{at, filepath.Join(at, "leaf")} {
			if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("failed to create cgroup: %w", err)
			}
		}
	}
	slices.SortFunc(orphans, func(a, b string) int { return strings.Count(b, "/") - strings.Count(a, "/") })
	for _, at := range orphans {
		if err := (&Group{paths: []string{at}, unified: true}).Destroy(); err != nil {
			return err
		}
	}
	return nil
}

// nestedID is the container's that the agent reads out of a cgroup's path: its own name,
// after the IDs of the containers that it is nested in. None is that of the agent itself.
func nestedID(path string) []string {
	parts := strings.Split(strings.TrimSuffix(path, "/leaf"), "/")
	if parts[len(parts)-1] == "agent" {
		return nil
	}
	return slices.DeleteFunc(parts, func(part string) bool { return part == separator })
}
