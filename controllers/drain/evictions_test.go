package drain

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// evictionServer counts evictions and deletions, and answers them.
type evictionServer struct {
	client.WithWatch
	mu       sync.Mutex
	tries    []string // pods whose eviction was requested
	deleted  []string // pods that were deleted, with their grace period
	inFlight int
	most     int // in flight at a time
	answer   func(ctx context.Context, pod string) error
}

func newEvictionServer(pods ...*corev1.Pod) *evictionServer {
	s := &evictionServer{answer: func(context.Context, string) error { return nil }}
	builder := fake.NewClientBuilder().
		WithIndex(&corev1.Pod{}, FieldNodeName, func(o client.Object) []string { return []string{o.(*corev1.Pod).Spec.NodeName} }).
		WithInterceptorFuncs(interceptor.Funcs{
			SubResourceCreate: func(ctx context.Context, _ client.Client, _ string, o, body client.Object, _ ...client.SubResourceCreateOption) error {
				s.mu.Lock()
				s.tries = append(s.tries, o.GetName())
				s.inFlight++
				s.most = max(s.most, s.inFlight)
				s.mu.Unlock()
				defer func() { s.mu.Lock(); s.inFlight--; s.mu.Unlock() }()
				if *body.(*policyv1.Eviction).DeleteOptions.Preconditions.UID != o.GetUID() {
					return fmt.Errorf("the eviction is not of this very pod")
				}
				return s.answer(ctx, o.GetName())
			},
			Delete: func(ctx context.Context, _ client.WithWatch, o client.Object, options ...client.DeleteOption) error {
				var given client.DeleteOptions
				given.ApplyOptions(options)
				text := o.GetName()
				if given.Preconditions == nil || given.Preconditions.UID == nil {
					text += " without its UID"
				}
				if given.GracePeriodSeconds != nil {
					text += fmt.Sprintf(" within %d s", *given.GracePeriodSeconds)
				}
				s.mu.Lock()
				defer s.mu.Unlock()
				s.deleted = append(s.deleted, text)
				return nil
			},
		})
	for _, p := range pods {
		builder = builder.WithObjects(p)
	}
	s.WithWatch = builder.Build()
	return s
}

// takeTries returns the number of tries for each pod since the last call.
func (s *evictionServer) takeTries() map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string]int{}
	for _, name := range s.tries {
		out[name]++
	}
	s.tries = nil
	return out
}

func TestARefusedEvictionIsRepeatedAfterABackOff(t *testing.T) {
	s := newEvictionServer(pod("web"))
	s.answer = func(context.Context, string) error { return fmt.Errorf("broken") }
	d := NewDrainer(s, s)
	tried := []time.Duration{}
	for at := time.Duration(0); at < 40*time.Second; at += time.Second {
		result := drainOnce(t, d, Options{Now: noon.Add(at)})
		if len(s.takeTries()) > 0 {
			tried = append(tried, at)
		}
		if len(result.Blocked) != 1 || result.Blocked[0].Reason != "broken" {
			t.Fatalf("after %s: %s", at, result)
		}
		if next := result.Next.Sub(noon); next <= at || next > at+10*time.Second {
			t.Fatalf("after %s it is to be called again after %s", at, next)
		}
	}
	want := []time.Duration{0, 2 * time.Second, 6 * time.Second, 14 * time.Second, 24 * time.Second, 34 * time.Second}
	if diff := cmp.Diff(want, tried); diff != "" {
		t.Errorf("tries (-want +got):\n%s", diff)
	}
}

// Pods of one exhausted budget are not all tried again and again; as soon as it allows one, the
// others follow.
func TestPodsOfOneBudgetAreTriedOneAtATime(t *testing.T) {
	s := newEvictionServer(pod("a"), pod("b"), pod("c"), pod("other"))
	allowed := 0
	s.answer = func(_ context.Context, name string) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if name == "other" {
			return budget("The disruption budget other needs 1 healthy pods and has 1 currently")
		}
		if allowed == 0 {
			return budget("The disruption budget web needs 2 healthy pods and has 2 currently")
		}
		allowed--
		return nil
	}
	d := NewDrainer(s, s)
	at := func(after time.Duration) (Result, map[string]int) {
		result := drainOnce(t, d, Options{Now: noon.Add(after)})
		return result, s.takeTries()
	}
	if _, tries := at(0); len(tries) != 4 {
		t.Errorf("at first %v are tried, want all", tries)
	}
	if _, tries := at(time.Second); len(tries) != 0 {
		t.Errorf("%v are tried before the back-off is over", tries)
	}
	result, tries := at(2 * time.Second)
	if len(tries) != 2 || tries["other"] != 1 {
		t.Errorf("%v are tried, want one of each budget", tries)
	}
	if got := result.Blocked[0]; got != (BlockedPod{"default/a", "waiting for PDB default/web: 0 disruptions allowed, because it needs 2 healthy pods and has 2"}) {
		t.Errorf("blocked: %+v", got)
	}
	allowed = 2
	tries = map[string]int{}
	for range 3 { // others may have been asked about while the answer to the first was under way
		var more map[string]int
		result, more = at(6 * time.Second)
		for name, n := range more {
			tries[name] += n
		}
		if tries["a"]+tries["b"]+tries["c"] >= 3 {
			break
		}
		if !result.Next.Equal(noon.Add(6 * time.Second)) {
			t.Errorf("the others are tried %s later, want at once", result.Next.Sub(noon.Add(6*time.Second)))
		}
	}
	if allowed != 0 || tries["a"]+tries["b"]+tries["c"] < 3 {
		t.Errorf("%v are tried, and %d more could go, want all tried and two evicted", tries, allowed)
	}
}

