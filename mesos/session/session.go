package session

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/detector"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// maxStoreCalls is how many calls to the store are under way at once.
const maxStoreCalls = 16

// Session is one framework's conversation with a Mesos cluster. Its methods may be
// called at any time, also before Run, and concurrently.
type Session struct {
	cfg     Config
	log     logr.Logger
	masters []*url.URL // of the stream that is being opened; the last that answered first
	// ensemble tells who leads, in place of masters; nil for a plain list.
	ensemble *detector.Ensemble
	client   *client
	metrics  frameworkMetrics
	store    workerPool
	surveys  agentSurvey

	// mu guards the core and all below it. Nothing waits while holding it.
	mu         sync.Mutex
	core       *scheduler.Core
	counts     scheduler.Counters // as far as they are in the metrics
	state      scheduler.State    // as it was last logged
	info       scheduler.Info     // as what we want to be registered
	ctx        context.Context    // from Run until its end
	cancel     context.CancelFunc
	running    bool
	stopped    bool
	timer      *time.Timer
	current    *stream // nil while there is none
	last       *stream // opened last, closed or not
	changed    bool    // to be told
	finalState chan struct{}
	leaderTracker
	jobs sync.WaitGroup
}

// New checks the configuration and makes a session that is not yet running.
func New(cfg Config) (*Session, error) {
	if cfg.Store == nil || cfg.Clock == nil {
		return nil, errors.New("a session needs a store and a clock")
	}
	masters, ensemble, err := parseMasters(cfg.Masters)
	if err != nil {
		return nil, err
	}
	if cfg.Seed == 0 {
		cfg.Seed = uint64(cfg.Clock().UnixNano())
	}
	core, err := scheduler.New(scheduler.Config{Info: cfg.Framework, Tasks: cfg.Tasks, Seed: cfg.Seed, Timing: cfg.Timing})
	if err != nil {
		return nil, fmt.Errorf("making the framework's core: %w", err)
	}
	s := &Session{
		cfg: cfg, log: cfg.Log, masters: masters, ensemble: ensemble, client: newClient(&cfg), core: core, info: cfg.Framework,
		metrics: cfg.Metrics.forFramework(cfg.Framework.Name), finalState: make(chan struct{}),
		leaderTracker: leaderTracker{known: make(chan struct{})}, surveys: agentSurvey{turn: make(chan struct{}, 1)},
	}
	s.store = workerPool{limit: maxStoreCalls, spawn: s.spawn}
	return s, nil
}

// Run holds the conversation until the context ends or the session is final, which
// State tells; it does not tear the framework down. It can be called once.
func (s *Session) Run(ctx context.Context) error {
	if err := s.start(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-s.finalState:
	}
	s.stop()
	s.jobs.Wait()
	s.client.current().http.CloseIdleConnections()
	s.metrics.forget()
	return nil
}

func (s *Session) start(ctx context.Context) error {
	s.mu.Lock()
	if s.ctx != nil {
		s.mu.Unlock()
		return errors.New("the session has been run before")
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	s.running = true
	if s.ensemble != nil {
		s.spawn(s.runDetector)
	}
	s.mu.Unlock()
	s.tick()
	return nil
}

// stop stops everything. Jobs that run see their context end.
func (s *Session) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running, s.stopped = false, true
	s.cancel()
	s.closeStream()
	if s.timer != nil {
		s.timer.Stop()
	}
}

// spawn starts a goroutine that Run waits for; false once the session is ending.
func (s *Session) spawn(f func()) bool {
	if s.ctx == nil || s.ctx.Err() != nil {
		return false
	}
	s.jobs.Add(1)
	go func() {
		defer s.jobs.Done()
		f()
	}()
	return true
}

// State of the registration.
func (s *Session) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.State()
}

// Want asks for a task, or changes what was asked as long as it has no place. Asking
// again for the same is free.
func (s *Session) Want(d placement.Demand) {
	s.withCore(func(now time.Time) { s.core.AddDemand(now, d) })
}

// Forget withdraws a demand. What was launched for it is not killed.
func (s *Session) Forget(taskID string) {
	s.withCore(func(now time.Time) { s.core.WithdrawDemand(now, taskID) })
}

// Kill has a task killed, again and again until a terminal status is recorded.
func (s *Session) Kill(taskID, agentID string) {
	s.withCore(func(now time.Time) { s.core.Kill(now, taskID, agentID) })
}

// Message sends data to a task's executor, once. It may get lost: what is to be heard is
// sent again until an update answers.
func (s *Session) Message(taskID string, data []byte) {
	s.withCore(func(now time.Time) { s.core.SendMessage(now, taskID, data) })
}

// Update changes as what the framework is registered: at once where the master is with
// us, else with the next SUBSCRIBE. State.Divergence reports what the master did not accept.
func (s *Session) Update(info scheduler.Info) error {
	var err error
	s.withCore(func(now time.Time) {
		if err = s.core.UpdateFramework(now, info); err == nil {
			s.info = info
		}
	})
	return err
}

// SetCredentials has new calls and connections use other credentials. The stream lives on;
// where there is none, one is tried for soon.
func (s *Session) SetCredentials(a Credentials) {
	if s.client.setCredentials(a) {
		s.withCore(func(now time.Time) { s.core.RetrySoon(now) })
	}
}

// Maintenance is when an agent is to be unavailable, as far as the master has told.
func (s *Session) Maintenance(agentID string) (scheduler.Window, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.MaintenanceWindow(agentID)
}

// Explain says why a wanted task has no place yet; waiting is false when the task is
// not wanted, or has a place.
func (s *Session) Explain(taskID string) (message string, waiting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.Explain(taskID)
}

// Teardown removes the framework from Mesos with all its tasks, which ends the session.
// It returns when the master has taken the call, or the context ends; Run must be on.
func (s *Session) Teardown(ctx context.Context) error {
	s.withCore(func(now time.Time) { s.core.Teardown(now) })
	select {
	case <-s.finalState:
	case <-ctx.Done():
		return fmt.Errorf("waiting for the master to take TEARDOWN (%s): %w", s.State().Message, ctx.Err())
	}
	if st := s.State(); st.Reason != scheduler.FrameworkRemoved {
		return fmt.Errorf("tearing down: the session ended: %s", st.Message)
	}
	return nil
}
