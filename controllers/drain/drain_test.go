package drain

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// pod returns a pod on node a with the changes applied.
func pod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-" + name)},
		Spec:       corev1.PodSpec{NodeName: "a"},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
		},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

func phase(phase corev1.PodPhase) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Status.Phase = phase }
}

func static(p *corev1.Pod) {
	p.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "hash"}
}

func owned(apiVersion, kind string) func(*corev1.Pod) {
	yes := true
	return func(p *corev1.Pod) {
		p.OwnerReferences = []metav1.OwnerReference{{APIVersion: apiVersion, Kind: kind, Name: "owner", UID: "owner", Controller: &yes}}
	}
}

func ending(since time.Duration) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.DeletionTimestamp = &metav1.Time{Time: noon.Add(-since)}
		p.Finalizers = []string{"test/finalizer"}
	}
}

func on(node string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.NodeName = node }
}

func TestVerdictOfEachPod(t *testing.T) {
	for name, test := range map[string]struct {
		pod    *corev1.Pod
		silent bool
		want   Verdict
	}{
		"a pod of a Deployment is evicted":                     {pod: pod("p", owned("apps/v1", "ReplicaSet")), want: Evict},
		"a pod without a controller is evicted":                {pod: pod("p"), want: Evict},
		"a succeeded pod is ignored":                           {pod: pod("p", phase(corev1.PodSucceeded)), want: Ignore},
		"a failed pod is ignored":                              {pod: pod("p", phase(corev1.PodFailed)), want: Ignore},
		"a static pod is ignored":                              {pod: pod("p", static), want: Ignore},
		"a pod of a DaemonSet is ignored":                      {pod: pod("p", owned("apps/v1", "DaemonSet")), want: Ignore},
		"a pod of a DaemonSet of another API group is evicted": {pod: pod("p", owned("example.com/v1", "DaemonSet")), want: Evict},
		"a terminating pod is awaited":                         {pod: pod("p", ending(time.Hour)), want: Await},
		"an overdue terminating pod is ignored when its kubelet does not respond": {
			pod: pod("p", ending(2*time.Minute)), silent: true, want: Ignore},
		"a terminating pod is awaited during its grace period when its kubelet does not respond": {pod: pod("p", ending(10*time.Second)), silent: true, want: Await},
	} {
		t.Run(name, func(t *testing.T) {
			got := DecideAll([]corev1.Pod{*test.pod}, Options{Now: noon, KubeletSilent: test.silent})
			if got.Decisions[0].Verdict != test.want {
				t.Errorf("got %s (%s), want %s", got.Decisions[0].Verdict, got.Decisions[0].Reason, test.want)
			}
			if got.Decisions[0].Reason == "" {
				t.Error("no reason given")
			}
		})
	}
}

// budget is what the API server answers when a PodDisruptionBudget forbids an eviction.
func budget(message string) error {
	err := apierrors.NewTooManyRequests("Cannot evict pod as it would violate the pod's disruption budget.", 0)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: policyv1.DisruptionBudgetCause, Message: message}}
	return err
}

func terminatingNamespace() error {
	err := apierrors.NewForbidden(policyv1.Resource("evictions"), "p", errors.New("namespace is being terminated"))
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	return err
}

func TestDrainEvictsOnceAndReportsWhatIsLeft(t *testing.T) {
	for name, test := range map[string]struct {
		pods    []client.Object
		answers map[string]error // to evictions, by pod
		want    Result
		message string
	}{
		"an empty node is drained": {
			message: "No pod is left to evict.",
		},
		"pods of other nodes are ignored": {
			pods:    []client.Object{pod("elsewhere", on("b"))},
			message: "No pod is left to evict.",
		},
		"evicted pods are awaited": {
			pods:    []client.Object{pod("y"), pod("x"), pod("z", ending(0)), pod("d", owned("apps/v1", "DaemonSet"))},
			want:    Result{Evicted: []string{"default/x", "default/y"}, Ending: []string{"default/z"}, Ignored: 1},
			message: "3 pods left: 3 ending (default/x; default/y; default/z).",
		},
		"a pod protected by a PodDisruptionBudget is blocked, with the name of the budget": {
			pods:    []client.Object{pod("web")},
			answers: map[string]error{"web": budget("The disruption budget web needs 2 healthy pods and has 2 currently")},
			want:    Result{Blocked: []BlockedPod{{Pod: "default/web", Reason: "waiting for PDB default/web: 0 disruptions allowed, because it needs 2 healthy pods and has 2"}}},
			message: "1 pod left: 1 held (default/web: waiting for PDB default/web: 0 disruptions allowed, because it needs 2 healthy pods and has 2).",
		},
		"a blocked pod does not prevent the eviction of others": {
			pods:    []client.Object{pod("a"), pod("b")},
			answers: map[string]error{"a": budget("The disruption budget a needs 1 healthy pods and has 1 currently")},
			want: Result{Evicted: []string{"default/b"},
				Blocked: []BlockedPod{{Pod: "default/a", Reason: "waiting for PDB default/a: 0 disruptions allowed, because it needs 1 healthy pods and has 1"}}},
			message: "2 pods left: 1 ending (default/b), 1 held (default/a: waiting for PDB default/a: 0 disruptions allowed, because it needs 1 healthy pods and has 1).",
		},
		"a pod deleted between list and eviction is not reported": {
			pods:    []client.Object{pod("p")},
			answers: map[string]error{"p": apierrors.NewNotFound(corev1.Resource("pods"), "p")},
			message: "No pod is left to evict.",
		},
		"a pod in a terminating namespace is awaited": {
			pods:    []client.Object{pod("p")},
			answers: map[string]error{"p": terminatingNamespace()},
			want:    Result{Ending: []string{"default/p"}},
			message: "1 pod left: 1 ending (default/p).",
		},
		"a pod with two PodDisruptionBudgets is blocked with the message of the API server": {
			pods:    []client.Object{pod("p")},
			answers: map[string]error{"p": apierrors.NewInternalError(errors.New("this pod has more than one PodDisruptionBudget"))},
			want:    Result{Blocked: []BlockedPod{{Pod: "default/p", Reason: "Internal error occurred: this pod has more than one PodDisruptionBudget"}}},
			message: "1 pod left: 1 held (default/p: Internal error occurred: this pod has more than one PodDisruptionBudget).",
		},
		"only the first pods are named": {
			pods:    []client.Object{pod("a"), pod("b"), pod("c"), pod("d"), pod("e")},
			want:    Result{Evicted: []string{"default/a", "default/b", "default/c", "default/d", "default/e"}},
			message: "5 pods left: 5 ending (default/a; default/b; default/c and 2 more).",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := cluster(t, test.pods, test.answers)
			got := drainOnce(t, NewDrainer(c, c), Options{Now: noon})
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreFields(Result{}, "Next")); diff != "" {
				t.Errorf("result (-want +got):\n%s", diff)
			}
			if got.String() != test.message {
				t.Errorf("message is %q, want %q", got.String(), test.message)
			}
		})
	}
}

