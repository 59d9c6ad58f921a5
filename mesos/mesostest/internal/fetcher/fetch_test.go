package fetcher

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// files serves the path as its own content, and nothing below /missing.
func files(t *testing.T) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/missing") {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, r.URL.Path)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestAllFilesAreFetched(t *testing.T) {
	url, sandbox := files(t), t.TempDir()
	executable, output := true, "sub/folder/renamed"
	err := Fetch(t.Context(), []mesos.CommandInfo_URI{
		{Value: url + "/plain"},
		{Value: url + "/tool", Executable: &executable},
		{Value: url + "/other", OutputFile: &output},
	}, sandbox)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]struct {
		content string
		mode    os.FileMode
	}{
		"plain":              {"/plain", 0o644},
		"tool":               {"/tool", 0o755},
		"sub/folder/renamed": {"/other", 0o644},
	} {
		path := filepath.Join(sandbox, name)
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if string(raw) != want.content || info.Mode().Perm() != want.mode {
			t.Errorf("%s is %q with %s, want %q with %s", name, raw, info.Mode().Perm(), want.content, want.mode)
		}
	}
}

func TestAFileThatIsThereIsReplaced(t *testing.T) {
	sandbox := t.TempDir()
	if err := os.WriteFile(filepath.Join(sandbox, "x"), []byte("what was there before, which is longer"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Fetch(t.Context(), []mesos.CommandInfo_URI{{Value: files(t) + "/x"}}, sandbox); err != nil {
		t.Fatal(err)
	}
	if raw, _ := os.ReadFile(filepath.Join(sandbox, "x")); string(raw) != "/x" {
		t.Errorf("it is %q", raw)
	}
}

func TestFetchesThatFail(t *testing.T) {
	url := files(t)
	for name, test := range map[string]struct {
		uri  string
		want string
	}{
		"a file that is not there":    {url + "/missing", "fetching " + url + "/missing: unexpected answer 404 Not Found"},
		"a path that is not absolute": {"some/file", "fetching some/file: File URI only supports absolute paths"},
		"another scheme":              {"hdfs://host/file", `fetching hdfs://host/file: scheme "hdfs" is not supported`},
		"no local file":               {"/no/such/file", "fetching /no/such/file: open /no/such/file: no such file or directory"},
		"no name":                     {url + "/", "fetching " + url + `/: "" is no file name in the sandbox`},
	} {
		t.Run(name, func(t *testing.T) {
			sandbox := t.TempDir()
			err := Fetch(t.Context(), []mesos.CommandInfo_URI{{Value: test.uri}, {Value: url + "/next"}}, sandbox)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if left, _ := os.ReadDir(sandbox); len(left) > 0 {
				t.Errorf("%d files are in the sandbox: it goes on, or leaves something", len(left))
			}
		})
	}
}

func TestFetchingEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Fetch(ctx, []mesos.CommandInfo_URI{{Value: files(t) + "/x"}}, t.TempDir()); err == nil {
		t.Error("it was fetched")
	}
}

func TestNothingToFetch(t *testing.T) {
	if err := Fetch(t.Context(), nil, "/nowhere"); err != nil {
		t.Error(err)
	}
}
