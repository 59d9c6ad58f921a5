package poolnodes

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newPool() *v1alpha1.MesosNodePool {
	return &v1alpha1.MesosNodePool{ObjectMeta: metav1.ObjectMeta{Name: "general", UID: "pool"}}
}

// apiServer is one in memory, with a cache that can be made to lag.
type apiServer struct {
	client.WithWatch
	now time.Time
	// stale, when lagging, is what the cache shows.
	stale   []v1alpha1.MesosNode
	lagging bool
	// failCreate and failDelete are the answers to calls; do carries the call out.
	failCreate func(do func() error) error
	failDelete func(do func() error) error
	events     *events.FakeRecorder
}

func newAPIServer(t *testing.T, objects ...client.Object) *apiServer {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	return &apiServer{
		now: noon, events: events.NewFakeRecorder(100),
		WithWatch: fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
			WithIndex(&v1alpha1.MesosNode{}, fieldPool, PoolNames).Build(),
	}
}

// newStore is the Store of a process that has just begun.
func (a *apiServer) newStore() *Store {
	cached := interceptor.NewClient(a.WithWatch, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if nodes, ok := list.(*v1alpha1.MesosNodeList); ok && a.lagging {
				nodes.Items = slices.Clone(a.stale)
				return nil
			}
			return c.List(ctx, list, opts...)
		},
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			o.SetUID(types.UID("uid-" + o.GetName()))
			do := func() error { return c.Create(ctx, o, opts...) }
			if a.failCreate != nil {
				return a.failCreate(do)
			}
			return do()
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			do := func() error { return c.Delete(ctx, o, opts...) }
			if a.failDelete != nil {
				return a.failDelete(do)
			}
			return do()
		},
	})
	var names atomic.Int64
	return NewStore(Options{
		Client: cached, Live: a.WithWatch, Recorder: a.events, Now: func() time.Time { return a.now },
		Suffix: func() string { return fmt.Sprint(names.Add(1)) },
	})
}

// counts are the lengths of an Inventory.
type counts struct{ alive, leaving, pending, pendingDeletion, unseen int }

func (a *apiServer) check(t *testing.T, s *Store, want counts) Inventory {
	t.Helper()
	i, err := s.Inventory(t.Context(), newPool())
	if err != nil {
		t.Fatal(err)
	}
	if got := (counts{len(i.Alive), len(i.Leaving), i.Pending, i.PendingDeletion, i.Unseen}); got != want {
		t.Errorf("the pool has %+v, want %+v", got, want)
	}
	if settled := want.pending+want.pendingDeletion == 0; i.IsSettled() != settled {
		t.Errorf("settled %t, want %t", i.IsSettled(), settled)
	}
	return i
}

func TestUnseenChangesAreCounted(t *testing.T) {
	a := newAPIServer(t)
	s := a.newStore()
	a.check(t, s, counts{})
	a.lagging = true
	names, err := s.Create(t.Context(), newPool(), make([]nodemodel.Size, 2))
	slices.Sort(names)
	if diff := cmp.Diff([]string{"general-1", "general-2"}, names); diff != "" || err != nil {
		t.Fatalf("names (-want +got):\n%s%v", diff, err)
	}
	a.check(t, s, counts{pending: 2, unseen: 2})
	a.lagging = false
	seen := a.check(t, s, counts{alive: 2})
	if owner := metav1.GetControllerOf(seen.Alive[0]); owner == nil || owner.UID != "pool" {
		t.Errorf("the node is owned by %+v", owner)
	}

	for _, n := range seen.Alive {
		a.stale = append(a.stale, *n.DeepCopy())
	}
	a.lagging = true
	if n, err := s.Remove(t.Context(), newPool(), seen.Alive[:1]); n != 1 || err != nil {
		t.Fatalf("removed %d: %v", n, err)
	}
	a.check(t, s, counts{alive: 1, leaving: 1, pendingDeletion: 1, unseen: 1})
	a.lagging = false
	a.check(t, s, counts{alive: 1, leaving: 1})
	close(a.events.Events)
	var recorded []string
	for e := range a.events.Events {
		recorded = append(recorded, e)
	}
	if got := strings.Join(recorded, "\n"); !strings.Contains(got, "Created 2 nodes.") || !strings.Contains(got, "Removing 1 node.") || len(recorded) != 2 {
		t.Errorf("events:\n%s", got)
	}
}

