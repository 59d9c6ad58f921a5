package mesosframework

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
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
	"github.com/k8sm/k8sm/controllers/queueing"
)

const (
	// fieldFramework indexes MesosNodes by the name of their MesosFramework.
	fieldFramework = "k8sm.framework"
	// countDelay is the delay between the creation or end of a node and the next count: a
	// thousand nodes do not cause a thousand reconciliations.
	countDelay = time.Second
	// maxConcurrent is the number of MesosFrameworks that are reconciled at the same time. A
	// teardown may take a while, and must not delay the others.
	maxConcurrent = 4
)

// SetupWithManager makes the manager run the Reconciler. It does not add the sessions to the
// manager; the caller does.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	if err := mgr.GetFieldIndexer().IndexField(context.Background(), &v1alpha1.MesosNode{}, fieldFramework, frameworkOf); err != nil {
		return fmt.Errorf("indexing MesosNodes: %w", err)
	}
	// The Reconciler's own writes cause a reconciliation, too: a reconciliation with a cache
	// that lagged may have found a correct status that was no longer there.
	return ctrl.NewControllerManagedBy(mgr).
		Named("mesosframework").
		For(&v1alpha1.MesosFramework{}).
		Watches(&v1alpha1.MesosFramework{}, handler.EnqueueRequestsFromMapFunc(r.toOtherFrameworks), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&v1alpha1.MesosNodePool{}, queueing.Gathered(countDelay, frameworkOf), builder.WithPredicates(createdOrDeleted())).
		Watches(&v1alpha1.MesosNode{}, queueing.Gathered(countDelay, frameworkOf), builder.WithPredicates(createdOrDeleted())).
		Watches(&corev1.Secret{}, handler.EnqueueRequestsFromMapFunc(r.toFrameworksWithSecret)).
		WatchesRawSource(source.Channel(r.Sessions.FrameworkChanges(), &handler.EnqueueRequestForObject{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: maxConcurrent}).
		Complete(r)
}

// frameworkOf returns the name of the MesosFramework that a pool or a node refers to.
func frameworkOf(object client.Object) []string {
	switch o := object.(type) {
	case *v1alpha1.MesosNodePool:
		return []string{o.Spec.FrameworkRef.Name}
	case *v1alpha1.MesosNode:
		return []string{o.Spec.FrameworkRef.Name}
	}
	return nil
}

// createdOrDeleted drops updates: nodes are counted, and deletion waits for their end.
func createdOrDeleted() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(event.UpdateEvent) bool { return false }}
}

// toOtherFrameworks maps a MesosFramework to all others, because one may be a duplicate of
// another.
func (r *Reconciler) toOtherFrameworks(ctx context.Context, object client.Object) []reconcile.Request {
	return r.requestsFor(ctx, func(f *v1alpha1.MesosFramework) bool { return f.Name != object.GetName() })
}

// toFrameworksWithSecret maps a secret to the MesosFrameworks that name it.
func (r *Reconciler) toFrameworksWithSecret(ctx context.Context, object client.Object) []reconcile.Request {
	if object.GetNamespace() != r.Namespace {
		return nil
	}
	return r.requestsFor(ctx, func(f *v1alpha1.MesosFramework) bool {
		return slices.Contains(secretNames(f.Spec), object.GetName())
	})
}

func (r *Reconciler) requestsFor(ctx context.Context, match func(*v1alpha1.MesosFramework) bool) []reconcile.Request {
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
