package loopdevice

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// attach makes a loop device of a new file, and detaches it at the end.
func attach(t *testing.T, path string) Device {
	t.Helper()
	control, err := unix.Open("/dev/loop-control", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("needs loop devices: %v", err)
	}
	defer unix.Close(control)
	kubelettest.Must(t, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, make([]byte, 1<<16), 0o600))
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	kubelettest.Must(t, err)
	defer file.Close()
	for range 20 {
		number, err := unix.IoctlRetInt(control, unix.LOOP_CTL_GET_FREE)
		if err != nil {
			t.Skipf("needs loop devices: %v", err)
		}
		d := Device{Name: "loop" + strconv.Itoa(number)}
		err = d.with(func(fd int) error { return unix.IoctlSetInt(fd, unix.LOOP_SET_FD, int(file.Fd())) })
		if errors.Is(err, unix.EBUSY) {
			continue // another process was faster
		}
		kubelettest.Must(t, err)
		d, err = status(d.Name)
		kubelettest.Must(t, err)
		t.Cleanup(func() { _ = Detach(d) })
		return d
	}
	t.Fatal("no loop device is free")
	return Device{}
}

func isAttached(t *testing.T, d Device) bool {
	t.Helper()
	now, err := status(d.Name)
	return err == nil && now == d
}

func TestDevicesOfANodeAreFoundAndDetached(t *testing.T) {
	base := t.TempDir()
	node := filepath.Join(base, "node")
	ours := attach(t, filepath.Join(node, "plugins", "volume"))
	other := attach(t, filepath.Join(base, "node2", "volume"))
	deep := attach(t, filepath.Join(node, "a", "b", "c", "image"))
	byPath, err := Of(node)
	kubelettest.Must(t, err)
	inside, err := Inside(t.Context(), node)
	kubelettest.Must(t, err)
	for way, found := range map[string][]Device{"by path": byPath, "by search": inside} {
		slices.SortFunc(found, func(a, b Device) int { return int(a.Inode) - int(b.Inode) })
		want := []Device{ours, deep}
		slices.SortFunc(want, func(a, b Device) int { return int(a.Inode) - int(b.Inode) })
		if diff := cmp.Diff(want, found); diff != "" {
			t.Errorf("%s (-want +got):\n%s", way, diff)
		}
	}
	// A device that was detached, and is another's by now, is left alone.
	stale := other
	stale.Inode++
	kubelettest.Must(t, Detach(ours), Detach(ours), Detach(stale))
	for _, tc := range []struct {
		d    Device
		want bool
	}{{ours, false}, {other, true}, {deep, true}} {
		if isAttached(t, tc.d) != tc.want {
			t.Errorf("%s is attached: %t", tc.d.Name, !tc.want)
		}
	}
}

func TestSearchEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	_ = attach(t, filepath.Join(dir, "image"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if found, err := Inside(ctx, dir); len(found) > 0 || err != nil {
		t.Errorf("found %v, error %v", found, err)
	}
	if found, err := Inside(t.Context(), filepath.Join(dir, "none")); len(found) > 0 || err != nil {
		t.Errorf("in no folder: found %v, error %v", found, err)
	}
}

// A path in another mount namespace may be the same as one that is seen from here.
func TestDeviceOfAnotherFileWithTheSamePathIsNotOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image")
	_ = attach(t, path)
	kubelettest.Must(t, os.Rename(path, path+".of-another"), os.WriteFile(path, nil, 0o600), os.Rename(path+".of-another", filepath.Join(t.TempDir(), "x")))
	found, err := Of(filepath.Dir(path))
	kubelettest.Must(t, err)
	if len(found) > 0 {
		t.Errorf("found %v", found)
	}
}

func TestNamesThatAreNoLoopDevices(t *testing.T) {
	for _, name := range []string{"", "sda", "loop0/../sda", "../loop0"} {
		if err := Detach(Device{Name: name}); err == nil {
			t.Errorf("no error for %q", name)
		}
	}
	kubelettest.Must(t, Detach(Device{Name: "loop4095"}))
	if found, err := attached(t.TempDir()); len(found) > 0 || err != nil {
		t.Errorf("on a machine without loop devices: %v, %v", found, err)
	}
}

// The kernel gives up a device that is still open when it is closed.
func TestDeviceInUseIsGivenUpWhenItIsClosed(t *testing.T) {
	d := attach(t, filepath.Join(t.TempDir(), "image"))
	user, err := os.Open("/dev/" + d.Name)
	kubelettest.Must(t, err, Detach(d))
	if !isAttached(t, d) {
		t.Error("it was given up although it is open")
	}
	kubelettest.Must(t, user.Close())
	for range 100 {
		if !isAttached(t, d) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("it is still attached")
}

// A pod may have left a folder of any size.
func TestSearchIsBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 10 {
		kubelettest.Must(t, os.WriteFile(filepath.Join(dir, strconv.Itoa(i)), nil, 0o600))
	}
	if got := namesIn(dir, 4); len(got) != 4 {
		t.Errorf("%d names, although four are the limit", len(got))
	}
	if got := namesIn(dir, 100); len(got) != 10 {
		t.Errorf("%d names of ten", len(got))
	}
	if got := namesIn(filepath.Join(dir, "none"), 4); len(got) > 0 {
		t.Errorf("names of no folder: %v", got)
	}
}

// What the node's folder only links to, or mounts, is not the node's.
func TestSearchStaysOnTheFileSystemAndFollowsNoLinks(t *testing.T) {
	base := t.TempDir()
	node := filepath.Join(base, "node")
	_ = attach(t, filepath.Join(base, "stranger", "image"))
	kubelettest.Must(t, os.Mkdir(node, 0o755), os.Symlink(filepath.Join(base, "stranger"), filepath.Join(node, "link")),
		os.Symlink("/proc", filepath.Join(node, "proc")))
	if found, err := Inside(t.Context(), node); len(found) > 0 || err != nil {
		t.Errorf("found %v, error %v", found, err)
	}
}
