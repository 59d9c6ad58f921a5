package nodepool

import (
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// expectations remember, for each pool, what was done and the cache does not show yet.
// They are filled before the API server is called, so that a call whose answer was lost
// counts as well. They live in memory: a new process fills them from the API server.
type expectations struct {
	mu    sync.Mutex
	pools map[string]*expected
}

// expected is what the cache has yet to show of one pool.
type expected struct {
	uid     types.UID               // of the pool: another one of its name starts anew
	created map[string]time.Time    // MesosNodes by name, and when they were created
	deleted map[types.UID]time.Time // MesosNodes that may look alive still, and when they were deleted
}

func newExpectations() *expectations {
	return &expectations{pools: map[string]*expected{}}
}

// begin tells whether the pool is known already; if not, it is from now on.
func (e *expectations) begin(pool *v1alpha1.MesosNodePool) (known bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x, ok := e.pools[pool.Name]; ok && x.uid == pool.UID {
		return true
	}
	e.pools[pool.Name] = &expected{uid: pool.UID, created: map[string]time.Time{}, deleted: map[types.UID]time.Time{}}
	return false
}

// forget drops a pool that is gone.
func (e *expectations) forget(pool string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.pools, pool)
}

// create expects a node to appear.
func (e *expectations) create(pool, node string, now time.Time) {
	e.with(pool, func(x *expected) { x.created[node] = now })
}

// refused takes back that a node will appear.
func (e *expectations) refused(pool, node string) {
	e.with(pool, func(x *expected) { delete(x.created, node) })
}

// remove expects a node to go.
func (e *expectations) remove(pool string, node types.UID, now time.Time) {
	e.with(pool, func(x *expected) { x.deleted[node] = now })
}

// kept takes back that a node will go.
func (e *expectations) kept(pool string, node types.UID) {
	e.with(pool, func(x *expected) { delete(x.deleted, node) })
}

// settle drops what the cache shows by now, and sorts its nodes by what is known beyond
// it. A deleted node that the cache does not have at all is remembered for a while: it
// may have to appear before it can go.
func (e *expectations) settle(pool string, nodes []v1alpha1.MesosNode, now time.Time) (seen inventory) {
	e.with(pool, func(x *expected) {
		for i := range nodes {
			node := &nodes[i]
			delete(x.created, node.Name)
			if _, deleted := x.deleted[node.UID]; !deleted && node.DeletionTimestamp.IsZero() {
				seen.alive = append(seen.alive, node)
				continue
			}
			seen.leaving = append(seen.leaving, node)
			if node.DeletionTimestamp.IsZero() {
				x.deleted[node.UID] = now
			}
		}
		for uid, when := range x.deleted {
			if now.Sub(when) > patience {
				delete(x.deleted, uid)
			}
		}
		seen.pending = len(x.created)
	})
	return seen
}

// overdue names, in order, the nodes that should have appeared before the given time.
func (e *expectations) overdue(pool string, before time.Time) []string {
	var names []string
	e.with(pool, func(x *expected) {
		for name, created := range x.created {
			if created.Before(before) {
				names = append(names, name)
			}
		}
	})
	slices.Sort(names)
	return names
}

// with does something about a pool that has begun.
func (e *expectations) with(pool string, do func(*expected)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if x, ok := e.pools[pool]; ok {
		do(x)
	}
}

// inventory are a pool's nodes, sorted by what is known of them.
type inventory struct {
	// alive are not being deleted; leaving are, though the cache may not show it yet.
	alive, leaving []*v1alpha1.MesosNode
	// pending were created, and cannot be seen yet.
	pending int
}
