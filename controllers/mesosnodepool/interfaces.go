package mesosnodepool

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
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
	// Disrupt deletes candidates, in order, as far as the pool's disruption budgets allow.
	Disrupt(ctx context.Context, pool *v1alpha1.MesosNodePool, candidates []poolnodes.Candidate) (poolnodes.Disrupted, error)
	// Remove deletes nodes of the pool, and counts them.
	Remove(ctx context.Context, pool *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (removed int, err error)
	// Forget drops all that is remembered of a pool that is gone.
	Forget(pool string)
}

// Runtimes knows what nodes are made of, as a *catalogue.Catalogue does.
type Runtimes interface {
	// Resolve returns what the nodes of a template are made of, and why none is made of it. An
	// error means that this is not known at present.
	Resolve(ctx context.Context, spec v1alpha1.NodeTemplateSpec) (nodetemplate.Resolved, nodetemplate.Refusal, error)
	// Changes has an event for each change of the answers that nothing else announces.
	Changes() <-chan event.GenericEvent
}

// Agents knows the agents of the Mesos clusters.
type Agents interface {
	// Capacity is the room that the framework's cluster has, as far as is known. It may take
	// a question to the master, which is asked seldom, and only while a node waits for an offer that fits
	// for an offer.
	Capacity(ctx context.Context, framework string) placement.Capacity
}
