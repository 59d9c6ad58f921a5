//go:build unix

package filelock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestOneProcessHoldsALock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Try(path)
	kubelettest.Must(t, err)
	if _, err := Try(path); !errors.Is(err, ErrLocked) {
		t.Errorf("second holder: error is %v", err)
	}
	kubelettest.Must(t, first.Close())
	if _, err := os.Stat(path); err != nil {
		t.Errorf("Close removes the file: %v", err)
	}
	second, err := Try(path)
	kubelettest.Must(t, err)
	second.Remove()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Error("Remove leaves the file")
	}
}

func TestAcquireWaitsForTheHolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Try(path)
	kubelettest.Must(t, err)
	released := make(chan struct{})
	go func() {
		time.Sleep(2 * pollEvery)
		close(released)
		first.Remove()
	}()
	second, err := Acquire(t.Context(), path)
	kubelettest.Must(t, err)
	defer second.Remove()
	select {
	case <-released:
	default:
		t.Error("it was acquired while somebody held it")
	}
	// The file that the first removed is another one than the second made.
	if !IsAt(second.file, path) {
		t.Error("the lock is on a file that is gone")
	}
}

func TestAcquireEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := Try(path)
	kubelettest.Must(t, err)
	defer first.Remove()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := Acquire(ctx, path); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrLocked) {
		t.Errorf("error is %v", err)
	}
}

func TestLockWithoutAFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "lock")
	_, tried := Try(path)
	_, acquired := Acquire(t.Context(), path)
	for _, err := range []error{tried, acquired} {
		if !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrLocked) {
			t.Errorf("error is %v", err)
		}
	}
}

func TestSharedLocksExcludeARemoval(t *testing.T) {
	path := filepath.Join(t.TempDir(), "artifact")
	open := func() *os.File {
		t.Helper()
		f, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
		kubelettest.Must(t, err)
		return f
	}
	first, second, remover := open(), open(), open()
	defer remover.Close()
	kubelettest.Must(t, Share(first), Share(second))
	for _, user := range []*os.File{first, second} {
		if TryExclusive(remover) == nil {
			t.Error("locked exclusively although it is shared")
		}
		kubelettest.Must(t, user.Close())
	}
	kubelettest.Must(t, TryExclusive(remover))
}

func TestIsAt(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	kubelettest.Must(t, os.WriteFile(path, nil, 0o600), os.WriteFile(other, nil, 0o600))
	f, err := os.Open(path)
	kubelettest.Must(t, err)
	if !IsAt(f, path) || IsAt(f, other) || IsAt(f, filepath.Join(dir, "none")) {
		t.Error("a file is taken for another")
	}
	kubelettest.Must(t, os.Rename(other, path))
	if IsAt(f, path) {
		t.Error("a file that was replaced is taken for the new one")
	}
	kubelettest.Must(t, f.Close())
	if IsAt(f, path) {
		t.Error("a closed file is somewhere")
	}
}

func TestSharedLockCanBecomeAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks", "lock")
	kubelettest.Must(t, MakeDir(filepath.Dir(path)))
	first, err := TryShare(path)
	kubelettest.Must(t, err)
	second, err := TryShare(path)
	kubelettest.Must(t, err)
	if first.Alone() {
		t.Error("alone although another shares it")
	}
	kubelettest.Must(t, first.Close())
	if !second.Alone() {
		t.Error("not alone although nobody else shares it")
	}
	if _, err := TryShare(path); !errors.Is(err, ErrLocked) {
		t.Errorf("sharing what is held alone: error is %v", err)
	}
	// A process that was killed left its file, and another lives.
	dead, live := filepath.Join(filepath.Dir(path), "dead"), filepath.Join(filepath.Dir(path), "live")
	held, err := TryShare(live)
	kubelettest.Must(t, err, os.WriteFile(dead, nil, 0o600))
	second.RemoveLast()
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 || left[0].Name() != "live" {
		t.Errorf("left: %v", left)
	}
	held.RemoveLast()
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Error("the folder is left")
	}
}

func TestFolderOfLocksIsClosedToOtherUsers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "locks")
	kubelettest.Must(t, os.Mkdir(dir, 0o755), MakeDir(dir))
	info, err := os.Stat(dir)
	kubelettest.Must(t, err)
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode is %s", info.Mode())
	}
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	kubelettest.Must(t, os.WriteFile(file, nil, 0o600), os.Symlink(t.TempDir(), link))
	for _, path := range []string{file, link} {
		if MakeDir(path) == nil {
			t.Errorf("%s was taken for a folder", filepath.Base(path))
		}
	}
	if os.Geteuid() == 0 {
		kubelettest.Must(t, os.Chown(dir, 65534, 65534))
		if err := MakeDir(dir); err == nil || !strings.Contains(err.Error(), "is not a folder of user 0") {
			t.Errorf("a folder of another user: error is %v", err)
		}
	}
}
