package mesosnodepool

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/controllers/queueing"
)

const (
	// gatherDelay is the time for which changes of a pool's nodes are gathered before the pool
	// is reconciled: a thousand nodes that become ready are not a thousand reconciles.
	gatherDelay = 200 * time.Millisecond
	// concurrency is the number of pools that are reconciled at a time: a Mesos master that is
	// slow to answer holds up its own pools only.
	concurrency = 4
)

// SetupWithManager makes the manager run the Reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := poolnodes.IndexByPool(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	// Its own writes lead to a reconcile, too: one that went by a cache that lagged may have
	// found the status as it should be when it was not any more.
	return ctrl.NewControllerManagedBy(mgr).
		Named("mesosnodepool").
		For(&v1alpha1.MesosNodePool{}).
		Watches(&v1alpha1.MesosNode{}, queueing.Gathered(gatherDelay, poolnodes.PoolNames)).
		Watches(&v1alpha1.MesosFramework{}, handler.EnqueueRequestsFromMapFunc(r.poolsOfFramework), builder.WithPredicates(relevantChanges())).
		WatchesRawSource(source.Channel(r.Runtimes.Changes(), handler.EnqueueRequestsFromMapFunc(r.allPools))).
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

// poolsOfFramework maps a MesosFramework to the pools that name it.
func (r *Reconciler) poolsOfFramework(ctx context.Context, framework client.Object) []reconcile.Request {
	return poolnodes.Requests(ctx, r.Client, func(pool *v1alpha1.MesosNodePool) bool { return pool.Spec.FrameworkRef.Name == framework.GetName() })
}

// relevantChanges passes the changes of a MesosFramework that conditions of pools depend on.
func relevantChanges() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.MesosFramework)
		after, same := e.ObjectNew.(*v1alpha1.MesosFramework)
		return !ok || !same || before.Generation != after.Generation ||
			!equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions)
	}}
}
