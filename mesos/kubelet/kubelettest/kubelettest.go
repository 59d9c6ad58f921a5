// Package kubelettest is for the tests of the packages below mesos/kubelet: small programs
// and artifacts to test with, and a way to run a test in namespaces of its own. It knows
// none of the packages, so that each of them can use it.
package kubelettest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Must ends the test if any of the errors is one.
func Must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// Digest is the SHA-256 digest of content, in hexadecimal digits.
func Digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}

// Artifact is a binary that is fetched from a file of this machine.
func Artifact(t testing.TB, name, content string) nodeapi.Artifact {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	Must(t, os.WriteFile(file, []byte(content), 0o755))
	return nodeapi.Artifact{Name: name, Type: nodeapi.ArtifactTypeBinary, URI: "file://" + file, SHA256: Digest(content)}
}

// Script writes a shell script into a folder of its own and returns the script's path.
func Script(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	Must(t, os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o755))
	return path
}

// AwaitFile waits up to ten seconds for a file to be there.
func AwaitFile(t testing.TB, path string) {
	t.Helper()
	for range 1000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited 10 s for %s", path)
}

// Content of a file without white space around it; empty if there is no file.
func Content(file string) string {
	data, _ := os.ReadFile(file)
	return strings.TrimSpace(string(data))
}

// Token is a bootstrap token of the right form.
const Token = "abcdef.0123456789abcdef"

// LaunchSpec is a valid launch message.
func LaunchSpec() *nodeapi.LaunchSpec {
	return &nodeapi.LaunchSpec{
		Version: 1, NodeName: "general-x7k2p", ProviderID: "mesos://S0/general-x7k2p.1",
		APIServer: "https://10.0.0.1:6443", CAData: []byte("pem"), BootstrapToken: Token,
		Labels: map[string]string{"k8sm.io/pool": "general", "a": "b"},
		Taints: []nodeapi.Taint{{Key: "dedicated", Value: "x", Effect: "NoSchedule"}},
		CPUs:   2, MemMiB: 2048, DiskMiB: 8192, OverheadCPUs: 0.1, OverheadMemMiB: 256,
		Address: "10.0.0.2", KubeletPort: 31000, StreamPort: 31001,
		ClusterDNS: []string{"10.96.0.10"}, ClusterDomain: "cluster.local",
		StateDir: "/var/lib/k8sm", ContainerRuntime: nodeapi.RuntimeContainerd,
		Artifacts: []nodeapi.Artifact{{Name: "kubelet", Type: nodeapi.ArtifactTypeBinary, URI: "https://example.com/kubelet", SHA256: strings.Repeat("a", 64)}},
	}
}
