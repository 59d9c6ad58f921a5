package poolnodes

import (
	"cmp"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// VerifyAfter is the time that the cache may take to show a creation or deletion, until the
// API server is asked whether it took place.
const VerifyAfter = 5 * time.Second

// expectations remember, for each pool, the creations and deletions that the cache does not show
// yet. They are filled before the API server is called, so that a call whose answer was lost
// counts as well. They live in memory: a new process fills them from the API server.
type expectations struct {
	mu    sync.Mutex
	pools map[string]*poolExpectations
}

// poolExpectations is what the cache does not show yet of one pool.
type poolExpectations struct {
	uid     types.UID                 // of the pool: another pool of the same name starts anew
	created map[string]expectation    // by name
	deleted map[types.UID]expectation // the cache may still show them alive
}

// expectation is the creation or deletion of one MesosNode.
type expectation struct {
	name string
	uid  types.UID // of a node that was deleted; empty for one that was created
	at   time.Time
}

func newExpectations() *expectations {
	return &expectations{pools: map[string]*poolExpectations{}}
}

// isTracked reports whether what is done to a pool is remembered.
func (e *expectations) isTracked(pool *v1alpha1.MesosNodePool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	x, ok := e.pools[pool.Name]
	return ok && x.uid == pool.UID
}

// track begins to remember what is done to a pool, unless that had begun before. Nodes are those
// that the API server has: the cache is expected to show them, and the end of those that are
// being deleted.
func (e *expectations) track(pool *v1alpha1.MesosNodePool, nodes []metav1.PartialObjectMetadata, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x, ok := e.pools[pool.Name]; ok && x.uid == pool.UID {
		return
	}
	x := &poolExpectations{uid: pool.UID, created: map[string]expectation{}, deleted: map[types.UID]expectation{}}
	for i := range nodes {
		node := &nodes[i]
		x.created[node.Name] = expectation{name: node.Name, at: now}
		if !node.DeletionTimestamp.IsZero() {
			x.deleted[node.UID] = expectation{name: node.Name, uid: node.UID, at: now}
		}
	}
	e.pools[pool.Name] = x
}

// forget drops a pool that is gone.
func (e *expectations) forget(pool string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pools, pool)
}

// create expects a node to appear.
func (e *expectations) create(pool, name string, now time.Time) {
	e.withPool(pool, func(x *poolExpectations) { x.created[name] = expectation{name: name, at: now} })
}

// remove expects a node to be deleted.
func (e *expectations) remove(pool, name string, uid types.UID, now time.Time) {
	e.withPool(pool, func(x *poolExpectations) { x.deleted[uid] = expectation{name: name, uid: uid, at: now} })
}

// drop removes an expectation that has not come true and will not.
func (e *expectations) drop(pool string, what expectation) {
	e.withPool(pool, func(x *poolExpectations) {
		if what.uid == "" {
			delete(x.created, what.name)
			return
		}
		delete(x.deleted, what.uid)
	})
}

// observe drops the expectations that the cache meets by now, and sorts its nodes by what is
// known beyond it. A deletion of a node that the cache does not have is remembered for
// VerifyAfter: the cache may have to show the node before it can show its end.
func (e *expectations) observe(pool string, nodes []v1alpha1.MesosNode, now time.Time) (seen Inventory) {
	e.withPool(pool, func(x *poolExpectations) {
		going := map[types.UID]expectation{}
		for i := range nodes {
			node := &nodes[i]
			delete(x.created, node.Name)
			deleted, told := x.deleted[node.UID]
			delete(x.deleted, node.UID)
			switch {
			case !node.DeletionTimestamp.IsZero():
				seen.Leaving = append(seen.Leaving, node)
			case told:
				going[node.UID] = deleted
				seen.PendingDeletion++
				seen.Leaving = append(seen.Leaving, node)
			default:
				seen.Alive = append(seen.Alive, node)
			}
		}
		for uid, absent := range x.deleted {
			if now.Sub(absent.at) <= VerifyAfter {
				going[uid] = absent
			}
		}
		x.deleted = going
		seen.Pending = len(x.created)
		seen.Unseen = len(x.created) + len(going)
	})
	return seen
}

// overdue lists, by name, the expectations that the cache should have met by now.
func (e *expectations) overdue(pool string, now time.Time) []expectation {
	var late []expectation
	add := func(what expectation) {
		if now.Sub(what.at) > VerifyAfter {
			late = append(late, what)
		}
	}
	e.withPool(pool, func(x *poolExpectations) {
		for _, what := range x.created {
			add(what)
		}
		for _, what := range x.deleted {
			add(what)
		}
	})
	slices.SortFunc(late, func(a, b expectation) int {
		return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.uid, b.uid))
	})
	return late
}

// withPool calls do with the expectations of a pool that is tracked, under the lock.
func (e *expectations) withPool(pool string, do func(*poolExpectations)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x, ok := e.pools[pool]; ok {
		do(x)
	}
}
