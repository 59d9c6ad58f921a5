package cgroup_test

import (
	"fmt"
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

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/cgroup/cgrouptest"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestContainerIsEnteredAndCleared(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	id, remove := cgrouptest.MesosContainer(t, "cpu", "memory")
	defer func() { kubelettest.Must(t, remove()) }()
	c, err := cgroup.Find(id)
	kubelettest.Must(t, err, c.Enter())
	for _, h := range c.Hierarchies {
		if !slices.Contains(append(cgroup.Processes(h.Dir(c.Path)), cgroup.Processes(filepath.Join(h.Dir(c.Path), cgroup.Leaf))...), os.Getpid()) {
			t.Errorf("this process is not in %s", h.Dir(c.Path))
		}
	}
	// A pod as the kubelet would make it, with a shim beside it.
	pods := cgrouptest.PodCgroups(t, c)
	shim := exec.Command("/bin/sh", "-c", `sleep 60 & echo $!; wait`)
	stdout, err := shim.StdoutPipe()
	kubelettest.Must(t, err, shim.Start())
	var sleeper int
	if _, err := fmt.Fscan(stdout, &sleeper); err != nil {
		t.Fatal(err)
	}
	for _, dir := range pods {
		kubelettest.Must(t, cgroup.Move(dir, sleeper))
	}
	if diff := cmp.Diff([]int{sleeper}, cgroup.InitProcesses(c.Dirs())); diff != "" {
		t.Errorf("containers' first processes (-want +got):\n%s", diff)
	}

	kubelettest.Must(t, cgroup.KillAll(c.Dirs(), cgroup.Ancestors()))
	if err := shim.Wait(); err == nil {
		t.Error("the shim lives")
	}
	kubelettest.Must(t, c.Leave(), cgroup.Remove(c.Dirs(), c.Made))
	for _, dir := range append(pods, c.Made...) {
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s is left", dir)
		}
	}
}

// The rules of version 2 hold for its hierarchy on hosts with both versions too; only
// controllers are missing there.
func TestUnifiedContainerKeepsItsProcessesInALeaf(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	id, remove := cgrouptest.MesosContainer(t, "cpu", "memory")
	defer func() { kubelettest.Must(t, remove()) }()
	c, err := cgroup.Find(id)
	kubelettest.Must(t, err)
	at := slices.IndexFunc(c.Hierarchies, func(h cgroup.Hierarchy) bool { return h.Name == "" })
	if at < 0 {
		t.Skip("needs a version 2 hierarchy")
	}
	h := c.Hierarchies[at]
	c.Hierarchies = []cgroup.Hierarchy{h}
	dir := h.Dir(c.Path)
	kubelettest.Must(t, cgroup.MakeCgroup(dir), cgroup.Move(dir, os.Getpid()))
	beside := exec.Command("/bin/sleep", "60")
	kubelettest.Must(t, beside.Start())
	defer func() { _ = beside.Process.Kill() }()
	kubelettest.Must(t, cgroup.Move(dir, beside.Process.Pid))

	kubelettest.Must(t, c.Enter(), c.Enter()) // and it does no harm twice
	if got := cgroup.Processes(dir); len(got) > 0 {
		t.Errorf("processes %v are in an inner cgroup", got)
	}
	inLeaf := cgroup.Processes(filepath.Join(dir, cgroup.Leaf))
	for _, pid := range []int{os.Getpid(), beside.Process.Pid} {
		if !slices.Contains(inLeaf, pid) {
			t.Errorf("process %d is not in the leaf: %v", pid, inLeaf)
		}
	}
	available, _ := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	enabled, _ := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
	if strings.TrimSpace(string(available)) != strings.TrimSpace(string(enabled)) {
		t.Errorf("pods get %q of %q", enabled, available)
	}
	if got := cgroup.InitProcesses(c.Dirs()); len(got) > 0 {
		t.Errorf("processes of the leaf taken for containers: %v", got)
	}

	kubelettest.Must(t, cgroup.KillAll(c.Dirs(), cgroup.Ancestors()))
	if err := beside.Wait(); err == nil {
		t.Error("what was beside this process lives")
	}
	kubelettest.Must(t, c.Leave(), cgroup.Remove(c.Dirs(), c.Made))
}

