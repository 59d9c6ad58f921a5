package queueing_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/controllers/queueing"
)

func request(name string) reconcile.Request {
	return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}
}

func TestFailuresBackOffUpToAMinute(t *testing.T) {
	limiter := queueing.RateLimiter()
	var waits []time.Duration
	for range 12 {
		waits = append(waits, limiter.When(request("a")))
	}
	if waits[0] != 100*time.Millisecond || waits[1] != 200*time.Millisecond || waits[11] != time.Minute {
		t.Errorf("waits are %v, want them to double from 100ms up to 1m", waits)
	}
	if got := limiter.When(request("b")); got != 100*time.Millisecond {
		t.Errorf("another object waits %s for the failures of the first", got)
	}
	limiter.Forget(request("a"))
	if got := limiter.When(request("a")); got != 100*time.Millisecond {
		t.Errorf("after a success it waits %s", got)
	}
}

// delayed notes what is added to a queue, and after which delay.
type delayed struct {
	workqueue.TypedRateLimitingInterface[reconcile.Request]
	added map[string]time.Duration
}

func (d *delayed) AddAfter(r reconcile.Request, after time.Duration) { d.added[r.Name] = after }

func TestChangesAreBatched(t *testing.T) {
	owners := func(object client.Object) []string { return []string{object.GetLabels()["owner"]} }
	of := func(owner string) *corev1.Node {
		return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n", Labels: map[string]string{"owner": owner}}}
	}
	q := &delayed{added: map[string]time.Duration{}}
	h := queueing.Gathered(time.Second, owners)
	h.Create(t.Context(), event.CreateEvent{Object: of("created")}, q)
	h.Update(t.Context(), event.UpdateEvent{ObjectOld: of("before"), ObjectNew: of("after")}, q)
	h.Delete(t.Context(), event.DeleteEvent{Object: of("deleted")}, q)
	h.Create(t.Context(), event.CreateEvent{Object: of("")}, q)
	want := map[string]time.Duration{"created": time.Second, "after": time.Second, "deleted": time.Second}
	if diff := cmp.Diff(want, q.added); diff != "" {
		t.Errorf("enqueued (-want +got):\n%s", diff)
	}
}

func TestManyChangesBecomeOneRequest(t *testing.T) {
	q := workqueue.NewTypedRateLimitingQueue(queueing.RateLimiter())
	defer q.ShutDown()
	h := queueing.Gathered(10*time.Millisecond, func(client.Object) []string { return []string{"pool"} })
	for range 1000 {
		h.Create(t.Context(), event.CreateEvent{Object: &corev1.Node{}}, q)
	}
	first, _ := q.Get()
	if first != request("pool") {
		t.Errorf("enqueued is %v", first)
	}
	q.Done(first)
	if n := q.Len(); n > 1 {
		t.Errorf("%d requests are left, want 1 at most", n)
	}
}
