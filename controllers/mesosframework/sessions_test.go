package mesosframework

import (
	"context"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// listeners count what they are told until the test ends.
func listen(t *testing.T, s *Sessions) (frameworks, nodes func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	count := func(from <-chan event.GenericEvent) func() int {
		told := make(chan int, 1)
		told <- 0
		go func() {
			for {
				select {
				case <-from:
					told <- <-told + 1
				case <-ctx.Done():
					return
				}
			}
		}()
		return func() int { n := <-told; told <- n; return n }
	}
	return count(s.frameworks), count(s.NodeChanges())
}

func newConversation(s *Sessions, name string) (*conversation, *fakeSession) {
	f := &fakeSession{}
	f.config.OnChange = func() { s.poke(name) }
	return &conversation{Session: f, name: name}, f
}

func TestNodesAreToldOfReadinessOnly(t *testing.T) {
	s := NewSessions()
	frameworks, nodes := listen(t, s)
	c, f := newConversation(s, "default")
	if err := s.begin(c); err != nil {
		t.Fatal(err)
	}
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
		f.becomes(step.state)
		for range 100 {
			if frameworks() >= step.frameworks && nodes() >= step.nodes {
				break
			}
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(10 * time.Millisecond)
		if frameworks() < step.frameworks || nodes() < step.nodes || nodes() > step.nodes+1 {
			t.Fatalf("%s: told frameworks %d times and nodes %d times, want %d and %d", step.what, frameworks(), nodes(), step.frameworks, step.nodes)
		}
	}
}

func TestOneSessionToAName(t *testing.T) {
	s := NewSessions()
	t.Cleanup(s.close)
	c, _ := newConversation(s, "default")
	if err := s.begin(c); err != nil {
		t.Fatal(err)
	}
	if got, ok := s.Get("default"); !ok || got != c {
		t.Errorf("got %v, %t", got, ok)
	}
	second, _ := newConversation(s, "default")
	if err := s.begin(second); err == nil {
		t.Error("two sessions run under one name")
	}
	for range 200 {
		if s.end("default") {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	if got, ok := s.Get("default"); ok || got != nil {
		t.Errorf("got %v after the end", got)
	}
	if err := s.begin(second); err != nil {
		t.Errorf("after the end of the first: %v", err)
	}
}

func TestNoSessionBeginsAfterTheOperatorLeadsNoMore(t *testing.T) {
	s := NewSessions()
	c, _ := newConversation(s, "default")
	if err := s.begin(c); err != nil {
		t.Fatal(err)
	}
	s.close()
	if !c.ended() || c.Ready() {
		t.Error("the session runs on")
	}
	other, _ := newConversation(s, "other")
	if err := s.begin(other); err == nil {
		t.Error("a session began")
	}
}

func TestCapacityIsThatOfTheNamedFramework(t *testing.T) {
	s := NewSessions()
	t.Cleanup(s.close)
	room := func(name string) placement.Headroom {
		capacity := s.Capacity(context.Background(), name)
		return capacity.Headroom(placement.Demand{})
	}
	if got, want := room("default"), (placement.Headroom{Count: placement.UnknownCount, Reason: "MesosFramework default has no session"}); got != want {
		t.Errorf("without a session: %+v, want %+v", got, want)
	}
	c, _ := newConversation(s, "default")
	if err := s.begin(c); err != nil {
		t.Fatal(err)
	}
	if got, want := room("default"), (placement.Headroom{Count: placement.UnknownCount, Reason: "a fake tells nothing"}); got != want {
		t.Errorf("with one: %+v, want %+v", got, want)
	}
}
