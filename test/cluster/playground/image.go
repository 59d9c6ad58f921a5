package playground

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// The images that pods of the playground can use. No registry has them: nodes get
// them as an artifact.
const (
	// ImageBusybox contains only Debian's busybox.
	ImageBusybox = "playground.k8sm.io/busybox:local"
	// imagePause holds a pod's namespaces.
	imagePause = "playground.k8sm.io/pause:local"
)

// pauseScript ends at SIGTERM, and reaps the orphans of its pod.
const pauseScript = `trap 'exit 0' TERM INT; while :; do sleep 3600 & wait $!; done`

// descriptor is a descriptor of the OCI image format.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    map[string]string `json:"platform,omitempty"`
}

// archive is an OCI image layout in a tar file.
type archive struct {
	out   *tar.Writer
	index []descriptor
	seen  map[string]bool
}

// writeImages makes an archive with both images out of the machine's busybox.
func writeImages(file string) (err error) {
	layer, err := busyboxLayer()
	if err != nil {
		return err
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("writing image archive: %w", err)
	}
	defer func() {
		if closed := f.Close(); err == nil {
			err = closed
		}
	}()
	a := &archive{out: tar.NewWriter(f), seen: map[string]bool{}}
	if err := a.addImage(ImageBusybox, layer, []string{"/bin/sh"}); err != nil {
		return err
	}
	if err := a.addImage(imagePause, layer, []string{"/bin/sh", "-c", pauseScript}); err != nil {
		return err
	}
	return a.close()
}

func (a *archive) addImage(name string, layer []byte, entrypoint []string) error {
	l, err := a.addBlob("application/vnd.oci.image.layer.v1.tar", layer)
	if err != nil {
		return err
	}
	config, err := a.addJSON("application/vnd.oci.image.config.v1+json", map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Env": []string{"PATH=/bin"}, "Cmd": entrypoint},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{l.Digest}},
	})
	if err != nil {
		return err
	}
	manifest, err := a.addJSON("application/vnd.oci.image.manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": config, "layers": []descriptor{l},
	})
	if err != nil {
		return err
	}
	manifest.Platform = map[string]string{"architecture": runtime.GOARCH, "os": "linux"}
	manifest.Annotations = map[string]string{
		"io.containerd.image.name":          name,
		"org.opencontainers.image.ref.name": name[strings.LastIndexByte(name, ':')+1:],
	}
	a.index = append(a.index, manifest)
	return nil
}

func (a *archive) addJSON(mediaType string, value any) (descriptor, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return descriptor{}, fmt.Errorf("encoding image: %w", err)
	}
	return a.addBlob(mediaType, data)
}

func (a *archive) addBlob(mediaType string, data []byte) (descriptor, error) {
	sum := sha256.Sum256(data)
	digest := hex.EncodeToString(sum[:])
	d := descriptor{MediaType: mediaType, Digest: "sha256:" + digest, Size: len(data)}
	if a.seen[digest] {
		return d, nil
	}
	a.seen[digest] = true
	return d, addFile(a.out, "blobs/sha256/"+digest, data, 0o644)
}

func (a *archive) close() error {
	index, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": a.index,
	})
	if err != nil {
		return fmt.Errorf("encoding image index: %w", err)
	}
	if err := addFile(a.out, "index.json", index, 0o644); err != nil {
		return err
	}
	if err := addFile(a.out, "oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644); err != nil {
		return err
	}
	return a.out.Close()
}

// busyboxLayer is a file system with busybox under all its names.
func busyboxLayer() ([]byte, error) {
	path, binary, err := staticBusybox()
	if err != nil {
		return nil, err
	}
	list, err := exec.Command(path, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("asking busybox for its names: %w", err)
	}
	var buffer bytes.Buffer
	out := tar.NewWriter(&buffer)
	for _, dir := range []string{"bin/", "etc/", "root/", "var/", "dev/", "proc/", "sys/", "usr/", "lib/", "lib64/"} {
		if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o755}); err != nil {
			return nil, fmt.Errorf("writing layer: %w", err)
		}
	}
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "tmp/", Mode: 0o1777}); err != nil {
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	if err := addFile(out, "etc/passwd", []byte("root:x:0:0:root:/root:/bin/sh\n"), 0o644); err != nil {
		return nil, err
	}
	if err := addFile(out, "bin/busybox", binary, 0o755); err != nil {
		return nil, err
	}
	for _, name := range strings.Fields(string(list)) {
		if name == "busybox" {
			continue
		}
		link := &tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "busybox", Mode: 0o777}
		if err := out.WriteHeader(link); err != nil {
			return nil, fmt.Errorf("writing layer: %w", err)
		}
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("writing layer: %w", err)
	}
	return buffer.Bytes(), nil
}

// staticBusybox finds one that needs no libraries.
func staticBusybox() (string, []byte, error) {
	path, err := exec.LookPath("busybox")
	if err != nil {
		return "", nil, fmt.Errorf("finding busybox for the images: %w (Debian has it as busybox-static)", err)
	}
	file, err := elf.Open(path)
	if err != nil {
		return "", nil, fmt.Errorf("reading busybox: %w", err)
	}
	defer func() { _ = file.Close() }()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			return "", nil, fmt.Errorf("%s needs libraries that an image has not: install busybox-static", path)
		}
	}
	binary, err := os.ReadFile(path)
	if err != nil {
		return "", nil, fmt.Errorf("reading busybox: %w", err)
	}
	return path, binary, nil
}

func addFile(out *tar.Writer, name string, data []byte, mode int64) error {
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)), Mode: mode}); err != nil {
		return fmt.Errorf("writing %s into archive: %w", name, err)
	}
	if _, err := io.Copy(out, bytes.NewReader(data)); err != nil {
		return fmt.Errorf("writing %s into archive: %w", name, err)
	}
	return nil
}
