package kubelet

import (
	"strings"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

const testToken = "abcdef.0123456789abcdef"

// testLaunch is a valid message.
func testLaunch() *nodeapi.LaunchSpec {
	return &nodeapi.LaunchSpec{
		Version: 1, NodeName: "general-x7k2p", ProviderID: "mesos://S0/general-x7k2p.1",
		APIServer: "https://10.0.0.1:6443", CAData: []byte("pem"), BootstrapToken: testToken,
		Labels: map[string]string{"k8sm.io/pool": "general", "a": "b"},
		Taints: []nodeapi.Taint{{Key: "dedicated", Value: "x", Effect: "NoSchedule"}},
		CPUs:   2, MemMiB: 2048, DiskMiB: 8192, OverheadCPUs: 0.1, OverheadMemMiB: 256,
		Address: "10.0.0.2", KubeletPort: 31000, StreamPort: 31001,
		ClusterDNS: []string{"10.96.0.10"}, ClusterDomain: "cluster.local",
		StateDir: "/var/lib/k8sm", ContainerRuntime: nodeapi.RuntimeContainerd,
		Artifacts: []nodeapi.Artifact{{Name: "kubelet", Type: nodeapi.ArtifactTypeBinary, URI: "https://example.com/kubelet", SHA256: strings.Repeat("a", 64)}},
	}
}
