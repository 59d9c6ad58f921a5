package mesosnodepool

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/mesos/placement"
)

// noon is the time at which every test begins.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// fixture is a pool's life in a test: a reconciler whose cache lags behind an API server
// in memory for as long as the test wants.
type fixture struct {
	t          *testing.T
	live       client.WithWatch
	reconciler *Reconciler
	store      *forgettingStore
	now        time.Time
	capacity   placement.Capacity
	surveys    int // how often Mesos was asked
	// cachedNodes, when set, is what the cache shows of MesosNodes.
	cachedNodes []v1alpha1.MesosNode
	cacheFrozen bool
	// created and deleted are asked before and after a call to the API server.
	created func(do func() error) error
	deleted func(do func() error) error
	// kubelet that the template names, and why its nodes cannot be launched.
	kubelet    *v1alpha1.Artifact
	refusal    nodetemplate.Refusal
	resolveErr error
	names      atomic.Int64
	events     *events.FakeRecorder
	last       reconcile.Result
}

func newFixture(t *testing.T, replicas int32, objects ...client.Object) *fixture {
	t.Helper()
	straight := func(do func() error) error { return do() }
	s := &fixture{t: t, now: noon, created: straight, deleted: straight, events: events.NewFakeRecorder(1000)}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	builder := fake.NewClientBuilder().WithScheme(scheme).
		WithObjects(append(objects, newPool(replicas))...).
		WithStatusSubresource(&v1alpha1.MesosNode{}, &v1alpha1.MesosNodePool{}, &v1alpha1.MesosFramework{})
	if err := poolnodes.IndexByPool(t.Context(), indexer{builder}); err != nil {
		t.Fatal(err)
	}
	s.live = builder.Build()
	s.restart()
	return s
}

// indexer adds indexes to a client in memory.
type indexer struct{ *fake.ClientBuilder }

func (i indexer) IndexField(_ context.Context, object client.Object, field string, extract client.IndexerFunc) error {
	i.WithIndex(object, field, extract)
	return nil
}

// forgettingStore notes which pools are forgotten.
type forgettingStore struct {
	*poolnodes.Store
	forgotten []string
}

func (f *forgettingStore) Forget(pool string) {
	f.forgotten = append(f.forgotten, pool)
	f.Store.Forget(pool)
}

