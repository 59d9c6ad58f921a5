package disruption

import (
	"context"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/controllers/queueing"
)

const (
	// gatherDelay is the time for which changes of a pool's nodes are gathered before the pool is
	// reconciled.
	gatherDelay = 500 * time.Millisecond
	// concurrency is the number of pools that are reconciled at a time.
	concurrency = 4
)

// SetupWithManager makes the manager run the Reconciler. The index of poolnodes must be there.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("disruption").
		For(&v1alpha1.MesosNodePool{}).
		Watches(&v1alpha1.MesosNode{}, queueing.Gathered(gatherDelay, poolnodes.PoolNames)).
		WatchesRawSource(source.Channel(r.Changes, handler.EnqueueRequestsFromMapFunc(r.allPools))).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrency,
			RateLimiter:             queueing.RateLimiter(),
		}).
		Complete(r)
}

// allPools maps a change of the runtimes to all pools.
func (r *Reconciler) allPools(ctx context.Context, _ client.Object) []reconcile.Request {
	return poolnodes.Requests(ctx, r.Client, func(*v1alpha1.MesosNodePool) bool { return true })
}
