package poolnodes

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

var (
	errBroken = errors.New("no route to host")
	mesosnode = v1alpha1.GroupVersion.WithResource("mesosnodes").GroupResource()
)

// failing is a client whose List and Get fail while err is set.
type failing struct{ err error }

func (f *failing) of(c client.WithWatch) client.WithWatch {
	return interceptor.NewClient(c, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if f.err != nil {
				return f.err
			}
			return c.List(ctx, list, opts...)
		},
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
			if f.err != nil {
				return f.err
			}
			return c.Get(ctx, key, object, opts...)
		},
	})
}

// A store that could not read what exists must not report an empty pool, or the pool would be
// created a second time.
func TestInventoryFailsUntilTheAPIServerWasRead(t *testing.T) {
	a := newAPIServer(t)
	old := a.newStore()
	a.check(t, old, counts{})
	if _, err := old.Create(t.Context(), newPool(), make([]nodemodel.Size, 2)); err != nil {
		t.Fatal(err)
	}
	live := &failing{err: errBroken}
	s := a.newStore()
	s.live = live.of(a.WithWatch)
	a.lagging = true
	for range 2 {
		if _, err := s.Inventory(t.Context(), newPool()); !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "from the API server") {
			t.Errorf("got %v", err)
		}
	}
	live.err = nil
	a.check(t, s, counts{pending: 2, unseen: 2})
}

func TestInventoryFailsWhenTheCacheCannotBeListed(t *testing.T) {
	a := newAPIServer(t)
	s := a.newStore()
	a.check(t, s, counts{})
	s.client = (&failing{err: errBroken}).of(a.WithWatch)
	if _, err := s.Inventory(t.Context(), newPool()); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

// While the API server cannot confirm that an overdue node does not exist, the node counts.
func TestOverdueNodesCountWhileTheAPIServerDoesNotAnswer(t *testing.T) {
	a := newAPIServer(t)
	live := &failing{}
	s := a.newStore()
	s.live = live.of(a.WithWatch)
	a.check(t, s, counts{})
	a.failCreate = func(func() error) error { return apierrors.NewTimeoutError("no answer", 0) }
	if _, err := s.Create(t.Context(), newPool(), make([]nodemodel.Size, 1)); err == nil {
		t.Fatal("no error")
	}
	live.err = errBroken
	a.now = a.now.Add(VerifyAfter + time.Second)
	if _, err := s.Inventory(t.Context(), newPool()); !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "general-1") {
		t.Errorf("got %v", err)
	}
	live.err = nil
	a.check(t, s, counts{})
}

func TestNamesAreInTheOrderOfTheSizes(t *testing.T) {
	a := newAPIServer(t)
	s := a.newStore()
	a.check(t, s, counts{})
	sizes := make([]nodemodel.Size, 5)
	for i := range sizes {
		sizes[i].Zone = string(rune('a' + i))
	}
	names, err := s.Create(t.Context(), newPool(), sizes)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		n := &v1alpha1.MesosNode{}
		if err := a.Get(t.Context(), client.ObjectKey{Name: name}, n); err != nil {
			t.Fatal(err)
		}
		if c := n.Spec.Placement.Constraints; len(c) != 1 || c[0].Values[0] != sizes[i].Zone {
			t.Errorf("the node at %d has the constraints %v, want zone %s", i, c, sizes[i].Zone)
		}
	}
}

func TestNodesNeedAPoolThatCanOwnThem(t *testing.T) {
	a := newAPIServer(t)
	s := a.newStore()
	a.check(t, s, counts{})
	s.client = clientWithoutTypes{s.client}
	names, err := s.Create(t.Context(), newPool(), make([]nodemodel.Size, 1))
	if err == nil || !strings.Contains(err.Error(), "owning MesosNode general-1") || names[0] != "" {
		t.Errorf("names %v, error %v", names, err)
	}
	if len(a.events.Events) > 0 {
		t.Errorf("an event was recorded: %s", <-a.events.Events)
	}
}

// clientWithoutTypes is a client whose scheme is empty.
type clientWithoutTypes struct{ client.Client }

func (clientWithoutTypes) Scheme() *runtime.Scheme { return runtime.NewScheme() }

func TestDeletionErrors(t *testing.T) {
	for name, test := range map[string]struct {
		answer  error
		removed int
		want    counts
	}{
		"a node that is gone already counts as removed": {apierrors.NewNotFound(mesosnode, "general-1"), 1, counts{leaving: 1, pendingDeletion: 1, unseen: 1}},
		"a refused deletion is not expected":            {apierrors.NewForbidden(mesosnode, "general-1", errBroken), 0, counts{alive: 1}},
		"a deletion without an answer is expected":      {errBroken, 0, counts{leaving: 1, pendingDeletion: 1, unseen: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAPIServer(t)
			s := a.newStore()
			a.check(t, s, counts{})
			if _, err := s.Create(t.Context(), newPool(), make([]nodemodel.Size, 1)); err != nil {
				t.Fatal(err)
			}
			node := a.check(t, s, counts{alive: 1}).Alive
			a.failDelete = func(func() error) error { return test.answer }
			removed, err := s.Remove(t.Context(), newPool(), node)
			if removed != test.removed || (err == nil) != (test.removed == 1) {
				t.Errorf("removed %d: %v", removed, err)
			}
			a.check(t, s, test.want)
		})
	}
}

