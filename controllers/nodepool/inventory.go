package nodepool

import (
	"context"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// patience is how long the cache may take to show a node that was created, until the
// API server is asked whether there is one.
const patience = 5 * time.Second

// inventory reads the pool's nodes from the cache, and sorts them by what is known
// beyond it. The nodes are the cache's own: they are not to be changed.
func (r *Reconciler) inventory(ctx context.Context, pool *v1alpha1.MesosNodePool) (inventory, error) {
	if err := r.remember(ctx, pool); err != nil {
		return inventory{}, err
	}
	var nodes v1alpha1.MesosNodeList
	if err := r.Client.List(ctx, &nodes, client.MatchingFields{fieldPool: pool.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return inventory{}, fmt.Errorf("listing the pool's MesosNodes: %w", err)
	}
	nodes.Items = slices.DeleteFunc(nodes.Items, func(n v1alpha1.MesosNode) bool { return !metav1.IsControlledBy(&n, pool) })
	seen := r.expectations.settle(pool.Name, nodes.Items, r.Now())
	missed, err := r.missed(ctx, pool)
	seen.pending -= missed
	return seen, err
}

// missed asks the API server for the nodes that should have appeared long since, and
// counts those that are not there: what was to create them failed, or they have come
// and gone between two looks of the cache.
func (r *Reconciler) missed(ctx context.Context, pool *v1alpha1.MesosNodePool) (n int, err error) {
	for _, name := range r.expectations.overdue(pool.Name, r.Now().Add(-patience)) {
		err := r.Live.Get(ctx, client.ObjectKey{Name: name}, &v1alpha1.MesosNode{})
		if client.IgnoreNotFound(err) != nil {
			return n, fmt.Errorf("looking for MesosNode %s: %w", name, err)
		}
		if apierrors.IsNotFound(err) {
			r.expectations.refused(pool.Name, name)
			n++
		}
	}
	return n, nil
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
			r.expectations.remove(pool.Name, node.UID, r.Now())
		}
	}
	return nil
}
