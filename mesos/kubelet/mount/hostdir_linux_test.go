package mount

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// Parents that were made on the way are marked as well, but are not claimed: they stay, since
// another node may be about to use them.
func TestCreatedParentFoldersAreMarked(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b")
	h, err := ClaimHostDir(dir)
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
	first, err := ClaimHostDir(dir)
	kubelettest.Must(t, err, os.WriteFile(filepath.Join(dir, "log"), nil, 0o600))
	first.Release()
	second, err := ClaimHostDir(dir)
	kubelettest.Must(t, err, os.Remove(filepath.Join(dir, "log")))
	second.Release()
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Error("the folder is left")
	}
}

func TestClaimBelowAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	kubelettest.Must(t, os.WriteFile(file, nil, 0o600))
	if _, err := ClaimHostDir(filepath.Join(file, "dir")); err == nil {
		t.Error("claimed below a file")
	}
}
