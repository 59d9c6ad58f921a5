package poolnodes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

const (
	// parallel bounds the number of calls to the API server that are made at a time.
	parallel = 10
	// suffixLength is the number of random characters that follow the pool's name in a
	// node's.
	suffixLength = 5
)

// Options are what a Store is made of. All but Revision and Suffix are needed.
type Options struct {
	// Client reads from the manager's cache, which must have the index of IndexByPool, and
	// writes to the API server.
	Client client.Client
	// Live reads from the API server: what the cache is slow to show.
	Live client.Reader
	// Recorder takes events on the pools.
	Recorder events.EventRecorder
	// Now is the clock.
	Now func() time.Time
	// Revision returns the revision of the nodes that are created in a pool now, empty if none
	// can be made of its template. Nodes have none unless it is set.
	Revision func(pool *v1alpha1.MesosNodePool) string
	// Suffix makes the names of a pool's nodes differ. It is random unless set.
	Suffix func() string
}

// Store reads, creates and deletes the nodes of pools, and remembers of what it did all that
// the cache does not show yet. All who create or delete nodes of a pool must share one. It is
// safe for concurrent use.
type Store struct {
	client   client.Client
	live     client.Reader
	recorder events.EventRecorder
	now      func() time.Time
	revision func(*v1alpha1.MesosNodePool) string
	suffix   func() string

	expectations *expectations
	// mu is held while the cache is read and compared with what is expected, so that a later
	// reader sees at least as much, and until removals that were chosen by that are expected.
	mu sync.Mutex
}

// NewStore returns a Store that has created and deleted nothing yet.
func NewStore(o Options) *Store {
	if o.Revision == nil {
		o.Revision = func(*v1alpha1.MesosNodePool) string { return "" }
	}
	if o.Suffix == nil {
		o.Suffix = func() string { return utilrand.String(suffixLength) }
	}
	return &Store{
		client: o.Client, live: o.Live, recorder: o.Recorder, now: o.Now, revision: o.Revision, suffix: o.Suffix,
		expectations: newExpectations(),
	}
}

// Create creates a node of each of the sizes in the pool, and records an event. The names
// are in the order of the sizes, "" in the place of a node that was not created; the error
// then has the reason.
func (s *Store) Create(ctx context.Context, pool *v1alpha1.MesosNodePool, sizes []nodemodel.Size) (names []string, err error) {
	names = make([]string, len(sizes))
	created, err := inParallel(len(sizes), func(i int) error {
		name, err := s.create(ctx, pool, sizes[i])
		names[i] = name
		return err
	})
	s.recordCreated(pool, created)
	return names, err
}

// Remove deletes nodes of the pool, whatever its disruption budgets are, and records an event. It is
// for nodes that cannot stay. The controller of MesosNodes drains and releases them. Removed counts
// the nodes that were deleted; the error has the reason if some were not.
func (s *Store) Remove(ctx context.Context, pool *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (removed int, err error) {
	names, err := s.removeAll(ctx, pool, nodes)
	return len(names), err
}

// removeAll deletes nodes, records an event, and returns the names of those that were deleted.
func (s *Store) removeAll(ctx context.Context, pool *v1alpha1.MesosNodePool, nodes []*v1alpha1.MesosNode) (names []string, err error) {
	removed := make([]bool, len(nodes))
	n, err := inParallel(len(nodes), func(i int) error {
		err := s.remove(ctx, pool, nodes[i])
		removed[i] = err == nil
		return err
	})
	for i, node := range nodes {
		if removed[i] {
			names = append(names, node.Name)
		}
	}
	s.recordRemoved(pool, n)
	return names, err
}

// create creates one node. It is expected before the API server is asked, and only a
// plain refusal takes that back: if the answer is lost the node may exist.
func (s *Store) create(ctx context.Context, pool *v1alpha1.MesosNodePool, size nodemodel.Size) (name string, err error) {
	node := nodemodel.NewNode(pool, nodemodel.NodeName(pool.Name, s.suffix()), size)
	if revision := s.revision(pool); revision != "" {
		node.Labels[v1alpha1.LabelRevision] = revision
	}
	if err := controllerutil.SetControllerReference(pool, node, s.client.Scheme()); err != nil {
		return "", fmt.Errorf("owning MesosNode %s: %w", node.Name, err)
	}
	s.expectations.create(pool.Name, node.Name, s.now())
	if err := s.client.Create(ctx, node); err != nil {
		if isRefused(err) {
			s.expectations.drop(pool.Name, expectation{name: node.Name})
		}
		return "", fmt.Errorf("creating MesosNode %s: %w", node.Name, err)
	}
	return node.Name, nil
}

// remove deletes one node.
func (s *Store) remove(ctx context.Context, pool *v1alpha1.MesosNodePool, node *v1alpha1.MesosNode) error {
	s.expectations.remove(pool.Name, node.Name, node.UID, s.now())
	uid := node.UID
	err := s.client.Delete(ctx, node.DeepCopy(), client.Preconditions{UID: &uid})
	if client.IgnoreNotFound(err) == nil {
		return nil
	}
	if isRefused(err) {
		s.expectations.drop(pool.Name, expectation{name: node.Name, uid: node.UID})
	}
	return fmt.Errorf("deleting MesosNode %s: %w", node.Name, err)
}

// isRefused reports whether the API server answered that it did not do what it was asked.
// After a time-out, or no answer at all, it may have.
func isRefused(err error) bool {
	return apierrors.IsAlreadyExists(err) || apierrors.IsInvalid(err) || apierrors.IsForbidden(err) ||
		apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) || apierrors.IsConflict(err) ||
		apierrors.IsTooManyRequests(err) || apierrors.IsUnauthorized(err) || apierrors.IsMethodNotSupported(err)
}

// inParallel calls do for 0 to n-1, a few at a time, and counts the successes. After the
// first failure it begins no more calls: the rest would most likely fail alike.
func inParallel(n int, do func(int) error) (done int, err error) {
	var (
		mu   sync.Mutex
		next int
		wg   sync.WaitGroup
	)
	take := func() (int, bool) {
		mu.Lock()
		defer mu.Unlock()
		if next >= n || err != nil {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for range min(n, parallel) {
		wg.Go(func() {
			for i, ok := take(); ok; i, ok = take() {
				failed := do(i)
				mu.Lock()
				if failed == nil {
					done++
				}
				err = errors.Join(err, failed)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return done, err
}
