package simulation

import (
	"context"
	"errors"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// laggingCache is the cache of a process. It receives the changes of each kind in order, with a
// delay.
type laggingCache struct {
	process *process
	server  *apiServer
	// secrets is the only namespace whose secrets are cached.
	secrets string

	mu        sync.Mutex
	informers map[kind]*informer
	indices   map[kind]map[string]client.IndexerFunc
	done      chan struct{}
}

var _ cache.Cache = (*laggingCache)(nil)

func newLaggingCache(p *process, s *apiServer, secrets string) *laggingCache {
	return &laggingCache{
		process: p, server: s, secrets: secrets, done: make(chan struct{}),
		informers: map[kind]*informer{}, indices: map[kind]map[string]client.IndexerFunc{},
	}
}

// Get reads from the cache.
func (c *laggingCache) Get(ctx context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	i, err := c.informer(ctx, into)
	if err != nil {
		return err
	}
	i.mu.Lock()
	found := i.objects[key]
	i.mu.Unlock()
	if found == nil {
		return notFound(i.kind, key.Name)
	}
	fill(into, deepCopy(found))
	return nil
}

// List reads from the cache.
func (c *laggingCache) List(ctx context.Context, into client.ObjectList, opts ...client.ListOption) error {
	i, err := c.informer(ctx, into)
	if err != nil {
		return err
	}
	c.mu.Lock()
	indices := c.indices[i.kind]
	c.mu.Unlock()
	values := func(o client.Object, field string) []string {
		if f := indices[field]; f != nil {
			return f(o)
		}
		return nil
	}
	return list(into, i.sorted(), values, opts)
}

// GetInformer returns the informer of a kind, and waits for its first list.
func (c *laggingCache) GetInformer(ctx context.Context, o client.Object, _ ...cache.InformerGetOption) (cache.Informer, error) {
	return c.informer(ctx, o)
}

// GetInformerForKind is not used by controllers that are made with objects.
func (c *laggingCache) GetInformerForKind(context.Context, schema.GroupVersionKind, ...cache.InformerGetOption) (cache.Informer, error) {
	return nil, errNotModelled
}

// RemoveInformer is not used.
func (c *laggingCache) RemoveInformer(context.Context, client.Object) error { return errNotModelled }

// IndexField makes a field selectable.
func (c *laggingCache) IndexField(_ context.Context, o client.Object, field string, of client.IndexerFunc) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := kindOf(o)
	if c.indices[k] == nil {
		c.indices[k] = map[string]client.IndexerFunc{}
	}
	c.indices[k][field] = of
	return nil
}

// Start waits for the end of the context, and stops the informers.
func (c *laggingCache) Start(ctx context.Context) error {
	<-ctx.Done()
	close(c.done)
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range c.informers {
		if i.watch != nil {
			c.server.unsubscribe(i.kind, i.watch)
		}
	}
	return nil
}

