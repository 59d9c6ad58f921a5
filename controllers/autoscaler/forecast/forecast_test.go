package forecast

import (
	"strings"
	"testing"
	"time"

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
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

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

func TestForecastOfANode(t *testing.T) {
	tests := map[string]struct {
		how  func(*v1alpha1.MesosNodePool)
		want map[string]string
	}{
		"its resources less the overhead": {func(*v1alpha1.MesosNodePool) {}, map[string]string{"cpu": "3900m", "memory": "7936Mi", "ephemeral-storage": "1Pi", "pods": "110"}},
		"a disk": {func(p *v1alpha1.MesosNodePool) {
			p.Spec.Template.Spec.Resources.EphemeralStorage = new(resource.MustParse("10Gi"))
		}, map[string]string{"cpu": "3900m", "memory": "7936Mi", "pods": "110", "ephemeral-storage": "10Gi"}},
		"a maxPods in the kubelet configuration": {func(p *v1alpha1.MesosNodePool) {
			p.Spec.Template.Spec.Kubelet.Config = &runtime.RawExtension{Raw: []byte(`{"maxPods": 10}`)}
		}, map[string]string{"cpu": "3900m", "memory": "7936Mi", "ephemeral-storage": "1Pi", "pods": "10"}},
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

func TestForecastHasTheRegionOfThePlacement(t *testing.T) {
	p := newPool()
	decided := nodemodel.NewNode(p, "n", nodemodel.Size{Resources: p.Spec.Template.Spec.Resources, Region: "eu", Zone: "a"})
	p.Spec.Placement.Constraints = []v1alpha1.AgentConstraint{{Attribute: "@region", Operator: v1alpha1.ConstraintIn, Values: []string{"eu"}}}
	named := nodemodel.NewNode(p, "n", nodemodel.Size{Resources: p.Spec.Template.Spec.Resources, Zone: "a"})
	for name, n := range map[string]*v1alpha1.MesosNode{"of the size that was decided on": decided, "of the pool": named} {
		got := Forecast{}.Node(n).Labels
		if got[corev1.LabelTopologyRegion] != "eu" || got[corev1.LabelTopologyZone] != "a" {
			t.Errorf("%s: the labels are %v", name, got)
		}
	}
}

func TestDaemonSetPodsOfANode(t *testing.T) {
	tests := map[string]struct {
		node func(*v1alpha1.MesosNodePool)
		pod  func(*corev1.PodSpec)
		want []int32 // the host ports of the pod; nil where there is none
	}{
		"a pod": {nil, func(*corev1.PodSpec) {}, []int32{}},
		"no pod where the DaemonSet selects other nodes":       {nil, func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"gpu": "yes"} }, nil},
		"no pod where the DaemonSet does not tolerate a taint": {tainted, func(*corev1.PodSpec) {}, nil},
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
			known := New(nil, nil, []appsv1.DaemonSet{set}, noon)
			if test.node == nil {
				test.node = func(*v1alpha1.MesosNodePool) {}
			}
			var got []int32
			record := mesosNode("n", test.node)
			for _, pod := range known.Daemons(record, known.Node(record)) {
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

func TestForecastLearnsFromAReadyNode(t *testing.T) {
	ready := mesosNode("old")
	ready.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}
	object := Forecast{}.Node(ready)
	object.Labels["feature.example.com/avx"], object.Labels[v1alpha1.LabelAgentID] = "yes", "agent-1"
	object.Status.Allocatable[corev1.ResourceMemory] = resource.MustParse("7Gi")
	learned := New([]v1alpha1.MesosNode{*ready}, map[string]*corev1.Node{"old": object}, nil, noon)

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

func readyNode(name string, how ...func(*v1alpha1.MesosNodePool)) v1alpha1.MesosNode {
	n := mesosNode(name, how...)
	n.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue}}
	return *n
}

// bornAt makes the Node of a MesosNode, with a resource by which it is recognized.
func bornAt(n v1alpha1.MesosNode, second int64) *corev1.Node {
	object := Forecast{}.Node(&n)
	object.CreationTimestamp = metav1.Unix(second, 0)
	object.Status.Allocatable[corev1.ResourceName("example.com/learned-from-"+n.Name)] = resource.MustParse("1")
	return object
}

// learnedFrom returns the name of the node from which one was learned, empty for none.
func learnedFrom(n *corev1.Node) string {
	for name := range n.Status.Allocatable {
		if from, ok := strings.CutPrefix(string(name), "example.com/learned-from-"); ok {
			return from
		}
	}
	return ""
}

func TestForecastLearnsFromTheYoungestReadyNode(t *testing.T) {
	large := func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.Resources.CPU = resource.MustParse("8") }
	starting := *mesosNode("starting")
	bare := bornAt(readyNode("bare"), 9)
	bare.Status.Allocatable = nil
	tests := map[string]struct {
		nodes   []v1alpha1.MesosNode
		objects []*corev1.Node
		want    string
	}{
		"no node":            {nil, nil, ""},
		"one ready node":     {[]v1alpha1.MesosNode{readyNode("a")}, []*corev1.Node{bornAt(readyNode("a"), 1)}, "a"},
		"the younger of two": {[]v1alpha1.MesosNode{readyNode("a"), readyNode("b")}, []*corev1.Node{bornAt(readyNode("a"), 1), bornAt(readyNode("b"), 2)}, "b"},
		"the first by name of nodes of equal age":     {[]v1alpha1.MesosNode{readyNode("b"), readyNode("a")}, []*corev1.Node{bornAt(readyNode("a"), 1), bornAt(readyNode("b"), 1)}, "a"},
		"a node that is starting is ignored":          {[]v1alpha1.MesosNode{starting, readyNode("a")}, []*corev1.Node{bornAt(readyNode("a"), 1), bornAt(starting, 2)}, "a"},
		"a node that has not registered is ignored":   {[]v1alpha1.MesosNode{readyNode("a"), readyNode("b")}, []*corev1.Node{bornAt(readyNode("a"), 1)}, "a"},
		"a node that reports no resources is ignored": {[]v1alpha1.MesosNode{readyNode("a"), readyNode("bare")}, []*corev1.Node{bornAt(readyNode("a"), 1), bare}, "a"},
		"a node of another size is ignored":           {[]v1alpha1.MesosNode{readyNode("a", large)}, []*corev1.Node{bornAt(readyNode("a", large), 1)}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			objects := map[string]*corev1.Node{}
			for _, object := range test.objects {
				objects[object.Name] = object
			}
			if got := learnedFrom(New(test.nodes, objects, nil, noon).Node(mesosNode("new"))); got != test.want {
				t.Errorf("it is learned from %q, want %q", got, test.want)
			}
		})
	}
}

