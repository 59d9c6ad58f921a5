package playground

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestImageArchiveHoldsWhatItsIndexNames(t *testing.T) {
	if _, _, err := staticBusybox(); err != nil {
		t.Skip(err)
	}
	file := filepath.Join(t.TempDir(), "images.tar")
	if err := writeImages(file); err != nil {
		t.Fatal(err)
	}
	content := read(t, file)
	var index struct{ Manifests []descriptor }
	if err := json.Unmarshal(content["index.json"], &index); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range index.Manifests {
		names = append(names, d.Annotations["io.containerd.image.name"])
		var manifest struct {
			Config descriptor
			Layers []descriptor
		}
		if err := json.Unmarshal(blob(t, content, d), &manifest); err != nil {
			t.Fatal(err)
		}
		blob(t, content, manifest.Config)
		for _, layer := range manifest.Layers {
			blob(t, content, layer)
		}
	}
	if diff := cmp.Diff([]string{ImageBusybox, imagePause}, names); diff != "" {
		t.Error(diff)
	}
}

// blob is what a descriptor names, checked.
func blob(t *testing.T, content map[string][]byte, d descriptor) []byte {
	t.Helper()
	data := content["blobs/sha256/"+d.Digest[len("sha256:"):]]
	sum := sha256.Sum256(data)
	if d.Digest != "sha256:"+hex.EncodeToString(sum[:]) || len(data) != d.Size {
		t.Errorf("%s (%d bytes) is not what it is named: %d bytes", d.Digest, d.Size, len(data))
	}
	return data
}

func read(t *testing.T, file string) map[string][]byte {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	content := map[string][]byte{}
	for in := tar.NewReader(f); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return content
		}
		if err != nil {
			t.Fatal(err)
		}
		if content[header.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
	}
}