// An agent destroys a container whose memory.events count an oom: a pod's must not.
func TestPodThatIsKilledForItsMemoryDoesNotCountAsItsNode(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	id, remove := cgrouptest.MesosContainer(t)
	defer func() { kubelettest.Must(t, remove()) }()
	c, err := cgroup.Find(id)
	kubelettest.Must(t, err, c.Enter())
	defer func() {
		kubelettest.Must(t, cgroup.KillAll(c.Dirs(), cgroup.Ancestors()), c.Leave(), cgroup.Remove(c.Dirs(), c.Made))
	}()
	h := c.Hierarchies[0]
	limit := h.Dir(c.Path + "/memory.max")
	if _, err := os.Stat(limit); h.Name != "" || err != nil {
		t.Skip("needs a version 2 hierarchy that has memory")
	}
	kubelettest.Must(t, os.WriteFile(limit, []byte("134217728"), 0)) // as Mesos does
	options, err := cgroup.SuperOptions(h.Mount)
	kubelettest.Must(t, err)
	options = slices.DeleteFunc(options, func(o string) bool { return o == cgroup.LocalEvents })
	kubelettest.Must(t, cgroup.Reconfigure(h.Mount, options))
	defer func() { kubelettest.Must(t, cgroup.Reconfigure(h.Mount, append(options, cgroup.LocalEvents))) }()

	kubelettest.Must(t, c.UseLocalMemoryEvents(), c.UseLocalMemoryEvents()) // and it does no harm twice
	pods := cgrouptest.PodCgroups(t, c)
	kubelettest.Must(t, cgroup.Enable(filepath.Dir(pods[0]), "memory"), os.WriteFile(filepath.Join(pods[0], "memory.max"), []byte("33554432"), 0))
	runHog(t, pods)
	for dir, want := range map[string]bool{pods[0]: true, h.Dir(c.Path): false} {
		if events := kubelettest.Content(filepath.Join(dir, "memory.events")); strings.Contains(events, "oom 0\n") == want {
			t.Errorf("an oom in %s is counted: want %t in\n%s", dir, want, events)
		}
	}
	after, err := cgroup.SuperOptions(h.Mount)
	kubelettest.Must(t, err)
	if diff := cmp.Diff(append(options, cgroup.LocalEvents), after); diff != "" {
		t.Errorf("options of the hierarchy (-want +got):\n%s", diff)
	}
}

// What an agent isolates by decides in which hierarchies of version 1 the container has a
// cgroup already, and which of its bounds are set. Whatever that is, pods are charged to the
// container in all of them, and its bounds are those of the allocation.
func TestAccountingWithAndWithoutTheAgentsIsolators(t *testing.T) {
	if !kubelettest.Isolated(t) {
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
			id, remove := cgrouptest.MesosContainer(t, append(launcher, tc.isolated...)...)
			defer func() { kubelettest.Must(t, remove()) }()
			c, err := cgroup.Find(id)
			kubelettest.Must(t, err)
			if cgroup.IsUnified(c.Hierarchies) {
				t.Skip("needs version 1")
			}
			setUpAsMesos(t, c, tc.isolated)

			kubelettest.Must(t, c.Enter(), c.SetLimits(allocatedCPUs, allocatedMemory))
			defer func() {
				kubelettest.Must(t, cgroup.KillAll(c.Dirs(), cgroup.Ancestors()), c.Leave(), cgroup.Remove(c.Dirs(), c.Made))
			}()
			for _, h := range c.Hierarchies {
				agents, made := slices.Contains(append(launcher, tc.isolated...), h.Name), slices.Contains(c.Made, h.Dir(c.Path))
				if agents == made {
					t.Errorf("cgroup in hierarchy %q: made by the agent is %t, by the executor %t", h.Name, agents, made)
				}
			}
			if diff := cmp.Diff(map[string]string{"cpu.shares": "512", "memory.limit_in_bytes": "67108864"}, boundsOf(c)); diff != "" {
				t.Errorf("bounds of the container (-want +got):\n%s", diff)
			}
			runHog(t, cgrouptest.PodCgroups(t, c))
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
	allocatedMemory = 64 << 20
)

// setUpAsMesos sets the bounds that an agent with these isolators sets.
func setUpAsMesos(t *testing.T, c *cgroup.Container, isolated []string) {
	t.Helper()
	for _, h := range c.Hierarchies {
		switch {
		case !slices.Contains(isolated, h.Name):
		case h.Name == "cpu":
			kubelettest.Must(t, os.WriteFile(filepath.Join(h.Dir(c.Path), "cpu.shares"), []byte("512"), 0))
		case h.Name == "memory":
			kubelettest.Must(t, os.WriteFile(filepath.Join(h.Dir(c.Path), "memory.limit_in_bytes"), []byte("67108864"), 0))
		}
	}
}

func boundsOf(c *cgroup.Container) map[string]string {
	found := map[string]string{}
	for _, dir := range c.Dirs() {
		for _, file := range []string{"cpu.shares", "memory.limit_in_bytes"} {
			if value := kubelettest.Content(filepath.Join(dir, file)); value != "" {
				found[file] = value
			}
		}
	}
	return found
}

func ofContainer(t *testing.T, c *cgroup.Container, file string) int64 {
	t.Helper()
	for _, dir := range c.Dirs() {
		if data, err := os.ReadFile(filepath.Join(dir, file)); err == nil {
			n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64)
			kubelettest.Must(t, err)
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
	kubelettest.Must(t, err, hog.Start())
	for _, dir := range cgroups {
		kubelettest.Must(t, cgroup.Move(dir, hog.Process.Pid))
	}
	_, err = io.WriteString(start, "\n")
	kubelettest.Must(t, err)
	if err := hog.Wait(); hog.ProcessState.Sys().(syscall.WaitStatus).Signal() != unix.SIGKILL {
		t.Errorf("the kernel has not killed the hog: %v", err)
	}
}
