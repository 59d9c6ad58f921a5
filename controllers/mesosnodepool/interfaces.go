package mesosnodepool

import (
	"context"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/mesos/placement"
)

// Nodes reads, creates and deletes the nodes of pools, as a *poolnodes.Store does.
type Nodes interface {
	// Inventory returns the pool's nodes. They are the cache's own: they must not be changed.
	Inventory(ctx context.Context, pool *v1alpha1.MesosNodePool) (poolnodes.Inventory, error)
	// Create creates a node of each of the sizes. The names are in the order of the sizes, ""
	// in the place of a node that was not created.
	Create(ctx context.Context, pool *v1alpha1.MesosNodePool, sizes []nodemodel.Size) (names []string, err error)
	// Remove deletes nodes of the pool, and counts them.
	Remove(ctx context.Context, pool *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (removed int, err error)
	// Forget drops all that is remembered of a pool that is gone.
	Forget(pool string)
}

// Artifacts knows which artifacts the operator supplies, and which it allows.
type Artifacts interface {
	// Check returns why no node is made of a template, as a reason of conditions and a
	// message; both are empty if nothing is wrong.
	Check(spec v1alpha1.NodeTemplateSpec) (reason, message string)
	// Kubelet is the artifact of the kubelet of a node with this template; nil if an archive
	// has it together with others.
	Kubelet(runtime v1alpha1.NodeRuntime) *v1alpha1.Artifact
}

// Agents knows the agents of the Mesos clusters.
type Agents interface {
	// Capacity is the room that the framework's cluster has, as far as is known. It may take
	// a question to the master, which is asked seldom, and only while a node waits for an offer that fits
	// for an offer.
	Capacity(ctx context.Context, framework string) placement.Capacity
}
