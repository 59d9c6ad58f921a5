package autoscaler

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
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
)

// gather is how long changes are gathered before they are looked at, those that nobody
// waits for for longer: a thousand pods that end are not a thousand looks.
const (
	gather   = 50 * time.Millisecond
	noHurry  = time.Second
	everyone = "all"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// all is what there is to decide upon: all pools together.
var all = reconcile.Request{NamespacedName: types.NamespacedName{Name: everyone}}

// SetupWithManager makes the manager run the Reconciler. Pods and nodes are watched from
// the moment on that there is a pool with autoscaling.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("autoscaler").
		Watches(&v1alpha1.MesosNodePool{}, after(gather)).
		Watches(&v1alpha1.MesosNode{}, after(gather), builder.WithPredicates(standsDifferently())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 1,
			RateLimiter:             workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](100*time.Millisecond, time.Minute),
		}).
		Build(r)
	if err != nil {
		return fmt.Errorf("building the controller: %w", err)
	}
	r.attend = func() error {
		return errors.Join(
			c.Watch(source.Kind[client.Object](mgr.GetCache(), &corev1.Pod{}, r.pods())),
			c.Watch(source.Kind[client.Object](mgr.GetCache(), &corev1.Node{}, after(gather), holdsDifferently())),
		)
	}
	return nil
}

// after looks at everything a little after a change.
func after(wait time.Duration) handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, _ event.CreateEvent, q queue) { q.AddAfter(all, wait) },
		UpdateFunc: func(_ context.Context, _ event.UpdateEvent, q queue) { q.AddAfter(all, wait) },
		DeleteFunc: func(_ context.Context, _ event.DeleteEvent, q queue) { q.AddAfter(all, wait) },
	}
}

// pods notes those that become unschedulable, and looks later at those that leave room.
func (r *Reconciler) pods() handler.EventHandler {
	waits := func(o client.Object) bool {
		pod, ok := o.(*corev1.Pod)
		return ok && unschedulable(pod) && leftOut(pod) == ""
	}
	came := func(q queue) {
		r.batch.came(r.Now())
		q.AddAfter(all, gather)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) {
			if waits(e.Object) {
				came(q)
			}
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if waits(e.ObjectNew) && !waits(e.ObjectOld) {
				came(q)
				return
			}
			q.AddAfter(all, noHurry)
		},
		DeleteFunc: func(_ context.Context, _ event.DeleteEvent, q queue) { q.AddAfter(all, noHurry) },
	}
}

// standsDifferently passes the changes of a MesosNode that a decision sees.
func standsDifferently() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.MesosNode)
		after, same := e.ObjectNew.(*v1alpha1.MesosNode)
		return !ok || !same || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
			!equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions)
	}}
}

// holdsDifferently passes the changes of a Node that a decision sees.
func holdsDifferently() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Node)
		after, same := e.ObjectNew.(*corev1.Node)
		return !ok || !same || !sameNode(before, after)
	}}
}
