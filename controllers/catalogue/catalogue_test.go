package catalogue

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/version"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
)

const digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// noon is the time at which every test begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// content returns a file with these versions.
func content(versions ...string) string {
	text := "containerRuntime: none\nversions:\n"
	for _, v := range versions {
		text += "- {name: " + v + ", artifacts: [{name: executor, uri: 'file:///e', sha256: " + digest + "}, {name: kubelet, uri: 'file:///k', sha256: " + digest + "}]}\n"
	}
	return text
}

// choosing returns a template that chooses a version.
func choosing(version string) v1alpha1.NodeTemplateSpec {
	return v1alpha1.NodeTemplateSpec{Runtime: v1alpha1.NodeRuntime{Version: version}}
}

// fixture is a catalogue whose file a test changes.
type fixture struct {
	*Catalogue
	t    *testing.T
	file string
	now  time.Time
	log  []string
}

func newFixture(t *testing.T, file string) *fixture {
	t.Helper()
	f := &fixture{t: t, file: file, now: noon}
	var err error
	f.Catalogue, err = Open(Options{File: file, Now: func() time.Time { return f.now },
		Log: funcr.New(func(_, args string) { f.log = append(f.log, args) }, funcr.Options{})})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// inFile returns a fixture with a plain file.
func inFile(t *testing.T, text string) *fixture {
	t.Helper()
	file := filepath.Join(t.TempDir(), "node-runtime.yaml")
	write(t, file, text)
	return newFixture(t, file)
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// settle reads the file as often as is needed for a change to count.
func (f *fixture) settle() {
	f.now = f.now.Add(time.Minute)
	for range leastReadings {
		f.read()
	}
}

// versions returns the names of the versions, as a line.
func (f *fixture) versions() string {
	var names []string
	for _, v := range f.Current().Versions {
		names = append(names, v.Name)
	}
	return strings.Join(names, " ")
}

// valueOf returns the value of a gauge.
func valueOf(t *testing.T, gauge prometheus.Gauge) float64 {
	t.Helper()
	var metric dto.Metric
	if err := gauge.Write(&metric); err != nil {
		t.Fatal(err)
	}
	return metric.GetGauge().GetValue()
}

// expect checks the versions and the metrics.
func (f *fixture) expect(versions string, successful float64, takenAt time.Time) {
	f.t.Helper()
	if got := f.versions(); got != versions {
		f.t.Errorf("versions are %q, want %q", got, versions)
	}
	if got := valueOf(f.t, lastReloadSuccessful); got != successful {
		f.t.Errorf("successful is %g, want %g", got, successful)
	}
	if got := valueOf(f.t, lastReloadSuccess); got != float64(takenAt.Unix()) {
		f.t.Errorf("it was taken at %s, want %s", time.Unix(int64(got), 0).UTC(), takenAt)
	}
}

func TestChangedFileIsReadAnew(t *testing.T) {
	f := inFile(t, content("v1.36.4"))
	f.expect("v1.36.4", 1, noon)
	changes := f.Changes()
	f.settle()
	f.expect("v1.36.4", 1, noon)
	if len(changes) > 0 || len(f.log) > 0 {
		t.Errorf("a file that stays is a change: %v", f.log)
	}
	write(t, f.file, content("v1.36.4", "v1.37.2"))
	f.settle()
	f.expect("v1.36.4 v1.37.2", 1, noon.Add(2*time.Minute))
	if len(changes) != 1 || (<-changes).Object == nil {
		t.Error("the change was not announced")
	}
}

func TestBadFileLeavesTheCatalogueAsItWas(t *testing.T) {
	for name, text := range map[string]string{
		"no YAML":                      "versions: [",
		"a version that is incomplete": content("v1.36.4", "v1.37.2") + "- {name: v1.38.0}\n",
		"a default that is gone":       content("v1.37.2") + "defaultVersion: v1.36.4\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := inFile(t, content("v1.36.4"))
			changes := f.Changes()
			write(t, f.file, text)
			f.settle()
			f.settle()
			f.expect("v1.36.4", 0, noon)
			if len(f.log) != 1 || !strings.Contains(f.log[0], "the content of before stays") {
				t.Errorf("logged: %v", f.log)
			}
			if len(changes) != 1 {
				t.Error("pools that wait for a version are not told why they wait")
			}
			_, refusal, err := f.Resolve(t.Context(), choosing("v1.37.2"))
			if err != nil || refusal.Reason != v1alpha1.ReasonRuntimeVersionUnknown ||
				!strings.Contains(refusal.Message, `"v1.37.2", and the operator's --node-runtime file has v1.36.4. The file has changed since and is not used: `) {
				t.Errorf("got %+v, %v", refusal, err)
			}
			write(t, f.file, content("v1.37.2"))
			f.settle()
			f.expect("v1.37.2", 1, noon.Add(3*time.Minute))
		})
	}
}

