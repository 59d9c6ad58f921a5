package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// serve offers content at /file and, after some failures, at /flaky. It counts requests.
func serve(t *testing.T, content string, failures int32) (*httptest.Server, *atomic.Int32) {
	var hits atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := hits.Add(1)
		switch {
		case r.URL.Path == "/missing":
			http.NotFound(w, r)
		case r.URL.Path == "/flaky" && n <= failures:
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		case r.URL.Path == "/cut":
			w.Header().Set("Content-Length", "1000")
			_, _ = w.Write([]byte(content))
		default:
			_, _ = w.Write([]byte(content))
		}
	}))
	t.Cleanup(s.Close)
	return s, &hits
}

func testCache(t *testing.T) *Cache {
	c := NewCache(t.TempDir(), 0, time.Now)
	c.Pause = 0
	return c
}

// fetch fails the test if it fails. The artifact is in use until the test ends.
func fetch(t *testing.T, c *Cache, uri, digest string) {
	t.Helper()
	f, err := c.Fetch(t.Context(), nodeapi.Artifact{Name: "a", URI: uri, SHA256: digest})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
}

func TestFetch(t *testing.T) {
	const content = "#!/bin/sh\n"
	server, _ := serve(t, content, 2)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	escaped := filepath.Join(filepath.Dir(file), "a%20b")
	if err := os.WriteFile(escaped, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	withPassword := strings.Replace(server.URL, "http://", "http://me:secret@", 1)
	tests := map[string]struct {
		uri, sha256 string
		want        []string // in the error; nil: no error
		invalid     bool
	}{
		"over http":                              {uri: server.URL + "/file", sha256: kubelettest.Digest(content)},
		"from a file":                            {uri: "file://" + file, sha256: kubelettest.Digest(content)},
		"from a file with an escape in its name": {uri: "file://" + escaped, sha256: kubelettest.Digest(content)},
		"after two failures":                     {uri: server.URL + "/flaky", sha256: kubelettest.Digest(content)},
		"a file that is not there":               {uri: "file:///no/such/file", sha256: kubelettest.Digest(content), want: []string{`"kubelet"`, "no such file"}},
		"a page that is not there":               {uri: server.URL + "/missing", sha256: kubelettest.Digest(content), want: []string{`"kubelet"`, "/missing", "404"}},
		"a truncated transfer":                   {uri: server.URL + "/cut", sha256: kubelettest.Digest(content), want: []string{`"kubelet"`, "unexpected EOF"}},
		"no server":                              {uri: "http://127.0.0.1:1/x", sha256: kubelettest.Digest(content), want: []string{`"kubelet"`, "refused"}},
		"a wrong digest names all four": {
			uri: withPassword + "/file", sha256: kubelettest.Digest("other"), invalid: true,
			want: []string{`"kubelet"`, "xxxxx@", "/file", kubelettest.Digest(content), kubelettest.Digest("other")},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cache := testCache(t)
			got, err := cache.Fetch(t.Context(), nodeapi.Artifact{Name: "kubelet", Type: nodeapi.ArtifactTypeBinary, URI: tc.uri, SHA256: tc.sha256})
			if tc.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				defer got.Close()
				there, err := os.ReadFile(filepath.Join(cache.Dir, tc.sha256))
				info, _ := got.Stat()
				if err != nil || string(there) != content || info.Mode().Perm() != 0o755 {
					t.Errorf("file %q, error %v", there, err)
				}
			}
			for _, want := range tc.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v does not name %q", err, want)
				}
			}
			if errors.Is(err, nodeapi.ErrInvalid) != tc.invalid {
				t.Errorf("invalid is %t of %v", !tc.invalid, err)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error gives a password away: %v", err)
			}
			left, _ := filepath.Glob(filepath.Join(cache.Dir, "*"))
			left = slices.DeleteFunc(left, func(f string) bool { return !tc.invalid && strings.HasSuffix(f, partSuffix) })
			if err == nil && len(left) != 1 || err != nil && len(left) != 0 {
				t.Errorf("cache holds %v", left)
			}
		})
	}
}

func TestConcurrentNodesFetchAnArtifactOnce(t *testing.T) {
	server, hits := serve(t, "x", 0)
	stateDir := t.TempDir()
	var nodes sync.WaitGroup
	for range 8 {
		nodes.Go(func() {
			f, err := NewCache(stateDir, 0, time.Now).Fetch(t.Context(), nodeapi.Artifact{Name: "a", URI: server.URL + "/file", SHA256: kubelettest.Digest("x")})
			if err != nil {
				t.Error(err)
				return
			}
			_ = f.Close()
		})
	}
	nodes.Wait()
	if n := hits.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}

