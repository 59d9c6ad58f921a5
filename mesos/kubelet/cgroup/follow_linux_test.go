package cgroup

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// containerOf makes a container's cgroup of files.
func containerOf(t *testing.T, files map[string]string) *Container {
	t.Helper()
	h := Hierarchy{Mount: t.TempDir()}
	for file, value := range files {
		kubelettest.Must(t, os.MkdirAll(filepath.Dir(h.Dir(file)), 0o755), os.WriteFile(h.Dir(file), []byte(value+"\n"), 0o644))
	}
	return &Container{Path: "/", Hierarchies: []Hierarchy{h}}
}

func TestPresentLimitsOfAContainer(t *testing.T) {
	tests := map[string]struct {
		files map[string]string
		want  Limits
	}{
		"version 1":                 {map[string]string{"memory.limit_in_bytes": "1073741824", "cpu.shares": "614"}, Limits{1 << 30, 614}},
		"version 1 without a limit": {map[string]string{"memory.limit_in_bytes": strconv.FormatInt(noLimit(), 10), "cpu.shares": "2"}, Limits{0, 2}},
		"version 2":                 {map[string]string{"memory.max": "1073741824", "cpu.weight": "60"}, Limits{1 << 30, 60}},
		"version 2 without a limit": {map[string]string{"memory.max": "max", "cpu.weight": "100"}, Limits{0, 100}},
		"neither":                   {nil, Limits{}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := containerOf(t, tc.files).Limits()
			kubelettest.Must(t, err)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("limits (-want +got):\n%s", diff)
			}
		})
	}
	if _, err := containerOf(t, map[string]string{"memory.max": "lots"}).Limits(); err == nil {
		t.Error("no error for a limit that is no number")
	}
}

func TestPodsAreBounded(t *testing.T) {
	tests := map[string]struct {
		there     map[string]string
		max, high int64
		want      map[string]string
	}{
		"version 1": {map[string]string{"memory.limit_in_bytes": "1"}, 10<<20 + 5, 9 << 20, map[string]string{"memory.limit_in_bytes": "10485760"}},
		"version 2": {map[string]string{"memory.max": "1", "memory.high": "max"}, 10<<20 + 5, 9<<20 + 5, map[string]string{"memory.max": "10485760", "memory.high": "9437184"}},
		"version 2 without a margin": {map[string]string{"memory.max": "max", "memory.high": "9437184"}, 10 << 20, 0,
			map[string]string{"memory.max": "10485760", "memory.high": "max"}},
		"no bounds":       {map[string]string{"memory.max": "7", "memory.high": "max"}, 0, 0, map[string]string{"memory.max": "7", "memory.high": "max"}},
		"no pods so far":  {nil, 10 << 20, 9 << 20, map[string]string{"memory.max": "", "memory.limit_in_bytes": ""}},
		"another version": {map[string]string{"pids.max": "5"}, 10 << 20, 9 << 20, map[string]string{"pids.max": "5", "memory.max": ""}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{}
			for file, value := range tc.there {
				files[podsName+"/"+file] = value
			}
			c := containerOf(t, files)
			kubelettest.Must(t, c.BoundPods(tc.max, tc.high), c.BoundPods(tc.max, tc.high))
			for file, want := range tc.want {
				if got := kubelettest.Content(c.Hierarchies[0].Dir(podsName + "/" + file)); got != want {
					t.Errorf("%s is %s, want %s", file, got, want)
				}
			}
		})
	}
}