func TestFileThatReturnsToWhatIsUsedIsValidAgain(t *testing.T) {
	f := inFile(t, content("v1.36.4"))
	write(t, f.file, "versions: [")
	f.settle()
	f.expect("v1.36.4", 0, noon)
	write(t, f.file, content("v1.36.4"))
	f.settle()
	f.expect("v1.36.4", 1, noon.Add(2*time.Minute))
	_, refusal, _ := f.Resolve(t.Context(), choosing("v1.37.2"))
	if strings.Contains(refusal.Message, "is not used") {
		t.Errorf("got %+v", refusal)
	}
}

func TestMissingFileLeavesTheCatalogueAsItWas(t *testing.T) {
	f := inFile(t, content("v1.36.4"))
	moved := f.file + ".moved"
	if err := os.Rename(f.file, moved); err != nil {
		t.Fatal(err)
	}
	f.read()
	f.expect("v1.36.4", 1, noon) // An editor may be about to replace it.
	f.settle()
	f.expect("v1.36.4", 0, noon)
	if err := os.Rename(moved, f.file); err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.expect("v1.36.4", 1, noon.Add(2*time.Minute))
}

// A file that is being written may be valid halfway.
func TestFileThatIsBeingWrittenIsNotRead(t *testing.T) {
	f := inFile(t, content("v1.36.4", "v1.37.2"))
	for _, half := range []string{"", content("v1.36.4"), content("v1.37.2")} {
		write(t, f.file, half)
		f.read()
		f.expect("v1.36.4 v1.37.2", 1, noon)
	}
	f.read()
	f.expect("v1.37.2", 1, noon)
}

// The kubelet replaces the folder that holds a ConfigMap's files, by renaming a symbolic link.
func TestConfigMapIsReadAnew(t *testing.T) {
	dir := t.TempDir()
	mount := func(folder, text string) {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, folder, "node-runtime.yaml"), text)
		if err := errors.Join(os.Symlink(folder, filepath.Join(dir, "..data_tmp")), os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data"))); err != nil {
			t.Fatal(err)
		}
	}
	mount("..2026_1", content("v1.36.4"))
	if err := os.Symlink(filepath.Join("..data", "node-runtime.yaml"), filepath.Join(dir, "node-runtime.yaml")); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, filepath.Join(dir, "node-runtime.yaml"))
	mount("..2026_2", content("v1.37.2"))
	if err := os.RemoveAll(filepath.Join(dir, "..2026_1")); err != nil {
		t.Fatal(err)
	}
	f.settle()
	f.expect("v1.37.2", 1, noon.Add(time.Minute))
}

func TestOpenFails(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large")
	write(t, large, strings.Repeat("#", maxFile+1))
	bad := filepath.Join(dir, "bad")
	write(t, bad, "versions: {}")
	for file, want := range map[string]string{
		filepath.Join(dir, "none"): "no such file", large: "is larger than 4 MiB", bad: "parsing the node runtime",
	} {
		if _, err := Open(Options{File: file, Now: time.Now, Log: logr.Discard()}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", file, err)
		}
	}
}

func TestStartReadsTheFileUntilItsContextEnds(t *testing.T) {
	f := inFile(t, content("v1.36.4"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.Start(ctx); err != nil || f.NeedLeaderElection() {
		t.Errorf("got %v", err)
	}
	if err := New(nodetemplate.Runtime{}).Start(t.Context()); err != nil {
		t.Errorf("got %v", err)
	}
}

func TestResolveAsksForTheAPIServerOnlyIfTheKubeletIsKnown(t *testing.T) {
	asked := 0
	answer := "v1.36.1"
	var failure error
	f := inFile(t, content("v1.36.4", "v1.37.2"))
	f.APIServer = &APIServer{Now: func() time.Time { return f.now }, Log: logr.Discard(), Version: func(context.Context) (*version.Info, error) {
		asked++
		return &version.Info{GitVersion: answer}, failure
	}}
	expect := func(version, reason string, questions int) {
		t.Helper()
		_, refusal, err := f.Resolve(t.Context(), choosing(version))
		if err != nil || refusal.Reason != reason || asked != questions {
			t.Errorf("got %+v, %v after %d questions", refusal, err, asked)
		}
	}
	expect("", "", 0)
	expect("v1.36.4", "", 1)
	expect("v1.37.2", v1alpha1.ReasonKubeletVersionSkew, 1)
	answer, f.now = "v1.37.0", f.now.Add(releaseValidity)
	expect("v1.37.2", "", 2)
	failure, f.now = errors.New("it does not answer"), f.now.Add(releaseValidity)
	expect("v1.37.2", "", 3)
	expect("v1.37.2", "", 3)
}
