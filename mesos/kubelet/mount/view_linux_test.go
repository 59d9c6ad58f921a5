package mount

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// The settings of this machine are not changed: what is written goes to a copy, and would be
// the value that is there.
func TestSettingsOfTheMachineAreReplacedInAViewOnly(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	const setting = "/proc/sys/vm/overcommit_memory"
	present := kubelettest.Content(setting)
	base := t.TempDir()
	replacement, shared := filepath.Join(base, "copy"), filepath.Join(base, "shared")
	kubelettest.Must(t, os.WriteFile(replacement, []byte("of the copy\n"), 0o600), os.Mkdir(shared, 0o755),
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""), unix.Mount("tmpfs", shared, "tmpfs", 0, ""))
	defer func() { kubelettest.Must(t, UnmountBelow(base)) }()
	kubelettest.Must(t, WithinView(nil, []Bind{{replacement, setting}}, func() error {
		out, err := exec.Command("cat", setting).CombinedOutput()
		if string(out) != "of the copy\n" {
			return errors.New("a process sees " + string(out))
		}
		volume := filepath.Join(shared, "volume")
		return errors.Join(err, os.WriteFile(setting, []byte(present), 0), os.Mkdir(volume, 0o755), unix.Mount("tmpfs", volume, "tmpfs", 0, ""))
	}))
	if got := kubelettest.Content(setting); got != present {
		t.Errorf("outside it is %q", got)
	}
	if got := kubelettest.Content(replacement); got != present {
		t.Errorf("the copy is %q", got)
	}
	mounts, err := Table()
	kubelettest.Must(t, err)
	if len(below(mounts, filepath.Join(shared, "volume"))) != 1 {
		t.Error("what is mounted in the view is not seen outside")
	}
	if len(below(mounts, "/proc/sys/vm")) > 0 {
		t.Error("what is replaced is replaced outside, too")
	}
}

func TestViewThatCannotBeMade(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	called := false
	err := WithinView(nil, []Bind{{"/no/such/file", "/proc/sys/vm/overcommit_memory"}}, func() error { called = true; return nil })
	if err == nil || called || !strings.Contains(err.Error(), "/proc/sys/vm/overcommit_memory") {
		t.Errorf("called: %t, error %v", called, err)
	}
	broken := errors.New("broken")
	if err := WithinView(nil, nil, func() error { return broken }); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

func TestHiddenFilesAreEmpty(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	base := t.TempDir()
	folder, file := filepath.Join(base, ".docker"), filepath.Join(base, ".dockercfg")
	kubelettest.Must(t, os.Mkdir(folder, 0o755), os.WriteFile(filepath.Join(folder, "config.json"), []byte("secret"), 0o600), os.WriteFile(file, []byte("secret"), 0o600))
	if Hide(file) == nil {
		t.Fatal("hidden although the namespace is not the node's own")
	}
	id, err := os.Readlink("/proc/self/ns/mnt")
	kubelettest.Must(t, err)
	t.Setenv(namespaceVariable, id)
	kubelettest.Must(t, Hide(folder, file, filepath.Join(base, "none")))
	if entries, err := os.ReadDir(folder); len(entries) > 0 || err != nil {
		t.Errorf("the folder holds %v, error %v", entries, err)
	}
	if data, err := os.ReadFile(file); len(data) > 0 || err != nil {
		t.Errorf("the file holds %q, error %v", data, err)
	}
	kubelettest.Must(t, UnmountBelow(base))
}

func TestFileSystemOfAFolder(t *testing.T) {
	points := []Point{{Path: "/", FSType: "ext4"}, {Path: "/var", FSType: "xfs"}, {Path: "/var/lib", FSType: "overlay"}, {Path: "/var", FSType: "tmpfs", Shared: true}}
	for path, want := range map[string]string{"/": "ext4", "/etc": "ext4", "/var": "tmpfs", "/variable": "ext4", "/var/lib/x": "overlay"} {
		if got := pointOf(points, path).FSType; got != want {
			t.Errorf("%s is on %s", path, got)
		}
	}
	if kind, err := FileSystemOf("/proc/self"); kind != "proc" || err != nil {
		t.Errorf("/proc is %s, %v", kind, err)
	}
	if _, err := FileSystemOf("/no/such/folder"); err == nil {
		t.Error("no error for a folder that is not there")
	}
	if _, err := IsShared("/proc"); err != nil {
		t.Error(err)
	}
}