func TestPodsThatAreNotReadyAreTriedEachForItself(t *testing.T) {
	unready := func(p *corev1.Pod) { p.Status.Conditions = nil }
	s := newEvictionServer(pod("a", unready), pod("b", unready))
	s.answer = func(context.Context, string) error {
		return budget("The disruption budget web needs 2 healthy pods and has 1 currently")
	}
	d := NewDrainer(s, s)
	drainOnce(t, d, Options{Now: noon})
	s.takeTries()
	result := drainOnce(t, d, Options{Now: noon.Add(2 * time.Second)})
	if tries := s.takeTries(); len(tries) != 2 {
		t.Errorf("%v are tried: one may be allowed to go while the other is not", tries)
	}
	if !strings.Contains(result.Blocked[0].Reason, "unhealthyPodEvictionPolicy: AlwaysAllow") {
		t.Errorf("the remedy is not named: %s", result)
	}
}

func TestManyEvictionsAreUnderWayAtATimeWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pods []*corev1.Pod
		for i := range 20 * 30 {
			pods = append(pods, pod(fmt.Sprintf("p-%d", i), on(fmt.Sprintf("node-%d", i/30))))
		}
		s := newEvictionServer(pods...)
		s.answer = func(context.Context, string) error { time.Sleep(10 * time.Millisecond); return nil }
		d := NewDrainer(s, s)
		began := time.Now()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				plan, err := d.Plan(t.Context(), fmt.Sprintf("node-%d", i), Options{Now: noon})
				if err != nil {
					t.Error(err)
				}
				if result := d.Execute(t.Context(), plan, noon); len(result.Evicted) != 30 {
					t.Errorf("node %d: %s", i, result)
				}
			})
		}
		wg.Wait()
		if s.most != maxInFlight {
			t.Errorf("%d evictions were under way at a time, want %d", s.most, maxInFlight)
		}
		// 600 evictions of 10 ms, 50 at a time.
		if took := time.Since(began); took > 200*time.Millisecond {
			t.Errorf("600 evictions took %s", took)
		}
	})
}

func TestASlowAPIServerBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var pods []*corev1.Pod
		for i := range 100 {
			pods = append(pods, pod(fmt.Sprintf("p-%02d", i)))
		}
		s := newEvictionServer(pods...)
		s.answer = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		d := NewDrainer(s, s)
		began := time.Now()
		result := drainOnce(t, d, Options{Now: began})
		if took := time.Since(began); took > patience {
			t.Errorf("the caller was blocked for %s", took)
		}
		if result.Left() != 100 || result.Done() || len(result.Waiting) != 100 {
			t.Errorf("the pods are not reported as waiting: %s", result)
		}
		if len(s.takeTries()) != maxPerNode {
			t.Errorf("not %d evictions are under way", maxPerNode)
		}
		time.Sleep(evictionTimeout)
		result = drainOnce(t, d, Options{Now: time.Now()})
		if len(result.Blocked) != maxPerNode || !strings.Contains(result.Blocked[0].Reason, "postponed") {
			t.Errorf("the answers of the first call are not reported: %s", result)
		}
		if tries := s.takeTries(); len(tries) != maxPerNode || tries["p-00"] > 0 {
			t.Errorf("%v were tried next, want others than before", tries)
		}
		time.Sleep(evictionTimeout) // what is under way ends
	})
}

