package mount

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// makeDeep makes folders within each other, each with a file beside the next one, and returns
// an open file of the deepest. No path leads there: it would be too long for the kernel.
func makeDeep(t *testing.T, dir, name string, levels int) *os.File {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	for range levels {
		kubelettest.Must(t, err, unix.Mkdirat(fd, name, 0o700), unix.Mknodat(fd, "file", unix.S_IFREG|0o600, 0))
		var next int
		next, err = unix.Openat(fd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
		unix.Close(fd)
		fd = next
	}
	kubelettest.Must(t, err)
	return os.NewFile(uintptr(fd), "deepest")
}

// withOpenFiles lowers the number of files that may be open during the test.
func withOpenFiles(t *testing.T, limit uint64) {
	t.Helper()
	var before syscall.Rlimit
	kubelettest.Must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before))
	kubelettest.Must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: limit, Max: before.Max}))
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before) })
}

func TestDeepTreeIsRemovedWithBoundedMemoryAndFiles(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "dir")
	kubelettest.Must(t, os.Mkdir(dir, 0o755))
	_ = makeDeep(t, dir, strings.Repeat("x", 200), 8000).Close()
	kubelettest.Must(t, os.Mkdir(filepath.Join(dir, "second"), 0o755))
	_ = makeDeep(t, filepath.Join(dir, "second"), "y", 1000).Close()
	// A name that folders get on their way up is taken.
	kubelettest.Must(t, os.WriteFile(filepath.Join(dir, ".k8sm-remove-1"), nil, 0o600), os.MkdirAll(filepath.Join(dir, ".k8sm-remove-2", "full"), 0o700))
	withOpenFiles(t, 256)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	kubelettest.Must(t, RemoveTree(t.Context(), dir))
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > 64<<20 {
		t.Errorf("it took %d MiB", grown>>20)
	}
	if left, _ := os.ReadDir(base); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestWideTreeIsRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	kubelettest.Must(t, os.Mkdir(dir, 0o755))
	for i := range 3 * namesAtOnce {
		kubelettest.Must(t, os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), nil, 0o600))
	}
	kubelettest.Must(t, RemoveTree(t.Context(), dir))
}

// The rest of the tree goes, and what is mounted stays, with its data.
func TestMountDeepInATreeIsReportedAndPassedBy(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	base := t.TempDir()
	dir := filepath.Join(base, "dir")
	kubelettest.Must(t, os.MkdirAll(filepath.Join(dir, "beside"), 0o755))
	deepest := makeDeep(t, dir, "x", 3*maxDepth+5)
	defer deepest.Close()
	kubelettest.Must(t, unix.Mkdirat(int(deepest.Fd()), "volume", 0o700), unix.Fchdir(int(deepest.Fd())),
		unix.Mount("tmpfs", "volume", "tmpfs", 0, ""), os.WriteFile("volume/data", []byte("precious"), 0o600))
	if err := RemoveTree(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "something is mounted there") {
		t.Errorf("error is %v", err)
	}
	if got := kubelettest.Content("volume/data"); got != "precious" {
		t.Errorf("the volume holds %q", got)
	}
	if _, err := os.Stat(filepath.Join(dir, "beside")); !os.IsNotExist(err) {
		t.Error("a folder without mounts is left")
	}
	kubelettest.Must(t, os.Chdir("/"), deepest.Close(), UnmountBelow(dir), RemoveTree(t.Context(), dir))
}

func TestProblemsOfATreeAreBounded(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	dir := t.TempDir()
	for i := range maxProblems + 5 {
		path := filepath.Join(dir, fmt.Sprint(i))
		kubelettest.Must(t, os.Mkdir(path, 0o755), unix.Mount("tmpfs", path, "tmpfs", 0, ""))
	}
	err := RemoveTree(t.Context(), dir)
	if err == nil || strings.Count(err.Error(), "\n") != maxProblems || !strings.Contains(err.Error(), "5 more of its files and folders") {
		t.Errorf("error is %v", err)
	}
	kubelettest.Must(t, UnmountBelow(dir))
}

func TestRemovalEndsWithItsContext(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	kubelettest.Must(t, os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := RemoveTree(ctx, dir); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "stays for the next time") {
		t.Errorf("error is %v", err)
	}
	kubelettest.Must(t, RemoveTree(t.Context(), dir))
}

func TestImmutableFileIsReportedAndPassedBy(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	immutable := filepath.Join(dir, "a", "immutable")
	kubelettest.Must(t, os.MkdirAll(filepath.Dir(immutable), 0o755), os.WriteFile(immutable, nil, 0o600), os.WriteFile(filepath.Join(dir, "other"), nil, 0o600))
	file, err := os.Open(immutable)
	kubelettest.Must(t, err)
	defer file.Close()
	const immutableFlag = 0x10
	setFlags := func(flags int32) error {
		return unix.IoctlSetPointerInt(int(file.Fd()), unix.FS_IOC_SETFLAGS, int(flags))
	}
	if err := setFlags(immutableFlag); err != nil {
		t.Skipf("needs immutable files: %v", err)
	}
	defer func() { kubelettest.Must(t, setFlags(0), RemoveTree(t.Context(), dir)) }()
	if err := RemoveTree(t.Context(), dir); !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), immutable) {
		t.Errorf("error is %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "other")); !os.IsNotExist(err) {
		t.Error("the rest is left")
	}
}
