package autoscaler

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// podsPerNode is how many pods a kubelet takes unless it is told otherwise.
const podsPerNode = 110

const mebi = 1 << 20

// own are the labels that each node has of its own: they are not learned from another one.
var own = []string{
	corev1.LabelHostname, v1alpha1.LabelAgentID, v1alpha1.LabelAgentHostname,
	corev1.LabelTopologyZone, corev1.LabelTopologyRegion,
	corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion,
}

// templates tell what the Node of a MesosNode will be that has none yet.
type templates struct {
	// learned are the youngest ready Nodes of each pool and size.
	learned map[kind]*corev1.Node
	daemons []appsv1.DaemonSet
}

// kind are nodes that are alike but for where they are.
type kind struct {
	pool, shape          string
	cpu, memory, storage int64
	keptCPU, keptMemory  int64
	kubelet              string // its configuration
}

func kindOf(n *v1alpha1.MesosNode) kind {
	spec := n.Spec.Template.Spec
	k := kind{
		pool: n.Labels[v1alpha1.LabelPool], shape: n.Labels[v1alpha1.LabelShape],
		cpu: spec.Resources.CPU.MilliValue(), memory: spec.Resources.Memory.Value(),
		keptCPU: spec.Overhead.CPU.MilliValue(), keptMemory: spec.Overhead.Memory.Value(),
	}
	if spec.Kubelet.Config != nil {
		k.kubelet = string(spec.Kubelet.Config.Raw)
	}
	if spec.Resources.EphemeralStorage != nil {
		k.storage = spec.Resources.EphemeralStorage.Value()
	}
	return k
}

// learn notes what nodes that are ready turned out to be.
func learn(nodes []v1alpha1.MesosNode, objects map[string]*corev1.Node, daemons []appsv1.DaemonSet) templates {
	t := templates{learned: map[kind]*corev1.Node{}, daemons: daemons}
	for i := range nodes {
		object := objects[nodes[i].Name]
		if object == nil || !nodemodel.IsReady(&nodes[i]) || len(object.Status.Allocatable) == 0 {
			continue
		}
		k := kindOf(&nodes[i])
		best := t.learned[k]
		if best == nil || best.CreationTimestamp.Before(&object.CreationTimestamp) ||
			best.CreationTimestamp.Equal(&object.CreationTimestamp) && object.Name < best.Name {
			t.learned[k] = object
		}
	}
	return t
}

// node is the Node that a MesosNode will have.
func (t templates) node(n *v1alpha1.MesosNode) *corev1.Node {
	placed := n.DeepCopy()
	if placed.Status.Task == nil {
		placed.Status.Task = &v1alpha1.MesosTask{Zone: zoneOf(n.Spec.Placement)}
	}
	out := &corev1.Node{Spec: corev1.NodeSpec{Taints: taintsOf(n)}}
	out.Name = n.Name
	out.Labels = map[string]string{
		corev1.LabelOSStable: "linux", corev1.LabelArchStable: runtime.GOARCH,
		"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": runtime.GOARCH,
	}
	out.Status.Allocatable = allocatable(n)
	if before := t.learned[kindOf(n)]; before != nil {
		maps.Copy(out.Labels, before.Labels)
		for _, key := range own {
			delete(out.Labels, key)
		}
		out.Status.Allocatable = before.Status.Allocatable.DeepCopy()
	}
	maps.Copy(out.Labels, nodemodel.Labels(placed))
	out.Labels[corev1.LabelHostname] = n.Name
	out.Status.Capacity = taken(n)
	return out
}

// taken is what a node takes from Mesos, as limits count it.
func taken(n *v1alpha1.MesosNode) corev1.ResourceList {
	r := n.Spec.Template.Spec.Resources
	return corev1.ResourceList{corev1.ResourceCPU: r.CPU.DeepCopy(), corev1.ResourceMemory: r.Memory.DeepCopy()}
}

