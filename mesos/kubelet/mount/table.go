package mount

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Point is one line of /proc/<pid>/mountinfo.
type Point struct {
	Path   string // where it is mounted
	Root   string // the folder of the file system that is mounted there
	FSType string
	Super  []string // options of the file system
	Shared bool     // what is mounted below it is seen in other namespaces, too
}

// maxLine bounds a line of the mount table, in bytes.
const maxLine = 1 << 20

// Table reads the mount table, in the order of mounting.
func Table() ([]Point, error) {
	// This thread's, which may have entered another namespace.
	f, err := os.Open("/proc/thread-self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("opening mount table: %w", err)
	}
	defer f.Close()
	return ParseTable(f)
}

// FileSystemOf returns the type of the file system that an existing file or folder is on, as
// the mount table names it.
func FileSystemOf(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", fmt.Errorf("finding the file system of a folder: %w", err)
	}
	mounts, err := Table()
	if err != nil {
		return "", err
	}
	return pointOf(mounts, path).FSType, nil
}

// IsShared reports whether what is mounted at or below a path is seen in the mount namespaces
// that were made of this one, and the other way round.
func IsShared(path string) (bool, error) {
	mounts, err := Table()
	return pointOf(mounts, path).Shared, err
}

// pointOf finds the mount with the longest path that leads to the given one. Of several
// at the same place, the one that was mounted last hides the others.
func pointOf(mounts []Point, path string) Point {
	found := Point{}
	for _, m := range mounts {
		prefix := strings.TrimSuffix(m.Path, "/") + "/"
		if len(m.Path) >= len(found.Path) && strings.HasPrefix(path+"/", prefix) {
			found = m
		}
	}
	return found
}

// ParseTable reads a mount table in the format of mountinfo.
func ParseTable(r io.Reader) ([]Point, error) {
	var mounts []Point
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		before, after, ok := strings.Cut(lines.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !ok || len(left) < 6 || len(right) < 2 {
			return nil, fmt.Errorf("reading mount table: malformed line %q", lines.Text())
		}
		mounts = append(mounts, Point{
			Path:   unescape(left[4]),
			Root:   unescape(left[3]),
			FSType: right[0],
			Super:  strings.Split(right[len(right)-1], ","),
			Shared: slices.ContainsFunc(left[6:], func(field string) bool { return strings.HasPrefix(field, "shared:") }),
		})
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading mount table: %w", err)
	}
	return mounts, nil
}

// unescape replaces \040 and the like by the characters that they stand for.
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

// below returns the paths of mounts at or below dir, the last mounted first: in this order
// they can be unmounted.
func below(mounts []Point, dir string) []string {
	var paths []string
	for _, m := range slices.Backward(mounts) {
		if m.Path == dir || strings.HasPrefix(m.Path, strings.TrimSuffix(dir, "/")+"/") {
			paths = append(paths, m.Path)
		}
	}
	return paths
}
