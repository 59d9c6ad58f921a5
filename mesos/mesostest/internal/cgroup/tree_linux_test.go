package cgroup

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// hierarchy makes directories that stand in for cgroups, and returns their root.
func hierarchy(t *testing.T, dirs ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, dir := range dirs {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTreeListsParentsFirst(t *testing.T) {
	root := hierarchy(t, "b/c", "a", "b/c/d")
	write(t, filepath.Join(root, "a", "cgroup.procs"), "")
	var got []string
	for _, dir := range Tree(root) {
		got = append(got, strings.TrimPrefix(dir, root))
	}
	if diff := cmp.Diff([]string{"", "/a", "/b", "/b/c", "/b/c/d"}, got); diff != "" {
		t.Errorf("cgroups (-want +got):\n%s", diff)
	}
	if got := Tree(filepath.Join(root, "missing")); len(got) != 0 {
		t.Errorf("of what is not there: %v", got)
	}
}

func TestProcessesInACgroup(t *testing.T) {
	for name, test := range map[string]struct {
		content string
		want    []int
	}{
		"none": {"", nil},
		"some": {"12\n7\n", []int{12, 7}},
		"a process of another PID namespace is left out": {"0\n5\n", []int{5}},
		"lines that are not numbers are left out":        {"x\n5\n-1\n", []int{5}},
		"the last line may lack its end":                 {"3", []int{3}},
	} {
		t.Run(name, func(t *testing.T) {
			root := hierarchy(t)
			write(t, filepath.Join(root, "cgroup.procs"), test.content)
			if diff := cmp.Diff(test.want, PIDs(root)); diff != "" {
				t.Errorf("processes (-want +got):\n%s", diff)
			}
		})
	}
	if got := PIDs(hierarchy(t)); got != nil {
		t.Errorf("without a file: %v", got)
	}
}

func TestDestroyRemovesAllBelow(t *testing.T) {
	root := hierarchy(t, "v1/c/nested/deep", "v2/c/leaf", "v2/other")
	g := &Group{paths: []string{filepath.Join(root, "v1/c"), filepath.Join(root, "v2/c"), filepath.Join(root, "gone")}}
	if err := g.Destroy(); err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, dir := range Tree(root)[1:] {
		left = append(left, strings.TrimPrefix(dir, root+"/"))
	}
	if diff := cmp.Diff([]string{"v1", "v2", "v2/other"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestNoCgroup(t *testing.T) {
	g, err := Make("", "c", Limits{})
	if g != nil || err != nil {
		t.Errorf("got %v, %v", g, err)
	}
	if g.ProcsFiles() != nil || g.Destroy() != nil || g.HasOOM() {
		t.Error("a cgroup that is none has files, or cannot be destroyed")
	}
}

func TestRootsThatAreRefused(t *testing.T) {
	for _, root := range []string{"/mesos", "../mesos", "a/../../b"} {
		if g, err := Make(root, "c", Limits{}); err == nil {
			_ = g.Destroy()
			t.Errorf("%s was taken", root)
		}
		RemoveRoot(root) // does nothing
	}
}

func TestControlsOfVersion2(t *testing.T) {
	mount := hierarchy(t)
	for _, test := range []struct {
		shares, memory int64
		weight         string
	}{
		{1024, 64 << 20, "100"},
		{2, 32 << 20, "1"},
		{512, 32 << 20, "50"},
		{4096, 1 << 30, "400"},
	} {
		g := &Group{}
		if err := g.makeV2(mount, "mesos/agent", "c", test.shares, test.memory); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(mount, "mesos/agent/c")
		if diff := cmp.Diff([]string{filepath.Join(path, "leaf", "cgroup.procs")}, g.ProcsFiles()); diff != "" {
			t.Errorf("processes enter (-want +got):\n%s", diff)
		}
		for file, want := range map[string]string{"cpu.weight": test.weight, "memory.max": strconv.FormatInt(test.memory, 10)} {
			if raw, err := os.ReadFile(filepath.Join(path, file)); err != nil || string(raw) != want {
				t.Errorf("%d shares: %s is %s, %v, want %s", test.shares, file, raw, err, want)
			}
		}
	}
	if err := (&Group{}).makeV2("", "mesos", "c", 2, 0); err == nil {
		t.Error("a cgroup was made without a hierarchy")
	}
}

func TestControllersArePassedOn(t *testing.T) {
	mount := hierarchy(t, "mesos/c")
	for _, dir := range []string{"", "mesos", "mesos/c"} {
		write(t, filepath.Join(mount, dir, "cgroup.controllers"), "cpu memory pids\n")
	}
	if err := (&Group{}).makeV2(mount, "mesos", "c", 1024, 0); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"", "mesos", "mesos/c"} {
		// A plain file keeps the last one that was written.
		if raw, err := os.ReadFile(filepath.Join(mount, dir, "cgroup.subtree_control")); err != nil || string(raw) != "+pids" {
			t.Errorf("/%s: got %q, %v", dir, raw, err)
		}
	}
}

func TestCgroupsOfVersion1(t *testing.T) {
	root := hierarchy(t, "cpu,cpuacct", "memory", "freezer")
	mounts := map[string]string{
		"cpu": filepath.Join(root, "cpu,cpuacct"), "cpuacct": filepath.Join(root, "cpu,cpuacct"),
		"memory": filepath.Join(root, "memory"), "freezer": filepath.Join(root, "freezer"),
	}
	g := &Group{}
	if err := g.makeV1(mounts, "mesos/c", 512, 64<<20); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, hierarchy := range []string{"cpu,cpuacct", "memory", "freezer"} {
		want = append(want, filepath.Join(root, hierarchy, "mesos/c/cgroup.procs"))
	}
	if diff := cmp.Diff(want, g.ProcsFiles()); diff != "" {
		t.Errorf("processes enter (-want +got):\n%s", diff)
	}
	for file, want := range map[string]string{"cpu,cpuacct/mesos/c/cpu.shares": "512", "memory/mesos/c/memory.limit_in_bytes": "67108864"} {
		if raw, err := os.ReadFile(filepath.Join(root, file)); err != nil || string(raw) != want {
			t.Errorf("%s is %s, %v, want %s", file, raw, err, want)
		}
	}
	if g.HasOOM() {
		t.Error("version 1 has no events of memory")
	}
}

func TestNamesOfNestedContainers(t *testing.T) {
	for path, want := range map[string]string{
		"c":                  "c",
		"c/leaf":             "c",
		"c/mesos/d":          "c d",
		"c/mesos/d/leaf":     "c d",
		"c/mesos":            "c",
		"c/kubepods/pod1":    "c kubepods pod1",
		"agent":              "",
		"agent/leaf":         "",
		"c/mesos/d/mesos/e":  "c d e",
		"mesos":              "",
		"c/leaf/leaf":        "c leaf",
		"leaf":               "leaf",
		"agents/leaf":        "agents",
		"c/kubepods/agent":   "",
		"c/mesos/agent/leaf": "",
	} {
		if got := strings.Join(nestedID(path), " "); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
}
