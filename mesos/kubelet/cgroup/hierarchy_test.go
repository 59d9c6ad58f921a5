package cgroup

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/mount"
)

const v1Mounts = `22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 35 0:32 /docker /somewhere/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
50 27 0:40 / /var/lib/k8sm/n1/kubelet/pods/a\040b rw - tmpfs tmpfs rw
51 50 0:41 / /var/lib/k8sm/n1/kubelet/pods/a\040b/inner rw master:3 - tmpfs tmpfs rw
52 27 0:42 / /var/lib/k8sm/n10 rw - tmpfs tmpfs rw
`

func mountsOf(t *testing.T, table string) []mount.Point {
	t.Helper()
	mounts, err := mount.ParseTable(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	return mounts
}

func TestHierarchies(t *testing.T) {
	const v2Mounts = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n"
	tests := map[string]struct {
		mounts, cgroup string
		want           []Hierarchy
		unified        bool
		container      string // of ID "c1"; "" for an error
	}{
		"version 1, of which Mesos isolates cpu and memory": {
			mounts: v1Mounts,
			cgroup: "9:name=systemd:/user.slice\n4:memory:/mesos/c1\n3:cpuset:/\n2:hugetlb:/\n1:cpu,cpuacct:/mesos/c1\n0::/\n",
			want: []Hierarchy{
				{"", "/sys/fs/cgroup/unified", "/"},
				{"cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct", "/mesos/c1"},
				{"cpuset", "/sys/fs/cgroup/cpuset", "/"},
				{"memory", "/sys/fs/cgroup/memory", "/mesos/c1"},
				{"name=systemd", "/sys/fs/cgroup/systemd", "/user.slice"},
			},
			container: "/mesos/c1",
		},
		"version 2, in the leaf": {
			mounts: v2Mounts, cgroup: "0::/mesos/c1/leaf\n", unified: true, container: "/mesos/c1",
			want: []Hierarchy{{"", "/sys/fs/cgroup", "/mesos/c1/leaf"}},
		},
		"version 2, in the container itself": {
			mounts: v2Mounts, cgroup: "0::/mesos/c1\n", unified: true, container: "/mesos/c1",
			want: []Hierarchy{{"", "/sys/fs/cgroup", "/mesos/c1"}},
		},
		"version 2, the agent's own cgroup": {
			mounts: v2Mounts, cgroup: "0::/system.slice/mesos-agent.service\n", unified: true,
			want: []Hierarchy{{"", "/sys/fs/cgroup", "/system.slice/mesos-agent.service"}},
		},
		"the root": {
			mounts: v2Mounts, cgroup: "0::/\n", unified: true,
			want: []Hierarchy{{"", "/sys/fs/cgroup", "/"}},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := parseHierarchies(strings.NewReader(tc.cgroup), mountsOf(t, tc.mounts))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("hierarchies (-want +got):\n%s", diff)
			}
			if IsUnified(got) != tc.unified {
				t.Errorf("unified is %t", !tc.unified)
			}
			path, err := pathOf(got, "c1")
			if path != tc.container || (err != nil) != (tc.container == "") {
				t.Errorf("container's cgroup is %q, error %v", path, err)
			}
			if err != nil && !strings.Contains(err.Error(), "--isolation") {
				t.Errorf("the error does not help: %v", err)
			}
		})
	}
}

func TestNoContainerIDIsNoCgroup(t *testing.T) {
	if path, err := pathOf([]Hierarchy{{"", "/x", "/"}}, ""); err == nil {
		t.Errorf("found %q", path)
	}
}

func TestControllersOfAHierarchy(t *testing.T) {
	tests := []struct {
		name, controller string
		want             bool
	}{
		{"cpu,cpuacct", "cpu", true},
		{"cpu,cpuacct", "cpuacct", true},
		{"cpu,cpuacct", "cpuset", false},
		{"cpuset", "cpu", false},
		{"name=systemd", "systemd", false},
		{"", "cpu", false},
	}
	for _, tc := range tests {
		if got := (Hierarchy{Name: tc.name}).Has(tc.controller); got != tc.want {
			t.Errorf("hierarchy %q has %s: %t", tc.name, tc.controller, got)
		}
	}
}

func TestMalformedCgroupsOfAProcess(t *testing.T) {
	for _, text := range []string{"x\n", "1:cpu\n"} {
		if _, err := parseHierarchies(strings.NewReader(text), mountsOf(t, v1Mounts)); err == nil {
			t.Errorf("no error for %q", text)
		}
	}
	got, err := parseHierarchies(strings.NewReader("5:freezer:/x\n"), mountsOf(t, v1Mounts))
	if len(got) > 0 || err != nil {
		t.Errorf("a hierarchy that is not mounted: %v, %v", got, err)
	}
}

// A path may hold a colon, since systemd's units may.
func TestPathOfACgroupMayHoldAColon(t *testing.T) {
	got, err := parseHierarchies(strings.NewReader("4:memory:/a:b\n"), mountsOf(t, v1Mounts))
	if err != nil || len(got) != 1 || got[0].Path != "/a:b" {
		t.Errorf("hierarchies %v, error %v", got, err)
	}
}
