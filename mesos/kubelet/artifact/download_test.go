package artifact

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// unreliableServer is a server at the other end of a bad line: it sends no more than piece bytes of
// content in each answer, and then calls interrupt.
type unreliableServer struct {
	content   string
	maxChunk  int
	interrupt func(w http.ResponseWriter, r *http.Request)
	// ignoresRange servers don't know of ranges.
	ignoresRange bool

	requestedRanges []string // the ranges
	sent            int
}

// break the connection.
func abort(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// hang until the client has had enough.
func hang(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func (l *unreliableServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.requestedRanges = append(l.requestedRanges, r.Header.Get("Range"))
	from := 0
	if span, ok := strings.CutPrefix(r.Header.Get("Range"), "bytes="); ok && !l.ignoresRange {
		from, _ = strconv.Atoi(strings.TrimSuffix(span, "-"))
		if from >= len(l.content) {
			http.Error(w, "that is all", http.StatusRequestedRangeNotSatisfiable)
			return
		}
		w.Header().Set("Content-Range", "bytes "+strconv.Itoa(from)+"-"+strconv.Itoa(len(l.content)-1)+"/"+strconv.Itoa(len(l.content)))
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(l.content)-from))
	if from > 0 {
		w.WriteHeader(http.StatusPartialContent)
	}
	n, _ := io.WriteString(w, l.content[from:min(len(l.content), from+l.maxChunk)])
	l.sent += n
	if from+n < len(l.content) {
		_ = http.NewResponseController(w).Flush()
		l.interrupt(w, r)
	}
}

func (l *unreliableServer) serve(t *testing.T) string {
	s := httptest.NewServer(l)
	t.Cleanup(s.Close)
	return s.URL + "/file"
}

func TestInterruptedFetchIsResumed(t *testing.T) {
	content := strings.Repeat("0123456789abcdef", 3*mebibyte/16)
	all := len(content)
	tests := map[string]struct {
		line  unreliableServer
		there string // what another process fetched before
		asked []string
		sent  int
	}{
		"after a broken connection": {line: unreliableServer{maxChunk: 2 * mebibyte, interrupt: abort}, asked: []string{"", "bytes=2097152-"}, sent: all},
		"after a silent connection": {line: unreliableServer{maxChunk: 2 * mebibyte, interrupt: hang}, asked: []string{"", "bytes=2097152-"}, sent: all},
		"after a killed executor": {
			line: unreliableServer{maxChunk: all}, there: content[:1000], asked: []string{"bytes=1000-"}, sent: all - 1000},
		"from the beginning if the server ignores ranges": {
			line: unreliableServer{maxChunk: all, ignoresRange: true}, there: content[:1000], asked: []string{"bytes=1000-"}, sent: all},
		"from the beginning if the part has another content": {
			line: unreliableServer{maxChunk: all}, there: "something else", asked: []string{"bytes=14-", ""}, sent: 2*all - 14},
		"from the beginning if the part is longer than the file": {
			line: unreliableServer{maxChunk: all}, there: content + "x", asked: []string{"bytes=3145729-", ""}, sent: all},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			cache, server := testCache(t), tc.line
			cache.Stall = 200 * time.Millisecond
			server.content = content
			if err := os.MkdirAll(cache.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
			if tc.there != "" {
				if err := os.WriteFile(filepath.Join(cache.Dir, kubelettest.Digest(content)+partSuffix), []byte(tc.there), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			fetch(t, cache, server.serve(t), kubelettest.Digest(content))
			got, _ := os.ReadFile(filepath.Join(cache.Dir, kubelettest.Digest(content)))
			if string(got) != content {
				t.Errorf("it holds %d bytes of something else", len(got))
			}
			if diff := cmp.Diff(tc.asked, server.requestedRanges); diff != "" || server.sent != tc.sent {
				t.Errorf("%d bytes were sent, want %d, asked for (-want +got):\n%s", server.sent, tc.sent, diff)
			}
		})
	}
}

// A bad line costs time, and not the node.
func TestConnectionThatKeepsBreaking(t *testing.T) {
	server := &unreliableServer{content: strings.Repeat("x", 8*mebibyte), maxChunk: mebibyte, interrupt: abort}
	fetch(t, testCache(t), server.serve(t), kubelettest.Digest(server.content))
	if server.sent != len(server.content) {
		t.Errorf("%d bytes were sent, of %d", server.sent, len(server.content))
	}

	server = &unreliableServer{content: strings.Repeat("x", 8*mebibyte), maxChunk: 10, interrupt: abort}
	_, err := testCache(t).Fetch(t.Context(), nodeapi.Artifact{Name: "a", URI: server.serve(t), SHA256: kubelettest.Digest(server.content)})
	if err == nil || len(server.requestedRanges) != 3 {
		t.Errorf("asked %d times of one that gets nowhere, error %v", len(server.requestedRanges), err)
	}
}

func TestRefusedFetchIsNotRetried(t *testing.T) {
	var hits atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		http.Error(w, "no", http.StatusForbidden)
	}))
	defer server.Close()
	_, err := testCache(t).Fetch(t.Context(), nodeapi.Artifact{Name: "kubelet", URI: server.URL + "/x", SHA256: kubelettest.Digest("x")})
	if err == nil || !strings.Contains(err.Error(), "403 Forbidden") || errors.Is(err, nodeapi.ErrInvalid) || hits.Load() != 1 {
		t.Errorf("asked %d times, error %v", hits.Load(), err)
	}
}

func TestHugeArtifactIsRefused(t *testing.T) {
	tests := map[string]http.HandlerFunc{
		"a Content-Length above the maximum": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", strconv.Itoa(1<<40))
		},
		"a body without end": func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<16))
			}
		},
	}
	for name, handler := range tests {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(handler)
			defer server.Close()
			cache := testCache(t)
			cache.Limit = mebibyte
			_, err := cache.Fetch(t.Context(), nodeapi.Artifact{Name: "kubelet", URI: server.URL + "/x", SHA256: kubelettest.Digest("x")})
			if err == nil || !strings.Contains(err.Error(), "larger than the cache may be, 1 MiB") || !errors.Is(err, nodeapi.ErrInvalid) {
				t.Errorf("error is %v", err)
			}
			if left, _ := filepath.Glob(filepath.Join(cache.Dir, "*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func TestProgressIsReported(t *testing.T) {
	content := strings.Repeat("x", 2*mebibyte)
	server := &unreliableServer{content: content, maxChunk: len(content)}
	cache := testCache(t)
	last := ""
	cache.Progress = func(a nodeapi.Artifact, have, total int64) { last = DescribeProgress(a, have, total) }
	fetch(t, cache, server.serve(t), kubelettest.Digest(content))
	if last != `fetching artifact "a": 2 of 2 MiB` {
		t.Errorf("reported last: %s", last)
	}
}

func TestStopEndsAFetch(t *testing.T) {
	server := &unreliableServer{content: strings.Repeat("x", mebibyte), maxChunk: 1000, interrupt: hang}
	cache := testCache(t)
	ctx, cancel := context.WithCancel(t.Context())
	cache.Progress = func(nodeapi.Artifact, int64, int64) { cancel() }
	_, err := cache.Fetch(ctx, nodeapi.Artifact{Name: "a", URI: server.serve(t), SHA256: kubelettest.Digest(server.content)})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	if info, err := os.Stat(filepath.Join(cache.Dir, kubelettest.Digest(server.content)+partSuffix)); err != nil || info.Size() != 1000 {
		t.Errorf("the part is not kept for the next: %v", err)
	}
}
