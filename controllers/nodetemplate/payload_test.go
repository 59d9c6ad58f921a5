package nodetemplate

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
		Taints: []nodeapi.Taint{
			{Key: "k8sm.io/unregistered", Effect: "NoSchedule"}, // no labels: the operator sets them
			{Key: "dedicated", Value: "data", Effect: "NoSchedule"}, {Key: "example.com/agent-not-ready", Effect: "NoExecute"},
		},
		CPUs: 4, MemMiB: 16384, OverheadCPUs: 0.1, OverheadMemMiB: 256,
		Address: "10.1.2.3", KubeletPort: 31000, StreamPort: 31001,
		KubeletConfig: []byte(`{"maxPods":30}`),
		StaticPods:    []json.RawMessage{[]byte(staticPodJSON)},
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
		Command: "PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin; echo '" + digest1 + "  ./executor?v=1' | sha256sum -c - >&2 && " +
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

// launchMessage returns the launch message of a node's payload, decoded.
func launchMessage(t *testing.T, defaults NodeDefaults, n *v1alpha1.MesosNode) *nodeapi.LaunchSpec {
	t.Helper()
	got, err := defaults.Payload(n, newIntent(), token)
	if err != nil {
		t.Fatal(err)
	}
	message, err := nodeapi.DecodeLaunchSpec(got.Data)
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestTheRegistrationTaintIsSentOnce(t *testing.T) {
	n := launched(func(n *v1alpha1.MesosNode) {
		n.Spec.Template.Spec.Taints = []v1alpha1.Taint{{Key: v1alpha1.TaintUnregistered, Value: "mine", Effect: "NoExecute"}}
		n.Spec.Template.Spec.StartupTaints = []v1alpha1.Taint{{Key: v1alpha1.TaintUnregistered, Effect: "NoSchedule"}}
	})
	payload, err := nodeDefaults().Payload(n, newIntent(), token)
	if err != nil {
		t.Fatal(err)
	}
	message, err := nodeapi.DecodeLaunchSpec(payload.Data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]nodeapi.Taint{{Key: "k8sm.io/unregistered", Effect: "NoSchedule"}}, message.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
}

func TestATemplateChoosesRuntimeAndNetwork(t *testing.T) {
	tests := map[string]struct {
		operator Runtime
		template v1alpha1.NodeRuntime
		socket   string
		external bool
	}{
		"neither chooses":                     {},
		"the operator chooses":                {Runtime{RuntimeSocket: "/a.sock", CNI: v1alpha1.CNIExternal}, v1alpha1.NodeRuntime{}, "/a.sock", true},
		"the template chooses":                {Runtime{}, v1alpha1.NodeRuntime{RuntimeSocket: "/b.sock", CNI: v1alpha1.CNIExternal}, "/b.sock", true},
		"the template overrides the operator": {Runtime{RuntimeSocket: "/a.sock", CNI: v1alpha1.CNIExternal}, v1alpha1.NodeRuntime{RuntimeSocket: "/b.sock", CNI: v1alpha1.CNIBundled}, "/b.sock", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n, s := launched(), nodeDefaults()
			s.Runtime.ContainerRuntime = "containerd"
			s.Runtime.RuntimeSocket, s.Runtime.CNI = test.operator.RuntimeSocket, test.operator.CNI
			n.Spec.Template.Spec.Runtime.RuntimeSocket, n.Spec.Template.Spec.Runtime.CNI = test.template.RuntimeSocket, test.template.CNI
			message := launchMessage(t, s, n)
			if message.RuntimeSocket != test.socket || message.ExternalCNI != test.external {
				t.Errorf("socket %q, external network %t", message.RuntimeSocket, message.ExternalCNI)
			}
		})
	}
}

func TestTokenIsOnlyInTheTaskData(t *testing.T) {
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
		"an invalid kubelet configuration": {
			node: func(n *v1alpha1.MesosNode) { n.Spec.Template.Spec.Kubelet.Config.Raw = []byte(`{"maxPod": 30}`) },
			want: `unknown field "maxPod"`,
		},
		"an invalid static pod": {
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

func TestArtifactsComeFromTheMirror(t *testing.T) {
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

func TestExecutorShareIsReservedFromThePods(t *testing.T) {
	n := launched(func(n *v1alpha1.MesosNode) {
		n.Spec.Template.Spec.Overhead = v1alpha1.NodeOverhead{CPU: resource.MustParse("250m"), Memory: resource.MustParse("1000000000")}
	})
	if diff := cmp.Diff(placement.Resources{CPUs: 0.25, MemMiB: 954}, overheadOf(n)); diff != "" {
		t.Errorf("overhead (-want +got):\n%s", diff)
	}
}

func TestNetworkOfANode(t *testing.T) {
	masters := []string{"m2.example:5050", "10.0.0.1:5050", "m2.example:5050", "not an address"}
	for name, test := range map[string]struct{ network, want nodeapi.Network }{
		"pods are kept from masters": {
			nodeapi.Network{DenyAgent: true, DenyAlso: []string{"10.0.0.0/8"}, ClusterCIDRs: []string{"10.244.0.0/16"}},
			nodeapi.Network{DenyAgent: true, Deny: []string{"10.0.0.1:5050", "m2.example:5050"}, DenyAlso: []string{"10.0.0.0/8"}, ClusterCIDRs: []string{"10.244.0.0/16"}},
		},
		"opted out": {nodeapi.Network{DenyAlso: []string{"10.0.0.0/8"}}, nodeapi.Network{DenyAlso: []string{"10.0.0.0/8"}}},
	} {
		defaults := nodeDefaults()
		defaults.Network, defaults.Masters = test.network, masters
		spec := launchMessage(t, defaults, launched())
		if diff := cmp.Diff(test.want, spec.Network); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
