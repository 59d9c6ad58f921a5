package kubelet

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const testToken = "abcdef.0123456789abcdef"

// testLaunch is a valid message.
func testLaunch() *Launch {
	return &Launch{
		Version: 1, NodeName: "general-x7k2p", ProviderID: "mesos://S0/general-x7k2p.1",
		APIServer: "https://10.0.0.1:6443", CAData: []byte("pem"), BootstrapToken: testToken,
		Labels: map[string]string{"k8sm.io/pool": "general", "a": "b"},
		Taints: []Taint{{Key: "dedicated", Value: "x", Effect: "NoSchedule"}},
		CPUs:   2, MemMiB: 2048, DiskMiB: 8192, OverheadCPUs: 0.1, OverheadMemMiB: 256,
		Address: "10.0.0.2", KubeletPort: 31000, StreamPort: 31001,
		ClusterDNS: []string{"10.96.0.10"}, ClusterDomain: "cluster.local",
		StateDir: "/var/lib/k8sm", ContainerRuntime: RuntimeContainerd,
		Artifacts: []Artifact{{Name: "kubelet", Type: TypeBinary, URI: "https://example.com/kubelet", SHA256: strings.Repeat("a", 64)}},
	}
}

func TestLaunchSurvivesTheWire(t *testing.T) {
	want := testLaunch()
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestBadLaunchSaysWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		change func(*Launch)
		want   string
	}{
		"a name that leads elsewhere":    {func(l *Launch) { l.NodeName = "../etc" }, "nodeName"},
		"the cache's name":               {func(l *Launch) { l.NodeName = "cache" }, "nodeName"},
		"a name of dots":                 {func(l *Launch) { l.NodeName = "a..b" }, "nodeName"},
		"a foreign provider":             {func(l *Launch) { l.ProviderID = "aws://x" }, "providerID"},
		"no API server":                  {func(l *Launch) { l.APIServer = "" }, "apiServer"},
		"an API server without scheme":   {func(l *Launch) { l.APIServer = "10.0.0.1:6443" }, "apiServer"},
		"no authority":                   {func(l *Launch) { l.CAData = nil }, "caData"},
		"no token":                       {func(l *Launch) { l.BootstrapToken = "" }, "bootstrapToken"},
		"a malformed token":              {func(l *Launch) { l.BootstrapToken = "verysecret" }, "bootstrapToken"},
		"an unknown effect":              {func(l *Launch) { l.Taints[0].Effect = "Never" }, "effect"},
		"nothing left of the cpus":       {func(l *Launch) { l.CPUs = 0.1 }, "cpus 0.1"},
		"not a number of cpus":           {func(l *Launch) { l.CPUs = nan() }, "cpus"},
		"nothing left of the memory":     {func(l *Launch) { l.MemMiB = 260 }, "memMiB"},
		"a negative disk":                {func(l *Launch) { l.DiskMiB = -1 }, "diskMiB"},
		"a negative grace":               {func(l *Launch) { l.KillGraceSeconds = -1 }, "killGraceSeconds"},
		"a host name as address":         {func(l *Launch) { l.Address = "agent-1" }, "address"},
		"an agent of loopback":           {func(l *Launch) { l.Address = "127.0.1.1" }, "--ip"},
		"an agent of loopback, IPv6":     {func(l *Launch) { l.Address = "::1" }, "--ip"},
		"loopback in IPv6's clothes":     {func(l *Launch) { l.Address = "::ffff:127.0.0.1" }, "--ip"},
		"an agent of one link":           {func(l *Launch) { l.Address = "169.254.1.2" }, "--ip"},
		"an agent of one link, IPv6":     {func(l *Launch) { l.Address = "fe80::1" }, "--ip"},
		"an agent of many":               {func(l *Launch) { l.Address = "224.0.0.1" }, "--ip"},
		"an agent of no address":         {func(l *Launch) { l.Address = "0.0.0.0" }, "--ip"},
		"no port":                        {func(l *Launch) { l.KubeletPort = 0 }, "kubeletPort"},
		"one port for two":               {func(l *Launch) { l.StreamPort = l.KubeletPort }, "streamPort"},
		"a DNS server by name":           {func(l *Launch) { l.ClusterDNS = []string{"dns"} }, "clusterDNS"},
		"a relative state folder":        {func(l *Launch) { l.StateDir = "k8sm" }, "stateDir"},
		"the root as state folder":       {func(l *Launch) { l.StateDir = "/" }, "stateDir"},
		"a state folder that climbs":     {func(l *Launch) { l.StateDir = "/var/../etc" }, "stateDir"},
		"a state folder with quotes":     {func(l *Launch) { l.StateDir = `/var/"x` }, "stateDir"},
		"an unknown runtime":             {func(l *Launch) { l.ContainerRuntime = "docker" }, "containerRuntime"},
		"a runtime's socket by name":     {func(l *Launch) { l.RuntimeSocket = "containerd" }, "runtimeSocket"},
		"a socket without a runtime":     {func(l *Launch) { l.ContainerRuntime, l.RuntimeSocket = "none", "/run/c.sock" }, "runtimeSocket"},
		"an image with a line break":     {func(l *Launch) { l.SandboxImage = "a\nb" }, "sandboxImage"},
		"an artifact twice":              {func(l *Launch) { l.Artifacts = append(l.Artifacts, l.Artifacts[0]) }, "twice"},
		"an artifact that leads out":     {func(l *Launch) { l.Artifacts[0].Name = "../sh" }, "artifact name"},
		"an artifact of unknown type":    {func(l *Launch) { l.Artifacts[0].Type = "Zip" }, "unknown type"},
		"an artifact without digest":     {func(l *Launch) { l.Artifacts[0].SHA256 = "" }, "digest"},
		"an artifact over ftp":           {func(l *Launch) { l.Artifacts[0].URI = "ftp://example.com/x" }, "want http"},
		"an artifact of a relative file": {func(l *Launch) { l.Artifacts[0].URI = "file://x/y" }, "absolute"},
		"an artifact without host":       {func(l *Launch) { l.Artifacts[0].URI = "https:///x" }, "without a host"},
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

func TestProgramsThatANodeNeeds(t *testing.T) {
	tests := map[string]struct {
		launch Launch
		want   string
	}{
		"a runtime and a network of its own": {Launch{ContainerRuntime: RuntimeContainerd}, "kubelet containerd containerd-shim-runc-v2 runc bridge host-local loopback portmap"},
		"the network of a DaemonSet":         {Launch{ContainerRuntime: RuntimeContainerd, ExternalCNI: true}, "kubelet containerd containerd-shim-runc-v2 runc"},
		"the agent's runtime":                {Launch{ContainerRuntime: RuntimeContainerd, RuntimeSocket: "/run/c.sock"}, "kubelet"},
		"no runtime":                         {Launch{ContainerRuntime: RuntimeNone}, "kubelet"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(tc.launch.Programs(), " "); got != tc.want {
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
			_, err := Decode([]byte(data))
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
