package nodetemplate

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

const (
	amd64 = v1alpha1.ArchitectureAMD64
	arm64 = v1alpha1.ArchitectureARM64
)

// binary returns an artifact, whose URI ends in its name and architecture.
func binary(name string, architecture v1alpha1.Architecture) v1alpha1.Artifact {
	uri := "https://files.example/" + name
	if architecture != "" {
		uri += "-" + string(architecture)
	}
	return v1alpha1.Artifact{Name: name, Type: v1alpha1.ArtifactBinary, Architecture: architecture, URI: uri, SHA256: digest1}
}

// fake returns a version whose nodes need two artifacts, for these architectures.
func fake(name string, architectures ...v1alpha1.Architecture) RuntimeVersion {
	v := RuntimeVersion{Name: name}
	for _, architecture := range architectures {
		v.Artifacts = append(v.Artifacts, binary("executor", architecture), binary("kubelet", architecture))
	}
	return v
}

// own returns the template of a pool that chooses a version, with artifacts of its own.
func own(version string, artifacts ...v1alpha1.Artifact) v1alpha1.NodeRuntime {
	return v1alpha1.NodeRuntime{Version: version, Artifacts: artifacts}
}

// describe returns the artifacts as a line: name, / and architecture, and URI where it is not
// that of binary.
func describe(artifacts []v1alpha1.Artifact) string {
	var out []string
	for _, a := range artifacts {
		text := a.Name
		if a.Architecture != "" {
			text += "/" + string(a.Architecture)
		}
		if a.URI != binary(a.Name, a.Architecture).URI {
			text += "=" + a.URI
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

func TestResolveChoosesTheVersion(t *testing.T) {
	catalogue := Runtime{ContainerRuntime: "none", Artifacts: []v1alpha1.Artifact{binary("executor", ""), binary("old-kubelet", "")},
		Versions: []RuntimeVersion{fake("v1.36.4", ""), fake("v1.37.2", ""), {Name: "edge", KubernetesVersion: "v1.38", Artifacts: fake("", "").Artifacts}}}
	withDefault := catalogue
	withDefault.DefaultVersion, withDefault.Artifacts = "v1.36.4", nil
	mine := binary("kubelet", "")
	mine.URI = "https://files.example/mine"
	archive := v1alpha1.Artifact{Name: "all", Type: v1alpha1.ArtifactArchive}
	tests := map[string]struct {
		runtime    Runtime
		template   v1alpha1.NodeRuntime
		version    string
		kubernetes string
		artifacts  string
	}{
		"none is chosen":                         {catalogue, own(""), "", "an unknown release", "executor old-kubelet"},
		"none is chosen, and there is a default": {withDefault, own(""), "v1.36.4", "v1.36", "executor kubelet"},
		"a version":                              {withDefault, own("v1.37.2"), "v1.37.2", "v1.37", "executor kubelet"},
		"a version whose name is no release":     {catalogue, own("edge"), "edge", "v1.38", "executor kubelet"},
		"an artifact of the pool":                {catalogue, own("v1.37.2", binary("tool", "")), "v1.37.2", "v1.37", "executor kubelet tool"},
		"an archive beside the kubelet":          {catalogue, own("v1.37.2", archive), "v1.37.2", "v1.37", "executor kubelet all="},
		"a kubelet of the pool":                  {catalogue, own("v1.37.2", mine), "v1.37.2", "an unknown release", "executor kubelet=https://files.example/mine"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := test.runtime.Resolve(test.template)
			if err != nil {
				t.Fatal(err)
			}
			if got.Version != test.version || got.Kubernetes.String() != test.kubernetes || describe(got.Artifacts) != test.artifacts {
				t.Errorf("version %q of %s, artifacts %s", got.Version, got.Kubernetes, describe(got.Artifacts))
			}
		})
	}
}

func TestArchiveOfThePoolMayBringAnotherKubelet(t *testing.T) {
	archive := v1alpha1.Artifact{Name: "all", Type: v1alpha1.ArtifactArchive}
	catalogue := Runtime{Versions: []RuntimeVersion{{Name: "v1.37.2", Artifacts: []v1alpha1.Artifact{binary("executor", ""), archive}}}}
	for name, test := range map[string]struct {
		template v1alpha1.NodeRuntime
		want     Release
	}{
		"the archive of the version": {own("v1.37.2"), Release{1, 37}},
		"one of the pool":            {own("v1.37.2", archive), Release{}},
	} {
		if got, err := catalogue.Resolve(test.template); err != nil || got.Kubernetes != test.want {
			t.Errorf("%s: got %s, %v", name, got.Kubernetes, err)
		}
	}
}

func TestResolveNamesTheVersionsThatThereAre(t *testing.T) {
	for name, test := range map[string]struct {
		runtime Runtime
		want    string
	}{
		"some": {Runtime{Versions: []RuntimeVersion{fake("v1.36.4", ""), fake("v1.37.2", "")}},
			`template.spec.runtime.version is "v1.38.0", and the operator's --node-runtime file has v1.36.4, v1.37.2`},
		"none": {Runtime{}, `template.spec.runtime.version is "v1.38.0", and the operator's --node-runtime file has no versions`},
	} {
		_, err := test.runtime.Resolve(own("v1.38.0"))
		if _, ok := errors.AsType[*UnknownVersionError](err); !ok || err.Error() != test.want {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestSettingsComeFromTheMostSpecificPlace(t *testing.T) {
	file := Runtime{ContainerRuntime: "containerd", RuntimeSocket: "/file.sock", CNI: v1alpha1.CNIExternal, SandboxImage: "file"}
	version := RuntimeVersion{Name: "v1.37.2", RuntimeSocket: "/version.sock", CNI: v1alpha1.CNIBundled, SandboxImage: "version"}
	template := v1alpha1.NodeRuntime{Version: "v1.37.2", RuntimeSocket: "/pool.sock", CNI: v1alpha1.CNIExternal, SandboxImage: "pool"}
	type settings struct {
		runtime, socket string
		cni             v1alpha1.CNI
		image           string
	}
	for name, test := range map[string]struct {
		file     Runtime
		version  RuntimeVersion
		template v1alpha1.NodeRuntime
		want     settings
	}{
		"nothing is set":            {Runtime{ContainerRuntime: "containerd"}, RuntimeVersion{Name: "v1.37.2"}, own("v1.37.2"), settings{"containerd", "", "Bundled", ""}},
		"the file":                  {file, RuntimeVersion{Name: "v1.37.2"}, own("v1.37.2"), settings{"containerd", "/file.sock", "External", "file"}},
		"the version":               {file, version, own("v1.37.2"), settings{"containerd", "/version.sock", "Bundled", "version"}},
		"the pool":                  {file, version, template, settings{"containerd", "/pool.sock", "External", "pool"}},
		"another container runtime": {file, RuntimeVersion{Name: "v1.37.2", ContainerRuntime: "none"}, own("v1.37.2"), settings{"none", "", "External", "file"}},
	} {
		test.file.Versions = []RuntimeVersion{test.version}
		got, err := test.file.Resolve(test.template)
		if (settings{got.ContainerRuntime, got.RuntimeSocket, got.CNI, got.SandboxImage}) != test.want || err != nil {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestArtifactsByArchitecture(t *testing.T) {
	catalogue := Runtime{ContainerRuntime: "none", Versions: []RuntimeVersion{
		fake("v1.36.0", ""), fake("v1.37.0", amd64), fake("v1.37.2", amd64, arm64),
		{Name: "v1.38.0", Artifacts: []v1alpha1.Artifact{binary("executor", ""), binary("kubelet", ""), binary("kubelet", arm64)}},
	}}
	mine := func(architecture v1alpha1.Architecture) v1alpha1.Artifact {
		a := binary("kubelet", architecture)
		a.URI = "mine"
		return a
	}
	tests := map[string]struct {
		template      v1alpha1.NodeRuntime
		architectures string
		onAMD64       string
		onARM64       string
		missing       string
	}{
		"artifacts for any":                     {own("v1.36.0"), "", "executor kubelet", "executor kubelet", ""},
		"for one":                               {own("v1.37.0"), "amd64", "executor/amd64 kubelet/amd64", "", ""},
		"for both":                              {own("v1.37.2"), "amd64 arm64", "executor/amd64 kubelet/amd64", "executor/arm64 kubelet/arm64", ""},
		"one for any, and one for one":          {own("v1.38.0"), "arm64", "executor kubelet", "executor kubelet/arm64", ""},
		"the pool replaces one for both":        {own("v1.37.2", mine("")), "amd64 arm64", "executor/amd64 kubelet=mine", "executor/arm64 kubelet=mine", ""},
		"the pool replaces one for one":         {own("v1.37.2", mine(arm64)), "amd64 arm64", "executor/amd64 kubelet/amd64", "executor/arm64 kubelet/arm64=mine", ""},
		"the pool names another architecture":   {own("v1.37.0", mine(arm64)), "amd64 arm64", "executor/amd64 kubelet/amd64", "kubelet/arm64=mine", "executor for arm64"},
		"the pool names the first architecture": {own("v1.36.0", mine(arm64)), "arm64", "executor kubelet", "executor kubelet/arm64=mine", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := catalogue.Resolve(test.template)
			if err != nil {
				t.Fatal(err)
			}
			var architectures []string
			for _, a := range got.Architectures() {
				architectures = append(architectures, string(a))
			}
			want := []string{test.architectures, test.onAMD64, test.onARM64, test.missing}
			is := []string{strings.Join(architectures, " "), describe(got.ArtifactsFor(amd64)), describe(got.ArtifactsFor(arm64)), strings.Join(got.Missing(), ", ")}
			if diff := cmp.Diff(want, is); diff != "" {
				t.Errorf("architectures, artifacts on amd64, on arm64, missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestKubeletByArchitecture(t *testing.T) {
	both := Resolved{Artifacts: fake("", amd64, arm64).Artifacts}
	for name, test := range map[string]struct {
		runtime      Resolved
		architecture v1alpha1.Architecture
		want         string
	}{
		"of a known architecture":                    {both, arm64, "https://files.example/kubelet-arm64"},
		"of an unknown one, where there are several": {both, "", ""},
		"of an unknown one, where there is one":      {Resolved{Artifacts: fake("", amd64).Artifacts}, "", "https://files.example/kubelet-amd64"},
		"of one that has none":                       {Resolved{Artifacts: fake("", amd64).Artifacts}, arm64, ""},
		"of any, asked for one":                      {Resolved{Artifacts: fake("", "").Artifacts}, arm64, "https://files.example/kubelet"},
		"of any, beside an executor for two of them": {Resolved{Artifacts: append(executors(binary("", amd64), binary("", arm64)).Artifacts, binary("kubelet", ""))}, "", "https://files.example/kubelet"},
	} {
		got := test.runtime.Kubelet(test.architecture)
		if (got == nil) != (test.want == "") || got != nil && got.URI != test.want {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// An executor of an earlier release is sent nothing that it does not know, as long as nodes run
// on one architecture.
func TestLaunchMessageHasArtifactsByArchitectureOnlyIfThereAreSeveral(t *testing.T) {
	defaults := nodeDefaults()
	defaults.Runtime = Runtime{ContainerRuntime: "none", Versions: []RuntimeVersion{fake("v1.36.0", ""), fake("v1.37.0", amd64), fake("v1.37.2", amd64, arm64)}}
	for name, test := range map[string]struct {
		template         v1alpha1.NodeRuntime
		version          int
		common           string
		onAMD64, onARM64 string
	}{
		"for any":                    {own("v1.36.0"), 2, "executor kubelet", "executor kubelet", "executor kubelet"},
		"for one":                    {own("v1.37.0"), 2, "executor-amd64 kubelet-amd64", "executor-amd64 kubelet-amd64", "executor-amd64 kubelet-amd64"},
		"for both":                   {own("v1.37.2"), 3, "", "executor-amd64 kubelet-amd64", "executor-arm64 kubelet-arm64"},
		"for both, with one for any": {own("v1.37.2", binary("tool", ""), binary("kubelet", "")), 3, "kubelet tool", "kubelet tool executor-amd64", "kubelet tool executor-arm64"},
		"for both, with one for one": {own("v1.37.2", binary("tool", arm64)), 3, "", "executor-amd64 kubelet-amd64", "executor-arm64 kubelet-arm64 tool-arm64"},
	} {
		t.Run(name, func(t *testing.T) {
			n := launched()
			n.Spec.Template.Spec.Runtime = test.template
			files := func(message *nodeapi.LaunchSpec) string {
				var out []string
				for _, a := range message.Artifacts {
					out = append(out, strings.TrimPrefix(a.URI, "https://files.example/"))
				}
				return strings.Join(out, " ")
			}
			on := func(architecture string) string {
				message := launchMessage(t, defaults, n)
				if err := message.SelectArchitecture(architecture); err != nil {
					t.Fatal(err)
				}
				return files(message)
			}
			message := launchMessage(t, defaults, n)
			want, got := []string{test.common, test.onAMD64, test.onARM64}, []string{files(message), on("amd64"), on("arm64")}
			if diff := cmp.Diff(want, got); diff != "" || message.Version != test.version {
				t.Errorf("version %d, artifacts for all, amd64, arm64 (-want +got):\n%s", message.Version, diff)
			}
		})
	}
}
