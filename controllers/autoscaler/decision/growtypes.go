package decision

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

// Pool is a node pool that may grow.
type Pool struct {
	Name string
	// Weight: pools of more weight are asked first, those of equal weight by name.
	Weight int32
	// Nodes is how many nodes the pool has, those in flight included.
	Nodes int
	// Min is how many nodes it has at least, wanted or not; Max how many at most, 0 if
	// there is no such limit.
	Min, Max int
	// Used is what its nodes have in all, and Limits what they may have.
	Used, Limits corev1.ResourceList
	// GrowthBlocked is why the pool can't grow at all, in words ("it is paused"); empty if it can.
	GrowthBlocked string
	// Shapes are the nodes it can have.
	Shapes []Shape
}

// Shape is a kind of node that a pool can have.
type Shape struct {
	Name string
	// Node is such a node as it would register, with labels, taints, capacity and
	// allocatable. Its name and its hostname label don't matter.
	Node *corev1.Node
	// Daemons are the pods that DaemonSets have on such a node. Their names and UIDs only
	// tell them from each other.
	Daemons []*corev1.Pod
	// Preference: shapes of a higher one are taken first, whatever is wasted.
	Preference int32
	// Room is how many more nodes of this shape Mesos can give, -1 if that isn't known, and
	// NearestMiss says in words why there aren't more.
	Room        int
	NearestMiss string
}

// GrowInput is what Grow decides from.
type GrowInput struct {
	// Cluster has the nodes there are and those in flight, with the pods on them. Grow
	// leaves it as it was.
	Cluster *scheduling.Cluster
	// Pods are those that wait for a node, without those that are not ours to wait for.
	Pods []*corev1.Pod
	// Pools need no order.
	Pools []Pool
}

// GrowPlan is what to do, and why not more.
type GrowPlan struct {
	// Launches are the nodes to create, in order.
	Launches []Launch
	// Placed are the pods that need no new node.
	Placed []Placement
	// Refused are the pods that no pool can help.
	Refused []RefusedPod
}

// Launch is a node to create.
type Launch struct {
	Pool, Shape string
	// Pods are those that the node is for; none if it is there for the pool's Min.
	Pods []*corev1.Pod
}

// Placement is a pod, and a node there is on which it fits.
type Placement struct {
	Pod  *corev1.Pod
	Node string
}

// RefusedPod is a pod that no pool can help.
type RefusedPod struct {
	Pod *corev1.Pod
	// Pools has the reason of each, in the order in which they were asked.
	Pools []PoolRefusal
}

// PoolRefusal is why a pool can't help a pod.
type PoolRefusal struct {
	Pool, Reason string
}
