package scheduling

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
)

// What a key leaves out the plugin does not look at; what it has in, it may. A key that has
// too little in it makes wrong answers; too much costs only time.
func TestPodsThatAPluginCannotDistinguishHaveOneKey(t *testing.T) {
	always := corev1.ContainerRestartPolicyAlways
	image := func(pod *corev1.Pod) { pod.Spec.Containers[0].Image = "other" }
	toleration := func(key string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Spec.Tolerations = append(pod.Spec.Tolerations, corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists})
		}
	}
	selecting := func(pairs ...string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Spec.NodeSelector = map[string]string{}
			for i := 0; i < len(pairs); i += 2 {
				pod.Spec.NodeSelector[pairs[i]] = pairs[i+1]
			}
		}
	}
	requiringNode := func(values ...string) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
				NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "disk", Operator: corev1.NodeSelectorOpIn, Values: values}}}}}}}
		}
	}
	preferring := func(pod *corev1.Pod) {
		pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 1}}}}
	}
	port := func(host, container int32) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Spec.Containers[0].Ports = append(pod.Spec.Containers[0].Ports, corev1.ContainerPort{HostPort: host, ContainerPort: container})
		}
	}
	initContainer := func(policy *corev1.ContainerRestartPolicy) func(*corev1.Pod) {
		return func(pod *corev1.Pod) {
			pod.Spec.InitContainers = []corev1.Container{{RestartPolicy: policy, Ports: []corev1.ContainerPort{{HostPort: 80}}}}
		}
	}
	volume := func(source corev1.VolumeSource) func(*corev1.Pod) {
		return func(pod *corev1.Pod) { pod.Spec.Volumes = []corev1.Volume{{VolumeSource: source}} }
	}
	soft := func(c *corev1.TopologySpreadConstraint) { c.WhenUnsatisfiable = corev1.ScheduleAnyway }
	matching := func(key string) func(*corev1.TopologySpreadConstraint) {
		return func(c *corev1.TopologySpreadConstraint) { c.MatchLabelKeys = []string{key} }
	}
	skew := func(c *corev1.TopologySpreadConstraint) { c.MaxSkew = 2 }
	all := func(changes ...func(*corev1.Pod)) []func(*corev1.Pod) { return changes }

	tests := map[string]struct {
		plugin string
		a, b   []func(*corev1.Pod)
		same   bool
	}{
		"the name and the image":                         {names.NodeResourcesFit, nil, all(image), true},
		"tolerations":                                    {names.TaintToleration, all(toleration("a")), all(toleration("b")), false},
		"the order of tolerations":                       {names.TaintToleration, all(toleration("a"), toleration("b")), all(toleration("b"), toleration("a")), false},
		"requests to the plugin of taints":               {names.TaintToleration, nil, all(requesting("2")), true},
		"tolerations to the plugin of cordons":           {names.NodeUnschedulable, nil, all(toleration("a")), false},
		"node selectors":                                 {names.NodeAffinity, all(selecting("a", "1")), all(selecting("a", "2")), false},
		"the order of node selectors":                    {names.NodeAffinity, all(selecting("a", "1", "b", "2")), all(selecting("b", "2", "a", "1")), true},
		"selectors whose concatenated texts are equal":   {names.NodeAffinity, all(selecting("ab", "c")), all(selecting("a", "bc")), false},
		"an empty selector and none":                     {names.NodeAffinity, all(selecting()), nil, true},
		"required node affinity":                         {names.NodeAffinity, all(requiringNode("ssd")), all(requiringNode("hdd")), false},
		"preferred node affinity":                        {names.NodeAffinity, nil, all(preferring), true},
		"host ports":                                     {names.NodePorts, all(port(80, 80)), all(port(81, 80)), false},
		"container ports":                                {names.NodePorts, all(port(0, 80)), all(port(0, 81)), true},
		"a port of an init container and of a sidecar":   {names.NodePorts, all(initContainer(nil)), all(initContainer(&always)), false},
		"a port of an init container and of a container": {names.NodePorts, all(initContainer(nil)), all(port(80, 0)), false},
		"requests":                        {names.NodeResourcesFit, nil, all(requesting("2")), false},
		"the same request in other units": {names.NodeResourcesFit, nil, all(requesting("1")), true},
		"an init container that restarts": {names.NodeResourcesFit, all(initContainer(nil)), all(initContainer(&always)), false},
		"the overhead of the runtime": {names.NodeResourcesFit, nil, all(func(pod *corev1.Pod) {
			pod.Spec.Overhead = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}
		}), false},
		"the resources of the whole pod": {names.NodeResourcesFit, nil, all(func(pod *corev1.Pod) {
			pod.Spec.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("9")}}
		}), false},
		"labels of a pod without constraints":          {names.PodTopologySpread, nil, all(labelled("app", "y")), true},
		"labels that the constraint does not select":   {names.PodTopologySpread, all(spreadOver("zone")), all(spreadOver("zone"), labelled("other", "label")), true},
		"labels that the constraint selects":           {names.PodTopologySpread, all(spreadOver("zone")), all(spreadOver("zone"), labelled("app", "y")), false},
		"the topology key":                             {names.PodTopologySpread, all(spreadOver("zone")), all(spreadOver("rack")), false},
		"the skew":                                     {names.PodTopologySpread, all(spreadOver("zone")), all(spreadOver("zone", skew)), false},
		"a constraint that is only preferred":          {names.PodTopologySpread, nil, all(spreadOver("zone", soft)), true},
		"the namespace where pods are spread":          {names.PodTopologySpread, all(spreadOver("zone")), all(spreadOver("zone"), inNamespace("other")), false},
		"a label that a constraint matches by key":     {names.PodTopologySpread, all(spreadOver("zone", matching("v")), labelled("v", "1")), all(spreadOver("zone", matching("v")), labelled("v", "2")), false},
		"tolerations where pods are spread":            {names.PodTopologySpread, all(spreadOver("zone")), all(spreadOver("zone"), toleration("a")), false},
		"node selectors where pods are spread":         {names.PodTopologySpread, all(spreadOver("zone")), all(spreadOver("zone"), selecting("a", "1")), false},
		"labels to the plugin of pod affinity":         {names.InterPodAffinity, nil, all(labelled("app", "y")), false},
		"the namespace to the plugin of pod affinity":  {names.InterPodAffinity, nil, all(inNamespace("other")), false},
		"affinity and anti-affinity to the same pods":  {names.InterPodAffinity, all(nearPods("zone", "app", "x")), all(apartFrom("zone", "app", "x")), false},
		"affinity terms":                               {names.InterPodAffinity, all(nearPods("zone", "app", "x")), all(nearPods("rack", "app", "x")), false},
		"volumes that are created on the node":         {names.VolumeBinding, nil, all(volume(corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})), true},
		"volumes of a configuration":                   {names.VolumeZone, nil, all(volume(corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}})), true},
		"node selectors to the plugin of pod affinity": {names.InterPodAffinity, nil, all(selecting("a", "1")), true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			a, b := classKeyFuncs[test.plugin](classKey{}, testPod("a", test.a...)), classKeyFuncs[test.plugin](classKey{}, testPod("b", test.b...))
			if same := string(a) == string(b); same != test.same {
				t.Errorf("the keys are the same: %t, want %t", same, test.same)
			}
		})
	}
}

