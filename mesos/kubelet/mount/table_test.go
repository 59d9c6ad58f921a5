package mount

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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

func mountsOf(t *testing.T, table string) []Point {
	t.Helper()
	mounts, err := ParseTable(strings.NewReader(table))
	if err != nil {
		t.Fatal(err)
	}
	return mounts
}

func TestMountsBelowAFolderAreListedLastFirst(t *testing.T) {
	got := below(mountsOf(t, v1Mounts), "/var/lib/k8sm/n1")
	want := []string{"/var/lib/k8sm/n1/kubelet/pods/a b/inner", "/var/lib/k8sm/n1/kubelet/pods/a b"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	if got := below(mountsOf(t, v1Mounts), "/var/lib/k8sm/n10"); len(got) != 1 {
		t.Errorf("the folder's own mount: %v", got)
	}
}

func TestMalformedMountTable(t *testing.T) {
	for _, table := range []string{"x\n", "1 2 0:1 / / rw -\n", "1 2 - tmpfs tmpfs rw\n"} {
		if _, err := ParseTable(strings.NewReader(table)); err == nil {
			t.Errorf("no error for %q", table)
		}
	}
}

func TestEscapedPaths(t *testing.T) {
	for escaped, want := range map[string]string{
		`/plain`:          "/plain",
		`/a\040b`:         "/a b",
		`/tab\011newline`: "/tab\tnewline",
		`\134`:            `\`,
		`/cut\04`:         `/cut\04`,
		`/not\999octal`:   `/not\999octal`,
		`/two\040\040`:    "/two  ",
		``:                "",
	} {
		if got := unescape(escaped); got != want {
			t.Errorf("%s is unescaped to %q, want %q", escaped, got, want)
		}
	}
}

func TestTableOfThisProcess(t *testing.T) {
	mounts, err := Table()
	if err != nil {
		t.Skipf("needs /proc: %v", err)
	}
	root := 0
	for _, m := range mounts {
		if m.Path == "/" {
			root++
		}
	}
	if root == 0 {
		t.Errorf("nothing is mounted on /: %v", mounts)
	}
	if got := below(mounts, "/"); len(got) != len(mounts) {
		t.Errorf("%d of %d mounts are below /", len(got), len(mounts))
	}
}

func TestFieldsOfAMount(t *testing.T) {
	got := mountsOf(t, "36 35 0:32 /docker /somewhere/memory rw,relatime shared:1 master:2 - cgroup cgroup rw,memory\n")
	want := []Point{{Path: "/somewhere/memory", Root: "/docker", FSType: "cgroup", Super: []string{"rw", "memory"}, Shared: true}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
	if got := mountsOf(t, ""); len(got) > 0 {
		t.Errorf("an empty table has %v", got)
	}
}
