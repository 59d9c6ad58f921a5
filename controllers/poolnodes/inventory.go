package poolnodes

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// fieldPool indexes MesosNodes by the name of the pool that controls them.
const fieldPool = "k8sm.pool"

// IndexByPool adds the index to a cache by which a Store finds the nodes of a pool.
func IndexByPool(ctx context.Context, indexer client.FieldIndexer) error {
	if err := indexer.IndexField(ctx, &v1alpha1.MesosNode{}, fieldPool, PoolNames); err != nil {
		return fmt.Errorf("indexing MesosNodes by pool: %w", err)
	}
	return nil
}

// PoolOf names the pool that controls a MesosNode, "" if none does.
func PoolOf(node client.Object) string {
	owner := metav1.GetControllerOf(node)
	if owner == nil || owner.Kind != "MesosNodePool" {
		return ""
	}
	return owner.Name
}

// PoolNames returns the name of the pool that controls a MesosNode, and nothing if none does.
func PoolNames(node client.Object) []string {
	if pool := PoolOf(node); pool != "" {
		return []string{pool}
	}
	return nil
}

// Inventory is the nodes of a pool, sorted by what is known of them beyond the cache. The
// nodes are the cache's own: they must not be changed.
type Inventory struct {
	// Alive are not being deleted; Leaving are, though the cache may not show it yet.
	Alive, Leaving []*v1alpha1.MesosNode
	// Pending counts the nodes that were created and that the cache does not show yet.
	Pending int
	// PendingDeletion counts the nodes of Leaving whose deletion the cache does not show yet.
	PendingDeletion int
	// Unseen counts all creations and deletions that the cache does not show yet, also of
	// nodes that it has never shown.
	Unseen int
}

// IsSettled reports whether the cache shows all nodes that were created, and the end of all
// that were deleted. While it does not, who decides on the nodes of a pool would decide the
// same a second time.
func (i Inventory) IsSettled() bool { return i.Pending+i.PendingDeletion == 0 }

// Inventory reads the pool's nodes from the cache, and sorts them by what is known beyond it.
func (s *Store) Inventory(ctx context.Context, pool *v1alpha1.MesosNodePool) (Inventory, error) {
	if err := s.verify(ctx, pool); err != nil {
		return Inventory{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.read(ctx, pool)
}

// verify asks the API server what it must be asked before the cache can be believed.
func (s *Store) verify(ctx context.Context, pool *v1alpha1.MesosNodePool) error {
	if err := s.trackPool(ctx, pool); err != nil {
		return err
	}
	return s.verifyOverdue(ctx, pool.Name)
}

// read reads the pool's nodes from the cache. The caller has called verify, and holds mu now: no
// lock is held during a call to the API server.
func (s *Store) read(ctx context.Context, pool *v1alpha1.MesosNodePool) (Inventory, error) {
	var nodes v1alpha1.MesosNodeList
	if err := s.client.List(ctx, &nodes, client.MatchingFields{fieldPool: pool.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return Inventory{}, fmt.Errorf("listing the pool's MesosNodes: %w", err)
	}
	own := slices.DeleteFunc(nodes.Items, func(n v1alpha1.MesosNode) bool { return !metav1.IsControlledBy(&n, pool) })
	return s.expectations.observe(pool.Name, own, s.now()), nil
}

// Forget drops all that is remembered of a pool that is gone.
func (s *Store) Forget(pool string) { s.expectations.forget(pool) }

// trackPool fills the expectations of a pool that this process has not seen before: the
// cache may have been filled by an API server that lags behind what another operator
// wrote a moment ago. The pool is known once the API server has answered. Callers that come
// before ask it as well; the first answer counts, since nodes may have been created after it.
func (s *Store) trackPool(ctx context.Context, pool *v1alpha1.MesosNodePool) error {
	if s.expectations.isTracked(pool) {
		return nil
	}
	nodes := metav1.PartialObjectMetadataList{}
	nodes.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MesosNodeList"))
	if err := s.live.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: pool.Name}); err != nil {
		return fmt.Errorf("listing the pool's MesosNodes from the API server: %w", err)
	}
	nodes.Items = slices.DeleteFunc(nodes.Items, func(n metav1.PartialObjectMetadata) bool { return !metav1.IsControlledBy(&n, pool) })
	s.expectations.track(pool, nodes.Items, s.now())
	return nil
}

// verifyOverdue asks the API server about what the cache should have shown long since: a node
// whose creation or deletion it does not show. Either that call failed without an answer, or
// the node has come and gone between two events of the cache.
func (s *Store) verifyOverdue(ctx context.Context, pool string) error {
	for _, what := range s.expectations.overdue(pool, s.now()) {
		node := &metav1.PartialObjectMetadata{}
		node.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("MesosNode"))
		err := s.live.Get(ctx, client.ObjectKey{Name: what.name}, node)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("looking for MesosNode %s: %w", what.name, err)
		}
		absent := apierrors.IsNotFound(err)
		alive := !absent && node.UID == what.uid && node.DeletionTimestamp.IsZero()
		if what.uid == "" && absent || what.uid != "" && alive {
			s.expectations.drop(pool, what)
		}
	}
	return nil
}
