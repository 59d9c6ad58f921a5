package artifact

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// cachedContents lists the artifacts that are still there, of a, b, c and so on.
func cachedContents(c *Cache, contents ...string) string {
	var there strings.Builder
	for _, content := range contents {
		if _, err := os.Stat(filepath.Join(c.Dir, kubelettest.Digest(content))); err == nil {
			there.WriteString(content[:1])
		}
	}
	return there.String()
}

func TestCacheRemovesLeastRecentlyUsed(t *testing.T) {
	const half = mebibyte / 2
	a, b, c, d := strings.Repeat("a", half), strings.Repeat("b", half), strings.Repeat("c", half), strings.Repeat("d", half)
	cache, clock := testCache(t), time.Unix(1_000_000, 0)
	cache.Limit = mebibyte
	cache.Now = func() time.Time { clock = clock.Add(time.Minute); return clock }
	get := func(content string) *os.File {
		t.Helper()
		server := &unreliableServer{content: content, maxChunk: len(content)}
		f, err := cache.Fetch(t.Context(), nodeapi.Artifact{Name: "a", URI: server.serve(t), SHA256: kubelettest.Digest(content)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	expect := func(when, want string) {
		t.Helper()
		if diff := cmp.Diff(want, cachedContents(cache, a, b, c, d)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	usedA, usedB := get(a), get(b)
	_ = usedB.Close()
	expect("as much as fits", "ab")
	_ = get(b).Close()
	usedC := get(c)
	expect("a is in use, although b was used later", "ac")
	usedD := get(d)
	expect("all are in use, and so all stay", "acd")
	// Fetched files are as old as their last fetch or use.
	for f, age := range map[*os.File]time.Duration{usedA: 3, usedC: 2, usedD: 1} {
		used := clock.Add(-age * time.Minute)
		kubelettest.Must(t, os.Chtimes(filepath.Join(cache.Dir, filepath.Base(strings.TrimSuffix(f.Name(), partSuffix))), used, used), f.Close())
	}
	_ = get(a).Close()
	cache.trim(half)
	expect("a was used last", "a")
	if cache.trim(0) != 1 {
		t.Error("nothing was there")
	}
	expect("nothing", "")
}

func TestCacheRemovesAbandonedParts(t *testing.T) {
	cache := testCache(t)
	kubelettest.Must(t, os.MkdirAll(cache.Dir, 0o755))
	part := func(content string) string { return filepath.Join(cache.Dir, kubelettest.Digest(content)+partSuffix) }
	for _, content := range []string{"dead", "live"} {
		kubelettest.Must(t, os.WriteFile(part(content), []byte(content), 0o600))
	}
	kubelettest.Must(t, os.WriteFile(filepath.Join(cache.Dir, "a stranger's"), nil, 0o600))
	fetching, err := filelock.Try(filepath.Join(cache.Dir, kubelettest.Digest("live")+lockSuffix))
	kubelettest.Must(t, err)
	defer fetching.Remove()
	cache.trim(0)
	var left []string
	entries, _ := os.ReadDir(cache.Dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{kubelettest.Digest("live") + lockSuffix, kubelettest.Digest("live") + partSuffix, "a stranger's"}, left); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

// A stranger opened the artifact while the folder of the cache was open to all.
func TestStrangerThatLocksAnArtifactDelaysNothing(t *testing.T) {
	cache := testCache(t)
	a := kubelettest.Artifact(t, "kubelet", "content")
	first, err := cache.Fetch(t.Context(), a)
	kubelettest.Must(t, err, first.Close())
	path := filepath.Join(cache.Dir, a.SHA256)
	stranger, err := os.Open(path)
	kubelettest.Must(t, err, filelock.TryExclusive(stranger))
	defer stranger.Close()
	again, err := cache.Fetch(t.Context(), a)
	kubelettest.Must(t, err)
	defer again.Close()
	if filelock.IsAt(stranger, path) || kubelettest.Content(path) != "content" {
		t.Error("the artifact was not fetched anew")
	}
}

func TestOtherUsersCannotEnterTheCache(t *testing.T) {
	cache := testCache(t)
	kubelettest.Must(t, os.MkdirAll(cache.Dir, 0o755))
	f, err := cache.Fetch(t.Context(), kubelettest.Artifact(t, "kubelet", "content"))
	kubelettest.Must(t, err)
	defer f.Close()
	if info, err := os.Stat(cache.Dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode is %v, error %v", info.Mode(), err)
	}
}
