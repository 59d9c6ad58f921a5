package forecast

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	schedulinghelper "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/admission"
	"github.com/k8sm/k8sm/controllers/nodemetadata"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// podsPerNode is the number of pods that a kubelet accepts unless it is configured otherwise.
const podsPerNode = 110

const mebi = 1 << 20

// unknownDisk is the ephemeral storage of a node whose pool takes no disk from Mesos, in bytes,
// as long as no node of its kind is known. Such a node reports what the file system of its agent
// has, so that a pod that asks for some must not be refused for ever.
const unknownDisk = 1 << 50

// Forecast predicts Nodes. The zero value has learned nothing and knows no DaemonSets.
type Forecast struct {
	learned    map[nodeKind]*knownNodes
	daemonSets []appsv1.DaemonSet
}

// nodeKind identifies nodes that differ only in where they are.
type nodeKind struct {
	pool, shape                 string
	cpu, memory, storage        int64
	overheadCPU, overheadMemory int64
	kubeletConfig               string
}

func kindOf(n *v1alpha1.MesosNode) nodeKind {
	spec := n.Spec.Template.Spec
	k := nodeKind{
		pool: n.Labels[v1alpha1.LabelPool], shape: n.Labels[v1alpha1.LabelShape],
		cpu: spec.Resources.CPU.MilliValue(), memory: spec.Resources.Memory.Value(),
		overheadCPU: spec.Overhead.CPU.MilliValue(), overheadMemory: spec.Overhead.Memory.Value(),
	}
	if spec.Kubelet.Config != nil {
		k.kubeletConfig = string(spec.Kubelet.Config.Raw)
	}
	if spec.Resources.EphemeralStorage != nil {
		k.storage = spec.Resources.EphemeralStorage.Value()
	}
	return k
}

// New returns a Forecast that has learned from the Nodes, by name, of the MesosNodes that are
// ready. None of the arguments is changed.
func New(nodes []v1alpha1.MesosNode, objects map[string]*corev1.Node, daemonSets []appsv1.DaemonSet, now time.Time) Forecast {
	f := Forecast{learned: map[nodeKind]*knownNodes{}, daemonSets: daemonSets}
	for i := range nodes {
		object := objects[nodes[i].Name]
		if object == nil || !nodemodel.IsReady(&nodes[i]) || len(object.Status.Allocatable) == 0 {
			continue
		}
		k := kindOf(&nodes[i])
		if f.learned[k] == nil {
			f.learned[k] = &knownNodes{}
		}
		f.learned[k].add(knownNode{record: &nodes[i], object: object}, now)
	}
	return f
}

// Node returns the Node that a MesosNode will have.
func (f Forecast) Node(n *v1alpha1.MesosNode) *corev1.Node {
	placed := n.DeepCopy()
	if placed.Status.Task == nil {
		domain := nodemodel.DomainOf(n.Spec.Placement)
		placed.Status.Task = &v1alpha1.MesosTask{Region: domain.Region, Zone: domain.Zone}
	}
	out := &corev1.Node{Spec: corev1.NodeSpec{Taints: taintsOf(n)}}
	out.Name = n.Name
	out.Labels = map[string]string{
		corev1.LabelOSStable: "linux", corev1.LabelArchStable: runtime.GOARCH,
		"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": runtime.GOARCH,
	}
	out.Status.Allocatable = allocatable(n)
	if known := f.learned[kindOf(n)]; known != nil {
		maps.Copy(out.Labels, known.labels(domainOf(n)))
		out.Status.Allocatable = known.model.object.Status.Allocatable.DeepCopy()
	}
	maps.Copy(out.Labels, nodemodel.Labels(placed))
	out.Labels[corev1.LabelHostname] = n.Name
	out.Status.Capacity = Resources(n)
	return out
}

// Resources returns what a node takes from Mesos, as a pool's limits count it.
func Resources(n *v1alpha1.MesosNode) corev1.ResourceList {
	r := n.Spec.Template.Spec.Resources
	return corev1.ResourceList{corev1.ResourceCPU: r.CPU.DeepCopy(), corev1.ResourceMemory: r.Memory.DeepCopy()}
}

