package nodeapi

import (
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
)

// Types of artifacts.
const (
	// ArtifactTypeBinary is one executable, found under the artifact's name.
	ArtifactTypeBinary = "Binary"
	// ArtifactTypeArchive is a .tar.gz whose regular files are found by their base names.
	ArtifactTypeArchive = "Archive"
	// ArtifactTypeImage is an OCI archive that is imported into containerd.
	ArtifactTypeImage = "Image"
)

// Names of artifacts that have a meaning to operator and executor.
const (
	// ArtifactExecutor is fetched by the Mesos fetcher, not by the executor itself.
	ArtifactExecutor = "executor"
	// ArtifactKubelet is always needed.
	ArtifactKubelet = "kubelet"
	// ArtifactCtr is needed where there are images to import.
	ArtifactCtr = "ctr"
)

// Artifact is one file that a node needs.
type Artifact struct {
	// Name: a binary is found under it.
	Name string `json:"name"`
	// Type is ArtifactTypeBinary, ArtifactTypeArchive or ArtifactTypeImage.
	Type string `json:"type"`
	// URI is http://, https:// or file:///.
	URI string `json:"uri"`
	// SHA256 of the file at URI, 64 lower-case hexadecimal digits.
	SHA256 string `json:"sha256"`
}

var (
	artifactNamePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)
	digestPattern       = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// Validate returns what keeps an executor from taking the artifact. It is nil for a valid one.
func (a *Artifact) Validate() error {
	if !artifactNamePattern.MatchString(a.Name) {
		return fmt.Errorf("artifact name %q is not lower-case letters, digits, '.', '_' and '-'", a.Name)
	}
	if !slices.Contains([]string{ArtifactTypeBinary, ArtifactTypeArchive, ArtifactTypeImage}, a.Type) {
		return fmt.Errorf("artifact %q has the unknown type %q", a.Name, a.Type)
	}
	if !digestPattern.MatchString(a.SHA256) {
		return fmt.Errorf("artifact %q has no SHA-256 digest of 64 lower-case hexadecimal digits", a.Name)
	}
	return a.validateURI()
}

func (a *Artifact) validateURI() error {
	u, err := url.Parse(a.URI)
	if err != nil {
		return fmt.Errorf("artifact %q has the malformed URI %q", a.Name, a.URI)
	}
	switch u.Scheme {
	case "http", "https":
		if u.Host == "" {
			return fmt.Errorf("artifact %q has the URI %q without a host", a.Name, a.URI)
		}
	case "file":
		if u.Host != "" || !path.IsAbs(u.Path) {
			return fmt.Errorf("artifact %q has the URI %q, want file:///absolute/path", a.Name, a.URI)
		}
	default:
		return fmt.Errorf("artifact %q has the URI %q, want http, https or file", a.Name, a.URI)
	}
	return nil
}
