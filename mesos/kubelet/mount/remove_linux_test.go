package mount

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestRemoveTree(t *testing.T) {
	tests := map[string]struct {
		make func(t *testing.T, dir string)
	}{
		"a folder of folders": {func(t *testing.T, dir string) {
			kubelettest.Must(t, os.MkdirAll(filepath.Join(dir, "a", "b", "c"), 0o755), os.WriteFile(filepath.Join(dir, "a", "file"), nil, 0o600))
		}},
		"a file":                       {func(t *testing.T, dir string) { kubelettest.Must(t, os.WriteFile(dir, []byte("x"), 0o400)) }},
		"nothing":                      {func(*testing.T, string) {}},
		"a folder without permissions": {func(t *testing.T, dir string) { kubelettest.Must(t, os.Mkdir(dir, 0)) }},
		"a link to a missing file": {func(t *testing.T, dir string) {
			kubelettest.Must(t, os.Symlink("/no/such/file", dir))
		}},
		"a pipe and a socket": {func(t *testing.T, dir string) {
			kubelettest.Must(t, os.Mkdir(dir, 0o755), unix.Mkfifo(filepath.Join(dir, "pipe"), 0o600), unix.Mknod(filepath.Join(dir, "socket"), unix.S_IFSOCK|0o600, 0))
		}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if name == "a folder without permissions" && os.Geteuid() != 0 {
				t.Skip("needs root")
			}
			dir := filepath.Join(t.TempDir(), "dir")
			tc.make(t, dir)
			kubelettest.Must(t, RemoveTree(t.Context(), dir))
			if _, err := os.Lstat(dir); !os.IsNotExist(err) {
				t.Error("it is still there")
			}
		})
	}
}

func TestRemoveTreeDoesNotFollowLinks(t *testing.T) {
	base := t.TempDir()
	outside, dir := filepath.Join(base, "outside"), filepath.Join(base, "dir")
	kubelettest.Must(t, os.Mkdir(outside, 0o755), os.WriteFile(filepath.Join(outside, "data"), []byte("precious"), 0o600),
		os.Mkdir(dir, 0o755), os.Symlink(outside, filepath.Join(dir, "link")), RemoveTree(t.Context(), dir))
	if got := kubelettest.Content(filepath.Join(outside, "data")); got != "precious" {
		t.Errorf("the file behind the link holds %q", got)
	}
}

func TestRemoveTreeWithoutAParent(t *testing.T) {
	kubelettest.Must(t, RemoveTree(t.Context(), "/no/such/parent/dir"))
	file := filepath.Join(t.TempDir(), "file")
	kubelettest.Must(t, os.WriteFile(file, nil, 0o600))
	if err := RemoveTree(t.Context(), filepath.Join(file, "dir")); err == nil || !strings.Contains(err.Error(), "removing "+file) {
		t.Errorf("error below a file is %v", err)
	}
}

func TestMountRootIsRecognized(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	base := t.TempDir()
	kubelettest.Must(t, os.Mkdir(filepath.Join(base, "plain"), 0o755), os.Mkdir(filepath.Join(base, "tmpfs"), 0o755), os.Mkdir(filepath.Join(base, "bound"), 0o755),
		unix.Mount("tmpfs", filepath.Join(base, "tmpfs"), "tmpfs", 0, ""),
		unix.Mount(filepath.Join(base, "plain"), filepath.Join(base, "bound"), "", unix.MS_BIND, ""))
	defer func() { kubelettest.Must(t, UnmountBelow(base)) }()
	parent, err := os.Open(base)
	kubelettest.Must(t, err)
	defer parent.Close()
	for name, want := range map[string]bool{"plain": false, "tmpfs": true, "bound": true} {
		if got, err := isMountRoot(int(parent.Fd()), name); got != want || err != nil {
			t.Errorf("%s is a mount root: %t, %v", name, got, err)
		}
	}
	// The approximation for old kernels knows of other file systems only.
	for name, want := range map[string]bool{"plain": false, "tmpfs": true, "bound": false} {
		if got, err := differentDevice(int(parent.Fd()), name); got != want || err != nil {
			t.Errorf("%s is on another device: %t, %v", name, got, err)
		}
	}
	if _, err := isMountRoot(int(parent.Fd()), "none"); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

func TestUnmountBelowUnmountsStacks(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	base := t.TempDir()
	dir, beside := filepath.Join(base, "n1"), filepath.Join(base, "n10")
	kubelettest.Must(t, os.Mkdir(dir, 0o755), os.Mkdir(beside, 0o755), unix.Mount("tmpfs", beside, "tmpfs", 0, ""))
	for range 3 {
		kubelettest.Must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, ""))
	}
	kubelettest.Must(t, os.Mkdir(filepath.Join(dir, "inner"), 0o755), unix.Mount("tmpfs", filepath.Join(dir, "inner"), "tmpfs", 0, ""))
	busy, err := os.Create(filepath.Join(dir, "inner", "open"))
	kubelettest.Must(t, err)
	defer busy.Close()
	kubelettest.Must(t, UnmountBelow(dir), UnmountBelow(filepath.Join(base, "none")))
	mounts, err := Table()
	kubelettest.Must(t, err)
	if left := below(mounts, dir); len(left) > 0 {
		t.Errorf("still mounted: %v", left)
	}
	if left := below(mounts, beside); len(left) != 1 {
		t.Error("what is mounted beside it was unmounted")
	}
	kubelettest.Must(t, UnmountBelow(beside))
}