func TestUncacheablePodsHaveNoKey(t *testing.T) {
	tests := map[string]struct {
		plugin string
		change func(*corev1.Pod)
	}{
		"a claim of a volume": {names.VolumeBinding, func(pod *corev1.Pod) {
			pod.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "disk"}}}}
		}},
		"an ephemeral volume": {names.NodeVolumeLimits, func(pod *corev1.Pod) {
			pod.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}}}
		}},
		"a disk of a cloud": {names.VolumeRestrictions, func(pod *corev1.Pod) {
			pod.Spec.Volumes = []corev1.Volume{{VolumeSource: corev1.VolumeSource{GCEPersistentDisk: &corev1.GCEPersistentDiskVolumeSource{PDName: "d"}}}}
		}},
		"a claim of devices": {names.DynamicResources, func(pod *corev1.Pod) {
			pod.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "gpu"}}
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if key := classKeyFuncs[test.plugin](classKey{}, testPod("a")); key == nil {
				t.Error("a plain pod has no key")
			}
			if key := classKeyFuncs[test.plugin](classKey{}, testPod("a", test.change)); key != nil {
				t.Errorf("it has the key %q", key)
			}
		})
	}
}

// Keys are appended to one another: each must be readable without its neighbours.
func TestEncodedStringsAreUnambiguous(t *testing.T) {
	texts := [][2]string{{"", "ab"}, {"a", "b"}, {"ab", ""}, {"\x01a", "b"}, {"\x02ab", ""}}
	seen := map[string][2]string{}
	for _, pair := range texts {
		key := string(classKey{}.appendString(pair[0]).appendString(pair[1]))
		if other, known := seen[key]; known {
			t.Errorf("%q and %q have the same key", pair, other)
		}
		seen[key] = pair
	}
}

func TestMapEncodingIsDeterministic(t *testing.T) {
	m := map[string]string{}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		m[name] = name
	}
	want := string(classKey{}.appendMap(m))
	for range 50 {
		if got := string(classKey{}.appendMap(m)); got != want {
			t.Fatal("the same map has two keys")
		}
	}
	if string(classKey{}.appendMap(map[string]string{"a": "b"})) == string(classKey{}.appendMap(nil)) {
		t.Error("a map and no map have the same key")
	}
}

func TestOnlyHardConstraintsCount(t *testing.T) {
	pod := testPod("a", spreadOver("zone"), spreadOver("rack", func(c *corev1.TopologySpreadConstraint) { c.WhenUnsatisfiable = corev1.ScheduleAnyway }), spreadOver("host"))
	var keys []string
	for _, c := range hardConstraints(pod) {
		keys = append(keys, c.TopologyKey)
	}
	if len(keys) != 2 || keys[0] != "zone" || keys[1] != "host" {
		t.Errorf("they are %v, want zone and host", keys)
	}
	if hardConstraints(&corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "b"}}) != nil {
		t.Error("a pod without constraints has some")
	}
}
