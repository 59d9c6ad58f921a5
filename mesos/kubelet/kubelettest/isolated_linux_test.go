package kubelettest

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestIsolatedTestHasNamespacesOfItsOwn(t *testing.T) {
	const variable = "K8SM_TEST_NAMESPACES"
	namespaces := func() string {
		mounts, err := os.Readlink("/proc/self/ns/mnt")
		Must(t, err)
		network, err := os.Readlink("/proc/self/ns/net")
		Must(t, err)
		return mounts + network
	}
	if os.Getenv(variable) == "" {
		t.Setenv(variable, namespaces())
	}
	if !Isolated(t, unix.CLONE_NEWPID) {
		return
	}
	if namespaces() == os.Getenv(variable) {
		t.Error("it runs in the namespaces of the other tests")
	}
	if os.Getpid() != 1 {
		t.Errorf("it is process %d of its PID namespace", os.Getpid())
	}
}
