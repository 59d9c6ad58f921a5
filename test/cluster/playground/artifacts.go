package playground

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
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
	Name   string `json:"name"`
	Type   string `json:"type"`
	URI    string `json:"uri"`
	SHA256 string `json:"sha256"`
}

type nodeRuntime struct {
	ContainerRuntime string     `json:"containerRuntime"`
	SandboxImage     string     `json:"sandboxImage,omitempty"`
	Artifacts        []artifact `json:"artifacts"`
}

// writeNodeRuntime writes the file for the operator's --node-runtime. Its artifacts are files
// on this machine, which all agents share.
func (p *Playground) writeNodeRuntime() (string, error) {
	content := p.containerdRuntime
	switch {
	case p.RemoteHost != nil:
		content = p.remoteRuntime
	case p.Runtime == RuntimeFake:
		content = p.fakeRuntime
	}
	runtime, err := content()
	if err != nil {
		return "", err
	}
	data, err := yaml.Marshal(runtime)
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
	return nodeRuntime{ContainerRuntime: string(RuntimeContainerd), SandboxImage: imagePause, Artifacts: artifacts}, err
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
	return nodeRuntime{ContainerRuntime: string(RuntimeContainerd), SandboxImage: imagePause, Artifacts: artifacts}, err
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
	return nodeRuntime{ContainerRuntime: "none", Artifacts: artifacts}, err
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
