package mesosnodepool

import (
	"cmp"
	"slices"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
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
	// Lost are the nodes of Alive that are to be replaced although they may come back.
	Lost []*v1alpha1.MesosNode
	// Surge counts the nodes of Alive that were created to replace others of Alive: the pool has
	// so many more than Replicas.
	Surge int
	// Revision is that of nodes that are created now; empty if none can be.
	Revision string
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
	// Delete are nodes that cannot stay, the least useful first.
	Delete []*v1alpha1.MesosNode
	// ScaleIn are the nodes that are one too many, the least useful first. They are deleted as
	// far as the pool's disruption budgets allow.
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
	if in.Paused {
		return Plan{}
	}
	if len(in.Lost) > 0 {
		return Plan{Delete: in.Lost} // what is missing then is created next
	}
	if in.Autoscaled {
		return Plan{}
	}
	missing := in.Replicas + in.Surge - len(in.Alive) - in.Pending
	switch {
	case missing > in.PendingDeletion && !in.CreationBlocked:
		return Plan{Create: missing - in.PendingDeletion}
	case missing < 0 && in.Pending == 0:
		return Plan{ScaleIn: selectForDeletion(in, -missing)}
	}
	return Plan{}
}

// selectForDeletion picks the n least useful nodes. It is deterministic: of equals the newest
// goes, and of equally old ones the last by name.
func selectForDeletion(in PlanInput, n int) []*v1alpha1.MesosNode {
	sorted := slices.Clone(in.Alive)
	slices.SortFunc(sorted, func(a, b *v1alpha1.MesosNode) int {
		return cmp.Or(
			cmp.Compare(deletionRank(a, in.Revision), deletionRank(b, in.Revision)),
			b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
			cmp.Compare(b.Name, a.Name),
		)
	})
	return sorted[:n]
}

// deletionRank orders nodes by how far they have come: a demand, a task, a Node, a ready Node, a
// ready Node that is up to date. The lowest rank is deleted first.
func deletionRank(node *v1alpha1.MesosNode, revision string) int {
	switch {
	case node.Status.Task == nil:
		return 0
	case !nodemodel.IsRegistered(node):
		return 1
	case !nodemodel.IsReady(node):
		return 2
	case node.Labels[v1alpha1.LabelRevision] != revision:
		return 3
	}
	return 4
}
