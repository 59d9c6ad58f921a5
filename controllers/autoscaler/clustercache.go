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

// clusterCache keeps a scheduling.Cluster equal to what was observed. It changes only what
// has changed since the last cycle, so that the answers of the scheduler's plugins stay
// cached.
type clusterCache struct {
	cluster *scheduling.Cluster
	nodes   map[string]*corev1.Node
	pods    map[types.UID]*corev1.Pod
	objects map[objectKey]client.Object
}

type objectKey struct {
	kind            reflect.Type
	namespace, name string
}

func newClusterCache() (*clusterCache, error) {
	cluster, err := scheduling.New()
	if err != nil {
		return nil, fmt.Errorf("making a simulated cluster: %w", err)
	}
	return &clusterCache{
		cluster: cluster, nodes: map[string]*corev1.Node{}, pods: map[types.UID]*corev1.Pod{}, objects: map[objectKey]client.Object{},
	}, nil
}

// clusterView is what a clusterCache is made equal to.
type clusterView struct {
	// nodes are the nodes by name. Those in closed take no pods.
	nodes  map[string]*corev1.Node
	closed map[string]bool
	// pods are all pods; nodeOf returns the node that one is on or will be, empty for none.
	pods   []*corev1.Pod
	nodeOf func(*corev1.Pod) string
	// objects are what plugins look up besides.
	objects []client.Object
}

// Sync makes the Cluster equal to the view.
func (c *clusterCache) Sync(v clusterView) error {
	if err := c.syncObjects(v.objects); err != nil {
		return err
	}
	for name := range c.nodes {
		if v.nodes[name] == nil {
			c.cluster.RemoveNode(name) // syncPods forgets its pods
			delete(c.nodes, name)
		}
	}
	for name, node := range v.nodes {
		if before := c.nodes[name]; before == nil || !isSameNode(before, node) {
			kept := *node
			c.nodes[name] = &kept
			c.cluster.AddNode(&kept)
		}
		c.cluster.SetClosed(name, v.closed[name])
	}
	return c.syncPods(v.pods, v.nodeOf)
}

// syncPods removes pods before it adds any: a pod may have replaced another of its name.
func (c *clusterCache) syncPods(pods []*corev1.Pod, nodeOf func(*corev1.Pod) string) error {
	unchanged := make(map[types.UID]bool, len(c.pods))
	var changed []*corev1.Pod
	for _, pod := range pods {
		node := nodeOf(pod)
		if node == "" || podstate.HasEnded(pod) || c.nodes[node] == nil {
			continue
		}
		if before := c.pods[pod.UID]; before != nil && isSamePod(before, pod, node) {
			unchanged[pod.UID] = true
			continue
		}
		changed = append(changed, pod)
	}
	for uid, pod := range c.pods {
		if !unchanged[uid] {
			c.cluster.RemovePod(pod)
			delete(c.pods, uid)
		}
	}
	for _, pod := range changed {
		kept := *pod
		kept.Spec.NodeName = nodeOf(pod)
		if err := c.cluster.AddPod(&kept); err != nil {
			return err
		}
		c.pods[pod.UID] = &kept
	}
	return nil
}

func (c *clusterCache) syncObjects(objects []client.Object) error {
	current := make(map[objectKey]bool, len(objects))
	for _, o := range objects {
		key := objectKey{reflect.TypeOf(o), o.GetNamespace(), o.GetName()}
		current[key] = true
		if before := c.objects[key]; before != nil && isSameVersion(before, o) {
			continue
		}
		kept := o.DeepCopyObject().(client.Object)
		if err := c.cluster.SetObject(kept); err != nil {
			return err
		}
		c.objects[key] = kept
	}
	for key, o := range c.objects {
		if current[key] {
			continue
		}
		if err := c.cluster.DeleteObject(o); err != nil {
			return err
		}
		delete(c.objects, key)
	}
	return nil
}

// isSameNode reports whether nothing has changed that the placing of pods depends on. A
// kubelet reports much else.
func isSameNode(a, b *corev1.Node) bool {
	if a.UID == b.UID && a.ResourceVersion != "" && a.ResourceVersion == b.ResourceVersion && a.Spec.Unschedulable == b.Spec.Unschedulable && len(a.Spec.Taints) == len(b.Spec.Taints) {
		return true
	}
	return a.UID == b.UID && equality.Semantic.DeepEqual(a.Spec, b.Spec) && maps.Equal(a.Labels, b.Labels) &&
		equality.Semantic.DeepEqual(a.Status.Allocatable, b.Status.Allocatable) &&
		equality.Semantic.DeepEqual(a.Status.DeclaredFeatures, b.Status.DeclaredFeatures)
}

// isSamePod reports the same of a pod that is on this node. The spec of a pod changes only
// with its generation. The resources that its status states differ from the spec only while
// its conditions are about a resize.
func isSamePod(a, b *corev1.Pod, node string) bool {
	return a.Spec.NodeName == node && a.Namespace == b.Namespace && a.Name == b.Name && a.Generation == b.Generation &&
		(a.DeletionTimestamp == nil) == (b.DeletionTimestamp == nil) && maps.Equal(a.Labels, b.Labels) && isSameResize(&a.Status, &b.Status)
}

func isSameResize(a, b *corev1.PodStatus) bool {
	if len(a.ContainerStatuses)+len(b.ContainerStatuses) == 0 {
		return true
	}
	return equality.Semantic.DeepEqual(a.ContainerStatuses, b.ContainerStatuses) && equality.Semantic.DeepEqual(a.Conditions, b.Conditions)
}

func isSameVersion(a, b client.Object) bool {
	return a.GetUID() == b.GetUID() && a.GetResourceVersion() == b.GetResourceVersion()
}
