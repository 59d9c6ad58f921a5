package config

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/kubelet/kubelettest"
)

func TestContainerdConfiguration(t *testing.T) {
	l := kubelettest.LaunchSpec()
	c := Containerd{NodeName: l.NodeName, SandboxImage: `example/pause:1"`, StreamPort: l.StreamPort, RestrictOOMScore: true}
	want, err := os.ReadFile("testdata/containerd.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), c.toml(layoutOf(l))); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestNetworkTemplateMakesAConfigurationForEachRange(t *testing.T) {
	parsed, err := template.New("").Parse(cniTemplate("n1", true))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := parsed.Execute(&b, map[string]any{"PodCIDRRanges": []string{"10.244.1.0/24", "fd00::/64"}}); err != nil {
		t.Fatal(err)
	}
	var conf struct {
		Name    string
		Plugins []struct {
			Type, Bridge string
			IPMasq       bool
			IPAM         struct{ Ranges [][]struct{ Subnet string } }
		}
	}
	if err := json.Unmarshal([]byte(b.String()), &conf); err != nil {
		t.Fatalf("%v in %s", err, b.String())
	}
	bridge := conf.Plugins[0]
	if len(bridge.IPAM.Ranges) != 2 || bridge.IPAM.Ranges[1][0].Subnet != "fd00::/64" || !bridge.IPMasq {
		t.Errorf("bridge is %+v", bridge)
	}
	if len(bridge.Bridge) > 15 || bridge.Bridge != conf.Name {
		t.Errorf("bridge %q of network %q: an interface's name has 15 characters", bridge.Bridge, conf.Name)
	}
}
