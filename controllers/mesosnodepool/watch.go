package mesosnodepool

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/poolnodes"
)

const (
	// gather is how long changes of a pool's nodes are gathered before the pool is
	// looked at: a thousand nodes that come up are not a thousand looks.
	gather = 200 * time.Millisecond
	// concurrency is how many pools are looked at side by side: a Mesos master that is
	// slow to answer holds up its own pools only.
	concurrency = 4
)

// SetupWithManager makes the manager run the Reconciler.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := poolnodes.IndexByPool(context.Background(), mgr.GetFieldIndexer()); err != nil {
		return err
	}
	// Its own writes are looked at, too: a look by a cache that lagged may have found the
	// status as it should be when it was not any more.
	return ctrl.NewControllerManagedBy(mgr).
		Named("mesosnodepool").
		For(&v1alpha1.MesosNodePool{}).
		Watches(&v1alpha1.MesosNode{}, gathered()).
		Watches(&v1alpha1.MesosFramework{}, handler.EnqueueRequestsFromMapFunc(r.poolsOf), builder.WithPredicates(ofInterest())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrency,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](100*time.Millisecond, time.Minute),
		}).
		Complete(r)
}

// gathered looks at a node's pool a little after the node has changed.
func gathered() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	enqueue := func(object client.Object, q queue) {
		if pool := poolnodes.PoolOf(object); pool != "" {
			q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: pool}}, gather)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { enqueue(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { enqueue(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { enqueue(e.Object, q) },
	}
}

// poolsOf maps a MesosFramework to the pools that name it. There are few pools.
func (r *Reconciler) poolsOf(ctx context.Context, framework client.Object) []reconcile.Request {
	var pools v1alpha1.MesosNodePoolList
	if err := r.Client.List(ctx, &pools); err != nil {
		log.FromContext(ctx).Error(err, "Listing the pools of a framework failed", "MesosFramework", framework.GetName())
		return nil
	}
	var requests []reconcile.Request
	for i := range pools.Items {
		if pools.Items[i].Spec.FrameworkRef.Name == framework.GetName() {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&pools.Items[i])})
		}
	}
	return requests
}

// ofInterest passes the changes of a MesosFramework that pools tell of.
func ofInterest() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.MesosFramework)
		after, same := e.ObjectNew.(*v1alpha1.MesosFramework)
		return !ok || !same || before.Generation != after.Generation ||
			!equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions)
	}}
}