// allocatable returns what the kubelet will report that pods can use: the resources of the
// node in Mesos' units, less the overhead.
func allocatable(n *v1alpha1.MesosNode) corev1.ResourceList {
	r, overhead := n.Spec.Template.Spec.Resources, n.Spec.Template.Spec.Overhead
	total, reserved := nodemodel.Resources(r), nodemodel.Resources(v1alpha1.NodeResources{CPU: overhead.CPU, Memory: overhead.Memory})
	out := corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(r.CPU.MilliValue()-overhead.CPU.MilliValue(), resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(int64(total.MemMiB-reserved.MemMiB)*mebi, resource.BinarySI),
		corev1.ResourcePods:   *resource.NewQuantity(maxPods(n), resource.DecimalSI),
	}
	if r.EphemeralStorage != nil {
		out[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(int64(total.DiskMiB)*mebi, resource.BinarySI)
	} else {
		out[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(unknownDisk, resource.BinarySI)
	}
	return out
}

// maxPods returns the number of pods that the kubelet is configured to accept.
func maxPods(n *v1alpha1.MesosNode) int64 {
	config := struct{ MaxPods int64 }{podsPerNode}
	if raw := n.Spec.Template.Spec.Kubelet.Config; raw != nil && json.Unmarshal(raw.Raw, &config) != nil {
		return podsPerNode // no node is created from a template that cannot be read
	}
	return config.MaxPods
}

// Daemons returns the pods that come with the Node of a MesosNode: of DaemonSets, and the static
// pods of its template.
func (f Forecast) Daemons(record *v1alpha1.MesosNode, n *corev1.Node) []*corev1.Pod {
	var pods []*corev1.Pod
	for i := range f.daemonSets {
		set := &f.daemonSets[i]
		pod := &corev1.Pod{Spec: set.Spec.Template.Spec}
		if !runsOn(pod, n) {
			continue
		}
		pod.Namespace, pod.Name, pod.Labels = set.Namespace, set.Name, set.Spec.Template.Labels
		pod.UID, pod.Generation = types.UID(fmt.Sprintf("%s on %s", set.UID, n.Name)), set.Generation
		pod.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("DaemonSet"))}
		pod.Spec.NodeName, pod.Spec.Containers = n.Name, withHostPorts(pod)
		pods = append(pods, pod)
	}
	return append(pods, staticPods(record, n)...)
}

// MissingDaemons returns the pods of Daemons that are not among the pods of the Node yet: their
// controller makes them a moment after the Node has registered.
func (f Forecast) MissingDaemons(record *v1alpha1.MesosNode, n *corev1.Node, pods []*corev1.Pod) []*corev1.Pod {
	return slices.DeleteFunc(f.Daemons(record, n), func(expected *corev1.Pod) bool {
		return slices.ContainsFunc(pods, func(pod *corev1.Pod) bool {
			a, b := metav1.GetControllerOf(expected), metav1.GetControllerOf(pod)
			return a != nil && b != nil && a.UID == b.UID || expected.Name == pod.Name && expected.Namespace == pod.Namespace
		})
	})
}

// staticPods returns the mirrors of the static pods in the template of a MesosNode. A manifest
// that cannot be read is left out: no node is created from such a template.
func staticPods(record *v1alpha1.MesosNode, n *corev1.Node) []*corev1.Pod {
	var pods []*corev1.Pod
	for i, manifest := range record.Spec.Template.Spec.Kubelet.StaticPods {
		pod := &corev1.Pod{}
		if json.Unmarshal(manifest.Raw, pod) != nil {
			continue
		}
		pod.Namespace = cmp.Or(pod.Namespace, corev1.NamespaceDefault)
		pod.Name, pod.UID = pod.Name+"-"+n.Name, types.UID(fmt.Sprintf("static pod %d on %s", i, n.Name))
		pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "forecast"}
		pod.Spec = *admission.Defaults{}.Admit(pod.Namespace, &pod.Spec)
		pod.Spec.NodeName, pod.Spec.Containers = n.Name, withHostPorts(pod)
		pods = append(pods, pod)
	}
	return pods
}

// withHostPorts returns the containers of a pod with the ports that they take of the host.
// In the host's network these are all ports, as the API server fills in.
func withHostPorts(pod *corev1.Pod) []corev1.Container {
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

// runsOn reports whether a DaemonSet has a pod on a node.
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

// Started returns the Node of a MesosNode that is starting as it will be afterwards: with the labels
// and taints of its template, without startup taints, and with the resources and labels that it does not report yet. Device plugins
// announce theirs some time after the node is ready. It returns the object itself if nothing
// will change.
func (f Forecast) Started(object *corev1.Node, n *v1alpha1.MesosNode) *corev1.Node {
	out := object.DeepCopy()
	if nodemetadata.HasRegistrationTaint(object) && n.Status.Task != nil {
		out = nodemetadata.Desired(object, n, nil)
	}
	out.Spec.Taints = slices.DeleteFunc(out.Spec.Taints, func(t corev1.Taint) bool { return isStartupTaint(t, n) })
	expected := f.Node(n)
	if len(object.Status.Allocatable) == 0 {
		out.Status.Allocatable, out.Status.Capacity = expected.Status.Allocatable, expected.Status.Capacity
	}
	for name, quantity := range expected.Status.Allocatable {
		if has := out.Status.Allocatable[name]; isExtended(name) && has.IsZero() {
			out.Status.Allocatable[name] = quantity
		}
	}
	labels := maps.Clone(expected.Labels)
	maps.Copy(labels, out.Labels)
	out.Labels = labels
	if equality.Semantic.DeepEqual(out, object) {
		return object
	}
	return out
}

// isExtended reports whether a resource is one that a device plugin announces.
func isExtended(name corev1.ResourceName) bool { return strings.Contains(string(name), "/") }

// isStartupTaint reports whether a taint is removed when the node is ready.
func isStartupTaint(taint corev1.Taint, n *v1alpha1.MesosNode) bool {
	switch taint.Key {
	case corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable, corev1.TaintNodeNetworkUnavailable, "node.cloudprovider.kubernetes.io/uninitialized",
		v1alpha1.TaintUnregistered:
		return true
	}
	for _, t := range n.Spec.Template.Spec.StartupTaints {
		if t.Key == taint.Key && t.Effect == taint.Effect {
			return true
		}
	}
	return false
}
