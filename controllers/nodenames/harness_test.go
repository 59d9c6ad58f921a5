package nodenames

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const nodeName = "general-x7k2p"

// fixture is a Store and a Reconciler over an API server in memory.
type fixture struct {
	*Reconciler
	t        *testing.T
	recorder *events.FakeRecorder
	now      time.Time
	writes   int
	// conflicts is the number of writes that meet a conflict.
	conflicts int
	// forbidden is true if an admission policy refuses to delete Nodes.
	forbidden bool
}

func newFixture(t *testing.T, objects ...client.Object) *fixture {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	f := &fixture{t: t, now: noon, recorder: events.NewFakeRecorder(10)}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			f.writes++
			return c.Create(ctx, o, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if f.forbidden {
				return apierrors.NewForbidden(corev1.Resource("nodes"), o.GetName(), nil)
			}
			return c.Delete(ctx, o, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			f.writes++
			if f.conflicts > 0 {
				f.conflicts--
				return apierrors.NewConflict(corev1.Resource("configmaps"), o.GetName(), nil)
			}
			return c.Update(ctx, o, opts...)
		},
	}).Build()
	f.Reconciler = NewReconciler(Options{
		Names: &Store{Client: c, Live: c, Namespace: "k8sm-system"}, Recorder: f.recorder, Now: func() time.Time { return f.now },
	})
	return f
}

// setRemoved records the name of a removed node.
func (f *fixture) setRemoved(name string, until time.Time) {
	f.t.Helper()
	if err := f.Names.SetRemoved(f.t.Context(), name, until); err != nil {
		f.t.Fatal(err)
	}
}

// reconcileNode reconciles a Node, reconcileName the ConfigMap with a name. The latter returns
// the delay until the next time.
func (f *fixture) reconcileNode(name string) {
	f.t.Helper()
	if _, err := f.Reconcile(f.t.Context(), reconcile.Request{NamespacedName: client.ObjectKey{Name: name}}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) reconcileName(name string) time.Duration {
	f.t.Helper()
	result, err := f.Reconcile(f.t.Context(), reconcile.Request{NamespacedName: f.Names.key(shardOf(name))})
	if err != nil {
		f.t.Fatal(err)
	}
	return result.RequeueAfter
}

// exists reports whether there is a Node of this name.
func (f *fixture) exists(name string) bool {
	f.t.Helper()
	err := f.Names.Live.Get(f.t.Context(), client.ObjectKey{Name: name}, &corev1.Node{})
	if client.IgnoreNotFound(err) != nil {
		f.t.Fatal(err)
	}
	return err == nil
}

func newNode(providerID string) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, UID: "1"}, Spec: corev1.NodeSpec{ProviderID: providerID}}
}

func newMesosNode() *v1alpha1.MesosNode {
	return &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{Name: nodeName, UID: "0f1e2d3c-aaaa"}}
}
