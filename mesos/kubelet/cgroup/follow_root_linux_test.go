package cgroup_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/cgroup/cgrouptest"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// startIn starts a script that is in the cgroup before it does anything.
func startIn(t *testing.T, dir, script string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", "read go; exec "+script)
	start, err := cmd.StdinPipe()
	kubelettest.Must(t, err, cmd.Start(), cgroup.Move(dir, cmd.Process.Pid))
	_, err = start.Write([]byte("go\n"))
	kubelettest.Must(t, err)
	return cmd
}

// Version 1 refuses a limit below what is in use. The limit follows what is in use, so that the
// kubelet evicts, until the bound can be set.
func TestBoundBelowWhatPodsUseIsReachedOnceTheyUseLess(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	id, remove := cgrouptest.MesosContainer(t, "memory", "freezer")
	c, err := cgroup.Find(id)
	kubelettest.Must(t, err, c.Enter())
	defer func() {
		kubelettest.Must(t, cgroup.KillAll(c.Dirs(), cgroup.Ancestors()), c.Leave(), cgroup.Remove(c.Dirs(), c.Made), remove())
	}()
	var pods string
	for _, dir := range cgrouptest.PodCgroups(t, c) {
		if _, err := os.Stat(filepath.Join(dir, "memory.limit_in_bytes")); err == nil {
			pods = dir
		}
	}
	if pods == "" {
		t.Skip("needs the memory hierarchy of version 1")
	}
	read := func(file string) int64 {
		n, err := strconv.ParseInt(kubelettest.Content(filepath.Join(filepath.Dir(pods), file)), 10, 64)
		kubelettest.Must(t, err)
		return n
	}
	kubelettest.Must(t, c.BoundPods(64<<20, 0))
	hog := kubelettest.Script(t, "head -c 20m /dev/zero | tail -c 20m | (sleep 60; cat)")
	cmd := startIn(t, pods, hog)
	for deadline := time.Now().Add(10 * time.Second); read("memory.usage_in_bytes") < 20<<20; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it uses %d bytes only", read("memory.usage_in_bytes"))
		}
	}
	kubelettest.Must(t, c.BoundPods(8<<20, 0))
	if limit, used := read("memory.limit_in_bytes"), read("memory.usage_in_bytes"); limit >= 64<<20 || limit < used {
		t.Errorf("the limit is %d while %d is in use", limit, used)
	}
	kubelettest.Must(t, cgroup.KillAll([]string{pods}, nil))
	_ = cmd.Wait()
	kubelettest.Must(t, c.BoundPods(8<<20, 0))
	if limit := read("memory.limit_in_bytes"); limit != 8<<20 {
		t.Errorf("the limit is %d in the end", limit)
	}
}

// Frozen processes of version 1 get no signal.
func TestFrozenProcessesAreKilled(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	id, remove := cgrouptest.MesosContainer(t, "memory", "freezer")
	c, err := cgroup.Find(id)
	kubelettest.Must(t, err, c.Enter())
	defer func() { kubelettest.Must(t, c.Leave(), cgroup.Remove(c.Dirs(), c.Made), remove()) }()
	for _, pod := range cgrouptest.PodCgroups(t, c) {
		if _, err := os.Stat(filepath.Join(pod, "freezer.state")); err == nil {
			cmd := startIn(t, pod, kubelettest.Script(t, "sleep 60"))
			kubelettest.Must(t, os.WriteFile(filepath.Join(pod, "freezer.state"), []byte("FROZEN"), 0))
			go func() { _ = cmd.Wait() }()
		}
	}
	kubelettest.Must(t, cgroup.KillAll(c.Dirs(), cgroup.Ancestors()))
}
