package sessions

import (
	"context"
	"testing"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

func TestNodesGetEventsForReadinessOnly(t *testing.T) {
	r := NewRegistry()
	frameworks, nodes := start(t, r)
	_, f := startSession(t, r, "default")
	steps := []struct {
		what              string
		state             session.State
		frameworks, nodes int // told so far
	}{
		{"it connects", session.State{Reason: scheduler.Connecting}, 1, 1},
		{"it subscribes", session.State{Subscribed: true, Master: "m:5050"}, 2, 1},
		{"it is ready", subscribedState, 3, 2},
		{"nothing changed", subscribedState, 3, 2},
		{"the master changed", session.State{Subscribed: true, Reconciled: true, Master: "m2:5050"}, 4, 2},
		{"it is lost", session.State{Reason: scheduler.NoLeader}, 5, 3},
	}
	for _, step := range steps {
		f.setState(step.state)
		for range 100 {
			if frameworks() >= step.frameworks && nodes() >= step.nodes {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(10 * time.Millisecond)
		if frameworks() < step.frameworks || nodes() < step.nodes || nodes() > step.nodes+1 {
			t.Fatalf("%s: %d events for frameworks and %d for nodes, want %d and %d", step.what, frameworks(), nodes(), step.frameworks, step.nodes)
		}
	}
}

func TestTheEndOfASessionIsAnEventForBoth(t *testing.T) {
	r := NewRegistry()
	frameworks, nodes := start(t, r)
	e, f := startSession(t, r, "default")
	f.setState(subscribedState)
	await(t, "the events of its start", func() bool { return frameworks() > 0 && nodes() > 0 })
	f.failed <- nil
	await(t, "the end of Run", e.Ended)
	await(t, "the events of its end", func() bool { return frameworks() > 1 && nodes() > 1 })
}

func TestEventsBearTheNameOfTheFramework(t *testing.T) {
	r := NewRegistry()
	t.Cleanup(r.Close)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = r.Start(ctx) }()
	startSession(t, r, "data")
	if e := <-r.NodeChanges(); e.Object.GetName() != "data" {
		t.Errorf("nodes get an event for %q", e.Object.GetName())
	}
	r.Notify("unknown")
	e := <-r.FrameworkChanges()
	if _, ok := e.Object.(*v1alpha1.MesosFramework); !ok || e.Object.GetName() != "unknown" {
		t.Errorf("an event for %T %q, want the MesosFramework without a session", e.Object, e.Object.GetName())
	}
}

func TestNotifyDoesNotBlockAndLosesNothing(t *testing.T) {
	r := NewRegistry()
	for range 1000 { // nobody reads yet
		r.Notify("first")
		r.Notify("second")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = r.Start(ctx) }()
	told := map[string]int{}
	for range 4 {
		select {
		case e := <-r.FrameworkChanges():
			told[e.Object.GetName()]++
		case e := <-r.NodeChanges():
			told[e.Object.GetName()]++
		case <-time.After(5 * time.Second):
			t.Fatalf("events for %v only", told)
		}
	}
	if told["first"] != 2 || told["second"] != 2 {
		t.Errorf("events for %v, want each twice: once for frameworks, once for nodes", told)
	}
}