func TestCreateErrors(t *testing.T) {
	resource := v1alpha1.GroupVersion.WithResource("mesosnodes").GroupResource()
	refused := apierrors.NewForbidden(resource, "", errors.New("quota"))
	lost := apierrors.NewTimeoutError("no answer", 0)
	for name, test := range map[string]struct {
		answer  func(do func() error) error
		after   time.Duration
		want    counts
		refused bool
	}{
		"a refused creation is not expected": {
			answer: func(func() error) error { return refused }},
		"a creation without an answer counts as a node": {
			answer: func(func() error) error { return lost }, want: counts{pending: 1, unseen: 1}},
		"a creation without an answer is dropped once the API server does not list the node": {
			answer: func(func() error) error { return lost }, after: VerifyAfter + time.Second},
		"a creation without an answer is a node once the API server lists it": {
			answer: func(do func() error) error { return errors.Join(do(), lost) }, after: VerifyAfter + time.Second, want: counts{alive: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPIServer(t)
			s := a.newStore()
			a.check(t, s, counts{})
			a.failCreate = test.answer
			if names, err := s.Create(t.Context(), newPool(), make([]nodemodel.Size, 1)); err == nil || names[0] != "" || !strings.Contains(err.Error(), "creating MesosNode general-1") {
				t.Errorf("names %v, %v: want no name and an error that has it", names, err)
			}
			a.now = a.now.Add(test.after)
			a.check(t, s, test.want)
		})
	}
}

func TestFailedDeletionLeavesTheNodeAlive(t *testing.T) {
	a := newAPIServer(t)
	s := a.newStore()
	a.check(t, s, counts{})
	if _, err := s.Create(t.Context(), newPool(), make([]nodemodel.Size, 1)); err != nil {
		t.Fatal(err)
	}
	node := a.check(t, s, counts{alive: 1}).Alive
	a.failDelete = func(func() error) error { return apierrors.NewTimeoutError("no answer", 0) }
	if n, err := s.Remove(t.Context(), newPool(), node); n != 0 || err == nil {
		t.Errorf("removed %d: %v", n, err)
	}
	a.check(t, s, counts{leaving: 1, pendingDeletion: 1, unseen: 1})
	a.now = a.now.Add(VerifyAfter + time.Second)
	a.check(t, s, counts{alive: 1})
}

func TestNewStoreReadsTheAPIServerFirst(t *testing.T) {
	a := newAPIServer(t)
	old := a.newStore()
	a.check(t, old, counts{})
	if _, err := old.Create(t.Context(), newPool(), make([]nodemodel.Size, 3)); err != nil {
		t.Fatal(err)
	}
	a.lagging = true // the cache of the new process is filled by an API server that lags
	a.check(t, a.newStore(), counts{pending: 3, unseen: 3})
}

func TestForeignNodesAreNotCounted(t *testing.T) {
	foreign := nodemodel.NewNode(newPool(), "foreign", nodemodel.Size{}) // has the label, and no owner
	other := nodemodel.NewNode(newPool(), "other", nodemodel.Size{})
	other.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: v1alpha1.GroupVersion.String(), Kind: "MesosNodePool", Name: "general", UID: "a pool before", Controller: new(true),
	}}
	a := newAPIServer(t, foreign, other)
	a.check(t, a.newStore(), counts{})
	if PoolOf(foreign) != "" || PoolOf(other) != "general" {
		t.Errorf("pools are %q and %q", PoolOf(foreign), PoolOf(other))
	}
}

func TestForgottenPoolHasNoExpectations(t *testing.T) {
	a := newAPIServer(t)
	s := a.newStore()
	a.check(t, s, counts{})
	a.failCreate = func(func() error) error { return apierrors.NewTimeoutError("no answer", 0) }
	if _, err := s.Create(t.Context(), newPool(), make([]nodemodel.Size, 1)); err == nil {
		t.Fatal("no error")
	}
	a.check(t, s, counts{pending: 1, unseen: 1})
	s.Forget("general")
	a.check(t, s, counts{})
}

func TestInParallelStopsAfterAFailure(t *testing.T) {
	var calls atomic.Int64
	failure := errors.New("refused")
	done, err := inParallel(1000, func(i int) error {
		if calls.Add(1) > 20 {
			return failure
		}
		return nil
	})
	if done != 20 || !errors.Is(err, failure) {
		t.Errorf("done %d: %v", done, err)
	}
	if n := calls.Load(); n > 20+parallel {
		t.Errorf("%d calls, want %d at most: the rest would fail alike", n, 20+parallel)
	}
	if done, err := inParallel(0, func(int) error { return failure }); done != 0 || err != nil {
		t.Errorf("of nothing: %d, %v", done, err)
	}
}
