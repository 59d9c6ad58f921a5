package termination

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// The first process of a container that has only just begun misses the first SIGTERM,
// and must be sent another; one that heard it must not, many take a second for
// impatience.
func TestEachContainerHandlesOneSIGTERM(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make a PID namespace")
	}
	tests := map[string]string{
		"a program with a handler of SIGTERM":  "trap 'echo heard >> heard' TERM; touch up; while :; do sleep 0.01; done",
		"a program that sets its handler late": "touch up; i=0; while [ $i -lt 30 ]; do sleep 0.01; i=$((i+1)); done; trap 'echo heard >> heard' TERM; while :; do sleep 0.01; done",
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			program := kubelettest.Script(t, text)
			dir := filepath.Dir(program)
			cmd := exec.Command(program)
			cmd.Dir = dir
			cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID, Pdeathsig: unix.SIGKILL}
			if err := cmd.Start(); err != nil {
				t.Skipf("needs PID namespaces: %v", err)
			}
			defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
			kubelettest.AwaitFile(t, filepath.Join(dir, "up"))
			terminator := &Terminator{}
			for range 2000 {
				terminator.ask(Container{PID: cmd.Process.Pid})
				if _, err := os.Stat(filepath.Join(dir, "heard")); err == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			for range 20 {
				terminator.ask(Container{PID: cmd.Process.Pid})
				time.Sleep(10 * time.Millisecond)
			}
			if heard, _ := os.ReadFile(filepath.Join(dir, "heard")); string(heard) != "heard\n" {
				t.Errorf("it heard %q", heard)
			}
		})
	}
}
