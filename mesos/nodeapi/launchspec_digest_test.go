package nodeapi

import (
	"strings"
	"testing"
)

func TestKubeletDigest(t *testing.T) {
	binary := Artifact{Name: ArtifactKubelet, Type: ArtifactTypeBinary, SHA256: strings.Repeat("a", 64)}
	archive := Artifact{Name: ArtifactKubelet, Type: ArtifactTypeArchive, SHA256: strings.Repeat("b", 64)}
	other := Artifact{Name: "runc", Type: ArtifactTypeBinary, SHA256: strings.Repeat("c", 64)}
	for name, tc := range map[string]struct {
		artifacts []Artifact
		want      string
	}{
		"a binary":                   {[]Artifact{other, binary}, binary.SHA256},
		"an archive of that name":    {[]Artifact{archive}, ""},
		"an archive that brings one": {[]Artifact{other}, ""},
		"no artifacts":               {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (&LaunchSpec{Artifacts: tc.artifacts}).KubeletDigest(); got != tc.want {
				t.Errorf("digest is %q", got)
			}
		})
	}
}

// The answer to a request that is refused has to name the kubelet that was asked for.
func TestRefusedUpgradeRequestIsReadAsFarAsPossible(t *testing.T) {
	for name, data := range map[string]string{
		"a later version":  `{"version": 2, "kubelet": {"sha256": "abc"}}`,
		"another artifact": `{"version": 1, "kubelet": {"name": "runc", "sha256": "abc"}}`,
		"other types":      `{"version": 9, "kubelet": {"sha256": "abc", "uri": 7}}`,
	} {
		t.Run(name, func(t *testing.T) {
			request, err := DecodeUpgradeRequest([]byte(data))
			if err == nil || request.Kubelet.SHA256 != "abc" {
				t.Errorf("request %+v, error %v", request, err)
			}
		})
	}
}
