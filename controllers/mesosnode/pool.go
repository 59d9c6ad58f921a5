package mesosnode

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemetadata"
	"github.com/k8sm/k8sm/controllers/poolnodes"
)

// Settings that apply in place are read from the pool. What the MesosNode's own spec has of them
// is a copy from its creation, and counts for a node that no pool controls.

// readPool returns the pool that controls a node, nil for none. It is the cache's own, and must not
// be changed.
func (r *Reconciler) readPool(ctx context.Context, node *v1alpha1.MesosNode) (*v1alpha1.MesosNodePool, error) {
	name := poolnodes.PoolOf(node)
	if name == "" {
		return nil, nil
	}
	pool := &v1alpha1.MesosNodePool{}
	switch err := r.Client.Get(ctx, client.ObjectKey{Name: name}, pool, client.UnsafeDisableDeepCopy); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading MesosNodePool %s: %w", name, err)
	case pool.UID != metav1.GetControllerOf(node).UID:
		return nil, nil // another pool of the same name
	}
	return pool, nil
}

// drainSettings returns how the node is to be drained.
func (rc *reconcileContext) drainSettings() v1alpha1.Drain {
	if rc.pool != nil {
		return rc.pool.Spec.Drain
	}
	return rc.node.Spec.Drain
}

// ofPool maps a pool to its MesosNodes that have registered, or are being removed. The others take
// what they need from the pool when they do.
func (r *Reconciler) ofPool(ctx context.Context, pool client.Object) []reconcile.Request {
	return r.listRequests(ctx, client.MatchingLabels{v1alpha1.LabelPool: pool.GetName()}, func(n *v1alpha1.MesosNode) bool {
		return n.Status.ProviderID != "" || !n.DeletionTimestamp.IsZero()
	})
}

// inPlaceChanges passes the changes of a pool that reach running nodes. When the operator
// starts, all MesosNodes are reconciled anyway.
func inPlaceChanges() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*v1alpha1.MesosNodePool)
			after, same := e.ObjectNew.(*v1alpha1.MesosNodePool)
			return ok && same && before.Generation != after.Generation &&
				(!nodemetadata.IsSame(&before.Spec.Template, &after.Spec.Template) || !equality.Semantic.DeepEqual(before.Spec.Drain, after.Spec.Drain))
		},
	}
}
