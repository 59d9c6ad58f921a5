package sessions

import (
	"context"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// nextAgent returns the next agent whose maintenance changed, "" if none does for 100 ms.
func nextAgent(t *testing.T, from <-chan event.GenericEvent) string {
	t.Helper()
	for {
		select {
		case e := <-from:
			if n, ok := e.Object.(*v1alpha1.MesosNode); ok {
				return n.Status.Task.AgentID
			}
		case <-time.After(100 * time.Millisecond):
			return ""
		}
	}
}

func TestNodesGetEventsForTheirMaintenance(t *testing.T) {
	r := NewRegistry()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = r.Start(ctx) }()
	go func() {
		for range r.FrameworkChanges() { // nobody else does
		}
	}()
	defer func() { cancel(); r.running.Wait() }()

	if _, planned := r.Maintenance("default", "S1"); planned {
		t.Error("a maintenance is known before there is a session")
	}
	_, f := startSession(t, r, "default")
	window := scheduler.Window{Start: noon, Duration: time.Hour}
	plan := func(windows map[string]scheduler.Window) {
		f.mu.Lock()
		f.windows = windows
		f.mu.Unlock()
		r.Notify("default")
	}
	plan(map[string]scheduler.Window{"S1": window, "S2": window})
	if got := nextAgent(t, r.NodeChanges()); got != "S1" {
		t.Errorf("events for %q, want S1", got)
	}
	if got := nextAgent(t, r.NodeChanges()); got != "" {
		t.Errorf("events for %q before maintenance was queried", got)
	}
	if got, planned := r.Maintenance("default", "S1"); !planned || got != window {
		t.Errorf("got %v, %t", got, planned)
	}
	r.Notify("default")
	if got := nextAgent(t, r.NodeChanges()); got != "" {
		t.Errorf("events for %q although nothing had changed", got)
	}
	plan(nil)
	if got := nextAgent(t, r.NodeChanges()); got != "S1" {
		t.Errorf("events for %q when the maintenance was cancelled", got)
	}
}

func TestMaintenanceIsThatOfTheNamedFramework(t *testing.T) {
	r := NewRegistry()
	t.Cleanup(r.Close)
	_, first := startSession(t, r, "first")
	startSession(t, r, "second")
	window := scheduler.Window{Start: noon, Duration: time.Hour}
	first.windows = map[string]scheduler.Window{"S1": window}
	tests := map[string]struct {
		framework, agent string
		want             scheduler.Window
	}{
		"an agent with a plan":                  {"first", "S1", window},
		"another agent of the cluster":          {"first", "S2", scheduler.Window{}},
		"an agent of the same ID, in another":   {"second", "S1", scheduler.Window{}},
		"an agent of a cluster without session": {"third", "S1", scheduler.Window{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, planned := r.Maintenance(test.framework, test.agent)
			if got != test.want || planned != (test.want != scheduler.Window{}) {
				t.Errorf("got %v, %t, want %v", got, planned, test.want)
			}
		})
	}
}
