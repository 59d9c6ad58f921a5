package playground

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"sigs.k8s.io/yaml"
)

// containerArtifacts make a node with real containers of an agent.
var containerArtifacts = []string{
	"kubelet", "containerd", "containerd-shim-runc-v2", "runc", "ctr", "bridge", "host-local", "loopback", "portmap",
}

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

// writeNodeRuntime says what nodes are made of: files on this machine, which is
// every agent's, too.
func (p *Playground) writeNodeRuntime() (string, error) {
	content, err := p.containerdRuntime, error(nil)
	if p.Runtime == RuntimeFake {
		content = p.fakeRuntime
	}
	runtime, err := content()
	if err != nil {
		return "", err
	}
	executor, err := newArtifact("executor", "Binary", p.bin("executor"))
	if err != nil {
		return "", err
	}
	runtime.Artifacts = append(runtime.Artifacts, executor)
	data, err := yaml.Marshal(runtime)
	if err != nil {
		return "", fmt.Errorf("encoding node runtime: %w", err)
	}
	return p.dir.write("node-runtime.yaml", data, 0o644)
}

func (p *Playground) containerdRuntime() (nodeRuntime, error) {
	runtime := nodeRuntime{ContainerRuntime: string(RuntimeContainerd), SandboxImage: imagePause}
	for _, name := range containerArtifacts {
		a, err := newArtifact(name, "Binary", p.kube(name))
		if err != nil {
			return runtime, err
		}
		runtime.Artifacts = append(runtime.Artifacts, a)
	}
	images := p.dir.file("images.tar")
	if err := writeImages(images); err != nil {
		return runtime, err
	}
	a, err := newArtifact("images", "Image", images)
	runtime.Artifacts = append(runtime.Artifacts, a)
	return runtime, err
}

// fakeRuntime has a script in the kubelet's place, because the multi-call binary
// goes by the name under which it is called.
func (p *Playground) fakeRuntime() (nodeRuntime, error) {
	runtime := nodeRuntime{ContainerRuntime: "none"}
	script := fmt.Sprintf("#!/bin/sh\nexec %q \"$@\"\n", p.kube("hollow-kubelet"))
	path, err := p.dir.write("kubelet", []byte(script), 0o755)
	if err != nil {
		return runtime, err
	}
	a, err := newArtifact("kubelet", "Binary", path)
	runtime.Artifacts = []artifact{a}
	return runtime, err
}

func newArtifact(name, kind, path string) (artifact, error) {
	file, err := os.Open(path)
	if err != nil {
		return artifact{}, fmt.Errorf("opening artifact: %w", err)
	}
	defer func() { _ = file.Close() }()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return artifact{}, fmt.Errorf("hashing artifact %s: %w", path, err)
	}
	return artifact{Name: name, Type: kind, URI: "file://" + path, SHA256: hex.EncodeToString(hash.Sum(nil))}, nil
}
