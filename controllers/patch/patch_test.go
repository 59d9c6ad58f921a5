package patch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/patch"
)

const finalizer = "k8sm.io/test"

// newClient is an API server in memory with the MesosNode a, whose labels and status have
// something in them.
func newClient(t *testing.T) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	node := &v1alpha1.MesosNode{
		ObjectMeta: metav1.ObjectMeta{Name: "a", Finalizers: []string{"example.com/other"}},
		Status:     v1alpha1.MesosNodeStatus{Attempt: 1, NodeName: "a"},
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(node).WithStatusSubresource(node).Build()
}

func read(t *testing.T, c client.Client) *v1alpha1.MesosNode {
	t.Helper()
	node := &v1alpha1.MesosNode{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "a"}, node); err != nil {
		t.Fatal(err)
	}
	return node
}

// changeMeanwhile labels the node as another writer.
func changeMeanwhile(t *testing.T, c client.Client) {
	t.Helper()
	node := read(t, c)
	node.Labels = map[string]string{"by": "another"}
	if err := c.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
}

func TestObjectAndStatusAreWrittenSeparately(t *testing.T) {
	c := newClient(t)
	before := read(t, c)
	after := before.DeepCopy()
	after.Labels, after.Status.Attempt = map[string]string{"k": "v"}, 2
	if err := patch.Object(t.Context(), c, before, after); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c); got.Labels["k"] != "v" || got.Status.Attempt != 1 {
		t.Errorf("labels %v and attempt %d: want the labels written alone", got.Labels, got.Status.Attempt)
	}
	before = read(t, c)
	after = before.DeepCopy()
	after.Labels, after.Status.Attempt = nil, 2
	if err := patch.Status(t.Context(), c, before, after); err != nil {
		t.Fatal(err)
	}
	got := read(t, c)
	if got.Labels["k"] != "v" || got.Status.Attempt != 2 || got.Status.NodeName != "a" {
		t.Errorf("labels %v and status %+v: want the attempt written alone", got.Labels, got.Status)
	}
	if after.ResourceVersion != got.ResourceVersion {
		t.Error("what was written does not have the version that the API server answered: the next patch would be a conflict")
	}
}

func TestStaleReadIsNotWritten(t *testing.T) {
	for name, test := range map[string]struct {
		write    func(context.Context, client.Client, *v1alpha1.MesosNode) error
		conflict bool
	}{
		"the object": {conflict: true, write: func(ctx context.Context, c client.Client, n *v1alpha1.MesosNode) error {
			after := n.DeepCopy()
			after.Annotations = map[string]string{"k": "v"}
			return patch.Object(ctx, c, n, after)
		}},
		"the status": {conflict: true, write: func(ctx context.Context, c client.Client, n *v1alpha1.MesosNode) error {
			after := n.DeepCopy()
			after.Status.Attempt = 2
			return patch.Status(ctx, c, n, after)
		}},
		"a part of the status with a single writer": {write: func(ctx context.Context, c client.Client, n *v1alpha1.MesosNode) error {
			after := n.DeepCopy()
			after.Status.Attempt = 2
			return patch.StatusUnlocked(ctx, c, n, after)
		}},
		"a finalizer": {conflict: true, write: func(ctx context.Context, c client.Client, n *v1alpha1.MesosNode) error {
			_, err := patch.AddFinalizer(ctx, c, n, finalizer)
			return err
		}},
		"the removal of a finalizer": {conflict: true, write: func(ctx context.Context, c client.Client, n *v1alpha1.MesosNode) error {
			return patch.RemoveFinalizer(ctx, c, n, "example.com/other")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t)
			node := read(t, c)
			changeMeanwhile(t, c)
			if err := test.write(t.Context(), c, node); apierrors.IsConflict(err) != test.conflict || err != nil != test.conflict {
				t.Errorf("got %v, want a conflict: %t", err, test.conflict)
			}
			if got := read(t, c); got.Labels["by"] != "another" {
				t.Errorf("the other's labels are gone: %v", got.Labels)
			}
		})
	}
}

func TestFinalizersAreAddedOnce(t *testing.T) {
	c := newClient(t)
	node := read(t, c)
	if added, err := patch.AddFinalizer(t.Context(), c, node, finalizer); !added || err != nil {
		t.Fatalf("added %t: %v", added, err)
	}
	want := []string{"example.com/other", finalizer}
	if got := read(t, c); !slices.Equal(got.Finalizers, want) || !slices.Equal(node.Finalizers, want) || node.ResourceVersion != got.ResourceVersion {
		t.Errorf("finalizers are %v there and %v here, want %v", got.Finalizers, node.Finalizers, want)
	}
	version := node.ResourceVersion
	if added, err := patch.AddFinalizer(t.Context(), c, node, finalizer); added || err != nil {
		t.Errorf("added once more %t: %v", added, err)
	}
	if got := read(t, c).ResourceVersion; got != version {
		t.Error("a finalizer that is there was written once more")
	}
}

func TestForeignFinalizersAreKept(t *testing.T) {
	c := newClient(t)
	node := read(t, c)
	if _, err := patch.AddFinalizer(t.Context(), c, node, finalizer); err != nil {
		t.Fatal(err)
	}
	if err := patch.RemoveFinalizer(t.Context(), c, node, finalizer); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c).Finalizers; !slices.Equal(got, []string{"example.com/other"}) {
		t.Errorf("finalizers are %v, want the other's alone", got)
	}
	if !slices.Contains(node.Finalizers, finalizer) {
		t.Error("the object here was changed: it must stay what was read")
	}
	if err := patch.RemoveFinalizer(t.Context(), c, read(t, c), finalizer); err != nil {
		t.Errorf("removing a finalizer that is not there: %v", err)
	}
}

func TestFinalizerOfADeletedObject(t *testing.T) {
	c := newClient(t)
	node := read(t, c)
	gone := node.DeepCopy()
	if err := patch.RemoveFinalizer(t.Context(), c, node, "example.com/other"); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), node.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	if err := patch.RemoveFinalizer(t.Context(), c, gone, "example.com/other"); !apierrors.IsNotFound(err) {
		t.Errorf("got %v, want a not-found error that the caller can ignore", err)
	}
}

func TestResultOfAReconcile(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "mesosnodes"}, "a", errors.New("changed"))
	failure := errors.New("the API server is gone")
	for name, test := range map[string]struct {
		after time.Duration
		err   error
		want  reconcile.Result
		fails bool
	}{
		"no requeue is requested":     {want: reconcile.Result{}},
		"a requeue is requested":      {after: time.Minute, want: reconcile.Result{RequeueAfter: time.Minute}},
		"a conflict is repeated soon": {after: time.Minute, err: conflict, want: reconcile.Result{RequeueAfter: patch.ConflictRetry}},
		"a wrapped conflict":          {err: fmt.Errorf("writing status: %w", conflict), want: reconcile.Result{RequeueAfter: patch.ConflictRetry}},
		"another error is returned":   {after: time.Minute, err: failure, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := patch.Result(test.after, test.err)
			if got != test.want || errors.Is(err, failure) != test.fails || err != nil != test.fails {
				t.Errorf("got %+v, %v, want %+v and an error: %t", got, err, test.want, test.fails)
			}
		})
	}
}
