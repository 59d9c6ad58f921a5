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
	"github.com/k8sm/k8sm/controllers/autoscaler/pending"
	"github.com/k8sm/k8sm/controllers/queueing"
)

const (
	// changeDelay is the time for which changes are gathered before a cycle.
	changeDelay = 50 * time.Millisecond
	// podChangeDelay is the same for changes of pods that no pod waits for: a thousand pods
	// that end cause few cycles.
	podChangeDelay = time.Second
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// allPools is the only request: a cycle decides for all pools together.
var allPools = reconcile.Request{NamespacedName: types.NamespacedName{Name: "all"}}

// SetupWithManager makes the manager run the Reconciler. Pods and nodes are watched as soon
// as there is a pool with autoscaling.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	c, err := ctrl.NewControllerManagedBy(mgr).
		Named("autoscaler").
		Watches(&v1alpha1.MesosNodePool{}, queueing.Gathered(changeDelay, anyChange)).
		Watches(&v1alpha1.MesosNode{}, queueing.Gathered(changeDelay, anyChange), builder.WithPredicates(mesosNodeChanged())).
		WithOptions(controller.Options{
			MaxConcurrentReconciles: 1,
			RateLimiter:             queueing.RateLimiter(),
		}).
		Build(r)
	if err != nil {
		return fmt.Errorf("building the controller: %w", err)
	}
	r.startWatches = func() error {
		return errors.Join(
			c.Watch(source.Kind[client.Object](mgr.GetCache(), &corev1.Pod{}, r.podHandler())),
			c.Watch(source.Kind[client.Object](mgr.GetCache(), &corev1.Node{}, queueing.Gathered(changeDelay, anyChange), nodeChanged())),
		)
	}
	return nil
}

// anyChange names the only request.
func anyChange(client.Object) []string { return []string{allPools.Name} }

// podHandler adds pods that become unschedulable to the batch. Other changes of pods cause a
// cycle too, since they may leave room, but later.
func (r *Reconciler) podHandler() handler.EventHandler {
	needsNode := func(o client.Object) bool {
		pod, ok := o.(*corev1.Pod)
		return ok && pending.IsUnschedulable(pod) && pending.ExclusionReason(pod) == ""
	}
	addToBatch := func(q queue) {
		r.state.batch.add(r.Now())
		q.AddAfter(allPools, changeDelay)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) {
			if needsNode(e.Object) {
				addToBatch(q)
			}
		},
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if needsNode(e.ObjectNew) && !needsNode(e.ObjectOld) {
				addToBatch(q)
				return
			}
			q.AddAfter(allPools, podChangeDelay)
		},
		DeleteFunc: func(_ context.Context, _ event.DeleteEvent, q queue) { q.AddAfter(allPools, podChangeDelay) },
	}
}

// mesosNodeChanged passes the changes of a MesosNode that decisions depend on.
func mesosNodeChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*v1alpha1.MesosNode)
		after, same := e.ObjectNew.(*v1alpha1.MesosNode)
		return !ok || !same || before.DeletionTimestamp.IsZero() != after.DeletionTimestamp.IsZero() ||
			!equality.Semantic.DeepEqual(before.Status.Conditions, after.Status.Conditions)
	}}
}

// nodeChanged passes the changes of a Node that decisions depend on.
func nodeChanged() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*corev1.Node)
		after, same := e.ObjectNew.(*corev1.Node)
		return !ok || !same || !isSameNode(before, after)
	}}
}
