package mesosframework

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
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
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	// fieldFramework indexes MesosNodes by the name of their MesosFramework.
	fieldFramework = "k8sm.framework"
	// gather is how long nodes that come and go are gathered before they are counted.
	gather = time.Second
	// concurrency is how many MesosFrameworks are looked at side by side: a teardown may
	// take a while, and must not hold up the others.
	concurrency = 4
)

// SetupWithManager makes the manager run the Reconciler. Sessions are added by whoever
// made them.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.MesosNode{}, fieldFramework, frameworkOf); err != nil {
		return fmt.Errorf("indexing MesosNodes: %w", err)
	}
	// Its own writes are looked at, too: a look by a cache that lagged may have found the
	// status as it should be when it was not any more.
	return ctrl.NewControllerManagedBy(mgr).
		Named("mesosframework").
		For(&v1alpha1.MesosFramework{}).
		Watches(&v1alpha1.MesosFramework{}, handler.EnqueueRequestsFromMapFunc(r.others), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MesosNodePool{}, gathered(), builder.WithPredicates(comesOrGoes())).
		Watches(&v1alpha1.MesosNode{}, gathered(), builder.WithPredicates(comesOrGoes())).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.holders)).
		WatchesRawSource(source.Channel(r.Sessions.frameworks, &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: concurrency}).
		Complete(r)
}

// frameworkOf names the MesosFramework that a pool or a node refers to.
func frameworkOf(object client.Object) []string {
	switch o := object.(type) {
	case *v1alpha1.MesosNodePool:
		return []string{o.Spec.FrameworkRef.Name}
	case *v1alpha1.MesosNode:
		return []string{o.Spec.FrameworkRef.Name}
	}
	return nil
}

// comesOrGoes passes an object's creation and its end: what is counted and waited for.
func comesOrGoes() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }}
}

// gathered looks at the framework of an object a little after the object came or went: a
// thousand nodes are not a thousand looks.
func gathered() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	enqueue := func(object client.Object, q queue) {
		for _, name := range frameworkOf(object) {
			q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}, gather)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { enqueue(e.Object, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { enqueue(e.Object, q) },
	}
}

// others maps a MesosFramework to those that it may be a duplicate of, or they of it.
func (r *Reconciler) others(ctx context.Context, object client.Object) []reconcile.Request {
	return r.matching(ctx, func(f *v1alpha1.MesosFramework) bool { return f.Name != object.GetName() })
}

// holders maps a secret to the MesosFrameworks that name it.
func (r *Reconciler) holders(ctx context.Context, object client.Object) []reconcile.Request {
	if object.GetNamespace() != r.Namespace {
		return nil
	}
	return r.matching(ctx, func(f *v1alpha1.MesosFramework) bool {
		credentials, tls := f.Spec.Credentials, f.Spec.TLS
		return credentials != nil && credentials.SecretRef.Name == object.GetName() ||
			tls != nil && tls.SecretRef.Name == object.GetName()
	})
}

func (r *Reconciler) matching(ctx context.Context, match func(*v1alpha1.MesosFramework) bool) []reconcile.Request {
	var all v1alpha1.MesosFrameworkList
	if err := r.Client.List(ctx, &all); err != nil {
		log.FromContext(ctx).Error(err, "Listing MesosFrameworks failed")
		return nil
	}
	var requests []reconcile.Request
	for i := range all.Items {
		if match(&all.Items[i]) {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&all.Items[i])})
		}
	}
	return requests
}