func TestPodsAreDeletedWhenTheirTimeHasCome(t *testing.T) {
	s := newEvictionServer(pod("due"), pod("slow", grace(time.Hour)), pod("other", grace(time.Second)))
	s.answer = func(context.Context, string) error {
		return budget("The disruption budget web needs 2 healthy pods and has 2 currently")
	}
	d := NewDrainer(s, s)
	limits := Limits{End: noon.Add(30 * time.Second), PodsEnd: noon.Add(30 * time.Second)}
	drainOnce(t, d, Options{Now: noon.Add(-time.Second), Limits: Limits{End: limits.End.Add(time.Hour), PodsEnd: limits.End.Add(2 * time.Hour)}})
	result := drainOnce(t, d, Options{Now: noon, Limits: limits})
	want := Result{Evicted: []string{"default/due", "default/slow"}, Blocked: result.Blocked, Next: result.Next}
	if diff := cmp.Diff(want, result); diff != "" || len(result.Blocked) != 1 {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	got := strings.Join(s.deleted, ", ")
	if got != "due, slow within 30 s" && got != "slow within 30 s, due" {
		t.Errorf("deleted: %s", got)
	}
}

func TestPodsWithoutAControllerAreNamedOnce(t *testing.T) {
	s := newEvictionServer(pod("z"), pod("bare"), pod("web", owned("apps/v1", "ReplicaSet")), pod("held", annotated("k8sm.io/do-not-disrupt", "true")), pod("static", static))
	s.answer = func(context.Context, string) error { return fmt.Errorf("not yet") }
	d := NewDrainer(s, s)
	plan, err := d.Plan(t.Context(), "a", Options{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"default/bare", "default/z"}, plan.Uncontrolled); diff != "" || len(s.tries) > 0 {
		t.Errorf("before the first eviction (-want +got):\n%s", diff)
	}
	d.Execute(t.Context(), plan, noon)
	if plan, _ = d.Plan(t.Context(), "a", Options{Now: noon.Add(time.Minute)}); len(plan.Uncontrolled) > 0 {
		t.Errorf("named again: %v", plan.Uncontrolled)
	}
}

func TestRulesKnowTheNamespacesOfPods(t *testing.T) {
	policy := NewPolicy(skipping("team", "storage"))
	s := newEvictionServer(pod("ceph", in("ceph")), pod("web"), pod("orphan", in("gone")))
	if err := s.Create(t.Context(), namespace("ceph", "team", "storage")); err != nil {
		t.Fatal(err)
	}
	result := drainOnce(t, NewDrainer(s, s), Options{Now: noon, Policy: policy})
	if diff := cmp.Diff([]string{"default/web", "gone/orphan"}, result.Evicted); diff != "" || result.Ignored != 1 {
		t.Errorf("evicted (-want +got):\n%s", diff)
	}
}

func TestLabelsOfNamespacesAreReadAnewInTime(t *testing.T) {
	s := newEvictionServer(pod("ceph", in("ceph")))
	object := namespace("ceph", "team", "storage")
	if err := s.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	d, policy := NewDrainer(s, s), NewPolicy(skipping("team", "storage"))
	ignored := func(after time.Duration) bool {
		plan, err := d.Plan(t.Context(), "a", Options{Now: noon.Add(after), Policy: policy})
		if err != nil {
			t.Fatal(err)
		}
		return plan.Decisions[0].Verdict == Ignore
	}
	if !ignored(0) {
		t.Error("the rule does not match")
	}
	object.Labels = nil
	if err := s.Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if !ignored(namespacesAge) {
		t.Error("the namespace is read each time")
	}
	if ignored(namespacesAge + time.Second) {
		t.Error("the new labels do not count")
	}
}

func TestPodsAreForgottenInTime(t *testing.T) {
	s := newEvictionServer(pod("web"), pod("api", on("b")))
	s.answer = func(_ context.Context, name string) error {
		return budget("The disruption budget " + name + " needs 2 healthy pods and has 2 currently")
	}
	d := NewDrainer(s, s)
	drainOnce(t, d, Options{Now: noon})
	plan, _ := d.Plan(t.Context(), "b", Options{Now: noon.Add(2 * forgetAfter)})
	d.Execute(t.Context(), plan, noon.Add(2*forgetAfter))
	if len(d.evictions.attempts) != 1 || len(d.evictions.budgets) != 1 {
		t.Errorf("%d pods and %d budgets are remembered, want one of each", len(d.evictions.attempts), len(d.evictions.budgets))
	}
}

func TestRefusalsNameTheBudgetAndTheRemedy(t *testing.T) {
	for message, want := range map[string]string{
		"The disruption budget cart needs 1 healthy pods and has 1 currently":                                "waiting for PDB shop/cart: 0 disruptions allowed, because it needs 1 healthy pods and has 1",
		"The disruption budget cart is still being processed by the server.":                                 "waiting for PDB shop/cart: it is still being processed by the server",
		"The disruption budget cart does not allow evicting pods currently because it failed sync: no scale": "waiting for PDB shop/cart: it does not allow evicting pods currently because it failed sync: no scale",
		"Something new": "Something new",
	} {
		reason, _ := describeRefusal(budget(message), pod("cart-1", in("shop")))
		if reason != want {
			t.Errorf("%q becomes %q, want %q", message, reason, want)
		}
	}
	overload := apierrors.NewTooManyRequests("the server is busy", 1)
	if reason, key := describeRefusal(overload, pod("p")); key != "" || !strings.Contains(reason, "busy") {
		t.Errorf("an overloaded API server counts as a budget: %q, %q", reason, key)
	}
}

// skipping are settings that skip the pods in namespaces with the label.
func skipping(key, value string) v1alpha1.Drain {
	return v1alpha1.Drain{Rules: []v1alpha1.DrainRule{{Name: "r", NamespaceSelector: selecting(key, value), Behavior: v1alpha1.DrainBehaviorSkip}}}
}

func namespace(name, key, value string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{key: value}}}
}
