package cgroup

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

// Hierarchy is one mounted cgroup hierarchy.
type Hierarchy struct {
	Name  string // its controllers, as in /proc/self/cgroup; "" is version 2
	Mount string // where its root is
	Path  string // the cgroup of this process in it
}

// Dir is the folder of a cgroup, by its path from the root of the hierarchy.
func (h Hierarchy) Dir(path string) string { return filepath.Join(h.Mount, path) }

// Has reports whether the hierarchy, of version 1, has the controller.
func (h Hierarchy) Has(controller string) bool {
	return slices.Contains(strings.Split(h.Name, ","), controller)
}

// parseHierarchies joins /proc/self/cgroup with the mount table. Hierarchies that are
// not mounted, or of which only a part is, are left out.
func parseHierarchies(cgroup io.Reader, mounts []mount.Point) ([]Hierarchy, error) {
	var found []Hierarchy
	lines := bufio.NewScanner(cgroup)
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 {
			return nil, fmt.Errorf("reading own cgroups: malformed line %q", lines.Text())
		}
		if at := mountOf(mounts, fields[1]); at != "" {
			found = append(found, Hierarchy{Name: fields[1], Mount: at, Path: fields[2]})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading own cgroups: %w", err)
	}
	slices.SortFunc(found, func(a, b Hierarchy) int { return strings.Compare(a.Name, b.Name) })
	return found, nil
}

func mountOf(mounts []mount.Point, controllers string) string {
	for _, m := range mounts {
		switch {
		case m.Root != "/":
		case controllers == "" && m.FSType == "cgroup2":
			return m.Path
		case controllers != "" && m.FSType == "cgroup" && containsAll(m.Super, strings.Split(controllers, ",")):
			return m.Path
		}
	}
	return ""
}

func containsAll(all, wanted []string) bool {
	for _, w := range wanted {
		if !slices.Contains(all, w) {
			return false
		}
	}
	return true
}

// Limits of a container.
type Limits struct {
	// Memory in bytes; 0: no limit.
	Memory int64
	// CPUShares is the container's part of the CPUs, in shares of version 1 or as the weight
	// of version 2; 0: not known.
	CPUShares int64
}

// IsUnified reports whether version 2 is the only one: no version 1 hierarchy has controllers.
func IsUnified(hierarchies []Hierarchy) bool {
	for _, h := range hierarchies {
		if h.Name != "" && !strings.HasPrefix(h.Name, "name=") {
			return false
		}
	}
	return true
}

// pathOf finds the Mesos container's cgroup, whose last part is the container's ID (on
// version 2 it may be followed by "leaf"). Only there may all processes be killed: any other
// cgroup is shared with processes of others.
func pathOf(hierarchies []Hierarchy, containerID string) (string, error) {
	var seen []string
	for _, h := range hierarchies {
		path := strings.TrimSuffix(h.Path, "/"+leaf)
		if containerID != "" && path != "/" && filepath.Base(path) == containerID {
			return path, nil
		}
		if !slices.Contains(seen, h.Path) {
			seen = append(seen, h.Path)
		}
	}
	return "", fmt.Errorf("finding the container's own cgroup: this process is in %s, none of which ends in the container's ID %q; the agent needs --launcher=linux and --isolation=cgroups/cpu,cgroups/mem",
		strings.Join(seen, ", "), containerID)
}

// leaf is the child in which, on cgroup version 2, a container's processes are: a cgroup
// whose controllers are enabled for children cannot hold any itself.
const leaf = "leaf"
