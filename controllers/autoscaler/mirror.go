package autoscaler

import (
	"fmt"
	"maps"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/podstate"
)

// mirror keeps a scheduling.Cluster in step with the world: of what has not changed since
// the last decision nothing is touched.
type mirror struct {
	cluster *scheduling.Cluster
	nodes   map[string]*corev1.Node
	pods    map[types.UID]*corev1.Pod
	objects map[objectKey]client.Object
}

type objectKey struct {
	kind            reflect.Type
	namespace, name string
}

func newMirror() (*mirror, error) {
	cluster, err := scheduling.New()
	if err != nil {
		return nil, fmt.Errorf("making a cluster to try pods in: %w", err)
	}
	return &mirror{
		cluster: cluster, nodes: map[string]*corev1.Node{}, pods: map[types.UID]*corev1.Pod{}, objects: map[objectKey]client.Object{},
	}, nil
}

// follow makes the Cluster hold these nodes, and the pods that have a place on them.
func (m *mirror) follow(views map[string]*corev1.Node, pods []*corev1.Pod, objects []client.Object) error {
	if err := m.followObjects(objects); err != nil {
		return err
	}
	for name := range m.nodes {
		if views[name] == nil {
			m.cluster.RemoveNode(name) // its pods are forgotten with those that have gone
			delete(m.nodes, name)
		}
	}
	for name, view := range views {
		if before := m.nodes[name]; before == nil || !sameNode(before, view) {
			kept := *view
			m.nodes[name] = &kept
			m.cluster.AddNode(&kept)
		}
	}
	return m.followPods(pods)
}

// followPods removes first: a pod may have followed another of its name.
func (m *mirror) followPods(pods []*corev1.Pod) error {
	stays := make(map[types.UID]bool, len(m.pods))
	var comes []*corev1.Pod
	for _, pod := range pods {
		place := placeOf(pod)
		if place == "" || podstate.HasEnded(pod) || m.nodes[place] == nil {
			continue
		}
		if before := m.pods[pod.UID]; before != nil && samePod(before, pod, place) {
			stays[pod.UID] = true
			continue
		}
		comes = append(comes, pod)
	}
	for uid, pod := range m.pods {
		if !stays[uid] {
			m.cluster.RemovePod(pod)
			delete(m.pods, uid)
		}
	}
	for _, pod := range comes {
		kept := *pod
		kept.Spec.NodeName = placeOf(pod)
		if err := m.cluster.AddPod(&kept); err != nil {
			return err
		}
		m.pods[pod.UID] = &kept
	}
	return nil
}

func (m *mirror) followObjects(objects []client.Object) error {
	there := make(map[objectKey]bool, len(objects))
	for _, o := range objects {
		key := objectKey{reflect.TypeOf(o), o.GetNamespace(), o.GetName()}
		there[key] = true
		if before := m.objects[key]; before != nil && sameVersion(before, o) {
			continue
		}
		kept := o.DeepCopyObject().(client.Object)
		if err := m.cluster.SetObject(kept); err != nil {
			return err
		}
		m.objects[key] = kept
	}
	for key, o := range m.objects {
		if there[key] {
			continue
		}
		if err := m.cluster.DeleteObject(o); err != nil {
			return err
		}
		delete(m.objects, key)
	}
	return nil
}

// sameNode tells whether nothing has changed that a pod's place could depend on. A kubelet
// reports much else.
func sameNode(a, b *corev1.Node) bool {
	if a.UID == b.UID && a.ResourceVersion != "" && a.ResourceVersion == b.ResourceVersion && a.Spec.Unschedulable == b.Spec.Unschedulable && len(a.Spec.Taints) == len(b.Spec.Taints) {
		return true
	}
	return a.UID == b.UID && equality.Semantic.DeepEqual(a.Spec, b.Spec) && maps.Equal(a.Labels, b.Labels) &&
		equality.Semantic.DeepEqual(a.Status.Allocatable, b.Status.Allocatable) &&
		equality.Semantic.DeepEqual(a.Status.DeclaredFeatures, b.Status.DeclaredFeatures)
}

// samePod tells the same of a pod: its spec changes only with its generation, and what it
// has of its resources while conditions tell of a resize.
func samePod(a, b *corev1.Pod, place string) bool {
	return a.Spec.NodeName == place && a.Namespace == b.Namespace && a.Name == b.Name && a.Generation == b.Generation &&
		(a.DeletionTimestamp == nil) == (b.DeletionTimestamp == nil) && maps.Equal(a.Labels, b.Labels) && sameResize(&a.Status, &b.Status)
}

func sameResize(a, b *corev1.PodStatus) bool {
	if len(a.ContainerStatuses)+len(b.ContainerStatuses) == 0 {
		return true
	}
	return equality.Semantic.DeepEqual(a.ContainerStatuses, b.ContainerStatuses) && equality.Semantic.DeepEqual(a.Conditions, b.Conditions)
}

func sameVersion(a, b client.Object) bool {
	return a.GetUID() == b.GetUID() && a.GetResourceVersion() == b.GetResourceVersion()
}
