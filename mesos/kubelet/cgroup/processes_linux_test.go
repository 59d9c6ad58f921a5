package cgroup

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// tree makes cgroups of ordinary files: path → the processes in it.
func tree(t *testing.T, cgroups map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for path, pids := range cgroups {
		d := filepath.Join(dir, path)
		kubelettest.Must(t, os.MkdirAll(d, 0o755), os.WriteFile(filepath.Join(d, "cgroup.procs"), []byte(pids), 0o644))
	}
	return dir
}

func TestAllProcessesAreListedOnceAndSorted(t *testing.T) {
	dir := tree(t, map[string]string{".": "30\n", "leaf": "10\n20\n", "kubepods/pod1": "5\n30\n", "kubepods/pod1/c": "7\n0\n\n"})
	other := tree(t, map[string]string{".": "5\n40\n"})
	tests := map[string]struct {
		dirs   []string
		spared map[int]bool
		want   []int
	}{
		"of one hierarchy":                {[]string{dir}, nil, []int{5, 7, 10, 20, 30}},
		"of two hierarchies":              {[]string{dir, other}, nil, []int{5, 7, 10, 20, 30, 40}},
		"without the spared processes":    {[]string{dir}, map[int]bool{10: true, 5: true}, []int{7, 20, 30}},
		"of a cgroup that does not exist": {[]string{filepath.Join(dir, "none")}, nil, nil},
		"without cgroups":                 {nil, nil, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, allProcesses(tc.dirs, tc.spared)); diff != "" {
				t.Errorf("processes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDescendantsComeBeforeTheirParents(t *testing.T) {
	dir := tree(t, map[string]string{"a/b/c": "", "a/d": "", "e": ""})
	position := map[string]int{}
	for i, d := range descendants(dir) {
		position[strings.TrimPrefix(d, dir+"/")] = i + 1
	}
	for child, parent := range map[string]string{"a/b/c": "a/b", "a/b": "a", "a/d": "a"} {
		if position[child] == 0 || position[child] > position[parent] {
			t.Errorf("%s is at %d, its parent at %d", child, position[child], position[parent])
		}
	}
	if len(position) != 5 || position["e"] == 0 {
		t.Errorf("descendants are %v", position)
	}
}

func TestParseParent(t *testing.T) {
	tests := map[string]struct {
		stat string
		want int
	}{
		"a program":                       {"7 (sleep) S 5 7 7 0 -1", 5},
		"a name with spaces and brackets": {"7 (a) b ) 9) R 12 7", 12},
		"cut off":                         {"7 (sleep) S", 0},
		"nothing":                         {"", 0},
		"a text that is not a number":     {"7 (sleep) S x", 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := parseParent([]byte(tc.stat)); got != tc.want {
				t.Errorf("parent is %d, want %d", got, tc.want)
			}
		})
	}
}

func TestAncestorsAreThisProcessAndItsParents(t *testing.T) {
	spared := Ancestors()
	if !spared[os.Getpid()] || os.Getppid() > 0 && !spared[os.Getppid()] {
		t.Errorf("ancestors of %d, child of %d, are %v", os.Getpid(), os.Getppid(), spared)
	}
	if parentOf(-1) != 0 {
		t.Error("a process that is not there has a parent")
	}
}

// A container's first process is the one whose parent, a shim, is outside of the pods' cgroups.
func TestInitProcesses(t *testing.T) {
	self, parent := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	tests := map[string]struct {
		cgroups map[string]string
		want    []int
	}{
		"a process whose parent is outside": {map[string]string{"leaf": parent, "kubepods/pod1/c": self}, []int{os.Getpid()}},
		"only the first of two":             {map[string]string{"kubepods/pod1/c": self + "\n" + parent}, []int{os.Getppid()}},
		"none in the leaf":                  {map[string]string{"leaf": self}, nil},
		"none in the container itself":      {map[string]string{".": self}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, InitProcesses([]string{tree(t, tc.cgroups)})); diff != "" {
				t.Errorf("first processes (-want +got):\n%s", diff)
			}
		})
	}
}

// Mesos makes a leaf of its own, and removes it itself.
func TestLeafOfMesosIsNotRemoved(t *testing.T) {
	dir := tree(t, map[string]string{"leaf": "1\n", "kubepods/leaf": "", "kubepods/pod1": "2\n"})
	var got []string
	for _, d := range removable([]string{dir}) {
		got = append(got, strings.TrimPrefix(d, dir+"/"))
	}
	if diff := cmp.Diff([]string{"kubepods/leaf", "kubepods/pod1", "kubepods"}, got); diff != "" {
		t.Errorf("to be removed (-want +got):\n%s", diff)
	}
}

func TestKillAllOfNothing(t *testing.T) {
	kubelettest.Must(t, KillAll(nil, nil), KillAll([]string{tree(t, map[string]string{"pod1": "4\n"})}, map[int]bool{4: true}))
}