func TestForecastsOfOneKindDifferOnlyInLocation(t *testing.T) {
	plain := kindOf(mesosNode("a"))
	tests := map[string]struct {
		how  func(*v1alpha1.MesosNodePool)
		same bool
	}{
		"nothing": {func(*v1alpha1.MesosNodePool) {}, true},
		"the same in other units": {func(p *v1alpha1.MesosNodePool) {
			p.Spec.Template.Spec.Resources.CPU, p.Spec.Template.Spec.Resources.Memory = resource.MustParse("4000m"), resource.MustParse("8192Mi")
		}, true},
		"the pool":   {func(p *v1alpha1.MesosNodePool) { p.Name = "other" }, false},
		"the memory": {func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.Resources.Memory = resource.MustParse("9Gi") }, false},
		"the disk": {func(p *v1alpha1.MesosNodePool) {
			p.Spec.Template.Spec.Resources.EphemeralStorage = new(resource.MustParse("1Gi"))
		}, false},
		"the overhead":          {func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.Overhead.CPU = resource.MustParse("200m") }, false},
		"the memory's overhead": {func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.Overhead.Memory = resource.MustParse("1Gi") }, false},
		"the kubelet's configuration": {func(p *v1alpha1.MesosNodePool) {
			p.Spec.Template.Spec.Kubelet.Config = &runtime.RawExtension{Raw: []byte(`{"maxPods": 10}`)}
		}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if same := kindOf(mesosNode("b", test.how)) == plain; same != test.same {
				t.Errorf("a node that differs in %s is of the same kind: %t", name, same)
			}
		})
	}
}

func TestStartingNodeIsForecast(t *testing.T) {
	warming := v1alpha1.Taint{Key: "example.com/warming", Effect: corev1.TaintEffectNoSchedule}
	n := mesosNode("n", func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.StartupTaints = []v1alpha1.Taint{warming} })
	full := Forecast{}.Node(n)
	tests := map[string]struct {
		taints []corev1.Taint
		left   []string
	}{
		"the taints of a Node that is not ready": {[]corev1.Taint{
			{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule},
			{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute},
			{Key: corev1.TaintNodeNetworkUnavailable, Effect: corev1.TaintEffectNoSchedule},
			{Key: "node.cloudprovider.kubernetes.io/uninitialized", Effect: corev1.TaintEffectNoSchedule},
		}, nil},
		"the registration taint":               {[]corev1.Taint{{Key: "k8sm.io/unregistered", Effect: corev1.TaintEffectNoSchedule}}, nil},
		"a startup taint, whatever its value":  {[]corev1.Taint{{Key: warming.Key, Value: "x", Effect: warming.Effect}}, nil},
		"a taint of another effect is kept":    {[]corev1.Taint{{Key: warming.Key, Effect: corev1.TaintEffectNoExecute}}, []string{warming.Key}},
		"a taint of another component is kept": {[]corev1.Taint{{Key: "mine", Effect: corev1.TaintEffectNoSchedule}}, []string{"mine"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			object := full.DeepCopy()
			object.Spec.Taints = test.taints
			before := object.DeepCopy()
			var left []string
			for _, taint := range (Forecast{}).Started(object, n).Spec.Taints {
				left = append(left, taint.Key)
			}
			if diff := cmp.Diff(test.left, left); diff != "" {
				t.Errorf("taints (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(before, object); diff != "" {
				t.Errorf("the object itself changed:\n%s", diff)
			}
		})
	}
}

