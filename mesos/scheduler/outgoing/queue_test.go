package outgoing_test

import (
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func fill(q *outgoing.Queue, n int) {
	for range n {
		q.Send(outgoing.Reconcile(nil))
	}
}

func TestBurstIsSentAtOnceAndTheRestAtTheRate(t *testing.T) {
	t.Parallel()
	clock := timers.NewQueue()
	q := outgoing.NewQueue(clock, 2, 3) // two a second, three at once
	if got := q.Take(start); got != nil {
		t.Errorf("an empty queue gives %d calls", len(got))
	}
	fill(q, 7)
	for _, step := range []struct {
		after time.Duration
		want  int
		next  time.Duration // of the timer, after start
	}{
		{0, 3, 500 * time.Millisecond},
		{250 * time.Millisecond, 0, 500 * time.Millisecond},
		{500 * time.Millisecond, 1, time.Second},
		{1500 * time.Millisecond, 2, 2 * time.Second},
		{time.Minute, 1, 0},
	} {
		now := start.Add(step.after)
		clock.Pop(now)
		if got := len(q.Take(now)); got != step.want {
			t.Errorf("after %s %d calls go, want %d", step.after, got, step.want)
		}
		if next := clock.Next(); step.next > 0 && !next.Equal(start.Add(step.next)) {
			t.Errorf("after %s the next go at %s, want %s", step.after, next.Sub(start), step.next)
		}
	}
	if clock.Has(timers.SendCalls, "") || q.Len() != 0 {
		t.Error("a timer is set although no call waits")
	}
}

// After a long rest no more than a burst may go.
func TestTokensAreLimitedToABurst(t *testing.T) {
	t.Parallel()
	q := outgoing.NewQueue(timers.NewQueue(), 100, 5)
	fill(q, 5)
	q.Take(start)
	fill(q, 20)
	if got := len(q.Take(start.Add(time.Hour))); got != 5 {
		t.Errorf("%d calls go after an hour, want 5", got)
	}
}

func TestCallsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	q := outgoing.NewQueue(timers.NewQueue(), 1, 2)
	for _, id := range []string{"O1", "O2", "O3"} {
		q.Send(outgoing.Decline([]string{id}, time.Second))
	}
	var got []string
	for _, now := range []time.Time{start, start.Add(time.Minute)} {
		for _, c := range q.Take(now) {
			got = append(got, c.Decline.OfferIDs[0].Value)
		}
	}
	if len(got) != 3 || got[0] != "O1" || got[1] != "O2" || got[2] != "O3" {
		t.Errorf("the calls go as %v", got)
	}
}

func TestCallsCarryTheFrameworkID(t *testing.T) {
	t.Parallel()
	q := outgoing.NewQueue(timers.NewQueue(), 1, 10)
	q.SetFrameworkID("F1")
	q.Send(outgoing.Teardown())
	if got := q.Take(start)[0].FrameworkID.GetValue(); got != "F1" {
		t.Errorf("a queued call carries %q", got)
	}
	if got := q.Address(&outgoing.Call{Call: outgoing.Teardown()}).FrameworkID.GetValue(); got != "F1" {
		t.Errorf("an addressed call carries %q", got)
	}
}

func TestDropReturnsWaitingCalls(t *testing.T) {
	t.Parallel()
	q := outgoing.NewQueue(timers.NewQueue(), 1, 1)
	fill(q, 3)
	q.Take(start)
	if got := len(q.Drop()); got != 2 {
		t.Errorf("%d calls are dropped, want 2", got)
	}
	if q.Len() != 0 || len(q.Drop()) != 0 {
		t.Error("dropped calls wait on")
	}
}
