package decision

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// Pool is a node pool that may grow.
type Pool struct {
	Name string
	// Weight: pools of more weight are tried first, those of equal weight by name.
	Weight int32
	// Nodes is the number of nodes that the pool has, including those that are not ready yet.
	Nodes int
	// Min is the number of nodes that the pool has at least, needed or not. Max is the most
	// that it may have, 0 for no such limit.
	Min, Max int
	// Used is the sum of what its nodes take from Mesos; Limits is the most that this may be.
	Used, Limits corev1.ResourceList
	// GrowthBlocked is why the pool cannot grow at all, in words ("it is paused"); empty if it
	// can.
	GrowthBlocked string
	// Shapes are the nodes that the pool can have.
	Shapes []Shape
}

// Shape is a kind of node that a pool can have.
type Shape struct {
	// Size is what the caller creates such a node with. Shapes of one pool differ in it.
	Size nodemodel.Size
	// Node is such a node as it would register, with labels, taints, capacity and allocatable.
	// Its name and its hostname label have no effect.
	Node *corev1.Node
	// Daemons are the pods that DaemonSets would have on such a node. Their names and UIDs only
	// distinguish them.
	Daemons []*corev1.Pod
	// Preference: shapes of a higher preference are taken first, however much is wasted.
	Preference int32
	// Room is the number of further nodes of this shape that Mesos can give, -1 if it is
	// unknown. NearestMiss is why there are not more, in words.
	Room        int
	NearestMiss string
}

// GrowInput is what Grow decides from.
type GrowInput struct {
	// Cluster has the nodes that exist and those that are on their way, with the pods on them.
	// Grow leaves it as it was.
	Cluster *scheduling.Cluster
	// Leaving are the names of the nodes of the Cluster that are being removed.
	Leaving []string
	// Pods are the pods that wait for a node and that the autoscaler may make nodes for.
	Pods []*corev1.Pod
	// Pools need no order.
	Pools []Pool
}

// GrowPlan is what to do, and why not more.
type GrowPlan struct {
	// Launches are the nodes to create, in order.
	Launches []Launch
	// Placed are the pods that fit on nodes that exist or are on their way.
	Placed []Placement
	// Refused are the pods that no pool can help.
	Refused []RefusedPod
}

// Launch is a node to create.
type Launch struct {
	Pool string
	// Size is that of the shape that was chosen.
	Size nodemodel.Size
	// Pods are the pods that the node is for; none if it is created for the pool's Min.
	Pods []*corev1.Pod
}

// Placement is a pod and an existing node on which it fits.
type Placement struct {
	Pod  *corev1.Pod
	Node string
}

// RefusedPod is a pod that no pool can help.
type RefusedPod struct {
	Pod *corev1.Pod
	// Pools has the reason of each pool, in the order in which the pools were tried.
	Pools []PoolRefusal
}

// PoolRefusal is why a pool cannot help a pod.
type PoolRefusal struct {
	Pool, Reason string
}
