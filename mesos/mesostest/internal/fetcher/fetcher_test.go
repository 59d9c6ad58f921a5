package fetcher

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

func TestFetchedFilesAreNamedAsMesosNamesThem(t *testing.T) {
	output := "bin/kubelet"
	tests := map[string]struct {
		uri  mesos.CommandInfo_URI
		want string // an error when it is not a path
	}{
		"a plain file":            {mesos.CommandInfo_URI{Value: "http://files.example/k8sm/executor"}, "/sandbox/executor"},
		"with a query":            {mesos.CommandInfo_URI{Value: "http://files.example/executor?version=1"}, "/sandbox/executor?version=1"},
		"with a path in a query":  {mesos.CommandInfo_URI{Value: "http://files.example/get?file=a/b"}, "/sandbox/b"},
		"with escapes":            {mesos.CommandInfo_URI{Value: "http://files.example/my%20executor"}, "/sandbox/my%20executor"},
		"a local file":            {mesos.CommandInfo_URI{Value: "file:///opt/executor"}, "/sandbox/executor"},
		"an absolute path":        {mesos.CommandInfo_URI{Value: "/opt/executor"}, "/sandbox/executor"},
		"under another name":      {mesos.CommandInfo_URI{Value: "http://files.example/x", OutputFile: &output}, "/sandbox/bin/kubelet"},
		"no file":                 {mesos.CommandInfo_URI{Value: "http://files.example/"}, "no file name"},
		"the folder above":        {mesos.CommandInfo_URI{Value: "http://files.example/.."}, "no file name"},
		"a quote":                 {mesos.CommandInfo_URI{Value: "http://files.example/it's"}, "illegal characters"},
		"a quote before the name": {mesos.CommandInfo_URI{Value: "http://files.example/it's/x"}, "illegal characters"},
		"a backslash":             {mesos.CommandInfo_URI{Value: `file:///opt\executor`}, "illegal characters"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := targetOf(tc.uri, "/sandbox")
			if err != nil {
				got = err.Error()
			}
			if got != tc.want && (err == nil || !strings.Contains(got, tc.want)) {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestLocalFilesAreFoundAsMesosFindsThem(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain", "a%20b"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		uri, want string // an empty want is an error
	}{
		"a file URI":                  {"file://" + dir + "/plain", "plain"},
		"a path":                      {dir + "/plain", "plain"},
		"this host":                   {"file://localhost" + dir + "/plain", "plain"},
		"an escape stands for itself": {"file://" + dir + "/a%20b", "a%20b"},
		"an escape is not decoded":    {"file://" + dir + "/pl%61in", ""},
		"another host":                {"file://other" + dir + "/plain", ""},
		"a relative path":             {"plain", ""},
		"an unknown scheme":           {"gopher://" + dir + "/plain", ""},
	} {
		t.Run(name, func(t *testing.T) {
			sandbox := t.TempDir()
			err := fetchOne(t.Context(), mesos.CommandInfo_URI{Value: tc.uri}, sandbox)
			got, _ := os.ReadFile(filepath.Join(sandbox, filepath.Base(tc.uri)))
			if string(got) != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("got %q, %v; want %q", got, err, tc.want)
			}
		})
	}
}
