package forecast

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// newPool returns a pool with nodes of 4 CPUs and 8 GiB, of which the node keeps a little.
func newPool(how ...func(*v1alpha1.MesosNodePool)) *v1alpha1.MesosNodePool {
	p := &v1alpha1.MesosNodePool{ObjectMeta: metav1.ObjectMeta{Name: "general"}}
	p.Spec.FrameworkRef.Name = "default"
	p.Spec.Template.Spec = v1alpha1.NodeTemplateSpec{
		Resources: v1alpha1.NodeResources{CPU: resource.MustParse("4"), Memory: resource.MustParse("8Gi")},
		Overhead:  v1alpha1.NodeOverhead{CPU: resource.MustParse("100m"), Memory: resource.MustParse("256Mi")},
	}
	for _, h := range how {
		h(p)
	}
	return p
}

func mesosNode(name string, how ...func(*v1alpha1.MesosNodePool)) *v1alpha1.MesosNode {
	return mesosNodeOf(newPool(how...), name)
}

func mesosNodeOf(p *v1alpha1.MesosNodePool, name string) *v1alpha1.MesosNode {
	return nodemodel.NewNode(p, name, nodemodel.Size{Resources: p.Spec.Template.Spec.Resources, Zone: "eu-1"})
}

func amounts(l corev1.ResourceList) map[string]string {
	out := map[string]string{}
	for name, q := range l {
		out[string(name)] = q.String()
	}
	return out
}

func TestWhatANodeWillBe(t *testing.T) {
	tests := map[string]struct {
		how  func(*v1alpha1.MesosNodePool)
		want map[string]string
	}{
		"its resources less the overhead": {func(*v1alpha1.MesosNodePool) {}, map[string]string{"cpu": "3900m", "memory": "7936Mi", "pods": "110"}},
		"with a disk": {func(p *v1alpha1.MesosNodePool) {
			p.Spec.Template.Spec.Resources.EphemeralStorage = new(resource.MustParse("10Gi"))
		}, map[string]string{"cpu": "3900m", "memory": "7936Mi", "pods": "110", "ephemeral-storage": "10Gi"}},
		"with fewer pods": {func(p *v1alpha1.MesosNodePool) {
			p.Spec.Template.Spec.Kubelet.Config = &runtime.RawExtension{Raw: []byte(`{"maxPods": 10}`)}
		}, map[string]string{"cpu": "3900m", "memory": "7936Mi", "pods": "10"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := Forecast{}.Node(mesosNode("n", test.how))
			if diff := cmp.Diff(test.want, amounts(got.Status.Allocatable)); diff != "" {
				t.Errorf("allocatable (-want +got):\n%s", diff)
			}
			if got.Labels[corev1.LabelHostname] != "n" || got.Labels[corev1.LabelTopologyZone] != "eu-1" || got.Labels[v1alpha1.LabelPool] != "general" {
				t.Errorf("its labels are %v", got.Labels)
			}
		})
	}
}

func TestWhatDaemonSetsHaveOnANode(t *testing.T) {
	tests := map[string]struct {
		node func(*v1alpha1.MesosNodePool)
		pod  func(*corev1.PodSpec)
		want []int32 // the host ports of the pod; nil where there is none
	}{
		"a pod":                             {nil, func(*corev1.PodSpec) {}, []int32{}},
		"none where it selects other nodes": {nil, func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"gpu": "yes"} }, nil},
		"none where it tolerates no taint":  {tainted, func(*corev1.PodSpec) {}, nil},
		"a pod that takes a port": {nil, func(s *corev1.PodSpec) {
			s.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80, ContainerPort: 8080}}
		}, []int32{80}},
		"a pod that has the host's network": {nil, func(s *corev1.PodSpec) {
			s.HostNetwork, s.Containers[0].Ports = true, []corev1.ContainerPort{{ContainerPort: 8080}}
		}, []int32{8080}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			set := appsv1.DaemonSet{}
			set.Spec.Template.Spec = corev1.PodSpec{Containers: []corev1.Container{{Name: "main"}}}
			test.pod(&set.Spec.Template.Spec)
			known := New(nil, nil, []appsv1.DaemonSet{set})
			if test.node == nil {
				test.node = func(*v1alpha1.MesosNodePool) {}
			}
			var got []int32
			for _, pod := range known.Daemons(known.Node(mesosNode("n", test.node))) {
				got = []int32{}
				for _, port := range pod.Spec.Containers[0].Ports {
					got = append(got, port.HostPort)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("host ports (-want +got):\n%s", diff)
			}
		})
	}
}

func tainted(p *v1alpha1.MesosNodePool) {
	p.Spec.Template.Spec.Taints = []v1alpha1.Taint{{Key: "mine", Effect: corev1.TaintEffectNoSchedule}}
}

func TestWhatIsLearnedFromAReadyNode(t *testing.T) {
	ready := mesosNode("old")
	ready.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}
	object := Forecast{}.Node(ready)
	object.Labels["feature.example.com/avx"], object.Labels[v1alpha1.LabelAgentID] = "yes", "agent-1"
	object.Status.Allocatable[corev1.ResourceMemory] = resource.MustParse("7Gi")
	learned := New([]v1alpha1.MesosNode{*ready}, map[string]*corev1.Node{"old": object}, nil)

	got := learned.Node(mesosNode("new"))
	if got.Labels["feature.example.com/avx"] != "yes" || got.Labels[v1alpha1.LabelAgentID] != "" || got.Labels[corev1.LabelHostname] != "new" {
		t.Errorf("its labels are %v", got.Labels)
	}
	if m := got.Status.Allocatable.Memory().String(); m != "7Gi" {
		t.Errorf("it has %s of memory", m)
	}
	other := learned.Node(mesosNode("other", func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.Resources.CPU = resource.MustParse("8") }))
	if m := other.Status.Allocatable.Memory().String(); m != "7936Mi" {
		t.Errorf("one of another size has %s of memory", m)
	}
}
