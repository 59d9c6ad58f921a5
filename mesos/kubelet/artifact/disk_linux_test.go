package artifact

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

// Room is made on a full disk by forgetting what no node uses.
func TestFullDiskMakesRoomInTheCache(t *testing.T) {
	if !kubelettest.Isolated(t) {
		return
	}
	cache := testCache(t)
	kubelettest.Must(t, os.MkdirAll(cache.Dir, 0o755), unix.Mount("tmpfs", cache.Dir, "tmpfs", 0, "size=1m"))
	defer func() { kubelettest.Must(t, unix.Unmount(cache.Dir, unix.MNT_DETACH)) }()
	first, second := strings.Repeat("1", mebibyte*3/4), strings.Repeat("2", mebibyte*3/4)
	used, err := cache.Fetch(t.Context(), kubelettest.Artifact(t, "a", first))
	kubelettest.Must(t, err)
	b := kubelettest.Artifact(t, "b", second)
	if _, err := cache.Fetch(t.Context(), b); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("while the first is in use: error is %v", err)
	}
	kubelettest.Must(t, used.Close())
	fetch(t, cache, b.URI, b.SHA256)
	if got := cachedContents(cache, first, second); got != "2" {
		t.Errorf("kept: %s", got)
	}
}
