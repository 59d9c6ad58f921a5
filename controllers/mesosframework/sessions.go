package mesosframework

import (
	"context"
	"fmt"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/mesosnode"
	"github.com/k8sm/k8sm/controllers/mesosnodepool"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// Session is a conversation with a Mesos cluster, as *session.Session holds one.
type Session interface {
	// Run holds the conversation until the context ends or the session is final.
	Run(ctx context.Context) error
	// State of the registration.
	State() session.State
	// Want asks for a task; Forget withdraws that; Explain says why there is none yet.
	Want(placement.Demand)
	Forget(taskID string)
	Explain(taskID string) (message string, waiting bool)
	// Kill has a task killed, again and again until a terminal status is recorded.
	Kill(taskID, agentID string)
	// Message sends data to a task's executor, once: it may get lost.
	Message(taskID string, data []byte)
	// Maintenance is when an agent is to be unavailable, false when nothing is planned.
	Maintenance(agentID string) (scheduler.Window, bool)
	// Capacity is what could be had, as far as is known; it asks the master seldom.
	Capacity(ctx context.Context) placement.Capacity
	// SetCredentials and Update change with which credentials, and as what, we are registered.
	// The stream lives on.
	SetCredentials(session.Credentials)
	Update(scheduler.Info) error
	// Teardown removes the framework from Mesos with all its tasks, and ends the session.
	Teardown(ctx context.Context) error
}

// Sessions are those that run, by the names of their MesosFrameworks. The Reconciler
// begins and ends them; the controllers of nodes and pools find them here. It is a
// Runnable of the manager: when that ends, or leads no more, every session has ended
// before another operator may lead.
type Sessions struct {
	context context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	wake    chan struct{}

	frameworks chan event.GenericEvent
	nodes      chan event.GenericEvent

	mu            sync.Mutex
	closed        bool
	conversations map[string]*conversation
	changed       map[string]bool
	// windows are the maintenance that nodes were told of, by framework and agent, none
	// being the zero one.
	windows map[string]map[string]scheduler.Window
}

var (
	_ mesosnode.Frameworks = (*Sessions)(nil)
	_ mesosnodepool.Agents = (*Sessions)(nil)
)

// conversation is a session that was begun.
type conversation struct {
	Session
	// name of the MesosFramework.
	name string
	// terms that it is held on, began when. Only the Reconciler uses them.
	terms terms
	began time.Time
	// fought counts the sessions before that another scheduler ended, one right after
	// the other; lost is when one ended this session, zero if none did.
	fought int
	lost   time.Time
	cancel context.CancelFunc
	// done is closed when Run has returned.
	done chan struct{}
	// told is the state that was last told of; only the notifier uses it.
	told session.State
}

// Ready tells whether the session is subscribed and knows what became of its tasks.
func (c *conversation) Ready() bool { return !c.ended() && ready(c.State()) }

func ready(s session.State) bool { return s.Subscribed && s.Reconciled }

// ended tells whether Run has returned.
func (c *conversation) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// NewSessions returns a registry without sessions.
func NewSessions() *Sessions {
	ctx, cancel := context.WithCancel(context.Background())
	return &Sessions{
		context:       ctx,
		cancel:        cancel,
		wake:          make(chan struct{}, 1),
		frameworks:    make(chan event.GenericEvent),
		nodes:         make(chan event.GenericEvent),
		conversations: map[string]*conversation{},
		changed:       map[string]bool{},
		windows:       map[string]map[string]scheduler.Window{},
	}
}

// Get returns the session of the named MesosFramework, if one was begun.
func (s *Sessions) Get(name string) (mesosnode.Framework, bool) {
	if c := s.find(name); c != nil {
		return c, true
	}
	return nil, false
}

// Capacity is what could be had of the framework's cluster, as far as is known.
func (s *Sessions) Capacity(ctx context.Context, name string) placement.Capacity {
	if c := s.find(name); c != nil {
		return c.Capacity(ctx)
	}
	return placement.Capacity{UnknownReason: fmt.Sprintf("MesosFramework %s has no session", name)}
}

// NodeChanges tells of each session that began, became ready or ceased to be, by an
// event that bears the MesosFramework's name. It must be read.
func (s *Sessions) NodeChanges() <-chan event.GenericEvent { return s.nodes }

// Start tells of changes until the context ends, then ends all sessions.
func (s *Sessions) Start(ctx context.Context) error {
	for {
		select {
		case <-s.wake:
			s.notify(ctx)
		case <-ctx.Done():
			s.close()
			return nil
		}
	}
}

// NeedLeaderElection keeps sessions to the operator that leads.
func (s *Sessions) NeedLeaderElection() bool { return true }

// begin runs a session under its name. There must be none that has not ended.
func (s *Sessions) begin(c *conversation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if other := s.conversations[c.name]; s.closed || other != nil && !other.ended() {
		return fmt.Errorf("beginning a session: the one before of %s has not ended", c.name)
	}
	ctx, cancel := context.WithCancel(s.context)
	c.cancel, c.done = cancel, make(chan struct{})
	s.conversations[c.name] = c
	s.running.Go(func() {
		defer cancel()
		_ = c.Run(ctx) // what there is to say of its end is in its state
		close(c.done)
		s.poke(c.name)
	})
	s.pokeLocked(c.name)
	return nil
}

// end has the session of that name end, and tells whether there is none any more. If
// there is one still, the MesosFramework's reconciliation follows its end.
func (s *Sessions) end(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.conversations[name]
	if c == nil {
		return true
	}
	c.cancel()
	if !c.ended() {
		return false
	}
	delete(s.conversations, name)
	s.pokeLocked(name)
	return true
}

func (s *Sessions) find(name string) *conversation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conversations[name]
}

// poke says that the state of a session may have changed. It does not block.
func (s *Sessions) poke(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pokeLocked(name)
}

func (s *Sessions) pokeLocked(name string) {
	s.changed[name] = true
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// notify tells the controllers whose session is not what they were told last.
func (s *Sessions) notify(ctx context.Context) {
	s.mu.Lock()
	changed := s.changed
	s.changed = map[string]bool{}
	s.mu.Unlock()
	for name := range changed {
		c := s.find(name)
		s.notifyWindows(ctx, name)
		if c == nil || c.ended() {
			tell(ctx, s.frameworks, name)
			tell(ctx, s.nodes, name)
			continue
		}
		state := c.State()
		if state != c.told {
			tell(ctx, s.frameworks, name)
		}
		if c.told == (session.State{}) || ready(state) != ready(c.told) {
			tell(ctx, s.nodes, name)
		}
		c.told = state
	}
}

func tell(ctx context.Context, whom chan<- event.GenericEvent, name string) {
	framework := &v1alpha1.MesosFramework{ObjectMeta: metav1.ObjectMeta{Name: name}}
	select {
	case whom <- event.GenericEvent{Object: framework}:
	case <-ctx.Done():
	}
}

// close ends all sessions and returns when they have ended.
func (s *Sessions) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.running.Wait()
}
