package kubelettest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// failing is a test that must fail.
type failing struct {
	testing.TB
	dir    string
	failed string
}

func (f *failing) Helper()         {}
func (f *failing) TempDir() string { return f.dir }
func (f *failing) Fatal(args ...any) {
	f.failed = args[0].(error).Error()
	panic(f)
}

// fails returns why the test fails, or nothing.
func fails(test func(testing.TB)) (reason string) {
	f := &failing{}
	defer func() {
		if recovered := recover(); recovered != nil && recovered != any(f) {
			panic(recovered)
		}
		reason = f.failed
	}()
	test(f)
	return ""
}

func TestMustReportsEveryError(t *testing.T) {
	if reason := fails(func(t testing.TB) { Must(t); Must(t, nil, nil) }); reason != "" {
		t.Errorf("it fails for %s", reason)
	}
	reason := fails(func(t testing.TB) { Must(t, nil, errors.New("first"), errors.New("second")) })
	if !strings.Contains(reason, "first") || !strings.Contains(reason, "second") {
		t.Errorf("it fails for %q", reason)
	}
}

func TestArtifactMatchesItsDigest(t *testing.T) {
	a := Artifact(t, "kubelet", "content")
	data, err := os.ReadFile(strings.TrimPrefix(a.URI, "file://"))
	Must(t, err)
	if string(data) != "content" || a.Name != "kubelet" || a.SHA256 != Digest("content") {
		t.Errorf("artifact is %+v with %q", a, data)
	}
	// printf content | sha256sum
	if got := Digest("content"); got != "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73" {
		t.Errorf("digest is %s", got)
	}
}

func TestScriptRuns(t *testing.T) {
	out, err := exec.Command(Script(t, "echo hello")).Output()
	if string(out) != "hello\n" || err != nil {
		t.Errorf("output is %q, %v", out, err)
	}
}

func TestAwaitFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	go func() {
		time.Sleep(30 * time.Millisecond)
		_ = os.WriteFile(path, []byte(" text\n"), 0o600)
	}()
	AwaitFile(t, path)
	for Content(path) == "" { // it is made before it is written
		time.Sleep(time.Millisecond)
	}
	if got := Content(path); got != "text" {
		t.Errorf("content is %q", got)
	}
	if got := Content(path + ".none"); got != "" {
		t.Errorf("content of no file is %q", got)
	}
}

func TestLaunchSpecIsValid(t *testing.T) {
	message, err := LaunchSpec().Encode()
	Must(t, err)
	if _, err := nodeapi.DecodeLaunchSpec(message); err != nil {
		t.Error(err)
	}
	LaunchSpec().Labels["changed"] = "by a test"
	if _, shared := LaunchSpec().Labels["changed"]; shared {
		t.Error("tests share one launch message")
	}
}
