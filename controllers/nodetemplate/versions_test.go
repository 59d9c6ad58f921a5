package nodetemplate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// entry returns an artifact as a line of the file.
func entry(name, architecture string) string {
	text := "{name: " + name + ", uri: 'https://files.example/" + name + "', sha256: " + digest1
	if architecture != "" {
		text += ", architecture: " + architecture
	}
	return text + "}"
}

// versionEntry returns a version of nodes with a fake container runtime, with more fields.
func versionEntry(fields string, artifacts ...string) string {
	return "- {" + fields + ", artifacts: [" + strings.Join(artifacts, ", ") + "]}\n"
}

func TestParseRuntimeWithACatalogue(t *testing.T) {
	file := "containerRuntime: none\nmirror: https://mirror.internal\ndefaultVersion: v1.37.2\nversions:\n" +
		versionEntry("name: v1.36.4", entry("executor", ""), entry("kubelet", "")) +
		versionEntry("name: v1.37.2", entry("executor", "amd64"), entry("executor", "arm64"), entry("kubelet", "amd64"), entry("kubelet", "arm64")) +
		versionEntry("name: edge, kubernetesVersion: v1.38, containerRuntime: containerd, runtimeSocket: /run/containerd/containerd.sock", entry("executor", ""), entry("kubelet", "")) +
		versionEntry("name: v1.37.2-2, kubernetesVersion: v1.37.2, containerRuntime: containerd, cni: External", entry("executor", ""), "{name: all, type: Archive, uri: 'https://files.example/all', sha256: "+digest2+"}")
	runtime, err := ParseRuntime([]byte(file))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range runtime.Versions {
		resolved, err := runtime.Resolve(v1alpha1.NodeRuntime{Version: v.Name})
		if err != nil {
			t.Fatal(err)
		}
		got[v.Name] = resolved.Kubernetes.String() + " " + resolved.ContainerRuntime + " " + resolved.Artifacts[0].URI + " " + string(resolved.Artifacts[0].Type)
	}
	want := map[string]string{
		"v1.36.4":   "v1.36 none https://mirror.internal/files.example/executor Binary",
		"v1.37.2":   "v1.37 none https://mirror.internal/files.example/executor Binary",
		"edge":      "v1.38 containerd https://mirror.internal/files.example/executor Binary",
		"v1.37.2-2": "v1.37 containerd https://mirror.internal/files.example/executor Binary",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
}

func TestParseRuntimeRefusesACatalogueThatIsNotComplete(t *testing.T) {
	all := []string{entry("executor", ""), entry("kubelet", "")}
	tests := map[string]struct{ file, want string }{
		"a version without kubelet":         {versionEntry("name: v1.37.2", all[0]), `versions[0] "v1.37.2": it is not complete, because there is no artifact kubelet`},
		"a version without artifacts":       {"- {name: v1.37.2}\n", "there is no artifact executor, kubelet"},
		"one architecture is not complete":  {versionEntry("name: v1.37.2", entry("executor", "amd64"), entry("executor", "arm64"), entry("kubelet", "amd64")), "there is no artifact kubelet for arm64"},
		"containerd without its programs":   {versionEntry("name: v1.37.2, containerRuntime: containerd", all...), "no artifact containerd, containerd-shim-runc-v2, runc, bridge"},
		"an executor in an archive":         {versionEntry("name: v1.37.2", "{name: executor, type: Archive, uri: 'file:///e', sha256: "+digest1+"}", all[1]), `the artifact "executor" is of type Archive`},
		"two versions with one name":        {versionEntry("name: v1.37.2", all...) + versionEntry("name: v1.37.2", all...), `versions[1]: the name "v1.37.2" occurs twice`},
		"no name":                           {versionEntry("kubernetesVersion: v1.37", all...), "the name is empty"},
		"a name that is no label value":     {versionEntry("name: v1.37.2+1", all...), "the name is not a label value"},
		"a name without a release":          {versionEntry("name: stable", all...), "kubernetesVersion is needed"},
		"a name that is a date":             {versionEntry("name: 2026.11.3", all...), "kubernetesVersion is needed"},
		"a release that is none":            {versionEntry("name: stable, kubernetesVersion: latest", all...), `kubernetesVersion "latest" is not a version of Kubernetes`},
		"a name of another release":         {versionEntry("name: v1.37.2, kubernetesVersion: v1.36", all...), `kubernetesVersion is "v1.36", and the name is one of v1.37`},
		"an artifact twice":                 {versionEntry("name: v1.37.2", all[0], all[1], all[1]), `the name "kubelet" is empty or occurs twice`},
		"an artifact twice for one":         {versionEntry("name: v1.37.2", all[0], entry("kubelet", "amd64"), entry("kubelet", "amd64")), `occurs twice for the architecture "amd64"`},
		"an unknown architecture":           {versionEntry("name: v1.37.2", all[0], entry("kubelet", "x86_64")), `the architecture "x86_64" is not "amd64" or "arm64"`},
		"an artifact that nobody can fetch": {versionEntry("name: v1.37.2", all[0], strings.Replace(all[1], "https", "s3", 1)), `want http, https or file`},
		"an artifact without digest":        {versionEntry("name: v1.37.2", all[0], "{name: kubelet, uri: 'file:///k'}"), "sha256 of 64"},
		"an artifact with a bad name":       {versionEntry("name: v1.37.2", all[0], all[1], entry("../sh", "")), `artifact name "../sh"`},
		"a socket without containerd":       {versionEntry("name: v1.37.2, runtimeSocket: /c.sock", all...), "or containerRuntime is not"},
		"an unknown cni":                    {versionEntry("name: v1.37.2, cni: Calico", all...), `cni is "Calico"`},
		"a misspelt field":                  {versionEntry("name: v1.37.2, sandboximages: x", all...), "unknown field"},
		"a default that does not exist":     {versionEntry("name: v1.37.2", all...) + "defaultVersion: v1.37.1\n", `defaultVersion "v1.37.1" is not the name of a version`},
		"artifacts that are never used":     {versionEntry("name: v1.37.2", all...) + "defaultVersion: v1.37.2\nartifacts: [" + all[0] + "]\n", "artifacts are never used"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRuntime([]byte("containerRuntime: none\nversions:\n" + test.file))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestCatalogueAndCommonArtifactsCanBeInOneFile(t *testing.T) {
	all := []string{entry("executor", ""), entry("kubelet", "")}
	runtime, err := ParseRuntime([]byte("containerRuntime: none\nartifacts: [" + strings.Join(all, ", ") + "]\nversions:\n" + versionEntry("name: v1.37.2", all...)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := runtime.Resolve(v1alpha1.NodeRuntime{}); err != nil || got.Version != "" || len(got.Artifacts) != 2 {
		t.Errorf("got %+v, %v", got, err)
	}
}