// allocatable is what the kubelet will say that pods can use.
func allocatable(n *v1alpha1.MesosNode) corev1.ResourceList {
	r, overhead := n.Spec.Template.Spec.Resources, n.Spec.Template.Spec.Overhead
	asked, kept := nodemodel.Resources(r), nodemodel.Resources(v1alpha1.NodeResources{CPU: overhead.CPU, Memory: overhead.Memory})
	out := corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(r.CPU.MilliValue()-overhead.CPU.MilliValue(), resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(int64(asked.MemMiB-kept.MemMiB)*mebi, resource.BinarySI),
		corev1.ResourcePods:   *resource.NewQuantity(maxPods(n), resource.DecimalSI),
	}
	if r.EphemeralStorage != nil {
		out[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(int64(asked.DiskMiB)*mebi, resource.BinarySI)
	}
	return out
}

// maxPods is how many pods the kubelet is told to take.
func maxPods(n *v1alpha1.MesosNode) int64 {
	config := struct{ MaxPods int64 }{podsPerNode}
	if raw := n.Spec.Template.Spec.Kubelet.Config; raw != nil && json.Unmarshal(raw.Raw, &config) != nil {
		return podsPerNode // nodes are made of no template like this
	}
	return config.MaxPods
}

// daemonsOn are the pods that DaemonSets will have on a Node.
func (t templates) daemonsOn(n *corev1.Node) []*corev1.Pod {
	var pods []*corev1.Pod
	for i := range t.daemons {
		set := &t.daemons[i]
		pod := &corev1.Pod{Spec: set.Spec.Template.Spec}
		if !runsOn(pod, n) {
			continue
		}
		pod.Namespace, pod.Name, pod.Labels = set.Namespace, set.Name, set.Spec.Template.Labels
		pod.UID, pod.Generation = types.UID(fmt.Sprintf("%s on %s", set.UID, n.Name)), set.Generation
		pod.Spec.NodeName, pod.Spec.Containers = n.Name, onHost(pod)
		pods = append(pods, pod)
	}
	return pods
}

// onHost are the containers of a pod with the ports that they take of the host: all of them
// where the pod has the host's network, as the API server fills in.
func onHost(pod *corev1.Pod) []corev1.Container {
	if !pod.Spec.HostNetwork {
		return pod.Spec.Containers
	}
	containers := slices.Clone(pod.Spec.Containers)
	for i := range containers {
		containers[i].Ports = slices.Clone(containers[i].Ports)
		for j := range containers[i].Ports {
			containers[i].Ports[j].HostPort = containers[i].Ports[j].ContainerPort
		}
	}
	return containers
}

// runsOn tells whether a DaemonSet has a pod on a node.
func runsOn(pod *corev1.Pod, n *corev1.Node) bool {
	match, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(n)
	if err != nil || !match {
		return false
	}
	hard := func(t *corev1.Taint) bool {
		return t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute
	}
	_, refused := schedulinghelper.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, pod.Spec.Tolerations, hard, true)
	return !refused
}

func taintsOf(n *v1alpha1.MesosNode) []corev1.Taint {
	var out []corev1.Taint
	for _, t := range n.Spec.Template.Spec.Taints {
		out = append(out, corev1.Taint{Key: t.Key, Value: t.Value, Effect: t.Effect})
	}
	return out
}

// comingUp is the Node of a MesosNode that pods have no way onto yet, as it will be then.
func comingUp(object *corev1.Node, n *v1alpha1.MesosNode, t templates) *corev1.Node {
	out := object.DeepCopy()
	out.Spec.Taints = nil
	for _, taint := range object.Spec.Taints {
		if !passing(taint, n) {
			out.Spec.Taints = append(out.Spec.Taints, taint)
		}
	}
	expected := t.node(n)
	if len(object.Status.Allocatable) == 0 {
		out.Status.Allocatable, out.Status.Capacity = expected.Status.Allocatable, expected.Status.Capacity
	}
	labels := maps.Clone(expected.Labels)
	maps.Copy(labels, out.Labels)
	out.Labels = labels
	if equality.Semantic.DeepEqual(out, object) {
		return object
	}
	return out
}

// passing tells whether a taint goes when the node is ready.
func passing(taint corev1.Taint, n *v1alpha1.MesosNode) bool {
	switch taint.Key {
	case corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeNetworkUnavailable, "node.cloudprovider.kubernetes.io/uninitialized":
		return true
	}
	for _, t := range n.Spec.Template.Spec.StartupTaints {
		if t.Key == taint.Key && t.Effect == taint.Effect {
			return true
		}
	}
	return false
}

// zoneOf is the one zone that a placement allows, empty if there is more than one.
func zoneOf(p v1alpha1.Placement) string {
	for _, c := range p.Constraints {
		if c.Attribute == "@zone" && c.Operator == v1alpha1.ConstraintIn && len(c.Values) == 1 {
			return c.Values[0]
		}
	}
	return ""
}
