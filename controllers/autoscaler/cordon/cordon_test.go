package cordon

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/drain"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func node(taints ...corev1.Taint) *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Spec: corev1.NodeSpec{Taints: taints}}
}

func ours(value string) corev1.Taint {
	return corev1.Taint{Key: v1alpha1.TaintDisrupted, Value: value, Effect: corev1.TaintEffectNoSchedule}
}

var theirs = corev1.Taint{Key: "theirs", Effect: corev1.TaintEffectNoSchedule}

func pod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)}, Spec: corev1.PodSpec{NodeName: "n"}}
	for _, c := range change {
		c(p)
	}
	return p
}

func ofDaemonSet(p *corev1.Pod) {
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "DaemonSet", Name: "d", UID: "d", Controller: new(true)}}
}

func doNotDisrupt(p *corev1.Pod) {
	p.Annotations = map[string]string{v1alpha1.AnnotationDoNotDisrupt: "true"}
}

func server(funcs interceptor.Funcs, objects ...client.Object) client.WithWatch {
	return fake.NewClientBuilder().WithObjects(objects...).WithInterceptorFuncs(funcs).
		WithIndex(&corev1.Pod{}, drain.FieldNodeName, func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).Build()
}

func read(t *testing.T, c client.Client) *corev1.Node {
	t.Helper()
	n := &corev1.Node{}
	if err := c.Get(t.Context(), client.ObjectKey{Name: "n"}, n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestNodeIsRemovedWhenItHasBeenCordonedForAWhile(t *testing.T) {
	c := server(interceptor.Funcs{}, node(theirs), pod("a"))
	cordoner := Cordoner{Client: c, Live: c}
	wait, err := cordoner.Cordon(t.Context(), read(t, c), []*corev1.Pod{pod("a")}, noon)
	if err != nil || wait != Period {
		t.Fatalf("it can be removed in %s, want %s: %v", wait, Period, err)
	}
	if diff := cmp.Diff([]corev1.Taint{theirs, ours("1772366400")}, read(t, c).Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	for after, want := range map[time.Duration]time.Duration{time.Second: Period - time.Second, Period: 0, time.Hour: 0} {
		if wait, err := cordoner.Cordon(t.Context(), read(t, c), []*corev1.Pod{pod("a")}, noon.Add(after)); err != nil || wait != want {
			t.Errorf("after %s it can be removed in %s, want %s: %v", after, wait, want, err)
		}
	}
}

func TestNodeWithPodsThatTheDecisionDidNotKnowStays(t *testing.T) {
	tests := map[string]struct {
		there *corev1.Pod
		known []*corev1.Pod
		wait  time.Duration
	}{
		"a pod that was known":                   {pod("a"), []*corev1.Pod{pod("a")}, 0},
		"a pod that has come":                    {pod("a"), nil, cacheRetry},
		"another pod of the name":                {pod("a"), []*corev1.Pod{pod("a", func(p *corev1.Pod) { p.UID = "before" })}, cacheRetry},
		"a pod that must not be disrupted since": {pod("a", doNotDisrupt), []*corev1.Pod{pod("a")}, cacheRetry},
		"a pod of a DaemonSet has come":          {pod("a", ofDaemonSet), nil, 0},
		"a pod of another node":                  {pod("a", func(p *corev1.Pod) { p.Spec.NodeName = "other" }), nil, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := server(interceptor.Funcs{}, node(ours("0")), test.there)
			if wait, err := (Cordoner{Client: c, Live: c}).Cordon(t.Context(), read(t, c), test.known, noon); err != nil || wait != test.wait {
				t.Errorf("it can be removed in %s, want %s: %v", wait, test.wait, err)
			}
		})
	}
}

func TestTaintWithoutATimeCountsFromNowOn(t *testing.T) {
	for _, value := range []string{"", "soon"} {
		c := server(interceptor.Funcs{}, node(ours(value)))
		if wait, err := (Cordoner{Client: c, Live: c}).Cordon(t.Context(), read(t, c), nil, noon); err != nil || wait != Period {
			t.Errorf("with the value %q it can be removed in %s, want %s: %v", value, wait, Period, err)
		}
	}
}

func TestUncordonRemovesOnlyOurTaint(t *testing.T) {
	for name, test := range map[string]struct{ before, after []corev1.Taint }{
		"ours alone":      {[]corev1.Taint{ours("1")}, nil},
		"ours and theirs": {[]corev1.Taint{ours("1"), theirs}, []corev1.Taint{theirs}},
		"theirs":          {[]corev1.Taint{theirs}, []corev1.Taint{theirs}},
	} {
		t.Run(name, func(t *testing.T) {
			n := node(test.before...)
			n.Spec.Unschedulable = true // a person's cordon
			c := server(interceptor.Funcs{}, n)
			if err := (Cordoner{Client: c, Live: c}).Uncordon(t.Context(), read(t, c)); err != nil {
				t.Fatal(err)
			}
			got := read(t, c)
			if diff := cmp.Diff(test.after, got.Spec.Taints); diff != "" || !got.Spec.Unschedulable {
				t.Errorf("unschedulable is %v, taints (-want +got):\n%s", got.Spec.Unschedulable, diff)
			}
		})
	}
}

func TestUncordonedNodeIsReturnedWithoutACopy(t *testing.T) {
	n := node(theirs)
	if Without(n) != n {
		t.Error("it is a copy")
	}
	cordoned := node(ours("1"), theirs)
	if got := Without(cordoned); IsCordoned(got) || !IsCordoned(cordoned) {
		t.Errorf("it is %v, and the Node itself %v", got.Spec.Taints, cordoned.Spec.Taints)
	}
}

func TestErrorsOfTheAPIServerAreReturned(t *testing.T) {
	broken := errors.New("broken")
	c := server(interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return broken
		},
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return broken },
	}, node(ours("0")))
	cordoner := Cordoner{Client: c, Live: c}
	if _, err := cordoner.Cordon(t.Context(), node(), nil, noon); !errors.Is(err, broken) {
		t.Errorf("cordoning: %v", err)
	}
	if _, err := cordoner.Cordon(t.Context(), node(ours("0")), nil, noon); !errors.Is(err, broken) {
		t.Errorf("looking again: %v", err)
	}
	if err := cordoner.Uncordon(t.Context(), node(ours("0"))); !errors.Is(err, broken) {
		t.Errorf("uncordoning: %v", err)
	}
}
