package mesosframework

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/nodeapi"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const token = "abc123.0123456789abcdef"

func launched(changes ...func(*v1alpha1.MesosNode)) *v1alpha1.MesosNode {
	n := newNode(changes...)
	n.Status.Task = &v1alpha1.MesosTask{ID: taskID, AgentID: "S1", AgentHostname: "agent-1.example", Region: "eu", Zone: "eu-1"}
	return n
}

func TestPayload(t *testing.T) {
	got, err := nodeDefaults().Payload(launched(), newIntent(), token)
	if err != nil {
		t.Fatal(err)
	}
	message, err := nodeapi.DecodeLaunchSpec(got.Data)
	if err != nil {
		t.Fatal(err)
	}
	want := &nodeapi.LaunchSpec{
		Version:    2, // an executor must not overlook the configuration
		NodeName:   nodeName,
		ProviderID: "mesos://S1/" + taskID,
		APIServer:  "https://kubernetes.example:6443", CAData: []byte("a certificate"), BootstrapToken: token,
		Labels: map[string]string{
			"team": "data", "k8sm.io/pool": "general", "k8sm.io/framework": "default", "k8sm.io/agent-id": "S1",
			"k8sm.io/agent-hostname": "agent-1.example", "topology.kubernetes.io/region": "eu", "topology.kubernetes.io/zone": "eu-1",
		},
		Taints: []nodeapi.Taint{
			{Key: "dedicated", Value: "data", Effect: "NoSchedule"}, {Key: "example.com/agent-not-ready", Effect: "NoExecute"},
		},
		CPUs: 4, MemMiB: 16384, OverheadCPUs: 0.1, OverheadMemMiB: 256,
		Address: "10.1.2.3", KubeletPort: 31000, StreamPort: 31001,
		KubeletConfig: []byte(`{"maxPods":30}`),
		StaticPods:    []json.RawMessage{[]byte(staticPod)},
		ClusterDNS:    []string{"10.96.0.10"}, ClusterDomain: "cluster.local", StateDir: "/var/lib/k8sm",
		ContainerRuntime: "none",
		Artifacts: []nodeapi.Artifact{
			{Name: "executor", Type: "Binary", URI: "http://files.example/k8sm/executor?v=1", SHA256: digest1},
			{Name: "kubelet", Type: "Binary", URI: "file:///opt/kubelet", SHA256: digest2},
		},
		KillGraceSeconds: 30,
	}
	if diff := cmp.Diff(want, message); diff != "" {
		t.Errorf("launch message (-want +got):\n%s", diff)
	}
	got.Data = nil
	rest := scheduler.Payload{
		Name: nodeName,
		Command: "echo '" + digest1 + "  ./executor?v=1' | sha256sum -c - >&2 && " +
			"chmod 0755 './executor?v=1' && exec './executor?v=1'",
		URIs:      []scheduler.URI{{Value: "http://files.example/k8sm/executor?v=1", Executable: true}},
		Overhead:  placement.Resources{CPUs: 0.1, MemMiB: 256},
		Labels:    map[string]string{"k8sm.io/node": nodeName, "k8sm.io/pool": "general"},
		KillGrace: 30 * time.Second,
	}
	if diff := cmp.Diff(rest, got); diff != "" {
		t.Errorf("payload (-want +got):\n%s", diff)
	}
}

func TestATemplateChoosesRuntimeAndNetwork(t *testing.T) {
	tests := map[string]struct {
		operator Runtime
		template v1alpha1.NodeRuntime
		socket   string
		external bool
	}{
		"nothing said":              {},
		"by the operator":           {Runtime{RuntimeSocket: "/a.sock", CNI: v1alpha1.CNIExternal}, v1alpha1.NodeRuntime{}, "/a.sock", true},
		"by the template":           {Runtime{}, v1alpha1.NodeRuntime{RuntimeSocket: "/b.sock", CNI: v1alpha1.CNIExternal}, "/b.sock", true},
		"the template's word holds": {Runtime{RuntimeSocket: "/a.sock", CNI: v1alpha1.CNIExternal}, v1alpha1.NodeRuntime{RuntimeSocket: "/b.sock", CNI: v1alpha1.CNIBundled}, "/b.sock", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n, s := launched(), nodeDefaults()
			s.Runtime.RuntimeSocket, s.Runtime.CNI = test.operator.RuntimeSocket, test.operator.CNI
			n.Spec.Template.Spec.Runtime.RuntimeSocket, n.Spec.Template.Spec.Runtime.CNI = test.template.RuntimeSocket, test.template.CNI
			message, err := launch(n, newIntent(), s, token)
			if err != nil {
				t.Fatal(err)
			}
			if message.RuntimeSocket != test.socket || message.ExternalCNI != test.external {
				t.Errorf("socket %q, external network %t", message.RuntimeSocket, message.ExternalCNI)
			}
		})
	}
}

