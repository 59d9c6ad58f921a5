package mount

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// Parents that were made on the way are marked as well, but are not claimed: they stay, since
// another node may be about to use them.
func TestCreatedParentFoldersAreMarked(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b")
	h, err := ClaimHostDir(t.Context(), t.TempDir(), dir)
	kubelettest.Must(t, err)
	for _, made := range []string{dir, filepath.Dir(dir)} {
		if _, err := os.Stat(filepath.Join(made, MarkerName)); err != nil {
			t.Errorf("%s is not marked: %v", made, err)
		}
	}
	if _, err := os.Stat(filepath.Join(base, MarkerName)); !os.IsNotExist(err) {
		t.Error("a folder that was there is marked")
	}
	h.Release()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("the folder is left")
	}
}

// The mark outlives a folder that could not be removed, so that a later node removes it.
func TestFolderThatIsNotEmptyStaysMarked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "dir")
	first, err := ClaimHostDir(t.Context(), t.TempDir(), dir)
	kubelettest.Must(t, err, os.WriteFile(filepath.Join(dir, "log"), nil, 0o600))
	first.Release()
	second, err := ClaimHostDir(t.Context(), t.TempDir(), dir)
	kubelettest.Must(t, err, os.Remove(filepath.Join(dir, "log")))
	second.Release()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("the folder is left")
	}
}

func TestClaimBelowAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	kubelettest.Must(t, os.WriteFile(file, nil, 0o600))
	if _, err := ClaimHostDir(t.Context(), t.TempDir(), filepath.Join(file, "dir")); err == nil {
		t.Error("claimed below a file")
	}
}

// Other users can open the folder, and so hold its lock for as long as they like.
func TestStrangerThatLocksAFolderKeepsNoNodeFromClaimingIt(t *testing.T) {
	locks, dir := t.TempDir(), filepath.Join(t.TempDir(), "dir")
	kubelettest.Must(t, os.Mkdir(dir, 0o755))
	stranger, err := os.Open(dir)
	kubelettest.Must(t, err, filelock.TryExclusive(stranger))
	defer stranger.Close()
	h, err := ClaimHostDir(t.Context(), locks, dir)
	kubelettest.Must(t, err)
	h.Release()
}

func TestFolderThatANodeIsLeavingIsAwaitedUntilTheContextEnds(t *testing.T) {
	locks, dir := filepath.Join(t.TempDir(), "locks"), filepath.Join(t.TempDir(), "dir")
	leaving, err := ClaimHostDir(t.Context(), locks, dir)
	kubelettest.Must(t, err)
	if !leaving.lock.Alone() {
		t.Fatal("somebody else holds it")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*claimEvery)
	defer cancel()
	if _, err := ClaimHostDir(ctx, locks, dir); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), dir) {
		t.Errorf("error is %v", err)
	}
	leaving.Release()
	next, err := ClaimHostDir(t.Context(), locks, dir)
	kubelettest.Must(t, err)
	next.Release()
	if _, err := os.Stat(locks); !os.IsNotExist(err) {
		t.Error("the folder of locks is left")
	}
}

// A node of release 1 holds the folder's own lock.
func TestFolderOfANodeOfRelease1IsKept(t *testing.T) {
	locks, dir := t.TempDir(), filepath.Join(t.TempDir(), "dir")
	h, err := ClaimHostDir(t.Context(), locks, dir)
	kubelettest.Must(t, err)
	other, err := os.Open(dir)
	kubelettest.Must(t, err, filelock.Share(other))
	h.Release()
	if _, err := os.Stat(filepath.Join(dir, MarkerName)); err != nil {
		t.Errorf("the folder or its mark is gone: %v", err)
	}
	kubelettest.Must(t, other.Close())
}
