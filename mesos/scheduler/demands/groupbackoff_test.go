package demands_test

import (
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/demands"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

func TestGroupBacksOffAfterFailures(t *testing.T) {
	t.Parallel()
	clock := timers.NewQueue()
	b := demands.NewGroupBackoff(timers.Backoff{Initial: time.Second, Max: 4 * time.Second}, clock)
	if _, failed := b.Message("general"); failed || b.Blocks(start, "general") {
		t.Error("a group that never failed backs off")
	}
	now := start
	for i, want := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 4 * time.Second} {
		b.Failed(now, "general", "a", "conflict")
		b.Failed(now.Add(want/2), "general", "a", "timeout") // at the same time: counts as one
		if next := clock.Next(); !next.Equal(now.Add(want)) {
			t.Errorf("failure %d: the next attempt is in %s, want %s", i+1, next.Sub(now), want)
		}
		if !b.Blocks(now.Add(want-1), "general") || b.Blocks(now.Add(want), "general") {
			t.Errorf("failure %d: it does not block for %s", i+1, want)
		}
		if b.Blocks(now, "other") {
			t.Error("another group is blocked")
		}
		now = now.Add(want)
	}
	if message, _ := b.Message("general"); message != "timeout" {
		t.Errorf("the message is %q, want the last", message)
	}
	if role, _ := b.Role("general"); role != "a" {
		t.Errorf("the role is %q", role)
	}
	b.Succeeded("general")
	if _, failed := b.Role("general"); failed || b.Blocks(start, "general") {
		t.Error("a success is not the end of it")
	}
	b.Failed(now, "general", "a", "again")
	if b.Blocks(now.Add(time.Second), "general") {
		t.Error("failures before a success still count")
	}
}
