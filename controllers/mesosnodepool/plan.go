package mesosnodepool

import (
	"github.com/k8sm/k8sm/api/v1alpha1"
)

// PlanInput is all that a plan depends on.
type PlanInput struct {
	// Replicas is the number of nodes that the spec asks for.
	Replicas int
	// Autoscaled is true when the autoscaler creates and deletes the pool's nodes; Replicas
	// means nothing then.
	Autoscaled bool
	// Deleting is true when the pool is being deleted: it asks for no node.
	Deleting bool
	// Paused is true when nothing may be created or deleted, unless the pool itself is being
	// deleted.
	Paused bool
	// CreationBlocked is true when nothing may be created, because it would not be launched.
	CreationBlocked bool
	// Alive are the pool's nodes that are not being deleted, in any order.
	Alive []*v1alpha1.MesosNode
	// Replaced has the nodes of Alive that were created to replace others of Alive, by the name of
	// the old one: the pool has so many more than Replicas.
	Replaced map[string]*v1alpha1.MesosNode
	// Revision is that of nodes that are created now; empty if none can be.
	Revision string
	// HasExpired reports whether a node is older than its pool allows. Nil means never.
	HasExpired func(*v1alpha1.MesosNode) bool
	// Order decides between nodes that nothing else distinguishes.
	Order v1alpha1.DeletionOrder
	// Pending counts the nodes that were created and that the cache does not show yet.
	Pending int
	// PendingDeletion counts the nodes whose deletion the cache does not show yet: it may have
	// failed.
	PendingDeletion int
}

// Plan is the answer to a PlanInput.
type Plan struct {
	// Create is the number of nodes to create.
	Create int
	// Delete are the nodes of a pool that is being deleted, the first to go first.
	Delete []*v1alpha1.MesosNode
	// ScaleIn are the nodes that are too many, the first to go first. They are deleted as far as
	// the pool's disruption budgets allow.
	ScaleIn []*v1alpha1.MesosNode
}

// PlanScaling decides how many nodes to create and which to delete. Nodes that the cache does
// not show yet count as alive, and so do nodes whose deletion it does not show: there are never
// more than the spec asks for. While there are any of the former nothing is deleted, since they
// would be deleted first.
func PlanScaling(in PlanInput) Plan {
	if in.Deleting {
		return Plan{Delete: selectForDeletion(in, len(in.Alive))}
	}
	if in.Paused || in.Autoscaled {
		return Plan{}
	}
	missing := in.Replicas + len(in.Replaced) - len(in.Alive) - in.Pending
	switch {
	case missing > in.PendingDeletion && !in.CreationBlocked:
		return Plan{Create: missing - in.PendingDeletion}
	case missing < 0 && in.Pending == 0:
		return Plan{ScaleIn: selectForDeletion(in, -missing)}
	}
	return Plan{}
}
