package autoscaler

import (
	"context"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/mesosnodepool"
)

// Fleets has the nodes of pools.
type Fleets interface {
	// Fleet tells what nodes a pool has, and whether the cache shows all that was done.
	Fleet(ctx context.Context, pool *v1alpha1.MesosNodePool) (mesosnodepool.Fleet, error)
	// Create creates a node of each of the sizes. The names are in the order of the
	// sizes, empty for those that were not created, which the error then tells of.
	Create(ctx context.Context, pool *v1alpha1.MesosNodePool, sizes []mesosnodepool.Size) (names []string, err error)
	// Remove deletes nodes of the pool, which drains and releases them.
	Remove(ctx context.Context, pool *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (removed int, err error)
}
