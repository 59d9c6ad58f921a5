package playground

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLogOfAnExecutorTellsWhen(t *testing.T) {
	c := Container{Sandbox: t.TempDir()}
	if times, err := c.Logged("anything"); err != nil || len(times) > 0 {
		t.Errorf("before there is a log: %v, %v", times, err)
	}
	log := "./executor: OK\n" +
		"time=2026-11-23T21:01:12.272Z level=INFO msg=\"Starting program\" logger=node program=containerd\n" +
		"time=2026-11-23T21:01:13.5Z level=INFO msg=\"Starting program\" logger=node program=kubelet\n"
	if err := os.WriteFile(filepath.Join(c.Sandbox, "stderr"), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	times, err := c.Logged(`msg="Starting program"`, "program=kubelet")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]time.Time{time.Date(2026, 11, 23, 21, 1, 13, 500e6, time.UTC)}, times); diff != "" {
		t.Errorf("times (-want +got):\n%s", diff)
	}
	if _, err := c.Logged("OK"); err == nil {
		t.Error("a line without a time is no error")
	}
}

func TestProcessThatWaitsToBeReapedDoesNotLive(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	if !IsRunning(pid) || !slices.Contains(StartedBy(os.Getpid()), pid) {
		t.Errorf("it lives: %t; started by this process: %v", IsRunning(pid), StartedBy(os.Getpid()))
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); IsRunning(pid) && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if IsRunning(pid) {
		t.Error("it lives although it was killed")
	}
	_ = cmd.Wait()
	if IsRunning(pid) {
		t.Error("it lives although it was reaped")
	}
}
