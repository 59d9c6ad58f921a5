package kubelettest

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Isolated runs the calling test again as a process with its own mount and network
// namespaces, and others if there are flags for them, as root, and reports whether this is
// that process. It skips the test where it may not.
func Isolated(t *testing.T, others ...uintptr) bool {
	t.Helper()
	const variable = "K8SM_TEST_APART"
	if os.Getenv(variable) == t.Name() {
		return true
	}
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make namespaces")
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), variable+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS | unix.CLONE_NEWNET}
	for _, flag := range others {
		cmd.SysProcAttr.Cloneflags |= flag
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, unix.EPERM) {
		t.Skip("needs CAP_SYS_ADMIN, to make namespaces")
	}
	t.Logf("isolated:\n%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}