// restart makes a new process, which remembers nothing.
func (s *fixture) restart() {
	cached := interceptor.NewClient(s.live, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if nodes, ok := list.(*v1alpha1.MesosNodeList); ok && s.cacheFrozen {
				nodes.Items = slices.Clone(s.cachedNodes)
				return nil
			}
			return c.List(ctx, list, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			o.SetUID(types.UID("uid-" + o.GetName()))
			o.SetCreationTimestamp(metav1.NewTime(s.now))
			return s.created(func() error { return c.Create(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return s.deleted(func() error { return c.Delete(ctx, o, opts...) })
		},
	})
	now := func() time.Time { return s.now }
	s.store = &forgettingStore{Store: poolnodes.NewStore(poolnodes.Options{
		Client: cached, Live: s.live, Recorder: s.events, Now: now,
		Suffix: func() string { return fmt.Sprintf("%05d", s.names.Add(1)) },
	})}
	s.reconciler = NewReconciler(Options{Client: cached, Nodes: s.store, Agents: s, Runtimes: s, Recorder: s.events, Now: now})
}

func (s *fixture) Capacity(context.Context, string) placement.Capacity {
	s.surveys++
	return s.capacity
}

func (s *fixture) Resolve(_ context.Context, spec v1alpha1.NodeTemplateSpec) (resolved nodetemplate.Resolved, refusal nodetemplate.Refusal, _ error) {
	if s.kubelet != nil {
		resolved.Artifacts = []v1alpha1.Artifact{*s.kubelet}
	}
	if reason, message := nodetemplate.Check(spec); reason != "" {
		return resolved, nodetemplate.Refusal{Reason: reason, Message: message}, s.resolveErr
	}
	return resolved, s.refusal, s.resolveErr
}
func (s *fixture) Changes() <-chan event.GenericEvent { return nil }

func newPool(replicas int32) *v1alpha1.MesosNodePool {
	return &v1alpha1.MesosNodePool{
		ObjectMeta: metav1.ObjectMeta{Name: "general", UID: "pool", Generation: 1},
		Spec: v1alpha1.MesosNodePoolSpec{
			FrameworkRef: v1alpha1.FrameworkReference{Name: "default"},
			Replicas:     &replicas,
			Template: v1alpha1.NodeTemplate{Spec: v1alpha1.NodeTemplateSpec{
				Resources: v1alpha1.NodeResources{CPU: resource.MustParse("4"), Memory: resource.MustParse("8Gi")},
			}},
		},
	}
}

// newReadyFramework is a MesosFramework that is.
func newReadyFramework() *v1alpha1.MesosFramework {
	return &v1alpha1.MesosFramework{
		ObjectMeta: metav1.ObjectMeta{Name: "default"},
		Spec:       v1alpha1.MesosFrameworkSpec{Roles: []string{"k8sm", "other"}},
		Status: v1alpha1.MesosFrameworkStatus{Conditions: []metav1.Condition{
			{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSubscribed},
		}},
	}
}

// freezeCache makes the cache show what there is now until thaw is called.
func (s *fixture) freezeCache()   { s.cachedNodes, s.cacheFrozen = s.nodes(), true }
func (s *fixture) unfreezeCache() { s.cacheFrozen = false }

// reconcile reconciles the pool once, and fails the test on an error.
func (s *fixture) reconcile() {
	s.t.Helper()
	if err := s.tryReconcile(); err != nil {
		s.t.Fatalf("reconciling: %v", err)
	}
}

func (s *fixture) tryReconcile() (err error) {
	s.last, err = s.reconciler.Reconcile(context.Background(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "general"}})
	return err
}

// update changes the pool as a person would.
func (s *fixture) update(how func(*v1alpha1.MesosNodePool)) {
	s.t.Helper()
	pool := s.pool()
	how(pool)
	if err := s.live.Update(context.Background(), pool); err != nil {
		s.t.Fatal(err)
	}
}

func scale(replicas int32) func(*v1alpha1.MesosNodePool) {
	return func(p *v1alpha1.MesosNodePool) { p.Spec.Replicas = &replicas }
}

// pool reads the pool, nil when it is gone.
func (s *fixture) pool() *v1alpha1.MesosNodePool {
	s.t.Helper()
	pool := &v1alpha1.MesosNodePool{}
	err := s.live.Get(context.Background(), client.ObjectKey{Name: "general"}, pool)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return pool
}

// nodes reads all MesosNodes, as the API server has them.
func (s *fixture) nodes() []v1alpha1.MesosNode {
	s.t.Helper()
	var list v1alpha1.MesosNodeList
	if err := s.live.List(context.Background(), &list); err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

// alive names the MesosNodes that are not being deleted.
func (s *fixture) alive() []string {
	s.t.Helper()
	var names []string
	for _, n := range s.nodes() {
		if n.DeletionTimestamp.IsZero() {
			names = append(names, n.Name)
		}
	}
	return names
}

// setConditions sets conditions of a MesosNode, as its controller would.
func (s *fixture) setConditions(name string, conditions ...metav1.Condition) {
	s.t.Helper()
	node := &v1alpha1.MesosNode{}
	if err := s.live.Get(context.Background(), client.ObjectKey{Name: name}, node); err != nil {
		s.t.Fatal(err)
	}
	node.Status.Task = &v1alpha1.MesosTask{ID: name + ".1"}
	for _, c := range conditions {
		meta.SetStatusCondition(&node.Status.Conditions, c)
	}
	if err := s.live.Status().Update(context.Background(), node); err != nil {
		s.t.Fatal(err)
	}
}

// releaseDeleted lets all nodes go that are being deleted, as their controller would.
func (s *fixture) releaseDeleted() {
	s.t.Helper()
	for _, n := range s.nodes() {
		if n.DeletionTimestamp.IsZero() {
			continue
		}
		n.Finalizers = nil
		if err := s.live.Update(context.Background(), &n); client.IgnoreNotFound(err) != nil {
			s.t.Fatal(err)
		}
	}
}

// expectCondition checks a condition of the pool.
func (s *fixture) expectCondition(kind string, status metav1.ConditionStatus, reason, says string) {
	s.t.Helper()
	c := meta.FindStatusCondition(s.pool().Status.Conditions, kind)
	if c == nil {
		s.t.Fatalf("condition %s is not set", kind)
	}
	if c.Status != status || c.Reason != reason || !strings.Contains(c.Message, says) {
		s.t.Errorf("%s is %s/%s (%s), want %s/%s with %q", kind, c.Status, c.Reason, c.Message, status, reason, says)
	}
}

// Conditions of nodes.
var (
	isRegistered = metav1.Condition{Type: v1alpha1.ConditionRegistered, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonNodeRegistered}
	isReady      = metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonNodeReady}
	isSilent     = metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonNodeNotReady, Message: "kubelet stopped posting"}
	isStarting   = metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonTaskStaging, Message: "agent-1 fetches"}
	isWaiting    = metav1.Condition{Type: v1alpha1.ConditionLaunched, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonWaitingForOffer, Message: "0 of 2 agents fit"}
	isUnheard    = metav1.Condition{Type: v1alpha1.ConditionLaunched, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonWaitingForOffer}
)

// agents are a cluster's: one, of so many cpus, with so many of them free.
func agents(t testing.TB, cpus, free float64) placement.Capacity {
	t.Helper()
	known := func(cpus float64) []*placement.Offer {
		o, err := placement.NewSyntheticOffer(placement.Agent{ID: "S3", Hostname: "agent-3"}, "k8sm", nil, placement.Resources{CPUs: cpus, MemMiB: 65536, Ports: 1000})
		if err != nil {
			t.Fatal(err)
		}
		return []*placement.Offer{o}
	}
	return placement.Capacity{SurveyedAt: noon, Totals: known(cpus), Free: placement.Input{Offers: known(free)}}
}
