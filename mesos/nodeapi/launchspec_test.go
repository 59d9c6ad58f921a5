package nodeapi

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testToken = "abcdef.0123456789abcdef"

// testLaunch is a valid message.
func testLaunch() *LaunchSpec {
	return &LaunchSpec{
		Version: 1, NodeName: "general-x7k2p", ProviderID: "mesos://S0/general-x7k2p.1",
		APIServer: "https://10.0.0.1:6443", CAData: []byte("pem"), BootstrapToken: testToken,
		Labels: map[string]string{"k8sm.io/pool": "general", "a": "b"},
		Taints: []Taint{{Key: "dedicated", Value: "x", Effect: "NoSchedule"}},
		CPUs:   2, MemMiB: 2048, DiskMiB: 8192, OverheadCPUs: 0.1, OverheadMemMiB: 256,
		Address: "10.0.0.2", KubeletPort: 31000, StreamPort: 31001,
		ClusterDNS: []string{"10.96.0.10"}, ClusterDomain: "cluster.local",
		StateDir: "/var/lib/k8sm", ContainerRuntime: RuntimeContainerd,
		Artifacts: []Artifact{{Name: "kubelet", Type: ArtifactTypeBinary, URI: "https://example.com/kubelet", SHA256: strings.Repeat("a", 64)}},
	}
}

func TestLaunchSpecRoundTrip(t *testing.T) {
	want := testLaunch()
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeLaunchSpec(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestInvalidLaunchSpecNamesTheProblem(t *testing.T) {
	tests := map[string]struct {
		change func(*LaunchSpec)
		want   string
	}{
		"a name that leads elsewhere":    {func(l *LaunchSpec) { l.NodeName = "../etc" }, "nodeName"},
		"the cache's name":               {func(l *LaunchSpec) { l.NodeName = "cache" }, "nodeName"},
		"a name of dots":                 {func(l *LaunchSpec) { l.NodeName = "a..b" }, "nodeName"},
		"a foreign provider":             {func(l *LaunchSpec) { l.ProviderID = "aws://x" }, "providerID"},
		"no API server":                  {func(l *LaunchSpec) { l.APIServer = "" }, "apiServer"},
		"an API server without scheme":   {func(l *LaunchSpec) { l.APIServer = "10.0.0.1:6443" }, "apiServer"},
		"no authority":                   {func(l *LaunchSpec) { l.CAData = nil }, "caData"},
		"no token":                       {func(l *LaunchSpec) { l.BootstrapToken = "" }, "bootstrapToken"},
		"a malformed token":              {func(l *LaunchSpec) { l.BootstrapToken = "verysecret" }, "bootstrapToken"},
		"an unknown effect":              {func(l *LaunchSpec) { l.Taints[0].Effect = "Never" }, "effect"},
		"nothing left of the cpus":       {func(l *LaunchSpec) { l.CPUs = 0.1 }, "cpus 0.1"},
		"not a number of cpus":           {func(l *LaunchSpec) { l.CPUs = nan() }, "cpus"},
		"nothing left of the memory":     {func(l *LaunchSpec) { l.MemMiB = 260 }, "memMiB"},
		"a negative disk":                {func(l *LaunchSpec) { l.DiskMiB = -1 }, "diskMiB"},
		"a negative grace":               {func(l *LaunchSpec) { l.KillGraceSeconds = -1 }, "killGraceSeconds"},
		"a host name as address":         {func(l *LaunchSpec) { l.Address = "agent-1" }, "address"},
		"an agent of loopback":           {func(l *LaunchSpec) { l.Address = "127.0.1.1" }, "--ip"},
		"an agent of loopback, IPv6":     {func(l *LaunchSpec) { l.Address = "::1" }, "--ip"},
		"loopback in IPv6's clothes":     {func(l *LaunchSpec) { l.Address = "::ffff:127.0.0.1" }, "--ip"},
		"an agent of one link":           {func(l *LaunchSpec) { l.Address = "169.254.1.2" }, "--ip"},
		"an agent of one link, IPv6":     {func(l *LaunchSpec) { l.Address = "fe80::1" }, "--ip"},
		"an agent of many":               {func(l *LaunchSpec) { l.Address = "224.0.0.1" }, "--ip"},
		"an agent of no address":         {func(l *LaunchSpec) { l.Address = "0.0.0.0" }, "--ip"},
		"no port":                        {func(l *LaunchSpec) { l.KubeletPort = 0 }, "kubeletPort"},
		"one port for two":               {func(l *LaunchSpec) { l.StreamPort = l.KubeletPort }, "streamPort"},
		"a DNS server by name":           {func(l *LaunchSpec) { l.ClusterDNS = []string{"dns"} }, "clusterDNS"},
		"a relative state folder":        {func(l *LaunchSpec) { l.StateDir = "k8sm" }, "stateDir"},
		"the root as state folder":       {func(l *LaunchSpec) { l.StateDir = "/" }, "stateDir"},
		"a state folder that climbs":     {func(l *LaunchSpec) { l.StateDir = "/var/../etc" }, "stateDir"},
		"a state folder with quotes":     {func(l *LaunchSpec) { l.StateDir = `/var/"x` }, "stateDir"},
		"an unknown runtime":             {func(l *LaunchSpec) { l.ContainerRuntime = "docker" }, "containerRuntime"},
		"a runtime's socket by name":     {func(l *LaunchSpec) { l.RuntimeSocket = "containerd" }, "runtimeSocket"},
		"a socket without a runtime":     {func(l *LaunchSpec) { l.ContainerRuntime, l.RuntimeSocket = "none", "/run/c.sock" }, "runtimeSocket"},
		"an image with a line break":     {func(l *LaunchSpec) { l.SandboxImage = "a\nb" }, "sandboxImage"},
		"an artifact twice":              {func(l *LaunchSpec) { l.Artifacts = append(l.Artifacts, l.Artifacts[0]) }, "twice"},
		"an artifact that leads out":     {func(l *LaunchSpec) { l.Artifacts[0].Name = "../sh" }, "artifact name"},
		"an artifact of unknown type":    {func(l *LaunchSpec) { l.Artifacts[0].Type = "Zip" }, "unknown type"},
		"an artifact without digest":     {func(l *LaunchSpec) { l.Artifacts[0].SHA256 = "" }, "digest"},
		"an artifact over ftp":           {func(l *LaunchSpec) { l.Artifacts[0].URI = "ftp://example.com/x" }, "want http"},
		"an artifact of a relative file": {func(l *LaunchSpec) { l.Artifacts[0].URI = "file://x/y" }, "absolute"},
		"an artifact for all and for one": {func(l *LaunchSpec) {
			l.ArchitectureArtifacts = map[string][]Artifact{"amd64": {l.Artifacts[0]}}
		}, "twice"},
		"an artifact for one without digest": {func(l *LaunchSpec) {
			l.ArchitectureArtifacts = map[string][]Artifact{"arm64": {{Name: "runc", Type: ArtifactTypeBinary, URI: "file:///runc"}}}
		}, "digest"},
		"an architecture without a name": {func(l *LaunchSpec) { l.ArchitectureArtifacts = map[string][]Artifact{"": nil} }, "architecture without a name"},
		"an artifact without host":       {func(l *LaunchSpec) { l.Artifacts[0].URI = "https:///x" }, "without a host"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := testLaunch()
			tc.change(l)
			_, err := l.Encode()
			if err == nil || !strings.Contains(err.Error(), tc.want) || !errors.Is(err, ErrInvalid) {
				t.Fatalf("error is %v, want one about %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "0123456789abcdef") || strings.Contains(err.Error(), "verysecret") {
				t.Errorf("the error gives the token away: %v", err)
			}
		})
	}
}

func TestSelectArchitecture(t *testing.T) {
	file := func(name, sha string) Artifact {
		return Artifact{Name: name, Type: ArtifactTypeBinary, URI: "file:///" + name, SHA256: strings.Repeat(sha, 64)}
	}
	message := func() *LaunchSpec {
		l := testLaunch()
		l.Artifacts = []Artifact{file("tool", "c")}
		l.ArchitectureArtifacts = map[string][]Artifact{"amd64": {file("kubelet", "a")}, "arm64": {file("kubelet", "b"), file("extra", "d")}, "s390x": nil}
		data, err := l.Encode()
		if err != nil {
			t.Fatal(err)
		}
		read, err := DecodeLaunchSpec(data)
		if err != nil || read.Version != 3 {
			t.Fatalf("version %d, error %v", read.Version, err)
		}
		return read
	}
	for architecture, want := range map[string][]Artifact{
		"amd64": {file("tool", "c"), file("kubelet", "a")},
		"arm64": {file("tool", "c"), file("kubelet", "b"), file("extra", "d")},
		"s390x": {file("tool", "c")},
	} {
		l := message()
		if err := l.SelectArchitecture(architecture); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, l.Artifacts); diff != "" || l.ArchitectureArtifacts != nil {
			t.Errorf("%s (-want +got):\n%s", architecture, diff)
		}
	}
	err := message().SelectArchitecture("riscv64")
	if err == nil || errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "amd64 and arm64 and s390x, and this agent is of the architecture riscv64") {
		t.Errorf("got %v: another agent may do", err)
	}
	if l := testLaunch(); l.SelectArchitecture("riscv64") != nil || len(l.Artifacts) != 1 {
		t.Error("a message without architectures is not for any")
	}
}

