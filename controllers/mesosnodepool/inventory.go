package mesosnodepool

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// inventory reads the pool's nodes from the cache, and sorts them by what is known
// beyond it. The nodes are the cache's own: they are not to be changed.
func (r *Reconciler) inventory(ctx context.Context, pool *v1alpha1.MesosNodePool) (inventory, error) {
	if err := r.remember(ctx, pool); err != nil {
		return inventory{}, err
	}
	if err := r.verify(ctx, pool.Name); err != nil {
		return inventory{}, err
	}
	r.looking.Lock()
	defer r.looking.Unlock()
	var nodes v1alpha1.MesosNodeList
	if err := r.Client.List(ctx, &nodes, client.MatchingFields{fieldPool: pool.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return inventory{}, fmt.Errorf("listing the pool's MesosNodes: %w", err)
	}
	own := slices.DeleteFunc(nodes.Items, func(n v1alpha1.MesosNode) bool { return !metav1.IsControlledBy(&n, pool) })
	return r.expectations.settle(pool.Name, own, r.Now()), nil
}

// Fleet are the nodes of a pool, for whoever decides in its stead.
type Fleet struct {
	// Alive are not being deleted; Leaving are. They are the cache's own: they are not to
	// be changed.
	Alive, Leaving []*v1alpha1.MesosNode
	// Settled is false while the cache does not show all that was created and deleted. A
	// decision now would be made a second time.
	Settled bool
}

// Fleet tells what nodes a pool has.
func (r *Reconciler) Fleet(ctx context.Context, pool *v1alpha1.MesosNodePool) (Fleet, error) {
	seen, err := r.inventory(ctx, pool)
	return Fleet{Alive: seen.alive, Leaving: seen.leaving, Settled: seen.pending+seen.doomed == 0}, err
}

// remember fills the expectations of a pool that this process has not seen before: the
// cache may have been filled by an API server that lags behind what another operator
// wrote a moment ago.
func (r *Reconciler) remember(ctx context.Context, pool *v1alpha1.MesosNodePool) error {
	if r.expectations.begin(pool) {
		return nil
	}
	nodes := metav1.PartialObjectMetadataList{}
	nodes.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MesosNodeList"))
	if err := r.Live.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: pool.Name}); err != nil {
		r.expectations.forget(pool.Name)
		return fmt.Errorf("listing the pool's MesosNodes from the API server: %w", err)
	}
	for i := range nodes.Items {
		node := &nodes.Items[i]
		if !metav1.IsControlledBy(node, pool) {
			continue
		}
		r.expectations.create(pool.Name, node.Name, r.Now())
		if !node.DeletionTimestamp.IsZero() {
			r.expectations.remove(pool.Name, node.Name, node.UID, r.Now())
		}
	}
	return nil
}

// verify asks the API server about what the cache should have shown long since: a node
// that was to be created and is not there, or was to be deleted and is. The call that
// was to do it failed without an answer; or the node has come and gone between two
// looks of the cache.
func (r *Reconciler) verify(ctx context.Context, pool string) error {
	for _, what := range r.expectations.overdue(pool, r.Now()) {
		node := &metav1.PartialObjectMetadata{}
		node.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MesosNode"))
		err := r.Live.Get(ctx, client.ObjectKey{Name: what.name}, node)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("looking for MesosNode %s: %w", what.name, err)
		}
		absent := apierrors.IsNotFound(err)
		alive := !absent && node.UID == what.uid && node.DeletionTimestamp.IsZero()
		if what.uid == "" && absent || what.uid != "" && alive {
			r.expectations.drop(pool, what)
		}
	}
	return nil
}