func TestNodeThatHasJustRegisteredGetsWhatItsTemplateHas(t *testing.T) {
	n := mesosNode("n", func(p *v1alpha1.MesosNodePool) {
		p.Spec.Template.Metadata.Labels = map[string]string{"team": "data"}
		p.Spec.Template.Spec.Taints = []v1alpha1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}}
	})
	n.Status.Task = &v1alpha1.MesosTask{ID: "n.1", AgentID: "S1"}
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{"team": "claimed"}}}
	object.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintUnregistered, Effect: corev1.TaintEffectNoSchedule}}
	got := Forecast{}.Started(object, n)
	if got.Labels["team"] != "data" || len(got.Spec.Taints) != 1 || got.Spec.Taints[0].Key != "dedicated" {
		t.Errorf("labels %v and taints %v: want those of the template", got.Labels, got.Spec.Taints)
	}
}

func TestNodeWithoutReportGetsForecastResources(t *testing.T) {
	n := mesosNode("n")
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{"own": "label", corev1.LabelTopologyZone: "eu-2"}}}
	got := Forecast{}.Started(object, n)
	if cpu := got.Status.Allocatable.Cpu().String(); cpu != "3900m" {
		t.Errorf("it has %s cpus", cpu)
	}
	if got.Labels["own"] != "label" || got.Labels[corev1.LabelTopologyZone] != "eu-2" || got.Labels[v1alpha1.LabelPool] != "general" {
		t.Errorf("its labels are %v: those that it has win", got.Labels)
	}
}

// The simulated cluster sees by the pointer that nothing is to be done.
func TestUnchangedNodeIsReturnedWithoutACopy(t *testing.T) {
	n := mesosNode("n")
	object := Forecast{}.Node(n)
	if got := (Forecast{}).Started(object, n); got != object {
		t.Error("it is a copy")
	}
}

func TestMaxPodsOfAKubelet(t *testing.T) {
	for config, want := range map[string]string{
		"":                  "110",
		`{}`:                "110",
		`{"maxPods": 250}`:  "250",
		`{"maxPods": "no"}`: "110",
		`{`:                 "110",
	} {
		n := mesosNode("n", func(p *v1alpha1.MesosNodePool) {
			if config != "" {
				p.Spec.Template.Spec.Kubelet.Config = &runtime.RawExtension{Raw: []byte(config)}
			}
		})
		if got := (Forecast{}).Node(n).Status.Allocatable.Pods().String(); got != want {
			t.Errorf("with configuration %q: %s pods, want %s", config, got, want)
		}
	}
}

func TestDaemonSetPodsHaveDistinctNames(t *testing.T) {
	sets := []appsv1.DaemonSet{{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "logs", UID: "1"}}, {ObjectMeta: metav1.ObjectMeta{Namespace: "b", Name: "logs", UID: "2"}}}
	f, seen := New(nil, nil, sets, noon), map[string]bool{}
	for _, name := range []string{"n1", "n2"} {
		for _, pod := range f.Daemons(mesosNode(name), f.Node(mesosNode(name))) {
			if pod.Spec.NodeName != name || seen[string(pod.UID)] {
				t.Errorf("pod %s/%s is on node %q with the UID %s", pod.Namespace, pod.Name, pod.Spec.NodeName, pod.UID)
			}
			seen[string(pod.UID)] = true
		}
	}
	if len(seen) != 4 {
		t.Errorf("there are %d pods, want one of each set on each node", len(seen))
	}
}

func TestHostPortsDoNotModifyTheDaemonSet(t *testing.T) {
	set := appsv1.DaemonSet{}
	set.Spec.Template.Spec = corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{ContainerPort: 8080}}}}}
	f := New(nil, nil, []appsv1.DaemonSet{set}, noon)
	f.Daemons(mesosNode("n"), f.Node(mesosNode("n")))
	if port := set.Spec.Template.Spec.Containers[0].Ports[0].HostPort; port != 0 {
		t.Errorf("the set has the host port %d now", port)
	}
}

func TestMesosResourcesAreACopy(t *testing.T) {
	n := mesosNode("n")
	got := Resources(n)
	cpu := got[corev1.ResourceCPU]
	cpu.Add(resource.MustParse("1"))
	got[corev1.ResourceCPU] = cpu
	if diff := cmp.Diff(map[string]string{"cpu": "4", "memory": "8Gi"}, amounts(Resources(n))); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
}