func TestRequiredPrograms(t *testing.T) {
	tests := map[string]struct {
		launch LaunchSpec
		want   string
	}{
		"a runtime and a network of its own": {LaunchSpec{ContainerRuntime: RuntimeContainerd}, "kubelet containerd containerd-shim-runc-v2 runc bridge host-local loopback portmap"},
		"the network of a DaemonSet":         {LaunchSpec{ContainerRuntime: RuntimeContainerd, ExternalCNI: true}, "kubelet containerd containerd-shim-runc-v2 runc"},
		"the agent's runtime":                {LaunchSpec{ContainerRuntime: RuntimeContainerd, RuntimeSocket: "/run/c.sock"}, "kubelet"},
		"no runtime":                         {LaunchSpec{ContainerRuntime: RuntimeNone}, "kubelet"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(tc.launch.RequiredPrograms(), " "); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestAllProblemsAreNamedAtOnce(t *testing.T) {
	l := testLaunch()
	l.Address, l.KubeletPort, l.StateDir = "", 0, ""
	err := l.Validate()
	for _, want := range []string{"address", "kubeletPort", "stateDir"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in %v", want, err)
		}
	}
}

func TestDecodeNeverQuotesTheMessage(t *testing.T) {
	for name, data := range map[string]string{
		"no data": "", "not JSON": "bootstrapToken: " + testToken, "cut off": `{"bootstrapToken": "` + testToken,
		"wrong type": `{"version": "` + testToken + `"}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := DecodeLaunchSpec([]byte(data))
			if !errors.Is(err, ErrInvalid) || strings.Contains(err.Error(), "0123456789abcdef") {
				t.Errorf("error is %v", err)
			}
		})
	}
}

func nan() float64 {
	zero := 0.0
	return zero / zero
}
