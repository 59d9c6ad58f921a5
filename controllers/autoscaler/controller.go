package autoscaler

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/permission"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/mesos/placement"
)

const (
	// cacheDelay is the time after which to look again while the cache does not show all that
	// was done.
	cacheDelay = 100 * time.Millisecond
	// capacityInterval is the time after which Mesos is asked again for room while pods wait.
	capacityInterval = 10 * time.Second
	// capacityTimeout bounds that question, so that a master that hangs stops nothing else.
	capacityTimeout = 5 * time.Second
)

// Nodes reads, creates and deletes the nodes of pools, as a *poolnodes.Store does.
type Nodes interface {
	// Inventory returns the pool's nodes, and whether the cache shows all that was done. They
	// are the cache's own: they must not be changed.
	Inventory(ctx context.Context, pool *v1alpha1.MesosNodePool) (poolnodes.Inventory, error)
	// Create creates a node of each of the sizes. The names are in the order of the
	// sizes, "" in the place of a node that was not created; the error then has the reason.
	Create(ctx context.Context, pool *v1alpha1.MesosNodePool, sizes []nodemodel.Size) (names []string, err error)
	// Disrupt deletes candidates as far as the pool's disruption budgets allow.
	Disrupt(ctx context.Context, pool *v1alpha1.MesosNodePool, candidates []poolnodes.Candidate) (poolnodes.Disrupted, error)
	// Remove deletes nodes of the pool, which drains and releases them.
	Remove(ctx context.Context, pool *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (removed int, err error)
}

// Agents knows the agents of the Mesos clusters.
type Agents interface {
	// Capacity is what could be had of the framework's cluster, as far as is known. It may
	// take a question to the master, which is asked seldom.
	Capacity(ctx context.Context, framework string) placement.Capacity
}

// Permission knows which rights the operator has, as a *permission.Checker does.
type Permission interface {
	// Missing returns a right that autoscaling needs and the operator lacks, "" for none.
	Missing(ctx context.Context) (string, error)
}

// Options are what a Reconciler is made of. All are needed.
type Options struct {
	// Client reads from the manager's cache and writes to the API server.
	Client client.Client
	// Live reads from the API server: what the cache does not hold, or is slow to show.
	Live client.Reader
	// Nodes reads, creates and deletes the nodes of pools.
	Nodes Nodes
	// Agents is asked for the capacity of a cluster only while a node may be created.
	Agents Agents
	// Permission is asked before anything is read that only autoscaling needs.
	Permission Permission
	// Recorder takes events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// Reconciler makes pools with autoscaling as large as pods need. It decides for all of them
// at once, one cycle at a time.
type Reconciler struct {
	Options

	state *state
	// startWatches begins to watch pods and nodes, which the first autoscaled pool makes
	// necessary. SetupWithManager sets it.
	startWatches   func() error
	watchesStarted bool
}

// NewReconciler returns a Reconciler that SetupWithManager makes run. It fails if the
// scheduler's plugins cannot be used to simulate a cluster.
func NewReconciler(options Options) (*Reconciler, error) {
	s, err := newState()
	if err != nil {
		return nil, err
	}
	return &Reconciler{Options: options, state: s}, nil
}

// These rights are the ClusterRole k8sm-operator-autoscaling, in config/rbac/autoscaling. What
// the autoscaler does to pools, MesosNodes, Nodes and events is in the operator's own role, which
// other controllers need as well. permission.Reads lists the same reads.
//
// +kubebuilder:rbac:groups="",resources=pods;namespaces;limitranges;persistentvolumes;persistentvolumeclaims,verbs=get;list;watch
// +kubebuilder:rbac:groups="",resources=replicationcontrollers,verbs=get
// +kubebuilder:rbac:groups=apps,resources=daemonsets,verbs=get;list;watch
// +kubebuilder:rbac:groups=apps,resources=replicasets;statefulsets,verbs=get
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=selfsubjectaccessreviews,verbs=create
// +kubebuilder:rbac:groups=batch,resources=jobs,verbs=get
// +kubebuilder:rbac:groups=node.k8s.io,resources=runtimeclasses,verbs=get;list;watch
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=get;list;watch
// +kubebuilder:rbac:groups=storage.k8s.io,resources=storageclasses;csinodes;csidrivers;csistoragecapacities;volumeattachments,verbs=get;list;watch

// Reconcile runs one cycle, unless more pods are to be awaited or the cache lags behind what
// the last cycle did.
func (r *Reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	pools, settled, err := r.autoscaledPools(ctx)
	if err != nil {
		return reconcile.Result{}, err
	}
	if len(pools) == 0 {
		return reconcile.Result{}, r.uncordonAll(ctx)
	}
	permitted, err := r.checkPermission(ctx, pools)
	switch {
	case apierrors.IsConflict(err):
		return reconcile.Result{RequeueAfter: cacheDelay}, nil
	case err != nil:
		return reconcile.Result{}, err
	case !permitted:
		return reconcile.Result{RequeueAfter: permission.RetryInterval}, r.uncordonAll(ctx)
	}
	if !r.watchesStarted {
		if err := r.startWatches(); err != nil {
			return reconcile.Result{}, fmt.Errorf("watching pods and nodes: %w", err)
		}
		r.watchesStarted = true
	}
	idle, longest := batchLimits(pools)
	if wait := r.state.batch.closeWhenDue(r.Now(), idle, longest); wait > 0 || !settled {
		return reconcile.Result{RequeueAfter: max(wait, cacheDelay)}, nil
	}
	recheck, err := r.runCycle(ctx, pools)
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: cacheDelay}, nil
	}
	return reconcile.Result{RequeueAfter: recheck}, err
}
