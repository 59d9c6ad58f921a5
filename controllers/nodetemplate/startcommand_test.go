package nodetemplate

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// executors returns a runtime of executors only.
func executors(artifacts ...v1alpha1.Artifact) Resolved {
	for i := range artifacts {
		artifacts[i].Name, artifacts[i].Type = "executor", v1alpha1.ArtifactBinary
	}
	return Resolved{Artifacts: artifacts}
}

// The command is run by a shell on the agent, so that a shell runs it here, too.
func TestTheCommandStartsOnlyTheExecutorWithTheDigest(t *testing.T) {
	const script = "#!/bin/sh\necho started\n"
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(script)))
	tests := map[string]struct {
		uri, file, digest string
		starts            bool
	}{
		"the right digest":                     {uri: "https://example.com/executor", file: "executor", digest: sum, starts: true},
		"another digest":                       {uri: "https://example.com/executor", file: "executor", digest: digest1},
		"a query in the URI":                   {uri: "https://example.com/executor?v=1", file: "executor?v=1", digest: sum, starts: true},
		"a name that a shell would split":      {uri: "https://example.com/an executor; $(false)", file: "an executor; $(false)", digest: sum, starts: true},
		"a name that begins as an option does": {uri: "file:///opt/-rf", file: "-rf", digest: sum, starts: true},
		"a file that was not fetched":          {uri: "https://example.com/executor", file: "other", digest: sum},
		"a name with a quote":                  {uri: "https://example.com/it's", file: "it's", digest: sum, starts: true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			sandbox := t.TempDir()
			if err := os.WriteFile(filepath.Join(sandbox, test.file), []byte(script), 0o600); err != nil {
				t.Fatal(err)
			}
			command, uris, err := startCommand(executors(v1alpha1.Artifact{URI: test.uri, SHA256: test.digest}))
			if diff := cmp.Diff([]scheduler.URI{{Value: test.uri, Executable: true}}, uris); diff != "" || err != nil {
				t.Fatalf("error %v, URIs:\n%s", err, diff)
			}
			shell := exec.Command("/bin/sh", "-c", command)
			shell.Dir = sandbox
			out, err := shell.Output()
			if started := string(out) == "started\n"; started != test.starts || started != (err == nil) {
				t.Errorf("%s\nwrote %q, with error %v", command, out, err)
			}
		})
	}
}

func TestStartCommandFindsProgramsWhateverTheAgentsPath(t *testing.T) {
	dir := t.TempDir()
	program := "#!/bin/sh\necho started\n"
	if err := os.WriteFile(filepath.Join(dir, "executor"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	artifact := v1alpha1.Artifact{URI: "http://files.example/executor", SHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(program)))}
	command, _, err := startCommand(executors(artifact))
	if err != nil {
		t.Fatal(err)
	}
	start := exec.Command("/bin/sh", "-c", command)
	start.Dir, start.Env = dir, []string{"PATH=/opt/mesos/bin", "LD_LIBRARY_PATH=/usr/local/lib"}
	if out, err := start.CombinedOutput(); err != nil || !strings.HasSuffix(string(out), "started\n") {
		t.Errorf("%v: %s", err, out)
	}
}

// The fetcher fetches an executor for each architecture. A fake uname stands for the machine.
func TestStartCommandChoosesTheExecutorForTheMachine(t *testing.T) {
	script := func(architecture string) string { return "#!/bin/sh\necho started " + architecture + "\n" }
	digest := func(text string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(text))) }
	both := executors(
		v1alpha1.Artifact{Architecture: v1alpha1.ArchitectureAMD64, URI: "https://example.com/amd64/executor", SHA256: digest(script("amd64"))},
		v1alpha1.Artifact{Architecture: v1alpha1.ArchitectureARM64, URI: "https://example.com/arm64/executor", SHA256: digest(script("arm64"))},
	)
	tests := map[string]struct {
		runtime Resolved
		machine string
		files   map[string]string // fetched, beside those for amd64 and arm64
		output  string
		failure string
	}{
		"amd64": {runtime: both, machine: "x86_64", output: "started amd64\n"},
		"arm64": {runtime: both, machine: "aarch64", output: "started arm64\n"},
		"a machine that has no executor": {
			runtime: both, machine: "riscv64",
			failure: "k8sm: the node's runtime has an executor for amd64 and arm64, and this agent's machine is riscv64\n",
		},
		"a machine of the other architecture": {
			runtime: executors(both.Artifacts[0]), machine: "aarch64",
			failure: "k8sm: the node's runtime has an executor for amd64, and this agent's machine is aarch64\n",
		},
		"another digest": {
			runtime: both, machine: "aarch64", files: map[string]string{"executor-arm64": script("amd64")}, failure: "WARNING",
		},
		"the digest of the executor for the other architecture does not count": {
			runtime: both, machine: "x86_64", files: map[string]string{"executor-arm64": "broken"}, output: "started amd64\n",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			command, uris, err := startCommand(test.runtime)
			if err != nil {
				t.Fatal(err)
			}
			sandbox, bin := t.TempDir(), t.TempDir()
			for _, uri := range uris {
				content := script(strings.TrimPrefix(uri.OutputFile, "executor-"))
				if other, ok := test.files[uri.OutputFile]; ok {
					content = other
				}
				if err := os.WriteFile(filepath.Join(sandbox, uri.OutputFile), []byte(content), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(bin, "uname"), []byte("#!/bin/sh\necho "+test.machine+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			var failure strings.Builder
			shell := exec.Command("/bin/sh", "-c", command)
			shell.Dir, shell.Stderr, shell.Env = sandbox, &failure, []string{"PATH=" + bin}
			out, err := shell.Output()
			if string(out) != test.output || (err == nil) != (test.failure == "") || !strings.Contains(failure.String(), test.failure) {
				t.Errorf("%s\nwrote %q and %q, with error %v", command, out, failure.String(), err)
			}
		})
	}
}

func TestStartCommandNeedsAnExecutorForEachArchitecture(t *testing.T) {
	runtime := executors(v1alpha1.Artifact{Architecture: v1alpha1.ArchitectureAMD64, URI: "file:///executor", SHA256: digest1})
	runtime.Artifacts = append(runtime.Artifacts, v1alpha1.Artifact{Name: "kubelet", Type: v1alpha1.ArtifactBinary, Architecture: v1alpha1.ArchitectureARM64})
	if _, _, err := startCommand(runtime); err == nil || err.Error() != "there is no artifact named executor for arm64" {
		t.Errorf("got %v", err)
	}
}

func TestExecutorForAnyArchitectureIsFetchedForEach(t *testing.T) {
	runtime := executors(v1alpha1.Artifact{URI: "file:///executor", SHA256: digest1})
	runtime.Artifacts = append(runtime.Artifacts, v1alpha1.Artifact{Name: "kubelet", Type: v1alpha1.ArtifactBinary, Architecture: v1alpha1.ArchitectureARM64})
	_, uris, err := startCommand(runtime)
	want := []scheduler.URI{{Value: "file:///executor", Executable: true, OutputFile: "executor-arm64"}}
	if diff := cmp.Diff(want, uris); diff != "" || err != nil {
		t.Errorf("error %v, URIs:\n%s", err, diff)
	}
}
