package nodenames

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// Options are the dependencies of a Reconciler. All are needed.
type Options struct {
	// Names is the record.
	Names *Store
	// Recorder records events.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
}

// Reconciler deletes Nodes that come back under the name of a removed node, and forgets names
// once their certificates have expired.
type Reconciler struct {
	Options
}

// NewReconciler returns a Reconciler. SetupWithManager makes a manager run it.
func NewReconciler(options Options) *Reconciler { return &Reconciler{Options: options} }

// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=k8sm.io,resources=mesosnodes,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// SetupWithManager makes the manager run the Reconciler. A request with a namespace is for a
// ConfigMap, one without is for a Node.
func (r *Reconciler) SetupWithManager(mgr ctrl.Manager) error {
	returned := predicate.Funcs{
		UpdateFunc: func(event.UpdateEvent) bool { return false },
		DeleteFunc: func(event.DeleteEvent) bool { return false },
	}
	gone := predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(event.UpdateEvent) bool { return false },
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("nodenames").
		For(&corev1.ConfigMap{}, builder.WithPredicates(predicate.NewPredicateFuncs(isShard))).
		Watches(&corev1.Node{}, handler.EnqueueRequestsFromMapFunc(r.sameName), builder.WithPredicates(returned)).
		Watches(&v1alpha1.MesosNode{}, handler.EnqueueRequestsFromMapFunc(r.shardOf), builder.WithPredicates(gone)).
		Complete(r)
}

func isShard(object client.Object) bool { return object.GetLabels()[v1alpha1.LabelNodeNames] != "" }

func (r *Reconciler) sameName(_ context.Context, object client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: object.GetName()}}}
}

func (r *Reconciler) shardOf(_ context.Context, object client.Object) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: r.Names.key(shardOf(object.GetName()))}}
}

// Reconcile deletes a Node with a removed name, or brings a ConfigMap up to date.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if req.Namespace == "" {
		return reconcile.Result{}, r.checkNode(ctx, req.Name)
	}
	for number := range shardCount {
		if r.Names.key(number) == req.NamespacedName {
			return r.cleanShard(ctx, number)
		}
	}
	return reconcile.Result{}, nil
}

// checkNode deletes a Node whose name is that of a removed node. The Node of a MesosNode that
// exists is not deleted, whatever is on record.
func (r *Reconciler) checkNode(ctx context.Context, name string) error {
	now := r.Now()
	until, removed, err := r.Names.IsRemoved(ctx, name, now)
	if err != nil || !removed {
		return err
	}
	object := &corev1.Node{}
	if err := r.Names.Live.Get(ctx, client.ObjectKey{Name: name}, object); err != nil {
		return client.IgnoreNotFound(err)
	}
	record, err := r.readMesosNode(ctx, name)
	if err != nil || record != nil && nodemodel.AttemptOf(record, object.Spec.ProviderID) > 0 {
		return err
	}
	outcome := "was deleted"
	switch err = r.Names.Client.Delete(ctx, object, client.Preconditions{UID: &object.UID}); {
	case apierrors.IsNotFound(err):
		return nil
	case apierrors.IsForbidden(err): // The operator may delete only Nodes whose provider ID is its own.
		outcome = "could not be deleted (" + err.Error() + "): delete it if it is not yours"
	case err != nil:
		return fmt.Errorf("deleting Node %s, which came back: %w", name, err)
	}
	nodesReturned.Inc()
	log.FromContext(ctx).Info("A Node came back under the name of a removed node", "node", name, "providerID", object.Spec.ProviderID, "outcome", outcome)
	r.Recorder.Eventf(object, nil, corev1.EventTypeWarning, v1alpha1.EventRemovedNodeReturned, "Deleting", "%s", messages.Truncate(fmt.Sprintf(
		"A Node came back under the name of a node that was removed. Somebody holds the certificate of that node, which may be valid until %s. The Node %s.", until.UTC().Format(time.RFC3339), outcome), messages.MaxEvent))
	return nil
}

// readMesosNode reads a MesosNode from the API server, nil if there is none.
func (r *Reconciler) readMesosNode(ctx context.Context, name string) (*v1alpha1.MesosNode, error) {
	record := &v1alpha1.MesosNode{}
	if err := r.Names.Live.Get(ctx, client.ObjectKey{Name: name}, record); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("reading MesosNode %s: %w", name, err)
	}
	return record, nil
}

// cleanShard forgets the names in a ConfigMap whose time is over. It marks those as removed
// whose MesosNode vanished without being released, because somebody removed its finalizer.
func (r *Reconciler) cleanShard(ctx context.Context, number int) (reconcile.Result, error) {
	shard := &corev1.ConfigMap{}
	if err := r.Names.Client.Get(ctx, r.Names.key(number), shard); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	now := r.Now()
	if err := r.checkNodes(ctx, shard.Data); err != nil {
		return reconcile.Result{}, err
	}
	vanished, err := r.findVanished(ctx, shard.Data)
	if err != nil {
		return reconcile.Result{}, err
	}
	if expired, next := expire(shard.Data, now); expired == 0 && len(vanished) == 0 {
		if next.IsZero() {
			return reconcile.Result{}, nil
		}
		return reconcile.Result{RequeueAfter: max(next.Sub(now), time.Second)}, nil
	}
	// The event of this write leads here again.
	return reconcile.Result{}, r.Names.update(ctx, number, func(data map[string]string) {
		for _, name := range vanished {
			if entry, err := parseEntry(data[name]); err == nil {
				data[name] = Entry{Removed: true, Until: entry.Until}.String()
			}
		}
		expire(data, now)
	})
}

// checkNodes deletes Nodes that came back before the cache showed that their names are removed.
func (r *Reconciler) checkNodes(ctx context.Context, data map[string]string) error {
	for name, text := range data {
		if entry, err := parseEntry(text); err != nil || !entry.Removed {
			continue
		}
		err := r.Names.Client.Get(ctx, client.ObjectKey{Name: name}, &corev1.Node{}, client.UnsafeDisableDeepCopy)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading Node %s: %w", name, err)
		}
		if err != nil {
			continue
		}
		if err := r.checkNode(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// findVanished returns the live names without a MesosNode.
func (r *Reconciler) findVanished(ctx context.Context, data map[string]string) (names []string, err error) {
	for name, text := range data {
		if entry, err := parseEntry(text); err != nil || entry.Removed {
			continue
		}
		err := r.Names.Client.Get(ctx, client.ObjectKey{Name: name}, &v1alpha1.MesosNode{}, client.UnsafeDisableDeepCopy)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading MesosNode %s: %w", name, err)
		}
		if err == nil {
			continue
		}
		record, err := r.readMesosNode(ctx, name) // The cache may lag.
		if err != nil {
			return nil, err
		}
		if record == nil {
			names = append(names, name)
		}
	}
	return names, nil
}
