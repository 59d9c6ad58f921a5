package sessions

import (
	"context"
	"fmt"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/mesos/access"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// Session is a session with a Mesos cluster, as *session.Session implements it.
type Session interface {
	// Run keeps the session until the context ends or the session's state is final.
	Run(ctx context.Context) error
	// State of the registration.
	State() session.State
	// Masters returns the addresses, host:port, of the masters that are registered in ZooKeeper.
	Masters() []string
	// AddDemand requests a task. WithdrawDemand takes the request back. Explain returns why there
	// is no task yet.
	AddDemand(placement.Demand)
	WithdrawDemand(taskID string)
	Explain(taskID string) (message string, waiting bool)
	// Kill ends a task. The call is repeated until a terminal status is recorded.
	Kill(taskID, agentID string)
	// SendMessage sends data to a task's executor, once: it may get lost.
	SendMessage(taskID string, data []byte)
	// MaintenanceWindow returns when an agent will be unavailable, false if nothing is planned.
	MaintenanceWindow(agentID string) (scheduler.Window, bool)
	// AgentFailures returns the agents on which tasks failed lately. State().AgentFailures
	// changes whenever the answer does.
	AgentFailures() []scheduler.AgentFailure
	// ForgetAgentFailures has all agents used again that are left alone after failures.
	ForgetAgentFailures()
	// Capacity returns what the cluster could hold, as far as is known. It seldom asks the
	// master.
	Capacity(ctx context.Context) placement.Capacity
	// OpenAccess asks the leading master which calls it serves without credentials.
	OpenAccess(ctx context.Context) (access.Open, error)
	// SetCredentials and UpdateFramework change the credentials and the registration. The stream stays.
	SetCredentials(session.Credentials)
	UpdateFramework(scheduler.Info) error
	// Teardown removes the framework from Mesos with all its tasks, and ends the session.
	Teardown(ctx context.Context) error
}

// Registry holds the running sessions by the names of their MesosFrameworks. It is safe for
// concurrent use, and a Runnable of the manager: when that ends, or the operator no longer
// leads, all sessions end.
type Registry struct {
	context context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	wake    chan struct{}

	frameworks chan event.GenericEvent
	nodes      chan event.GenericEvent

	mu      sync.Mutex
	closed  bool
	entries map[string]*Entry
	changed map[string]bool
	// windows holds the maintenance that callers were last given, by framework and agent.
	// The zero window means that none is planned.
	windows map[string]map[string]scheduler.Window
}

// Entry is a session that was started.
type Entry struct {
	Session
	name   string
	cancel context.CancelFunc
	// done is closed when Run has returned.
	done chan struct{}
	// announced is the state that events were last sent for. Only notify uses it.
	announced session.State
}

// Ready reports whether the session is subscribed and has reconciled its tasks with Mesos.
func (e *Entry) Ready() bool { return !e.Ended() && isReady(e.State()) }

func isReady(s session.State) bool { return s.Subscribed && s.Reconciled }

// Ended reports whether Run has returned.
func (e *Entry) Ended() bool {
	select {
	case <-e.done:
		return true
	default:
		return false
	}
}

// NewRegistry returns a registry without sessions.
func NewRegistry() *Registry {
	ctx, cancel := context.WithCancel(context.Background())
	return &Registry{
		context:    ctx,
		cancel:     cancel,
		wake:       make(chan struct{}, 1),
		frameworks: make(chan event.GenericEvent),
		nodes:      make(chan event.GenericEvent),
		entries:    map[string]*Entry{},
		changed:    map[string]bool{},
		windows:    map[string]map[string]scheduler.Window{},
	}
}

// Find returns the session of the named MesosFramework, nil if none was started. A session
// that has ended by itself is found until [Registry.End] removes it.
func (r *Registry) Find(name string) *Entry {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.entries[name]
}

// Capacity returns what the framework's cluster could hold, as far as is known.
func (r *Registry) Capacity(ctx context.Context, name string) placement.Capacity {
	if e := r.Find(name); e != nil {
		return e.Capacity(ctx)
	}
	return placement.Capacity{UnknownReason: fmt.Sprintf("MesosFramework %s has no session", name)}
}

// Begin runs a session under this name. It returns an error if the previous session of the
// name has not ended, or if the registry is closed.
func (r *Registry) Begin(name string, session Session) (*Entry, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if previous := r.entries[name]; r.closed || previous != nil && !previous.Ended() {
		return nil, fmt.Errorf("beginning a session: the previous one of %s has not ended", name)
	}
	ctx, cancel := context.WithCancel(r.context)
	e := &Entry{Session: session, name: name, cancel: cancel, done: make(chan struct{})}
	r.entries[name] = e
	r.running.Go(func() {
		defer cancel()
		_ = e.Run(ctx) // The error is in the session's state, too.
		close(e.done)
		r.Notify(name)
	})
	r.notifyLocked(name)
	return e, nil
}

// End cancels the session of this name, and reports whether there is none any more. If one
// is still running, an event for the MesosFramework follows when it has ended.
func (r *Registry) End(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries[name]
	if e == nil {
		return true
	}
	e.cancel()
	if !e.Ended() {
		return false
	}
	delete(r.entries, name)
	r.notifyLocked(name)
	return true
}

// Start sends events until the context ends, then ends all sessions.
func (r *Registry) Start(ctx context.Context) error {
	for {
		select {
		case <-r.wake:
			r.sendEvents(ctx)
		case <-ctx.Done():
			r.Close()
			return nil
		}
	}
}

// NeedLeaderElection makes the manager start the registry only in the operator that leads.
func (r *Registry) NeedLeaderElection() bool { return true }

// Close ends all sessions, returns when they have ended, and lets none begin any more.
func (r *Registry) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.cancel()
	r.running.Wait()
}
