package machine

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// limitsOfAShell are the soft and the hard limit of open files that a child of this process has.
func limitsOfAShell(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", "ulimit -Sn; ulimit -Hn").Output()
	kubelettest.Must(t, err)
	return strings.Join(strings.Fields(string(out)), " ")
}

// The agent's unit has LimitNOFILE=16384.
func TestLowLimitOfOpenFilesIsRaisedForPods(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	kubelettest.Must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 1024, Max: 16384}))
	if !CanLowerOOMScore() {
		// Without CAP_SYS_RESOURCE the hard limit stays.
		kubelettest.Must(t, RaiseLimits())
		if got := limitsOfAShell(t); got != "16384 16384" {
			t.Errorf("limits are %s", got)
		}
		return
	}
	kubelettest.Must(t, RaiseLimits())
	if got := limitsOfAShell(t); got != "1048576 1048576" {
		t.Errorf("limits are %s", got)
	}
}

func TestLimitIsNotLowered(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	var before, after syscall.Rlimit
	kubelettest.Must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before), raise("open files", syscall.RLIMIT_NOFILE, 10), syscall.Getrlimit(syscall.RLIMIT_NOFILE, &after))
	if before != after {
		t.Errorf("limit %v became %v", before, after)
	}
}

// The agent's unit has UMask=0077.
func TestUmaskOfTheAgentIsNotInherited(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	syscall.Umask(0o077)
	ResetUmask()
	out, err := exec.Command("sh", "-c", "umask").Output()
	kubelettest.Must(t, err)
	if got := strings.TrimSpace(string(out)); got != "0022" {
		t.Errorf("umask is %s", got)
	}
}

func TestLimitThatDoesNotExist(t *testing.T) {
	if err := raise("dreams", 1000, 1); err == nil || !strings.Contains(err.Error(), "reading limit of dreams") {
		t.Errorf("error is %v", err)
	}
}
