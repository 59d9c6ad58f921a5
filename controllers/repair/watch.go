package repair

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

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
		Named("repair").
		For(&v1alpha1.MesosNodePool{}).
		Watches(&v1alpha1.MesosNode{}, queueing.Gathered(gatherDelay, poolnodes.PoolNames)).
		Watches(&corev1.Node{}, queueing.Gathered(gatherDelay, r.poolOfObject), builder.WithPredicates(conditionChanges())).
		Watches(&v1alpha1.MesosFramework{}, handler.EnqueueRequestsFromMapFunc(r.poolsOfFramework), builder.WithPredicates(frameworkChanges())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: concurrency,
			RateLimiter:             queueing.RateLimiter(),
		}).
		Complete(r)
}

// poolOfObject maps a Node to the pool of the MesosNode of its name. The Node's own label is not
// believed: its kubelet, or a person, may have set it.
func (r *Reconciler) poolOfObject(object client.Object) []string {
	n := &v1alpha1.MesosNode{}
	if err := r.Client.Get(context.Background(), client.ObjectKey{Name: object.GetName()}, n, client.UnsafeDisableDeepCopy); err != nil {
		return nil // it has none; the cache has no other errors
	}
	return poolnodes.PoolNames(n)
}

// poolsOfFramework maps a MesosFramework to the pools that name it.
func (r *Reconciler) poolsOfFramework(ctx context.Context, framework client.Object) []reconcile.Request {
	return poolnodes.Requests(ctx, r.Client, func(pool *v1alpha1.MesosNodePool) bool { return pool.Spec.FrameworkRef.Name == framework.GetName() })
}

// conditionChanges passes the changes of a Node that a rule may match. What a kubelet reports every
// few minutes besides is not among them.
func conditionChanges() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Node)
		after, same := e.ObjectNew.(*corev1.Node)
		return !ok || !same || before.Spec.ProviderID != after.Spec.ProviderID ||
			!slices.EqualFunc(before.Status.Conditions, after.Status.Conditions, func(a, b corev1.NodeCondition) bool {
				return a.Type == b.Type && a.Status == b.Status && a.LastTransitionTime.Equal(&b.LastTransitionTime)
			})
	}}
}

// frameworkChanges passes the changes of a MesosFramework after which nodes may be judged, or no
// longer.
func frameworkChanges() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.MesosFramework)
		after, same := e.ObjectNew.(*v1alpha1.MesosFramework)
		return !ok || !same || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
			!equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions)
	}}
}
