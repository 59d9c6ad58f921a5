package kubelet

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// What an agent isolates by decides in which hierarchies of version 1 the container has a
// cgroup already, and which of its bounds are set. Whatever that is, pods are charged to the
// container in all of them, and its bounds are those of the allocation.
func TestAccountingWithAndWithoutTheAgentsIsolators(t *testing.T) {
	if !apart(t) {
		return
	}
	launcher := []string{"freezer", "name=systemd"}
	tests := map[string]struct{ isolated []string }{
		"none, only the Linux launcher": {nil},
		"cgroups/cpu":                   {[]string{"cpu", "cpuacct"}},
		"cgroups/mem":                   {[]string{"memory"}},
		"cgroups/cpu and cgroups/mem":   {[]string{"cpu", "cpuacct", "memory"}},
		"those that are recommended":    {[]string{"cpu", "cpuacct", "memory", "pids", "blkio"}},
		"all":                           {[]string{"cpu", "cpuacct", "memory", "pids", "blkio", "cpuset", "devices"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			id, remove := mesosContainer(t, append(launcher, tc.isolated...)...)
			defer func() { must(t, remove()) }()
			c, err := readCgroups(id)
			must(t, err)
			if unified(c.hierarchies) {
				t.Skip("needs version 1")
			}
			asMesosDoes(t, c, tc.isolated)

			must(t, c.enter(), c.hold(allocatedCPUs, allocatedMemory))
			defer func() {
				must(t, killAll(c.dirs(), family()), c.leave(), removeCgroups(c.dirs(), c.made))
			}()
			for _, h := range c.hierarchies {
				agents, made := slices.Contains(append(launcher, tc.isolated...), h.name), slices.Contains(c.made, h.dir(c.path))
				if agents == made {
					t.Errorf("cgroup in hierarchy %q: made by the agent is %t, by the executor %t", h.name, agents, made)
				}
			}
			if diff := cmp.Diff(map[string]string{"cpu.shares": "512", "memory.limit_in_bytes": "67108864"}, boundsOf(c)); diff != "" {
				t.Errorf("bounds of the container (-want +got):\n%s", diff)
			}
			runHog(t, podCgroups(t, c))
			for file, least := range map[string]int64{
				"cpuacct.usage": int64(time.Millisecond), "memory.max_usage_in_bytes": allocatedMemory / 2, "memory.failcnt": 1,
			} {
				if got := ofContainer(t, c, file); got < least {
					t.Errorf("%s of the container is %d: what its pod used is not charged to it", file, got)
				}
			}
		})
	}
}

const (
	allocatedCPUs   = 0.5
	allocatedMemory = 64 * mebibyte
)

// asMesosDoes sets the bounds that an agent with these isolators sets.
func asMesosDoes(t *testing.T, c *cgroups, isolated []string) {
	t.Helper()
	for _, h := range c.hierarchies {
		switch {
		case !slices.Contains(isolated, h.name):
		case h.name == "cpu":
			must(t, os.WriteFile(filepath.Join(h.dir(c.path), "cpu.shares"), []byte("512"), 0))
		case h.name == "memory":
			must(t, os.WriteFile(filepath.Join(h.dir(c.path), "memory.limit_in_bytes"), []byte("67108864"), 0))
		}
	}
}

func boundsOf(c *cgroups) map[string]string {
	found := map[string]string{}
	for _, dir := range c.dirs() {
		for _, file := range []string{"cpu.shares", "memory.limit_in_bytes"} {
			if value := content(filepath.Join(dir, file)); value != "" {
				found[file] = value
			}
		}
	}
	return found
}

func ofContainer(t *testing.T, c *cgroups, file string) int64 {
	t.Helper()
	for _, dir := range c.dirs() {
		if data, err := os.ReadFile(filepath.Join(dir, file)); err == nil {
			n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
			must(t, err)
			return n
		}
	}
	t.Fatalf("no hierarchy has %s", file)
	return 0
}

// runHog runs a pod that takes memory until it is killed.
func runHog(t *testing.T, cgroups []string) {
	t.Helper()
	hog := exec.Command("/bin/sh", "-c", "ulimit -v 1048576; echo 1000 >/proc/self/oom_score_adj; read go; exec tail /dev/zero")
	start, err := hog.StdinPipe()
	must(t, err, hog.Start())
	for _, dir := range cgroups {
		must(t, move(dir, hog.Process.Pid))
	}
	_, err = io.WriteString(start, "\n")
	must(t, err)
	if err := hog.Wait(); hog.ProcessState.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Errorf("the kernel has not killed the hog: %v", err)
	}
}

func TestBoundsThatMesosSetsAreKept(t *testing.T) {
	tests := map[string]struct{ there, want map[string]string }{
		"version 1 without bounds": {
			there: map[string]string{"cpu.shares": "1024", "memory.limit_in_bytes": strconv.FormatInt(noLimit(), 10)},
			want:  map[string]string{"cpu.shares": "512", "memory.limit_in_bytes": "67108864"},
		},
		"version 1 with an executor's part on top": {
			there: map[string]string{"cpu.shares": "614", "memory.limit_in_bytes": "100663296"},
			want:  map[string]string{"cpu.shares": "614", "memory.limit_in_bytes": "100663296"},
		},
		"version 2 without bounds": {
			there: map[string]string{"cpu.weight": "100", "memory.max": "max"},
			want:  map[string]string{"cpu.weight": "50", "memory.max": "67108864"},
		},
		"version 2 with a bound for memory": {
			there: map[string]string{"cpu.weight": "100", "memory.max": "100663296"},
			want:  map[string]string{"cpu.weight": "50", "memory.max": "100663296"},
		},
		"a hierarchy of neither": {},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := hierarchy{mount: t.TempDir()}
			for file, value := range tc.there {
				must(t, os.WriteFile(h.dir(file), []byte(value+"\n"), 0o644))
			}
			must(t, (&cgroups{path: "/", hierarchies: []hierarchy{h}}).hold(allocatedCPUs, allocatedMemory))
			for file, want := range tc.want {
				if got := content(h.dir(file)); got != want {
					t.Errorf("%s is %s, want %s", file, got, want)
				}
			}
		})
	}
}