func TestWaitingForAnotherNodeEndsWithTheContext(t *testing.T) {
	cache := testCache(t)
	if err := os.MkdirAll(cache.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	other, err := filelock.Try(filepath.Join(cache.Dir, kubelettest.Digest("x")+".lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Remove()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = cache.Fetch(ctx, nodeapi.Artifact{Name: "a", URI: "file:///x", SHA256: kubelettest.Digest("x")})
	if !errors.Is(err, context.Canceled) || !errors.Is(err, filelock.ErrLocked) {
		t.Errorf("error is %v", err)
	}
}

// archive makes a .tar.gz of entries.
func archive(t *testing.T, entries ...tar.Header) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range entries {
		content := ""
		if e.Typeflag == tar.TypeReg {
			content = "content of " + e.Name
		}
		e.Size, e.Mode = int64(len(content)), 0o644
		if err := w.WriteHeader(&e); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// bomb is an archive of next to nothing that unpacks to size bytes.
func bomb(t *testing.T, size int64) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	if err := w.WriteHeader(&tar.Header{Name: "kubelet", Typeflag: tar.TypeReg, Size: size}); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, mebibyte)
	for range size / mebibyte {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestUnpack(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Name: name, Typeflag: tar.TypeReg} }
	link := func(name, to string) tar.Header {
		return tar.Header{Name: name, Linkname: to, Typeflag: tar.TypeSymlink}
	}
	tests := map[string]struct {
		content string
		want    map[string]string // name → content
		wrong   string
	}{
		"files by base name, folders and devices left out": {
			content: archive(t, tar.Header{Name: "bin/", Typeflag: tar.TypeDir}, file("bin/containerd"), file("./ctr"), tar.Header{Name: "null", Typeflag: tar.TypeChar}),
			want:    map[string]string{"containerd": "content of bin/containerd", "ctr": "content of ./ctr"},
		},
		"links within the archive": {
			content: archive(t, file("bin/kube"), link("bin/kubelet", "kube"), link("sbin/kubectl", "../bin/kube"),
				tar.Header{Name: "hard", Linkname: "bin/kube", Typeflag: tar.TypeLink}),
			want: map[string]string{"kube": "content of bin/kube", "kubelet": "content of bin/kube", "kubectl": "content of bin/kube", "hard": "content of bin/kube"},
		},
		"an entry with ..":                  {content: archive(t, file("../../etc/cron.d/x")), wrong: "leads out"},
		"an entry with an absolute path":    {content: archive(t, file("/etc/passwd")), wrong: "leads out"},
		"a link with ..":                    {content: archive(t, link("bin/x", "../../etc/passwd")), wrong: "leads out"},
		"a link with an absolute path":      {content: archive(t, link("x", "/etc/passwd")), wrong: "leads out"},
		"a hard link with ..":               {content: archive(t, tar.Header{Name: "x", Linkname: "../x", Typeflag: tar.TypeLink}), wrong: "leads out"},
		"one name twice":                    {content: archive(t, file("a/x"), file("b/x")), wrong: "exists"},
		"an archive above the maximum size": {content: bomb(t, 100*mebibyte), wrong: "unpacks to more than 1 MiB"},
		"not an archive":                    {content: "#!/bin/sh", wrong: "not a .tar.gz"},
		"a truncated archive":               {content: archive(t, file("x"))[:60], wrong: "invalid archive"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			bin := filepath.Join(t.TempDir(), "bin")
			server, _ := serve(t, tc.content, 0)
			cache := testCache(t)
			cache.Limit = mebibyte
			installed, err := Install(t.Context(), cache, []nodeapi.Artifact{
				{Name: "a", Type: nodeapi.ArtifactTypeArchive, URI: server.URL + "/file", SHA256: kubelettest.Digest(tc.content)}}, bin)
			defer installed.Release()
			if tc.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wrong) {
					t.Errorf("error is %v, want one about %q", err, tc.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			files, _ := filepath.Glob(filepath.Join(bin, "*"))
			for _, f := range files {
				data, _ := os.ReadFile(f)
				got[filepath.Base(f)] = string(data)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func TestInstallHandlesEachArtifactType(t *testing.T) {
	server, hits := serve(t, "x", 0)
	artifact := func(name, kind string) nodeapi.Artifact {
		return nodeapi.Artifact{Name: name, Type: kind, URI: server.URL + "/file", SHA256: kubelettest.Digest("x")}
	}
	bin, cache := filepath.Join(t.TempDir(), "bin"), testCache(t)
	got, err := Install(t.Context(), cache, []nodeapi.Artifact{artifact(nodeapi.ArtifactExecutor, nodeapi.ArtifactTypeBinary), artifact("kubelet", nodeapi.ArtifactTypeBinary), artifact("busybox", nodeapi.ArtifactTypeImage)}, bin)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Release()
	if diff := cmp.Diff([]string{filepath.Join(cache.Dir, kubelettest.Digest("x"))}, got.Images); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	if err := Require(bin, "kubelet"); err != nil {
		t.Error(err)
	}
	err = Require(bin, "kubelet", "runc", nodeapi.ArtifactExecutor)
	if err == nil || !strings.Contains(err.Error(), "runc, executor") || !errors.Is(err, nodeapi.ErrInvalid) {
		t.Errorf("error is %v", err)
	}
	if n := hits.Load(); n != 1 {
		t.Errorf("fetched %d times", n)
	}
}
