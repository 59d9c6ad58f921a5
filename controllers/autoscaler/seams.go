package autoscaler

import (
	"context"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/mesos/placement"
)

// Nodes reads, creates and deletes the nodes of pools, as a *poolnodes.Store does.
type Nodes interface {
	// Inventory returns the pool's nodes, and whether the cache shows all that was done. They
	// are the cache's own: they must not be changed.
	Inventory(ctx context.Context, pool *v1alpha1.MesosNodePool) (poolnodes.Inventory, error)
	// Create creates a node of each of the sizes. The names are in the order of the
	// sizes, "" in the place of a node that was not created; the error then has the reason.
	Create(ctx context.Context, pool *v1alpha1.MesosNodePool, sizes []nodemodel.Size) (names []string, err error)
	// Remove deletes nodes of the pool, which drains and releases them.
	Remove(ctx context.Context, pool *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (removed int, err error)
}

// Agents knows the agents of the Mesos clusters.
type Agents interface {
	// Capacity is what could be had of the framework's cluster, as far as is known. It may
	// take a question to the master, which is asked seldom.
	Capacity(ctx context.Context, framework string) placement.Capacity
}
