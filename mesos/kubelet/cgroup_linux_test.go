package kubelet

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Whether a hierarchy's processes have to be in a leaf, told from files.
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
			c := &cgroups{path: container}
			for _, name := range tc.names {
				h := hierarchy{name: name, mount: filepath.Join(root, "at-"+name), path: "/system.slice/mesos-agent.service"}
				if name == "freezer" {
					h.path = container
				}
				must(t, os.MkdirAll(h.dir(container), 0o755))
				c.hierarchies = append(c.hierarchies, h)
			}
			unified := c.hierarchies[0]
			for _, dir := range []string{"/", container} {
				must(t, os.WriteFile(unified.dir(dir+"/cgroup.controllers"), []byte(tc.controllers+"\n"), 0o644))
			}

			must(t, c.enter())
			for _, h := range c.hierarchies {
				want := map[string]bool{container: h.name != v2 && h.path != container, container + "/leaf": false}
				if h.name == v2 {
					want = map[string]bool{container: !tc.inLeaf, container + "/leaf": tc.inLeaf}
				}
				got := map[string]bool{}
				for dir := range want {
					got[dir] = content(h.dir(dir+"/cgroup.procs")) == strconv.Itoa(os.Getpid())
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("entered cgroups of hierarchy %q (-want +got):\n%s", h.name, diff)
				}
			}
			for _, dir := range []string{"/", "/mesos", container} {
				if got := content(unified.dir(dir + "/cgroup.subtree_control")); got != tc.enabled {
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
			h := hierarchy{name: tc.hierarchy, mount: t.TempDir(), path: "/mesos/c1"}
			must(t, os.MkdirAll(h.dir("/mesos/c1"), 0o755))
			if tc.quota != "" {
				must(t, os.WriteFile(h.dir("/mesos/c1/cpu.cfs_quota_us"), []byte(tc.quota), 0o644))
			}
			if got := (&cgroups{path: "/mesos/c1", hierarchies: []hierarchy{h}}).cpuQuota(); got != tc.want {
				t.Errorf("quota: %t", got)
			}
		})
	}
}

func content(file string) string {
	data, _ := os.ReadFile(file)
	return strings.TrimSpace(string(data))
}
