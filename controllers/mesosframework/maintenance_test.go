package mesosframework

import (
	"context"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// heard returns the next agent whose maintenance changed, "" if none does in a while.
func heard(t *testing.T, from <-chan event.GenericEvent) string {
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

func TestNodesAreToldOfTheMaintenanceThatTheyAskedFor(t *testing.T) {
	s := NewSessions()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { _ = s.Start(ctx) }()
	go func() {
		for range s.frameworks { // nobody else does
		}
	}()
	defer func() { cancel(); s.running.Wait() }()

	if _, planned := s.Maintenance("default", "S1"); planned {
		t.Error("a maintenance is known before there is a session")
	}
	c, f := newConversation(s, "default")
	if err := s.begin(c); err != nil {
		t.Fatal(err)
	}
	window := scheduler.Window{Start: noon, Duration: time.Hour}
	plan := func(windows map[string]scheduler.Window) {
		f.mu.Lock()
		f.windows = windows
		f.mu.Unlock()
		f.config.OnChange()
	}
	plan(map[string]scheduler.Window{"S1": window, "S2": window})
	if got := heard(t, s.NodeChanges()); got != "S1" {
		t.Errorf("told of %q, want S1", got)
	}
	if got := heard(t, s.NodeChanges()); got != "" {
		t.Errorf("told of %q, and nobody had asked", got)
	}
	if got, planned := s.Maintenance("default", "S1"); !planned || got != window {
		t.Errorf("got %v, %t", got, planned)
	}
	f.config.OnChange()
	if got := heard(t, s.NodeChanges()); got != "" {
		t.Errorf("told of %q, and nothing had changed", got)
	}
	plan(nil)
	if got := heard(t, s.NodeChanges()); got != "S1" {
		t.Errorf("told of %q when it was taken back", got)
	}
}
