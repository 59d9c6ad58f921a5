package queueing

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	firstRetry = 100 * time.Millisecond
	lastRetry  = time.Minute
)

// RateLimiter returns to an object whose reconcile failed after a tenth of a second, then
// after twice as long each time, and after a minute at the latest however often it has failed.
// The default of controller-runtime would wait for up to 17 minutes.
func RateLimiter() workqueue.TypedRateLimiter[reconcile.Request] {
	return workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry)
}

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// Gathered enqueues the cluster-scoped objects that namesOf names for an object, a delay after
// that was created, updated or deleted. A queue holds a request once, so that the changes of a
// thousand objects in that time are one request. Names that are empty are left out.
func Gathered(delay time.Duration, namesOf func(client.Object) []string) handler.EventHandler {
	enqueue := func(object client.Object, q queue) {
		for _, name := range namesOf(object) {
			if name != "" {
				q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}, delay)
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { enqueue(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { enqueue(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { enqueue(e.Object, q) },
	}
}
