package kubelet

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mountPoint is one line of /proc/<pid>/mountinfo.
type mountPoint struct {
	path   string // where it is mounted
	root   string // which folder of the file system is mounted there
	fstype string
	super  []string // options of the file system
}

// parseMounts reads mountinfo, in the order of mounting.
func parseMounts(r io.Reader) ([]mountPoint, error) {
	var mounts []mountPoint
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, mebibyte)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 2 {
			return nil, fmt.Errorf("reading mount table: malformed line %q", lines.Text())
		}
		mounts = append(mounts, mountPoint{
			path:   unescape(left[4]),
			root:   unescape(left[3]),
			fstype: right[0],
			super:  strings.Split(right[len(right)-1], ","),
		})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading mount table: %w", err)
	}
	return mounts, nil
}

// unescape turns \040 and the like into the character that they stand for.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// below returns the paths of mounts at or below dir, those mounted last first: the
// order in which they can be unmounted.
func below(mounts []mountPoint, dir string) []string {
	var paths []string
	for _, m := range slices.Backward(mounts) {
		if m.path == dir || strings.HasPrefix(m.path, strings.TrimSuffix(dir, "/")+"/") {
			paths = append(paths, m.path)
		}
	}
	return paths
}

// hierarchy is one mounted cgroup hierarchy.
type hierarchy struct {
	name  string // its controllers, as in /proc/self/cgroup; "" is version 2
	mount string // where its root is
	path  string // the cgroup of this process in it
}

func (h hierarchy) dir(path string) string { return filepath.Join(h.mount, path) }

// parseHierarchies joins /proc/self/cgroup with the mount table. Hierarchies that are
// not mounted, or of which only a part is, are left out.
func parseHierarchies(cgroup io.Reader, mounts []mountPoint) ([]hierarchy, error) {
	var found []hierarchy
	lines := bufio.NewScanner(cgroup)
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), ":", 3)
		if len(fields) != 3 {
			return nil, fmt.Errorf("reading own cgroups: malformed line %q", lines.Text())
		}
		if at := mountOf(mounts, fields[1]); at != "" {
			found = append(found, hierarchy{name: fields[1], mount: at, path: fields[2]})
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading own cgroups: %w", err)
	}
	slices.SortFunc(found, func(a, b hierarchy) int { return strings.Compare(a.name, b.name) })
	return found, nil
}

func mountOf(mounts []mountPoint, controllers string) string {
	for _, m := range mounts {
		switch {
		case m.root != "/":
		case controllers == "" && m.fstype == "cgroup2":
			return m.path
		case controllers != "" && m.fstype == "cgroup" && containsAll(m.super, strings.Split(controllers, ",")):
			return m.path
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

// unified says that version 2 is the only one: no version 1 hierarchy has controllers.
func unified(hierarchies []hierarchy) bool {
	for _, h := range hierarchies {
		if h.name != "" && !strings.HasPrefix(h.name, "name=") {
			return false
		}
	}
	return true
}

// containerCgroup finds the Mesos container's cgroup, whose last part is the
// container's ID (on version 2 it may be followed by "leaf"). Only there may processes
// be killed wholesale: any other cgroup is shared with strangers.
func containerCgroup(hierarchies []hierarchy, containerID string) (string, error) {
	var seen []string
	for _, h := range hierarchies {
		path := strings.TrimSuffix(h.path, "/"+leaf)
		if containerID != "" && path != "/" && filepath.Base(path) == containerID {
			return path, nil
		}
		if !slices.Contains(seen, h.path) {
			seen = append(seen, h.path)
		}
	}
	return "", fmt.Errorf("finding the container's own cgroup: this process is in %s, none of which ends in the container's ID %q; the agent needs --launcher=linux and --isolation=cgroups/cpu,cgroups/mem",
		strings.Join(seen, ", "), containerID)
}

// leaf is the child in which, on cgroup version 2, a container's processes are: a
// cgroup whose controllers are enabled for children can't hold any itself.
const leaf = "leaf"