// WaitForCacheSync waits for all first lists.
func (c *laggingCache) WaitForCacheSync(ctx context.Context) bool {
	c.mu.Lock()
	informers := make([]*informer, 0, len(c.informers))
	for _, i := range c.informers {
		informers = append(informers, i)
	}
	c.mu.Unlock()
	for _, i := range informers {
		select {
		case <-i.synced:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (c *laggingCache) informer(ctx context.Context, o runtime.Object) (*informer, error) {
	return c.informerFor(ctx, kindOf(o))
}

func (c *laggingCache) informerFor(ctx context.Context, k kind) (*informer, error) {
	c.mu.Lock()
	i, ok := c.informers[k]
	if !ok {
		i = &informer{cache: c, kind: k, objects: map[client.ObjectKey]client.Object{}, synced: make(chan struct{})}
		c.informers[k] = i
		go i.listAndWatch()
	}
	c.mu.Unlock()
	select {
	case <-i.synced:
		return i, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
		return nil, errors.New("the cache has ended")
	}
}

// informer holds the cached objects of one kind.
type informer struct {
	cache *laggingCache
	kind  kind
	watch *watch

	mu       sync.Mutex
	objects  map[client.ObjectKey]client.Object
	handlers []toolscache.ResourceEventHandler
	last     time.Time // when the latest change in flight arrives
	synced   chan struct{}
}

// listAndWatch lists the objects after a delay, and subscribes to changes.
func (i *informer) listAndWatch() {
	p := i.cache.process
	r := p.world.rng.of(p.name + " watch " + string(i.kind))
	select {
	case <-time.After(r.delay(20*time.Millisecond, 0.1)):
	case <-i.cache.done:
		return
	}
	for p.world.conditions.apiDown() {
		select {
		case <-time.After(time.Second):
		case <-i.cache.done:
			return
		}
	}
	w, objects := i.cache.server.subscribe(i.kind, i.enqueue)
	i.cache.mu.Lock()
	i.watch = w
	i.cache.mu.Unlock()
	i.mu.Lock()
	for _, o := range objects {
		if i.isCached(o) {
			i.objects[client.ObjectKeyFromObject(o)] = o
		}
	}
	i.mu.Unlock()
	close(i.synced)
}

func (i *informer) isCached(o client.Object) bool {
	return i.kind != kindSecret || o.GetNamespace() == i.cache.secrets
}

// enqueue schedules the delivery of a change. The API server's lock is held.
func (i *informer) enqueue(c change) {
	of := c.after
	if of == nil {
		of = c.before
	}
	if !i.isCached(of) || i.cache.process.isOff() {
		return
	}
	p := i.cache.process
	due := time.Now().Add(p.world.conditions.watchDelay(p.world.rng.of(p.name + " watch " + name(i.kind, client.ObjectKeyFromObject(of)))))
	i.mu.Lock()
	if !due.After(i.last) {
		due = i.last.Add(1)
	}
	i.last = due
	i.mu.Unlock()
	time.AfterFunc(time.Until(due), func() { i.deliver(c) })
}

// deliver applies a change to the cache: at once, or when its process wakes.
func (i *informer) deliver(c change) {
	if i.cache.process.deferWhileFrozen(func() { i.apply(c) }) {
		return
	}
	i.apply(c)
}

func (i *informer) apply(c change) {
	i.mu.Lock()
	var was client.Object
	if c.after != nil {
		key := client.ObjectKeyFromObject(c.after)
		was = i.objects[key]
		i.objects[key] = c.after
	} else {
		delete(i.objects, client.ObjectKeyFromObject(c.before))
	}
	handlers := i.handlers
	i.mu.Unlock()
	for _, h := range handlers {
		switch {
		case c.after == nil:
			h.OnDelete(c.before)
		case was == nil:
			h.OnAdd(c.after, false)
		default:
			h.OnUpdate(was, c.after)
		}
	}
}

func (i *informer) sorted() []client.Object {
	i.mu.Lock()
	defer i.mu.Unlock()
	return sortedObjects(i.objects)
}

// AddEventHandler calls a handler for all objects, and then for all changes.
func (i *informer) AddEventHandler(h toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	i.mu.Lock()
	objects := sortedObjects(i.objects)
	i.handlers = append(i.handlers[:len(i.handlers):len(i.handlers)], h)
	i.mu.Unlock()
	for _, o := range objects {
		h.OnAdd(o, true)
	}
	return registration{}, nil
}

// AddEventHandlerWithResyncPeriod is AddEventHandler: there are no resyncs.
func (i *informer) AddEventHandlerWithResyncPeriod(h toolscache.ResourceEventHandler, _ time.Duration) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(h)
}

// AddEventHandlerWithOptions is AddEventHandler.
func (i *informer) AddEventHandlerWithOptions(h toolscache.ResourceEventHandler, _ toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	return i.AddEventHandler(h)
}

// RemoveEventHandler is not needed: handlers end with their process.
func (i *informer) RemoveEventHandler(toolscache.ResourceEventHandlerRegistration) error { return nil }

// AddIndexers is not used: see IndexField.
func (i *informer) AddIndexers(toolscache.Indexers) error { return errNotModelled }

// HasSynced reports whether the first list has arrived.
func (i *informer) HasSynced() bool {
	select {
	case <-i.synced:
		return true
	default:
		return false
	}
}

// HasSyncedChecker returns a channel-based HasSynced.
func (i *informer) HasSyncedChecker() toolscache.DoneChecker { return i }

// Name returns the informer's kind.
func (i *informer) Name() string { return string(i.kind) }

// Done is closed when the first list has arrived.
func (i *informer) Done() <-chan struct{} { return i.synced }

// IsStopped reports whether the cache has ended.
func (i *informer) IsStopped() bool {
	select {
	case <-i.cache.done:
		return true
	default:
		return false
	}
}

// registration is that of a handler, which is always synced.
type registration struct{}

func (registration) HasSynced() bool                            { return true }
func (r registration) HasSyncedChecker() toolscache.DoneChecker { return r }
func (registration) Name() string                               { return "simulation" }
func (registration) Done() <-chan struct{} {
	done := make(chan struct{})
	close(done)
	return done
}
