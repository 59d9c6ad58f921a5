package preflight

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestStateFolderOnAFileSystemThatCannotHoldContainersIsRefused(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	base := t.TempDir() // of a disk: to be laid upon
	at := func(name string) string { return filepath.Join(base, name) }
	for _, name := range []string{"lower", "upper", "work", "overlay", "tmpfs", "ramfs", "a,b:c"} {
		kubelettest.Must(t, os.Mkdir(at(name), 0o755))
	}
	kubelettest.Must(t, unix.Mount("tmpfs", at("tmpfs"), "tmpfs", 0, ""), unix.Mount("ramfs", at("ramfs"), "ramfs", 0, ""),
		unix.Mount("overlay", at("overlay"), "overlay", 0, fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", at("lower"), at("upper"), at("work"))))
	defer func() {
		kubelettest.Must(t, unix.Unmount(at("tmpfs"), 0), unix.Unmount(at("ramfs"), 0), unix.Unmount(at("overlay"), 0))
	}()
	for name, want := range map[string]string{
		"overlay": "is on a file system of type overlay, in which the file systems of containers can't be kept",
		"a,b:c":   "", "tmpfs": "", "ramfs": "type ramfs",
	} {
		err := CheckStateFolder(at(name), at(name))
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), at(name))) {
			t.Errorf("%s: error is %v", name, err)
		}
		if left, _ := os.ReadDir(at(name)); len(left) > 0 {
			t.Errorf("%s: left: %v", name, left)
		}
	}
	if err := CheckStateFolder(base, at("none")); !os.IsNotExist(unwrapAll(err)) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func unwrapAll(err error) error {
	for {
		inner, ok := err.(interface{ Unwrap() error })
		if !ok || os.IsNotExist(err) {
			return err
		}
		err = inner.Unwrap()
	}
}

// The list of devices is that of Mesos' isolator cgroups/devices.
func TestContainerThatMayNotReadTheKernelsLogIsRefusedInOneSentence(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	hierarchies, err := cgroup.Mounted()
	kubelettest.Must(t, err)
	dir := ""
	for _, h := range hierarchies {
		if h.Has("devices") {
			dir = h.Dir(fmt.Sprintf("/k8sm-test-devices-%d", os.Getpid()))
			kubelettest.Must(t, os.Mkdir(dir, 0o755))
			defer func() {
				kubelettest.Must(t, cgroup.Move(h.Dir(h.Path), os.Getpid()), cgroup.Remove(nil, []string{dir}))
			}()
		}
	}
	if dir == "" {
		t.Skip("needs cgroup version 1")
	}
	kubelettest.Must(t, CheckKernelLog(KernelLog))
	write := func(file, text string) {
		t.Helper()
		kubelettest.Must(t, os.WriteFile(filepath.Join(dir, file), []byte(text), 0))
	}
	write("devices.deny", "a")
	for _, device := range []string{"c *:* m", "b *:* m", "c 5:1 rwm", "c 136:* rwm", "c 5:2 rwm", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 5:0 rwm", "c 1:9 rwm", "c 1:8 rwm"} {
		write("devices.allow", device)
	}
	kubelettest.Must(t, cgroup.Move(dir, os.Getpid()))
	err = CheckKernelLog(KernelLog)
	if err == nil || !strings.Contains(err.Error(), "isolates by cgroups/devices") || !strings.Contains(err.Error(), `--allowed_devices='{"allowed_devices": [{"device": {"path": "/dev/kmsg"}, "access": {"read": true}}]}'`) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error is %v", err)
	}
	// What the sentence says helps.
	write("devices.allow", "c 1:11 r")
	kubelettest.Must(t, CheckKernelLog(KernelLog))
}

func TestAgentWithoutAKernelLog(t *testing.T) {
	if err := CheckKernelLog("/no/such/kmsg"); err == nil || !strings.Contains(err.Error(), "the agent has no /no/such/kmsg") {
		t.Errorf("error is %v", err)
	}
}

func TestCheckSysctls(t *testing.T) {
	tests := map[string]struct {
		file, value string
		masked      bool
		want        string
	}{
		"the kernel's own":                          {"vm/overcommit_memory", "0", false, ""},
		"a limit that the kubelet would lift":       {"vm/overcommit_memory", "2", false, "vm.overcommit_memory is 2"},
		"a limit that the kubelet does not see":     {"vm/overcommit_memory", "2", true, ""},
		"a machine that stops for want of memory":   {"vm/panic_on_oom", "1", true, ""},
		"a machine that stops for want of a pod's":  {"vm/panic_on_oom", "2", true, "set it to 0"},
		"a machine that stops, in any node's sight": {"vm/panic_on_oom", "2", false, "vm.panic_on_oom is 2"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			file := filepath.Join(root, tc.file)
			kubelettest.Must(t, os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(tc.value+"\n"), 0o600))
			err := CheckSysctls(root, tc.masked)
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error is %v", err)
			}
		})
	}
	if err := CheckSysctls(t.TempDir(), false); err != nil {
		t.Errorf("a kernel without the settings: %v", err)
	}
}

func TestStateFolderThatANodeWouldHideIsRefused(t *testing.T) {
	replaced := []string{"/var/lib/kubelet", "/run/containerd"}
	for dir, fits := range map[string]bool{
		"/var/lib/k8sm": true, "/var/lib/kubelet": false, "/var/lib/kubelet/k8sm": false, "/var/lib/kubelet2": true, "/run/containerd/x": false, "/var": true,
	} {
		if err := CheckPlace(dir, replaced...); (err == nil) != fits || err != nil && !strings.Contains(err.Error(), dir+" is in ") {
			t.Errorf("%s: error is %v", dir, err)
		}
	}
}

// Overlay takes a list of folders that is separated by colons, among options separated by
// commas.
func TestPathsInOptionsOfOverlayAreEscaped(t *testing.T) {
	for path, want := range map[string]string{
		"/var/lib/k8sm": "/var/lib/k8sm", "/a,b": `/a\,b`, "/a:b": `/a\:b`, `/a\b`: `/a\\b`,
	} {
		if got := escaped(path); got != want {
			t.Errorf("%s is written as %s, want %s", path, got, want)
		}
	}
}

// What keeps the folder from being tried says nothing about overlay.
func TestStateFolderThatIsFullIsNotBlamedOnItsFileSystem(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	dir := t.TempDir()
	kubelettest.Must(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "nr_inodes=3"))
	defer func() { kubelettest.Must(t, unix.Unmount(dir, 0)) }()
	if err := CheckStateFolder(dir, dir); err == nil || !strings.Contains(err.Error(), "no space left on device") || strings.Contains(err.Error(), "of type") {
		t.Errorf("error is %v", err)
	}
}