func TestATokenIsNowhereButInTheData(t *testing.T) {
	got, err := nodeDefaults().Payload(launched(), newIntent(), token)
	if err != nil {
		t.Fatal(err)
	}
	got.Data = nil
	if text := cmp.Diff(scheduler.Payload{}, got); strings.Contains(text, "0123456789abcdef") {
		t.Errorf("others can read the token: %s", text)
	}
}

func TestPayloadRefuses(t *testing.T) {
	tests := map[string]struct {
		node     func(*v1alpha1.MesosNode)
		intent   func(*scheduler.Intent)
		defaults func(*NodeDefaults)
		want     string
	}{
		"an offer that brought one port": {
			intent: func(i *scheduler.Intent) { i.Ports = i.Ports[:1] },
			want:   "the offer brings 1 ports, not 2",
		},
		"an agent without an address": {
			intent: func(i *scheduler.Intent) { i.Address = "" },
			want:   `address "" is not an IP address`,
		},
		"an agent that took its address from /etc/hosts": {
			intent: func(i *scheduler.Intent) { i.Address = "127.0.1.1" },
			want:   "start the agent with --ip=",
		},
		"a kubelet configuration that cannot be": {
			node: func(n *v1alpha1.MesosNode) { n.Spec.Template.Spec.Kubelet.Config.Raw = []byte(`{"maxPod": 30}`) },
			want: `unknown field "maxPod"`,
		},
		"a static pod that cannot be": {
			node: func(n *v1alpha1.MesosNode) { n.Spec.Template.Spec.Kubelet.StaticPods[0].Raw = []byte(`{}`) },
			want: "not a Pod",
		},
		"a runtime without executor": {
			defaults: func(s *NodeDefaults) { s.Runtime.Artifacts = s.Runtime.Artifacts[1:] },
			want:     "there is no artifact named executor",
		},
		"an executor in an archive": {
			node: func(n *v1alpha1.MesosNode) {
				n.Spec.Template.Spec.Runtime.Artifacts = []v1alpha1.Artifact{{Name: "executor", Type: v1alpha1.ArtifactArchive, URI: "http://x/e.tgz", SHA256: digest1}}
			},
			want: "of type Archive, not Binary",
		},
		"an executor that is a folder": {
			defaults: func(s *NodeDefaults) { s.Runtime.Artifacts[0].URI = "http://files.example/" },
			want:     "names no file",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n, intent, defaults := launched(), newIntent(), nodeDefaults()
			if test.node != nil {
				test.node(n)
			}
			if test.intent != nil {
				test.intent(&intent)
			}
			if test.defaults != nil {
				test.defaults(&defaults)
			}
			_, err := defaults.Payload(n, intent, token)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestParseRuntime(t *testing.T) {
	good := "artifacts: [{name: executor, uri: 'file:///opt/executor', sha256: " + digest1 + "}]"
	runtime, err := ParseRuntime([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	want := Runtime{ContainerRuntime: "containerd", Artifacts: []v1alpha1.Artifact{
		{Name: "executor", Type: "Binary", URI: "file:///opt/executor", SHA256: digest1}}}
	if diff := cmp.Diff(want, runtime); diff != "" {
		t.Errorf("runtime (-want +got):\n%s", diff)
	}
	for text, want := range map[string]string{
		"containerRuntime: docker":                              `containerRuntime is "docker"`,
		"cni: Calico":                                           `cni is "Calico"`,
		"runtimeSocket: containerd.sock":                        `runtimeSocket is "containerd.sock"`,
		"{containerRuntime: none, runtimeSocket: /c.sock}":      "or containerRuntime is not",
		"mirror: mirror.internal":                               `mirror "mirror.internal" is not an http, https or file URL`,
		"mirror: https://m/?x=y":                                "without a query",
		"cacheSize: 10":                                         "cacheSize 10 is less than 1Mi",
		"cacheSize: many":                                       "parsing the node runtime",
		"artefacts: []":                                         `unknown field "artefacts"`,
		"artifacts: [{name: a, uri: 'file:///a', sha256: abc}]": "sha256 of 64",
		"artifacts: [{name: a, uri: \"file:///it's\", sha256: " + digest1 + "}]":                      "which Mesos does not fetch",
		"artifacts: [{name: a, uri: 'file:///a\\b', sha256: " + digest1 + "}]":                        "which Mesos does not fetch",
		"artifacts: [{uri: 'file:///a', sha256: " + digest1 + "}]":                                    `the name "" is empty`,
		"artifacts: [{name: a, type: Zip, uri: 'file:///a', sha256: " + digest1 + "}]":                `the type "Zip"`,
		good + "\ncontainerRuntime: [":                                                                "parsing the node runtime",
		strings.Replace(good, "}]", "}, {name: executor, uri: 'file:///b', sha256: "+digest2+"}]", 1): "there twice",
	} {
		if _, err := ParseRuntime([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot %v, want %q", text, err, want)
		}
	}
}

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
		"nobody supplies anything": {
			operator: Runtime{ContainerRuntime: "containerd"},
			want:     []string{"executor", "kubelet", "containerd", "containerd-shim-runc-v2", "runc", "bridge", "host-local", "loopback", "portmap"},
		},
		"the pool supplies what the operator lacks": {
			operator: Runtime{ContainerRuntime: "none", Artifacts: binary("executor")},
			pool:     binary("kubelet"),
			want:     []string{},
		},
		"what is in an archive is not known": {
			operator: Runtime{ContainerRuntime: "containerd", Artifacts: append(binary("executor"), archive)},
			want:     []string{},
		},
		"the executor is in no archive": {
			operator: Runtime{ContainerRuntime: "containerd", Artifacts: []v1alpha1.Artifact{archive}},
			want:     []string{"executor"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := test.operator.Missing(v1alpha1.NodeRuntime{Artifacts: test.pool})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPoolOverridesByName(t *testing.T) {
	operator := nodeDefaults().Runtime
	merged := operator.with(v1alpha1.NodeRuntime{SandboxImage: "pause:1", Artifacts: []v1alpha1.Artifact{
		{Name: "kubelet", Type: "Binary", URI: "file:///opt/kubelet-1.36", SHA256: digest1},
		{Name: "tool", Type: "Binary", URI: "file:///opt/tool", SHA256: digest2},
	}})
	var got []string
	for _, a := range merged.Artifacts {
		got = append(got, a.Name+" "+a.URI)
	}
	want := []string{"executor http://files.example/k8sm/executor?v=1", "kubelet file:///opt/kubelet-1.36", "tool file:///opt/tool"}
	if diff := cmp.Diff(want, got); diff != "" || merged.SandboxImage != "pause:1" {
		t.Errorf("image %q, artifacts (-want +got):\n%s", merged.SandboxImage, diff)
	}
	if operator.artifact("kubelet").URI != "file:///opt/kubelet" {
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
		"the operator's":                {runtime: Runtime{Artifacts: artifacts{archive, own}}, want: &own},
		"the pool's own comes first":    {runtime: Runtime{Artifacts: artifacts{own}}, template: artifacts{other}, want: &other},
		"it is fetched from the mirror": {runtime: Runtime{Mirror: "file:///mirror"}, template: artifacts{other}, want: &mirrored},
		"none by itself in an archive":  {runtime: Runtime{Artifacts: artifacts{archive}}},
		"an archive of that name":       {template: artifacts{{Name: "kubelet", Type: v1alpha1.ArtifactArchive}}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.runtime.Kubelet(v1alpha1.NodeRuntime{Artifacts: tc.template})); diff != "" {
				t.Errorf("kubelet (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMirrorStandsForTheNetwork(t *testing.T) {
	given := nodeDefaults()
	given.Runtime.Mirror = "https://mirror.internal/k8sm/"
	given.Runtime.CacheSize = new(resource.MustParse("5Gi"))
	n := launched(func(n *v1alpha1.MesosNode) {
		n.Spec.Template.Spec.Runtime.Artifacts = []v1alpha1.Artifact{{Name: "runc", Type: "Binary", URI: "https://me:secret@files.example:8443/a%20b/runc", SHA256: digest2}}
	})
	got, err := given.Payload(n, newIntent(), token)
	if err != nil {
		t.Fatal(err)
	}
	message, err := nodeapi.DecodeLaunchSpec(got.Data)
	if err != nil {
		t.Fatal(err)
	}
	uris := []string{got.URIs[0].Value}
	for _, a := range message.Artifacts {
		uris = append(uris, a.URI)
	}
	want := []string{
		"https://mirror.internal/k8sm/files.example/k8sm/executor?v=1", // what Mesos fetches
		"https://mirror.internal/k8sm/files.example/k8sm/executor?v=1",
		"file:///opt/kubelet",
		"https://mirror.internal/k8sm/files.example:8443/a%20b/runc",
	}
	if diff := cmp.Diff(want, uris); diff != "" || message.CacheMiB != 5120 {
		t.Errorf("cache of %d MiB, URIs (-want +got):\n%s", message.CacheMiB, diff)
	}
}