// A node that another process deleted and created again in between has another UID.
func TestDeletionIsOfTheNodeThatWasSeen(t *testing.T) {
	a := newAPIServer(t)
	s := a.newStore()
	a.check(t, s, counts{})
	var options []client.DeleteOption
	s.client = interceptor.NewClient(a.WithWatch, interceptor.Funcs{
		Delete: func(_ context.Context, _ client.WithWatch, _ client.Object, opts ...client.DeleteOption) error {
			options = opts
			return nil
		},
	})
	node := nodemodel.NewNode(newPool(), "general-1", nodemodel.Size{})
	node.UID = "seen"
	if _, err := s.Remove(t.Context(), newPool(), []*v1alpha1.MesosNode{node}); err != nil {
		t.Fatal(err)
	}
	given := (&client.DeleteOptions{}).ApplyOptions(options).Preconditions
	if given == nil || given.UID == nil || *given.UID != "seen" {
		t.Errorf("the deletion has the preconditions %v", given)
	}
}

func TestOnlyPlainRefusalsAreRefusals(t *testing.T) {
	for _, err := range []error{
		apierrors.NewAlreadyExists(mesosnode, "a"), apierrors.NewForbidden(mesosnode, "a", nil), apierrors.NewBadRequest("x"),
		apierrors.NewNotFound(mesosnode, "a"), apierrors.NewConflict(mesosnode, "a", nil), apierrors.NewTooManyRequests("x", 1), apierrors.NewUnauthorized("x"),
	} {
		if !isRefused(err) {
			t.Errorf("%v is no refusal", err)
		}
	}
	for _, err := range []error{errBroken, context.DeadlineExceeded, apierrors.NewTimeoutError("x", 1), apierrors.NewInternalError(errBroken), apierrors.NewServiceUnavailable("x")} {
		if isRefused(err) {
			t.Errorf("%v is a refusal: the call may have been carried out", err)
		}
	}
}

func TestNodesAreIndexedByTheirPool(t *testing.T) {
	owned := func(kind string) *v1alpha1.MesosNode {
		return &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: kind, Name: "general", Controller: new(true)}}}}
	}
	for name, test := range map[string]struct {
		node *v1alpha1.MesosNode
		want []string
	}{
		"a node of a pool":                    {owned("MesosNodePool"), []string{"general"}},
		"a node of another kind":              {owned("ReplicaSet"), nil},
		"a node without an owner":             {&v1alpha1.MesosNode{}, nil},
		"an owner without being a controller": {&v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "MesosNodePool", Name: "general"}}}}, nil},
	} {
		if diff := cmp.Diff(test.want, PoolNames(test.node)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	indexer := &fakeIndexer{}
	if err := IndexByPool(t.Context(), indexer); err != nil || indexer.field != fieldPool {
		t.Errorf("indexed is %q: %v", indexer.field, err)
	}
	indexer.err = errBroken
	if err := IndexByPool(t.Context(), indexer); !errors.Is(err, errBroken) {
		t.Errorf("got %v", err)
	}
}

// fakeIndexer remembers the field that was indexed.
type fakeIndexer struct {
	field string
	err   error
}

func (f *fakeIndexer) IndexField(_ context.Context, _ client.Object, field string, _ client.IndexerFunc) error {
	f.field = field
	return f.err
}

func TestRandomSuffixesDiffer(t *testing.T) {
	s := NewStore(Options{})
	var suffixes []string
	for range 20 {
		suffixes = append(suffixes, s.suffix())
	}
	slices.Sort(suffixes)
	if n := len(slices.Compact(suffixes)); n != 20 || len(suffixes[0]) != suffixLength {
		t.Errorf("%d of 20 suffixes differ: %v", n, suffixes)
	}
}

// hooked calls before ahead of a List; it may answer in its place.
type hooked struct{ before func() error }

func (h *hooked) reader(c client.WithWatch) client.Reader {
	return interceptor.NewClient(c, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			if before := h.before; before != nil {
				h.before = nil
				if err := before(); err != nil {
					return err
				}
			}
			return c.List(ctx, list, opts...)
		},
	})
}

func TestFirstLookThatFailsForgetsNothingOfAnotherCaller(t *testing.T) {
	a := newAPIServer(t)
	a.lagging = true
	s := a.newStore()
	hook := &hooked{}
	hook.before = func() error {
		// Another controller looks at the pool meanwhile, and creates a node, which is still on
		// its way to the API server when this look fails.
		a.check(t, s, counts{})
		a.failCreate = func(func() error) error { return errBroken }
		if _, err := s.Create(t.Context(), newPool(), make([]nodemodel.Size, 1)); !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		return errBroken
	}
	s.live = hook.reader(a.WithWatch)
	if _, err := s.Inventory(t.Context(), newPool()); !errors.Is(err, errBroken) {
		t.Fatalf("the first look answers %v", err)
	}
	a.check(t, s, counts{pending: 1, unseen: 1})
}

func TestCacheIsNotBelievedWhileAnotherCallerLooksFirst(t *testing.T) {
	node := nodemodel.NewNode(newPool(), "general-1", nodemodel.Size{})
	node.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "MesosNodePool", Name: "general", UID: "pool", Controller: new(true)}}
	a := newAPIServer(t, node)
	a.lagging = true
	s := a.newStore()
	hook := &hooked{}
	hook.before = func() error {
		a.check(t, s, counts{pending: 1, unseen: 1})
		return nil
	}
	s.live = hook.reader(a.WithWatch)
	a.check(t, s, counts{pending: 1, unseen: 1})
}
