package mesosnodepool

import (
	"cmp"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Situation is all that a plan goes by.
type Situation struct {
	// Replicas is how many nodes are asked for.
	Replicas int
	// Elastic: the pool has autoscaling, which creates and deletes its nodes; Replicas says
	// nothing.
	Elastic bool
	// Deleting: the pool is being deleted, and asks for none.
	Deleting bool
	// Paused: nothing is created or deleted, unless the pool itself is being deleted.
	Paused bool
	// Barred: nothing may be created, for nobody would launch it.
	Barred bool
	// Alive are the pool's nodes that are not being deleted, in any order.
	Alive []*v1alpha1.MesosNode
	// Lost are those of Alive that are to be replaced although they may come back.
	Lost []*v1alpha1.MesosNode
	// Pending counts the nodes that were created and cannot be seen yet.
	Pending int
	// Doomed counts the nodes that were deleted, of which that cannot be seen yet: it may
	// have come to nothing.
	Doomed int
}

// Plan is what to do about a Situation.
type Plan struct {
	// Create is how many nodes to create.
	Create int
	// Delete are the nodes to delete, those that are missed least first.
	Delete []*v1alpha1.MesosNode
}

// Decide plans for the situation. Nodes that cannot be seen yet count as alive, and so do
// those whose end cannot: there are never more than were asked for. While there are any
// of the former nothing is deleted, since they would be the first to go.
func Decide(s Situation) Plan {
	if s.Deleting {
		return Plan{Delete: victims(s.Alive, len(s.Alive))}
	}
	if s.Paused {
		return Plan{}
	}
	if len(s.Lost) > 0 {
		return Plan{Delete: s.Lost} // what is missing then is created next
	}
	if s.Elastic {
		return Plan{}
	}
	missing := s.Replicas - len(s.Alive) - s.Pending
	switch {
	case missing > s.Doomed && !s.Barred:
		return Plan{Create: missing - s.Doomed}
	case missing < 0 && s.Pending == 0:
		return Plan{Delete: victims(s.Alive, -missing)}
	}
	return Plan{}
}

// victims picks the n nodes that are missed least. It is deterministic: of equals the
// newest goes, and of those the last by name.
func victims(alive []*v1alpha1.MesosNode, n int) []*v1alpha1.MesosNode {
	sorted := slices.Clone(alive)
	slices.SortFunc(sorted, func(a, b *v1alpha1.MesosNode) int {
		return cmp.Or(
			cmp.Compare(worth(a), worth(b)),
			b.CreationTimestamp.Compare(a.CreationTimestamp.Time),
			cmp.Compare(b.Name, a.Name),
		)
	})
	return sorted[:n]
}

// worth tells how far a node has come: a demand, a task, a Node, a ready Node.
func worth(node *v1alpha1.MesosNode) int {
	is := func(condition string) bool {
		return meta.IsStatusConditionTrue(node.Status.Conditions, condition)
	}
	switch {
	case node.Status.Task == nil:
		return 0
	case !is(v1alpha1.ConditionRegistered):
		return 1
	case !is(v1alpha1.ConditionReady):
		return 2
	}
	return 3
}
