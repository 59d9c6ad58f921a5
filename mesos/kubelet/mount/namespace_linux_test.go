package mount

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestWithinPassesOnErrors(t *testing.T) {
	broken := errors.New("broken")
	if err := Within(nil, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("here: error is %v", err)
	}
	if !kubelettest.Isolated(t) {
		return
	}
	namespace, err := os.Open("/proc/self/ns/mnt")
	kubelettest.Must(t, err)
	defer namespace.Close()
	if err := Within(namespace, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("in a namespace: error is %v", err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	kubelettest.Must(t, err)
	defer file.Close()
	called := false
	err = Within(file, func() error { called = true; return nil })
	if err == nil || called || !strings.Contains(err.Error(), "entering mount namespace") {
		t.Errorf("in what is no namespace: called %t, error %v", called, err)
	}
}

// The variable is inherited by everything that the executor starts, so it counts only in the
// namespace that it names.
func TestForeignMountNamespaceIsRecognized(t *testing.T) {
	own, err := os.Readlink("/proc/self/ns/mnt")
	kubelettest.Must(t, err)
	for value, want := range map[string]bool{own: true, "mnt:[1]": false, "": false} {
		t.Setenv(namespaceVariable, value)
		if got := inPrivateNamespace(); got != want {
			t.Errorf("with %q it is private: %t", value, got)
		}
	}
}

func TestBindThatFailsIsNamed(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	own, err := os.Readlink("/proc/self/ns/mnt")
	kubelettest.Must(t, err)
	t.Setenv(namespaceVariable, own)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	kubelettest.Must(t, os.WriteFile(file, nil, 0o600))
	held, err := BindAll(t.Context(), t.TempDir(), []Bind{{Target: filepath.Join(dir, "memory")}, {Source: filepath.Join(file, "x"), Target: filepath.Join(dir, "bad")}, {Target: filepath.Join(dir, "after")}})
	if err == nil || !strings.Contains(err.Error(), "mounting over "+filepath.Join(dir, "bad")) {
		t.Errorf("error is %v", err)
	}
	if len(held) != 2 {
		t.Errorf("%d folders are held, want the 2 that were claimed", len(held))
	}
	var disk unix.Statfs_t
	if err := unix.Statfs(filepath.Join(dir, "memory"), &disk); err != nil || disk.Type != unix.TMPFS_MAGIC {
		t.Errorf("file system is %x, %v", disk.Type, err)
	}
	for _, h := range held {
		kubelettest.Must(t, UnmountBelow(h.Path))
		h.Release()
	}
}
