package playground

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"sigs.k8s.io/yaml"
)

// containerArtifacts are the artifacts of a node with real containers.
var containerArtifacts = []string{
	"kubelet", "containerd", "containerd-shim-runc-v2", "runc", "ctr", "bridge", "host-local", "loopback", "portmap",
}

// imagesName is the name of the archive with all images.
const imagesName = "images.tar"

// artifact and nodeRuntime are the operator's --node-runtime file.
type artifact struct {
	Name         string `json:"name"`
	Type         string `json:"type"`
	Architecture string `json:"architecture,omitempty"`
	URI          string `json:"uri"`
	SHA256       string `json:"sha256"`
}

type nodeRuntime struct {
	ContainerRuntime string           `json:"containerRuntime"`
	SandboxImage     string           `json:"sandboxImage,omitempty"`
	DefaultVersion   string           `json:"defaultVersion"`
	Versions         []runtimeVersion `json:"versions"`
}

// runtimeVersion is the only version of the catalogue.
type runtimeVersion struct {
	Name      string     `json:"name"`
	Artifacts []artifact `json:"artifacts"`
}

// newNodeRuntime returns a catalogue with one version, which has no name yet. Its artifacts are
// for this machine's architecture, which is that of all agents.
func newNodeRuntime(containerRuntime, sandboxImage string, artifacts []artifact) nodeRuntime {
	if slices.Contains([]string{"amd64", "arm64"}, runtime.GOARCH) { // The API knows no others.
		for i := range artifacts {
			artifacts[i].Architecture = runtime.GOARCH
		}
	}
	return nodeRuntime{ContainerRuntime: containerRuntime, SandboxImage: sandboxImage, Versions: []runtimeVersion{{Artifacts: artifacts}}}
}

// writeNodeRuntime writes the file for the operator's --node-runtime. Its artifacts are files
// on this machine, which all agents share, and the only version is the API server's.
func (p *Playground) writeNodeRuntime(ctx context.Context) (string, error) {
	content := p.containerdRuntime
	switch {
	case p.RemoteHost != nil:
		content = p.remoteRuntime
	case p.Runtime == RuntimeFake:
		content = p.fakeRuntime
	}
	catalogue, err := content()
	if err != nil {
		return "", err
	}
	answer, err := p.Kubectl(ctx, "get", "--raw", "/version")
	if err != nil {
		return "", fmt.Errorf("asking for the version of the API server: %w", err)
	}
	var version struct {
		GitVersion string `json:"gitVersion"`
	}
	if err := json.Unmarshal([]byte(answer), &version); err != nil {
		return "", fmt.Errorf("reading the version of the API server: %w", err)
	}
	catalogue.DefaultVersion, catalogue.Versions[0].Name = version.GitVersion, version.GitVersion
	data, err := yaml.Marshal(catalogue)
	if err != nil {
		return "", fmt.Errorf("encoding node runtime: %w", err)
	}
	return p.dir.write("node-runtime.yaml", data, 0o644)
}

func (p *Playground) containerdRuntime() (nodeRuntime, error) {
	files := map[string]string{"executor": p.bin("executor"), "images": p.dir.file(imagesName)}
	for _, name := range containerArtifacts {
		files[name] = p.kube(name)
	}
	if err := writeImages(files["images"]); err != nil {
		return nodeRuntime{}, err
	}
	artifacts, err := artifactsOf(files)
	return newNodeRuntime(string(RuntimeContainerd), imagePause, artifacts), err
}

// remoteRuntime has the paths of the copies, and the digests of the local files.
func (p *Playground) remoteRuntime() (nodeRuntime, error) {
	files := map[string]string{"images": filepath.Join(p.RemoteHost.Parts, imagesName)}
	for _, name := range append([]string{"executor"}, containerArtifacts...) {
		files[name] = filepath.Join(p.RemoteHost.Parts, name)
	}
	artifacts, err := artifactsOf(files)
	for i, a := range artifacts {
		artifacts[i].URI = "file://" + filepath.Join(p.RemoteHost.RemoteParts, filepath.Base(files[a.Name]))
	}
	return newNodeRuntime(string(RuntimeContainerd), imagePause, artifacts), err
}

// fakeRuntime has a script as the kubelet, because the multi-call binary chooses its
// program by the name under which it is called.
func (p *Playground) fakeRuntime() (nodeRuntime, error) {
	script := fmt.Sprintf("#!/bin/sh\nexec %q \"$@\"\n", p.kube("hollow-kubelet"))
	path, err := p.dir.write("kubelet", []byte(script), 0o755)
	if err != nil {
		return nodeRuntime{}, err
	}
	artifacts, err := artifactsOf(map[string]string{"kubelet": path, "executor": p.bin("executor")})
	return newNodeRuntime("none", "", artifacts), err
}

// artifactsOf returns an artifact for each file.
func artifactsOf(files map[string]string) ([]artifact, error) {
	var artifacts []artifact
	for _, name := range slices.Sorted(maps.Keys(files)) {
		a, err := newArtifact(name, files[name])
		if err != nil {
			return nil, err
		}
		artifacts = append(artifacts, a)
	}
	return artifacts, nil
}

func newArtifact(name, path string) (artifact, error) {
	file, err := os.Open(path)
	if err != nil {
		return artifact{}, fmt.Errorf("opening artifact: %w", err)
	}
	defer func() { _ = file.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return artifact{}, fmt.Errorf("hashing artifact %s: %w", path, err)
	}
	kind := "Binary"
	if filepath.Base(path) == imagesName {
		kind = "Image"
	}
	return artifact{Name: name, Type: kind, URI: "file://" + path, SHA256: hex.EncodeToString(hash.Sum(nil))}, nil
}
