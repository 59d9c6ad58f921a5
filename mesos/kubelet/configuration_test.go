package kubelet

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func TestKubeletConfiguration(t *testing.T) {
	l := testLaunch()
	r := Reservation{System: map[string]string{"cpu": "6"}, Kube: map[string]string{"cpu": "100m"}, PIDsPerPod: 2048,
		EvictionHard: map[string]string{"memory.available": "64Mi"}}
	got, err := json.MarshalIndent(kubeletConfig(l, layoutOf(l), r, hostFacts{cgroupRoot: "/mesos/c1"}), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/kubelet.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), string(got)); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestPodsGetNoQuotaBesideTheContainersOwn(t *testing.T) {
	l := testLaunch()
	for _, quota := range []bool{true, false} {
		if c := kubeletConfig(l, layoutOf(l), Reservation{}, hostFacts{cpuQuota: quota}); c.CPUCFSQuota == quota {
			t.Errorf("container with quota: %t, pods with quota: %t", quota, c.CPUCFSQuota)
		}
	}
}

func TestContainerdConfiguration(t *testing.T) {
	l := testLaunch()
	l.SandboxImage = `example/pause:1"`
	want, err := os.ReadFile("testdata/containerd.toml")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), containerdConfig(l, layoutOf(l), true)); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestNetworkOfADaemonSetIsLookedForWhereItIsPut(t *testing.T) {
	l := testLaunch()
	l.ExternalCNI = true
	p := layoutOf(l)
	targets := map[string]string{}
	for _, m := range p.mounts() {
		targets[m.target] = m.source
	}
	config := containerdConfig(l, p, true)
	for _, want := range []string{
		`conf_dir = "` + targets["/etc/cni/net.d"] + `"`, `bin_dirs = ["` + targets["/opt/cni/bin"] + `", `, "use_internal_loopback = true",
	} {
		if !strings.Contains(config, want) {
			t.Errorf("%s is not in\n%s", want, config)
		}
	}
	if strings.Contains(config, "conf_template") || p.network() != "" {
		t.Error("the node makes a network nevertheless")
	}
}

func TestKubeletOfTheAgentsRuntimeIsWhereThatLooks(t *testing.T) {
	l := testLaunch()
	l.RuntimeSocket = "/run/containerd/containerd.sock"
	p := layoutOf(l)
	if len(p.mounts()) > 0 || p.network() != "" {
		t.Errorf("mounts %v and network %q, which the agent's runtime does not see", p.mounts(), p.network())
	}
	c := kubeletConfig(l, p, Reservation{}, hostFacts{cgroupRoot: "/mesos/c1"})
	if c.ContainerRuntimeEndpoint != "unix:///run/containerd/containerd.sock" || c.CgroupRoot != "/mesos/c1" {
		t.Errorf("runtime %s, cgroup root %s", c.ContainerRuntimeEndpoint, c.CgroupRoot)
	}
	if !strings.HasPrefix(c.PodLogsDir, "/var/lib/k8sm/general-x7k2p/") || p.rootDir() != kubeletRoot {
		t.Errorf("logs in %s, the kubelet's folder is %s", c.PodLogsDir, p.rootDir())
	}
}

func TestNodeWithoutContainersNeedsNothingOfTheHost(t *testing.T) {
	l := testLaunch()
	l.ContainerRuntime = nodeapi.RuntimeNone
	c := kubeletConfig(l, layoutOf(l), Reservation{}, hostFacts{})
	if c.CgroupsPerQOS || c.CgroupRoot != "" || c.ContainerRuntimeEndpoint != "" {
		t.Errorf("configuration asks for cgroups or a runtime: %+v", c)
	}
	for _, arg := range kubeletArgs(l, layoutOf(l)) {
		if _, path, ok := strings.Cut(arg, "=/"); ok && !strings.HasPrefix("/"+path, l.StateDir+"/"+l.NodeName+"/") {
			t.Errorf("%s is outside of the node's folder", arg)
		}
	}
}

func TestKubeletArguments(t *testing.T) {
	l := testLaunch()
	got := strings.Join(kubeletArgs(l, layoutOf(l)), " ")
	for _, want := range []string{
		"--hostname-override=general-x7k2p", "--node-ip=10.0.0.2", "--node-labels=a=b,k8sm.io/pool=general",
		"--bootstrap-kubeconfig=/var/lib/k8sm/general-x7k2p/etc/bootstrap-kubeconfig",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if strings.Contains(got, "0123456789abcdef") {
		t.Error("the token is among the arguments, for all to read")
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

func TestStaticPodsLieWhereTheKubeletLooks(t *testing.T) {
	l := testLaunch()
	l.StateDir = t.TempDir()
	l.StaticPods = []json.RawMessage{[]byte(`{"kind":"Pod","metadata":{"name":"one"}}`), []byte(`{"kind":"Pod","metadata":{"name":"two"}}`)}
	if err := writeConfiguration(l, layoutOf(l), Reservation{}, hostFacts{}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(layoutOf(l).kubeletConf())
	if err != nil {
		t.Fatal(err)
	}
	var conf struct{ StaticPodPath string }
	if err := json.Unmarshal(data, &conf); err != nil {
		t.Fatal(err)
	}
	for i, want := range l.StaticPods {
		got, err := os.ReadFile(filepath.Join(conf.StaticPodPath, []string{"0.json", "1.json"}[i]))
		if err != nil || string(got) != string(want) {
			t.Errorf("manifest %d is %s, %v", i, got, err)
		}
	}
}

func TestNetworkNamesDifferAndLast(t *testing.T) {
	// A later release must find the bridge of a node that died under an earlier one.
	if got := networkName("a"); got != "k8sm-ca978112ca" {
		t.Errorf("name of a's network is %q", got)
	}
	if networkName("a") == networkName("b") {
		t.Error("two nodes share a network")
	}
}

func TestWhatHoldsTheTokenIsForTheOwnersEyes(t *testing.T) {
	l := testLaunch()
	l.StateDir = t.TempDir()
	p := layoutOf(l)
	if err := writeConfiguration(l, p, Reservation{}, hostFacts{}); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(l.StateDir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, _ := os.ReadFile(path)
		info, _ := entry.Info()
		if strings.Contains(string(data), testToken) && info.Mode().Perm() != 0o600 {
			t.Errorf("%s is %s", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(p.bootstrap())
	if !strings.Contains(string(data), testToken) || !strings.Contains(string(data), `"certificate-authority-data": "cGVt"`) {
		t.Errorf("bootstrap kubeconfig is %s", data)
	}
}

func TestProgramsAreNotToldTheExecutorsSecrets(t *testing.T) {
	l := testLaunch()
	got := environment(layoutOf(l), []string{
		"PATH=/usr/bin", "MESOS_EXECUTOR_AUTHENTICATION_TOKEN=jwt", "HTTPS_PROXY=http://proxy:3128", "no_proxy=10.0.0.0/8", "X=y",
	})
	want := []string{"HOME=/root", "LANG=C", "HTTPS_PROXY=http://proxy:3128", "no_proxy=10.0.0.0/8",
		"TMPDIR=/var/lib/k8sm/general-x7k2p/tmp", "PATH=/var/lib/k8sm/general-x7k2p/bin:/usr/bin"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
}
