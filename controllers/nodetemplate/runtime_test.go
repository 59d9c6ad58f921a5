package nodetemplate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestMissing(t *testing.T) {
	binary := func(names ...string) (out []v1alpha1.Artifact) {
		for _, name := range names {
			out = append(out, v1alpha1.Artifact{Name: name, Type: v1alpha1.ArtifactBinary})
		}
		return out
	}
	archive := v1alpha1.Artifact{Name: "all", Type: v1alpha1.ArtifactArchive}
	tests := map[string]struct {
		operator Runtime
		pool     []v1alpha1.Artifact
		want     []string
	}{
		"all artifacts are missing": {
			operator: Runtime{ContainerRuntime: "containerd"},
			want:     []string{"executor", "kubelet", "containerd", "containerd-shim-runc-v2", "runc", "bridge", "host-local", "loopback", "portmap"},
		},
		"the pool supplies what the operator lacks": {
			operator: Runtime{ContainerRuntime: "none", Artifacts: binary("executor")},
			pool:     binary("kubelet"),
			want:     []string{},
		},
		"an archive may hold all artifacts except the executor": {
			operator: Runtime{ContainerRuntime: "containerd", Artifacts: append(binary("executor"), archive)},
			want:     []string{},
		},
		"an archive does not hold the executor": {
			operator: Runtime{ContainerRuntime: "containerd", Artifacts: []v1alpha1.Artifact{archive}},
			want:     []string{"executor"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			resolved, err := test.operator.Resolve(v1alpha1.NodeRuntime{Artifacts: test.pool})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, resolved.Missing()); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPoolOverridesByName(t *testing.T) {
	operator := nodeDefaults().Runtime
	merged, err := operator.Resolve(v1alpha1.NodeRuntime{SandboxImage: "pause:1", Artifacts: []v1alpha1.Artifact{
		{Name: "kubelet", Type: "Binary", URI: "file:///opt/kubelet-1.36", SHA256: digest1},
		{Name: "tool", Type: "Binary", URI: "file:///opt/tool", SHA256: digest2},
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range merged.Artifacts {
		got = append(got, a.Name+" "+a.URI)
	}
	want := []string{"executor http://files.example/k8sm/executor?v=1", "kubelet file:///opt/kubelet-1.36", "tool file:///opt/tool"}
	if diff := cmp.Diff(want, got); diff != "" || merged.SandboxImage != "pause:1" {
		t.Errorf("image %q, artifacts (-want +got):\n%s", merged.SandboxImage, diff)
	}
	if operator.Artifacts[1].URI != "file:///opt/kubelet" {
		t.Error("the operator's own runtime was changed")
	}
}

func TestKubeletOfATemplate(t *testing.T) {
	sum := strings.Repeat("a", 64)
	own := v1alpha1.Artifact{Name: "kubelet", Type: v1alpha1.ArtifactBinary, URI: "https://example.com/1", SHA256: sum}
	other := v1alpha1.Artifact{Name: "kubelet", Type: v1alpha1.ArtifactBinary, URI: "https://example.com/2", SHA256: sum}
	archive := v1alpha1.Artifact{Name: "node", Type: v1alpha1.ArtifactArchive, URI: "https://example.com/3", SHA256: sum}
	mirrored := other
	mirrored.URI = "file:///mirror/example.com/2"
	type artifacts = []v1alpha1.Artifact
	tests := map[string]struct {
		runtime  Runtime
		template artifacts
		want     *v1alpha1.Artifact
	}{
		"the kubelet of the operator":                            {runtime: Runtime{Artifacts: artifacts{archive, own}}, want: &own},
		"the kubelet of the pool overrides that of the operator": {runtime: Runtime{Artifacts: artifacts{own}}, template: artifacts{other}, want: &other},
		"the URI is that of the mirror":                          {runtime: Runtime{Mirror: "file:///mirror"}, template: artifacts{other}, want: &mirrored},
		"a kubelet in an archive is not found":                   {runtime: Runtime{Artifacts: artifacts{archive}}},
		"an archive named kubelet is not found":                  {template: artifacts{{Name: "kubelet", Type: v1alpha1.ArtifactArchive}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			resolved, err := tc.runtime.Resolve(v1alpha1.NodeRuntime{Artifacts: tc.template})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, resolved.Kubelet("")); diff != "" {
				t.Errorf("kubelet (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMirroredURI(t *testing.T) {
	tests := map[string]struct{ mirror, uri, want string }{
		"no mirror":                    {"", "https://example.com/a/b", "https://example.com/a/b"},
		"a path":                       {"https://m", "https://example.com/a/b", "https://m/example.com/a/b"},
		"a slash at the mirror's end":  {"https://m/k8sm/", "http://example.com/a", "https://m/k8sm/example.com/a"},
		"a port":                       {"https://m", "https://example.com:8443/a", "https://m/example.com:8443/a"},
		"a query":                      {"https://m", "https://example.com/a?v=1&w", "https://m/example.com/a?v=1&w"},
		"credentials are removed":      {"https://m", "https://me:secret@example.com/a", "https://m/example.com/a"},
		"an escaped path":              {"https://m", "https://example.com/a%2Fb%20c", "https://m/example.com/a%2Fb%20c"},
		"a file URI is unchanged":      {"https://m", "file:///opt/a", "file:///opt/a"},
		"a malformed URI is unchanged": {"https://m", "http://[::1", "http://[::1"},
		"a mirror in the file system":  {"file:///srv/mirror", "https://example.com/a", "file:///srv/mirror/example.com/a"},
		"a URI of another scheme":      {"https://m", "hdfs://namenode/a", "https://m/namenode/a"},
	}
	for name, test := range tests {
		if got := (Runtime{Mirror: test.mirror}).mirroredURI(test.uri); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func TestResolveDoesNotModifyItsInputs(t *testing.T) {
	operator := nodeDefaults().Runtime
	operator.Mirror = "https://mirror.example"
	template := v1alpha1.NodeRuntime{Artifacts: []v1alpha1.Artifact{{Name: "kubelet", Type: "Binary", URI: "https://example.com/kubelet", SHA256: digest1}}}
	resolved, err := operator.Resolve(template)
	if err != nil {
		t.Fatal(err)
	}
	if got := resolved.Kubelet("").URI; got != "https://mirror.example/example.com/kubelet" {
		t.Errorf("resolved is %s", got)
	}
	if diff := cmp.Diff(nodeDefaults().Runtime.Artifacts, operator.Artifacts); diff != "" {
		t.Errorf("the operator's runtime has changed (-want +got):\n%s", diff)
	}
	if got := template.Artifacts[0].URI; got != "https://example.com/kubelet" {
		t.Errorf("the template has changed: %s", got)
	}
}
