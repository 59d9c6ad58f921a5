package nodetemplate

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	nodeName = "general-x7k2p"
	taskID   = "general-x7k2p.0f1e2d3c.1"
	digest1  = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	digest2  = "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752"
)

const staticPodJSON = `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"agent"},"spec":{"containers":[{"name":"main","image":"example/agent:1"}]}}`

func newNode(changes ...func(*v1alpha1.MesosNode)) *v1alpha1.MesosNode {
	n := &v1alpha1.MesosNode{
		ObjectMeta: metav1.ObjectMeta{
			Name: nodeName, UID: "0f1e2d3c-aaaa-bbbb-cccc-000000000001",
			Labels: map[string]string{v1alpha1.LabelPool: "general"}, Finalizers: []string{v1alpha1.FinalizerRelease},
		},
		Spec: v1alpha1.MesosNodeSpec{
			FrameworkRef: v1alpha1.FrameworkReference{Name: "default"},
			Template: v1alpha1.NodeTemplate{
				Metadata: v1alpha1.NodeTemplateMetadata{Labels: map[string]string{"team": "data"}},
				Spec: v1alpha1.NodeTemplateSpec{
					Resources: v1alpha1.NodeResources{CPU: resource.MustParse("4"), Memory: resource.MustParse("16Gi")},
					Overhead:  v1alpha1.NodeOverhead{CPU: resource.MustParse("100m"), Memory: resource.MustParse("256Mi")},
					Taints:    []v1alpha1.Taint{{Key: "dedicated", Value: "data", Effect: corev1.TaintEffectNoSchedule}},

					Kubelet: v1alpha1.NodeKubelet{
						Config:     &runtime.RawExtension{Raw: []byte(`{"maxPods": 30}`)},
						StaticPods: []runtime.RawExtension{{Raw: []byte(staticPodJSON)}},
					},
					StartupTaints: []v1alpha1.Taint{{Key: "example.com/agent-not-ready", Effect: corev1.TaintEffectNoExecute}},
				},
			},
		},
		Status: v1alpha1.MesosNodeStatus{Attempt: 1},
	}
	for _, change := range changes {
		change(n)
	}
	return n
}

func nodeDefaults() NodeDefaults {
	return NodeDefaults{
		Runtime: Runtime{ContainerRuntime: "none", Artifacts: []v1alpha1.Artifact{
			{Name: "executor", Type: v1alpha1.ArtifactBinary, URI: "http://files.example/k8sm/executor?v=1", SHA256: digest1},
			{Name: "kubelet", Type: v1alpha1.ArtifactBinary, URI: "file:///opt/kubelet", SHA256: digest2},
		}},
		APIServer: "https://kubernetes.example:6443", CAData: []byte("a certificate"),
		ClusterDNS: []string{"10.96.0.10"}, ClusterDomain: "cluster.local", StateDir: "/var/lib/k8sm",
	}
}

func newIntent() scheduler.Intent {
	return scheduler.Intent{
		TaskID: taskID, AgentID: "S1", Hostname: "agent-1.example", Address: "10.1.2.3", Region: "eu", Zone: "eu-1",
		Ports: []int{31000, 31001}, Resources: placement.Resources{CPUs: 4, MemMiB: 16384, Ports: 2},
	}
}
