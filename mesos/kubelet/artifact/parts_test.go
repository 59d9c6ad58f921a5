package artifact

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func TestNewCache(t *testing.T) {
	for limit, want := range map[int64]int64{0: 10 << 30, 1: 1 << 20, 20480: 20 << 30} {
		c := NewCache("/var/lib/k8sm", limit, time.Now)
		if c.Limit != want || c.Dir != "/var/lib/k8sm/cache/sha256" {
			t.Errorf("%d MiB: limit %d of %s", limit, c.Limit, c.Dir)
		}
	}
}

func TestIsTemporary(t *testing.T) {
	tests := map[string]struct {
		err  error
		want bool
	}{
		"a connection that broke":     {errors.New("connection reset"), true},
		"a server that is overloaded": {errors.New("the server answers 503"), true},
		"a server that refuses":       {fmt.Errorf("fetching: %w", refusedError{http.StatusText(404)}), false},
		"another digest":              {fmt.Errorf("%w artifact", nodeapi.ErrInvalid), false},
		"a file that is not there":    {fmt.Errorf("opening: %w", fs.ErrNotExist), false},
		"a file without permission":   {fs.ErrPermission, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := isTemporary(tc.err); got != tc.want {
				t.Errorf("temporary: %t", got)
			}
		})
	}
}

func TestRedact(t *testing.T) {
	for uri, want := range map[string]string{
		"https://me:secret@example.com/x": "https://xxxxx@example.com/x",
		"https://secret@example.com/x":    "https://xxxxx@example.com/x",
		"https://example.com/x?a=b":       "https://example.com/x?a=b",
		"file:///x":                       "file:///x",
		"http://me:secret@exa mple/\x7f":  "a malformed URI",
	} {
		if got := Redact(uri); got != want || strings.Contains(got, "secret") {
			t.Errorf("%s becomes %s, want %s", uri, got, want)
		}
	}
}

func TestParseContentRange(t *testing.T) {
	tests := map[string]struct {
		header       string
		begin, total int64
		ok           bool
	}{
		"a range of a known size":    {"bytes 100-199/200", 100, 200, true},
		"a range of an unknown size": {"bytes 0-99/*", 0, -1, true},
		"no range":                   {"bytes */200", 0, 0, false},
		"no size":                    {"bytes 0-99", 0, 0, false},
		"no beginning":               {"bytes x-99/200", 0, 0, false},
		"nothing":                    {"", 0, 0, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			begin, total, ok := parseContentRange(tc.header)
			if begin != tc.begin || total != tc.total || ok != tc.ok {
				t.Errorf("begin %d, total %d, ok %t", begin, total, ok)
			}
		})
	}
}

func TestIsDigest(t *testing.T) {
	for name, want := range map[string]bool{
		strings.Repeat("0a", 32): true, strings.Repeat("0A", 32): false, strings.Repeat("0a", 31): false, strings.Repeat("0g", 32): false, "": false, "file": false,
	} {
		if isDigest(name) != want {
			t.Errorf("%q is a digest: %t", name, !want)
		}
	}
}

func TestDescribeProgress(t *testing.T) {
	a := nodeapi.Artifact{Name: "runc"}
	for total, want := range map[int64]string{-1: `fetching artifact "runc": 2 MiB`, 5 * mebibyte: `fetching artifact "runc": 2 of 5 MiB`} {
		if got := DescribeProgress(a, 2*mebibyte+1, total); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
