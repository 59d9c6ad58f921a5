package nodetemplate

import (
	"strings"
	"testing"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestParseRelease(t *testing.T) {
	for text, want := range map[string]Release{
		"v1.37.2": {1, 37}, "v1.37": {1, 37}, "v1.37.2-2": {1, 37}, "v1.37.0-alpha.1+0a1b2c": {1, 37}, "v1.29.1-eks-508b6b3": {1, 29},
		"v1.30.2_build.7": {1, 30},
		"":                {}, "1.37.2": {}, "v1": {}, "v1.x": {}, "edge": {}, "2026.11.3": {}, "v0.0.0-master+$Format:%H$": {}, "v1.37.2 ": {}, "v99999.1.1": {},
	} {
		if got, ok := ParseRelease(text); got != want || ok != (want != Release{}) {
			t.Errorf("%q: got %v, %t", text, got, ok)
		}
	}
}

func TestVersionSkewPolicy(t *testing.T) {
	for name, test := range map[string]struct {
		kubelet, apiServer Release
		want               string
	}{
		"the same release":      {Release{1, 37}, Release{1, 37}, ""},
		"three minors older":    {Release{1, 34}, Release{1, 37}, ""},
		"four minors older":     {Release{1, 33}, Release{1, 37}, "at most 3 minor releases older"},
		"one minor newer":       {Release{1, 38}, Release{1, 37}, "a kubelet of Kubernetes v1.38, and the API server is of v1.37: a kubelet must not be newer"},
		"one major newer":       {Release{2, 0}, Release{1, 37}, "must not be newer"},
		"one major older":       {Release{1, 37}, Release{2, 0}, "choose a newer runtime"},
		"an unknown kubelet":    {Release{}, Release{1, 37}, ""},
		"an unknown API server": {Release{1, 37}, Release{}, ""},
	} {
		got := Resolved{Version: "edge", Kubernetes: test.kubelet}.CheckSkew(test.apiServer)
		if (got == Refusal{}) != (test.want == "") || !strings.Contains(got.Message, test.want) || got.Message != "" && (got.Reason != v1alpha1.ReasonKubeletVersionSkew || !strings.Contains(got.Message, "version edge")) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}
