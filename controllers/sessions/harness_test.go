package sessions

import (
	"context"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/mesos/access"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var subscribedState = session.State{Subscribed: true, Reconciled: true, FrameworkID: "f-1", Master: "10.0.0.1:5050", Reason: scheduler.Subscribed}

// fakeSession is a session whose state a test sets. The methods of Session that it lacks
// are not for this package to call.
type fakeSession struct {
	Session
	registry *Registry
	name     string

	mu      sync.Mutex
	state   session.State
	windows map[string]scheduler.Window
	blocked chan struct{} // if not nil, Run ignores its context until this is closed
	failed  chan error    // an error here ends Run
}

func (f *fakeSession) Run(ctx context.Context) error {
	if f.blocked != nil {
		<-f.blocked
		return nil
	}
	select {
	case err := <-f.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

func (f *fakeSession) State() session.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.state
}

func (f *fakeSession) MaintenanceWindow(agentID string) (scheduler.Window, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	w, planned := f.windows[agentID]
	return w, planned
}

func (f *fakeSession) ForgetAgentFailures() {}

func (f *fakeSession) Masters() []string { return nil }

func (f *fakeSession) OpenAccess(context.Context) (access.Open, error) { return access.Open{}, nil }

func (f *fakeSession) Capacity(context.Context) placement.Capacity {
	return placement.Capacity{UnknownReason: "a fake knows no capacity"}
}

// setState sets the state of the session, as a session does that calls Config.OnChange.
func (f *fakeSession) setState(s session.State) {
	f.mu.Lock()
	f.state = s
	f.mu.Unlock()
	f.registry.Notify(f.name)
}

// newSession returns a session that notifies the registry under this name.
func newSession(r *Registry, name string) *fakeSession {
	return &fakeSession{registry: r, name: name, failed: make(chan error, 1)}
}

// startSession begins a session that is not to fail.
func startSession(t *testing.T, r *Registry, name string) (*Entry, *fakeSession) {
	t.Helper()
	f := newSession(r, name)
	e, err := r.Begin(name, f)
	if err != nil {
		t.Fatal(err)
	}
	return e, f
}

// start runs the registry until the test ends, and returns functions that count the events
// on its two channels.
func start(t *testing.T, r *Registry) (frameworks, nodes func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- r.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	count := func(from <-chan event.GenericEvent) func() int {
		counted := make(chan int, 1)
		counted <- 0
		go func() {
			for {
				select {
				case <-from:
					counted <- <-counted + 1
				case <-ctx.Done():
					return
				}
			}
		}()
		return func() int { n := <-counted; counted <- n; return n }
	}
	return count(r.FrameworkChanges()), count(r.NodeChanges())
}

// await waits until the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 400 {
		if holds() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("timed out waiting for %s", what)
}
