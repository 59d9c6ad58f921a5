package tasks_test

import (
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

func newKiller() (*tasks.Killer, *tasks.Task, *timers.Queue) {
	s, _, clock := newSet()
	return tasks.NewKiller(timers.Backoff{Initial: 5 * time.Second, Max: 20 * time.Second}, time.Minute, clock), s.Note("n1", "S1"), clock
}

func TestKillIsRepeatedUntilTheTaskIsOver(t *testing.T) {
	t.Parallel()
	k, task, clock := newKiller()
	if k.Send(start, task) || task.IsKilling() {
		t.Error("KILL is sent for a task that need not end")
	}
	if !k.Start(task) || k.Start(task) || !task.IsKilling() {
		t.Error("a task is not killed exactly once")
	}
	now := start
	for i, want := range []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 20 * time.Second} {
		if !k.Send(now, task) || !clock.Has(timers.Kill, "n1") || !clock.Next().Equal(now.Add(want)) {
			t.Errorf("KILL %d is repeated after %s, want %s", i+1, clock.Next().Sub(now), want)
		}
		now = clock.Next()
	}
	k.Resubscribed(task)
	if !k.Send(now, task) || !clock.Next().Equal(now.Add(5*time.Second)) {
		t.Error("on a new stream KILL does not begin anew")
	}
	task.Recorded(now, tasks.Killed)
	if k.Send(now, task) || k.Start(task) {
		t.Error("KILL is sent for a task that is over")
	}
}

func TestKillIsSentSoonerWhenTheTaskIsReachableAgain(t *testing.T) {
	t.Parallel()
	k, task, clock := newKiller()
	k.Reachable(start, task)
	if clock.Len() > 0 {
		t.Error("a task that is reachable is killed")
	}
	k.Start(task)
	for range 3 {
		k.Send(start, task) // the next in 20 s
	}
	k.Reachable(after(time.Second), task)
	if !clock.Next().Equal(after(6 * time.Second)) {
		t.Errorf("the next KILL is after %s, want 6 s", clock.Next().Sub(start))
	}
	k.Reachable(after(2*time.Second), task)
	if !clock.Next().Equal(after(6 * time.Second)) {
		t.Errorf("the next KILL is postponed to %s", clock.Next().Sub(start))
	}
}

func TestExecutorThatIgnoresKillIsShutDownAfterItsGrace(t *testing.T) {
	t.Parallel()
	k, task, clock := newKiller()
	k.Start(task)
	now := start
	for !k.MustShutDown(now, task) {
		if now.Sub(start) > time.Minute {
			t.Fatal("the executor is never shut down")
		}
		k.Send(now, task)
		now = clock.Next()
	}
	if now != after(time.Minute) {
		t.Errorf("the executor is shut down after %s, want its grace of 1 m", now.Sub(start))
	}
	k.Resubscribed(task)
	if k.MustShutDown(now, task) {
		t.Error("the executor is shut down although no KILL went out on the new stream")
	}
}

func TestExecutorOnAnAgentThatWasAwayHasItsGraceAnew(t *testing.T) {
	t.Parallel()
	k, task, _ := newKiller()
	k.Start(task)
	k.Send(start, task)
	task.Recorded(start, tasks.Unreachable)
	now := after(time.Hour)
	if k.MustShutDown(now, task) {
		t.Error("SHUTDOWN is sent to an agent that is away")
	}
	k.Reachable(now, task)
	task.Recorded(now, tasks.Running)
	k.Send(now, task)
	if k.MustShutDown(now.Add(59*time.Second), task) {
		t.Error("the executor has no grace after the agent's return")
	}
	if !k.MustShutDown(now.Add(time.Minute), task) {
		t.Error("the executor is not shut down after the agent's return")
	}
}

func TestExecutorOfUnknownPlaceIsNotShutDown(t *testing.T) {
	t.Parallel()
	s, _, clock := newSet()
	k := tasks.NewKiller(timers.Backoff{Initial: time.Second, Max: time.Second}, time.Minute, clock)
	task := s.Note("n1", "")
	k.Start(task)
	k.Send(start, task)
	if k.MustShutDown(after(time.Hour), task) {
		t.Error("SHUTDOWN is sent without an agent")
	}
}