// drainOnce plans and executes once on node a.
func drainOnce(t *testing.T, d *Drainer, o Options) Result {
	t.Helper()
	plan, err := d.Plan(t.Context(), "a", o)
	if err != nil {
		t.Fatal(err)
	}
	return d.Execute(t.Context(), plan, o.Now)
}

// cluster is an API server that knows the pods and gives the set answers to evictions. An
// eviction must name the pod's UID.
func cluster(t *testing.T, pods []client.Object, answers map[string]error) client.WithWatch {
	t.Helper()
	return fake.NewClientBuilder().
		WithObjects(pods...).
		WithIndex(&corev1.Pod{}, FieldNodeName, func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceCreate: func(_ context.Context, _ client.Client, kind string, object, body client.Object, _ ...client.SubResourceCreateOption) error {
				eviction, ok := body.(*policyv1.Eviction)
				if !ok || kind != "eviction" || *eviction.DeleteOptions.Preconditions.UID != object.GetUID() {
					t.Errorf("got %s %v, want an eviction of this very pod", kind, body)
				}
				return answers[object.GetName()]
			},
		}).Build()
}

func TestDrainDoesNotWaitForASlowAPIServer(t *testing.T) {
	c := fake.NewClientBuilder().
		WithObjects(pod("p")).
		WithIndex(&corev1.Pod{}, FieldNodeName, func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceCreate: func(ctx context.Context, _ client.Client, _ string, _, _ client.Object, _ ...client.SubResourceCreateOption) error {
				if _, ok := ctx.Deadline(); !ok {
					t.Error("the eviction has no deadline")
				}
				return context.DeadlineExceeded
			},
		}).Build()
	got := drainOnce(t, NewDrainer(c, c), Options{Now: noon})
	want := Result{Next: noon.Add(2 * time.Second), Blocked: []BlockedPod{{Pod: "default/p", Reason: "the API server postponed the eviction, as it does until it has counted the pods of a new PodDisruptionBudget"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
}

func TestDrainReturnsListErrors(t *testing.T) {
	broken := apierrors.NewGenericServerResponse(http.StatusServiceUnavailable, "list", corev1.Resource("pods"), "", "", 0, false)
	c := fake.NewClientBuilder().WithInterceptorFuncs(interceptor.Funcs{
		List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return broken },
	}).Build()
	if _, err := NewDrainer(c, c).Plan(t.Context(), "a", Options{Now: noon}); !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
}

// A pod that comes back to a cordoned node would do so without end.
func TestPodsThatComeBackToACordonedNode(t *testing.T) {
	created := func(at time.Time) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(at) }
	}
	tolerating := func(toleration corev1.Toleration) func(*corev1.Pod) {
		return func(p *corev1.Pod) { p.Spec.Tolerations = []corev1.Toleration{toleration} }
	}
	everything := tolerating(corev1.Toleration{Operator: corev1.TolerationOpExists})
	cordon := tolerating(corev1.Toleration{Key: corev1.TaintNodeUnschedulable, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoSchedule})
	other := tolerating(corev1.Toleration{Key: "other", Operator: corev1.TolerationOpExists})
	before, after := noon.Add(-time.Second), noon.Add(time.Second)
	for name, test := range map[string]struct {
		pod   *corev1.Pod
		began time.Time
		want  Verdict
	}{
		"one that was there before is evicted once":     {pod("p", everything, created(before)), noon, Evict},
		"one that came back stays to the end":           {pod("p", everything, created(after)), noon, Ignore},
		"one that tolerates just the cordon":            {pod("p", cordon, created(after)), noon, Ignore},
		"one that came just before the cordon was seen": {pod("p", other, created(after)), noon, Evict},
		"one without tolerations":                       {pod("p", created(after)), noon, Evict},
		"one that came back and is ending":              {pod("p", everything, created(after), ending(0)), noon, Await},
		"a node that is not drained":                    {pod("p", everything, created(after)), time.Time{}, Evict},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Decide(test.pod, Options{Now: noon.Add(time.Minute), Began: test.began}); got.Verdict != test.want || got.Reason == "" {
				t.Errorf("got %s (%s), want %s", got.Verdict, got.Reason, test.want)
			}
		})
	}
}
