package cgroup

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// The files of a hierarchy determine whether its processes have to be in a leaf.
func TestEnteringHostsOfOneVersionAndOfBoth(t *testing.T) {
	const v2, container = "", "/mesos/c1"
	tests := map[string]struct {
		names       []string // of the hierarchies
		controllers string   // of version 2
		inLeaf      bool     // in version 2
		enabled     string   // the last one that is enabled for pods
	}{
		"version 1, and a version 2 without controllers": {names: []string{v2, "cpu", "freezer"}},
		"version 2 only":                               {names: []string{v2}, controllers: "cpu memory", inLeaf: true, enabled: "+memory"},
		"version 2 beside a freezer for Mesos":         {names: []string{v2, "freezer"}, controllers: "cpuset cpu pids", inLeaf: true, enabled: "+pids"},
		"version 2 beside systemd's own":               {names: []string{v2, "name=systemd"}, inLeaf: true},
		"controllers divided between the two versions": {names: []string{v2, "cpu", "memory"}, controllers: "pids", inLeaf: true, enabled: "+pids"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			c := &Container{Path: container}
			for _, name := range tc.names {
				h := Hierarchy{Name: name, Mount: filepath.Join(root, "at-"+name), Path: "/system.slice/mesos-agent.service"}
				if name == "freezer" {
					h.Path = container
				}
				kubelettest.Must(t, os.MkdirAll(h.Dir(container), 0o755))
				c.Hierarchies = append(c.Hierarchies, h)
			}
			unified := c.Hierarchies[0]
			for _, dir := range []string{"/", container} {
				kubelettest.Must(t, os.WriteFile(unified.Dir(dir+"/cgroup.controllers"), []byte(tc.controllers+"\n"), 0o644))
			}

			kubelettest.Must(t, c.Enter())
			for _, h := range c.Hierarchies {
				want := map[string]bool{container: h.Name != v2 && h.Path != container, container + "/leaf": false}
				if h.Name == v2 {
					want = map[string]bool{container: !tc.inLeaf, container + "/leaf": tc.inLeaf}
				}
				got := map[string]bool{}
				for dir := range want {
					got[dir] = kubelettest.Content(h.Dir(dir+"/cgroup.procs")) == strconv.Itoa(os.Getpid())
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("entered cgroups of hierarchy %q (-want +got):\n%s", h.Name, diff)
				}
			}
			for _, dir := range []string{"/", "/mesos", container} {
				if got := kubelettest.Content(unified.Dir(dir + "/cgroup.subtree_control")); got != tc.enabled {
					t.Errorf("%s enables %q last, want %q", dir, got, tc.enabled)
				}
			}
		})
	}
}

func TestCPUQuotaOfTheContainer(t *testing.T) {
	tests := map[string]struct {
		hierarchy, quota string
		want             bool
	}{
		"an agent with --cgroups_enable_cfs": {"cpu", "150000\n", true},
		"mounted together with others":       {"cpu,cpuacct", "150000\n", true},
		"an agent without":                   {"cpu", "-1\n", false},
		"a hierarchy without quotas":         {"memory", "150000\n", false},
		"a kernel without quotas":            {"cpu", "", false},
		"version 2":                          {"", "150000\n", false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := Hierarchy{Name: tc.hierarchy, Mount: t.TempDir(), Path: "/mesos/c1"}
			kubelettest.Must(t, os.MkdirAll(h.Dir("/mesos/c1"), 0o755))
			if tc.quota != "" {
				kubelettest.Must(t, os.WriteFile(h.Dir("/mesos/c1/cpu.cfs_quota_us"), []byte(tc.quota), 0o644))
			}
			if got := (&Container{Path: "/mesos/c1", Hierarchies: []Hierarchy{h}}).HasCPUQuota(); got != tc.want {
				t.Errorf("quota: %t", got)
			}
		})
	}
}
