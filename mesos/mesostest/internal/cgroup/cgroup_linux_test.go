package cgroup

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestOOMIsCountedInTheContainersEvents(t *testing.T) {
	for events, want := range map[string]bool{
		"low 0\nmax 12\noom 0\noom_kill 0\n": false,
		"low 0\nmax 12\noom 1\noom_kill 1\n": true,
		"":                                   false,
	} {
		g := &Group{paths: []string{t.TempDir()}, unified: true}
		if err := os.WriteFile(filepath.Join(g.paths[0], "memory.events"), []byte(events), 0o644); err != nil {
			t.Fatal(err)
		}
		if g.HasOOM() != want {
			t.Errorf("an oom is counted in %q: want %t", events, want)
		}
	}
	if (&Group{paths: []string{t.TempDir()}}).HasOOM() || (*Group)(nil).HasOOM() {
		t.Error("version 1, or no cgroup at all, has no such events")
	}
}

func TestEventsOfAnOOM(t *testing.T) {
	for events, want := range map[string]bool{
		"oom 2":                            true, // without the end of its line
		"oom_kill 7\n":                     false,
		"oom_group_kill 1\noom 0\n":        false,
		"low 1\nhigh 2\nmax 3\noom 4\n":    true,
		"xoom 1\noom\n":                    false,
		"oom 00\n":                         true, // the kernel writes no such number
		"max 0\noom 0\noom_kill 3\n":       false,
		strings.Repeat("low 0\n", 1000):    false,
		"\n\noom 1\n":                      true,
		"oom -\n":                          true,
		"OOM 1\n":                          false,
		"oom_kill 0\noom 18446744073709\n": true,
	} {
		g := &Group{paths: []string{hierarchy(t)}, unified: true}
		write(t, filepath.Join(g.paths[0], "memory.events"), events)
		if got := g.HasOOM(); got != want {
			t.Errorf("%.40q: got %t", events, got)
		}
	}
}

// startSleep starts a process for cgroups to kill.
func startSleep(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	return cmd
}

// A process is killed wherever below the cgroup it is, once, and others are left alone.
func TestKillReachesAllBelow(t *testing.T) {
	root := hierarchy(t, "c/leaf", "c/kubepods/pod1", "d")
	inLeaf, inPod, beside := startSleep(t), startSleep(t), startSleep(t)
	for dir, cmd := range map[string]*exec.Cmd{"c/leaf": inLeaf, "c/kubepods/pod1": inPod, "d": beside} {
		write(t, filepath.Join(root, dir, "cgroup.procs"), strconv.Itoa(cmd.Process.Pid)+"\n")
	}
	for name, paths := range map[string][]string{
		"one hierarchy":               {filepath.Join(root, "c")},
		"a hierarchy that is missing": {filepath.Join(root, "c"), filepath.Join(root, "missing")},
		"the same one twice":          {filepath.Join(root, "c"), filepath.Join(root, "c")},
	} {
		if n := (&Group{paths: paths}).kill(); n != 2 {
			t.Errorf("%s: %d processes were found, want 2", name, n)
		}
	}
	for _, cmd := range []*exec.Cmd{inLeaf, inPod} {
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("it ended with %v", err)
		}
	}
	if err := beside.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("a process beside the cgroup is gone: %v", err)
	}
}

// Version 2 lets the kernel kill, which misses no process that is just being started.
func TestKillUsesTheKernelsFile(t *testing.T) {
	root := hierarchy(t, "c/leaf")
	write(t, filepath.Join(root, "c", "cgroup.kill"), "")
	(&Group{paths: []string{filepath.Join(root, "c")}, unified: true}).kill()
	if raw, err := os.ReadFile(filepath.Join(root, "c", "cgroup.kill")); err != nil || string(raw) != "1" {
		t.Errorf("got %q, %v", raw, err)
	}
	(&Group{paths: []string{filepath.Join(root, "c", "leaf")}, unified: true}).kill()
	if _, err := os.Stat(filepath.Join(root, "c", "leaf", "cgroup.kill")); err == nil {
		t.Error("a file was made where the kernel has none")
	}
}
