package session

import (
	"cmp"
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

// Session is one framework's connection to a Mesos cluster. Its methods may be called
// concurrently and at any time, also before Run.
type Session struct {
	cfg Config
	log logr.Logger
	// masters are the addresses to try. The attempt that is under way owns them, and moves
	// the master that accepted to the front.
	masters []*url.URL
	// ensemble is the ZooKeeper where the masters register; nil when Config.Masters lists
	// them.
	ensemble *detector.Ensemble
	client   *client
	metrics  frameworkMetrics
	store    workerPool
	survey   agentSurvey

	// mu guards the core and everything below. Nothing that waits may run while it is held.
	mu      sync.Mutex
	core    *scheduler.Core
	counted scheduler.Counters // that are in the metrics already
	// loggedIgnored is how many status updates and offers were ignored at the last log line.
	loggedIgnored   uint64
	ignoredLoggedAt time.Time
	lastState       State           // that was logged
	info            scheduler.Info  // the registration that is wanted
	ctx             context.Context // of Run; nil before
	cancel          context.CancelFunc
	running         bool // Run was called, and the state is not final
	stopped         bool // Run is about to return
	timer           *time.Timer
	current         *stream       // nil while there is none
	last            *stream       // that was opened last; it may be closed
	hasChanged      bool          // OnChange is due
	finalState      chan struct{} // closed when the state is final
	leader          leaderTracker
	zookeeperLogin  *detector.Login // nil without an ensemble
	quotasNext      time.Time       // when the master may be asked for quotas again
	jobs            sync.WaitGroup
}

// New makes a session that does not run yet. It returns an error when the configuration is
// not valid.
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
	core, err := scheduler.New(scheduler.Config{Info: cfg.Framework, Tasks: cfg.Tasks, AgentFailures: cfg.AgentFailures, Seed: cfg.Seed, Timing: cfg.Timing})
	if err != nil {
		return nil, fmt.Errorf("making the framework's core: %w", err)
	}
	s := &Session{
		cfg: cfg, log: cfg.Log, masters: masters, ensemble: ensemble, client: newClient(&cfg, masters), core: core, info: cfg.Framework,
		metrics: cfg.Metrics.forFramework(cfg.Framework.Name), finalState: make(chan struct{}),
		leader: newLeaderTracker(), survey: newAgentSurvey(),
	}
	if ensemble != nil {
		s.zookeeperLogin = detector.NewLogin(cmp.Or(cfg.ZooKeeper, ensemble.Login()))
	}
	s.store = workerPool{limit: maxStoreCalls, spawn: s.spawn}
	return s, nil
}

// Run keeps the session connected until its context ends or State.Final is true. It does not
// tear the framework down. It may be called once.
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
	s.metrics.deleteGauges()
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

// stop stops everything. The context of running jobs ends.
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

// spawn starts a goroutine that Run waits for. It returns false, and starts none, before Run
// and when the session ends. Session.mu, or the lock of what a running session owns, is held.
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

// State returns the state of the registration.
func (s *Session) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.State()
}

// AddDemand asks for a task, or changes a demand that has no place yet. Asking again for the same
// costs nothing.
func (s *Session) AddDemand(d placement.Demand) {
	s.withCore(func(now time.Time) { s.core.AddDemand(now, d) })
}

// WithdrawDemand withdraws a demand. A task that was launched for it is not killed.
func (s *Session) WithdrawDemand(taskID string) {
	s.withCore(func(now time.Time) { s.core.WithdrawDemand(now, taskID) })
}

// Kill kills a task. The call is repeated until a terminal status is recorded.
func (s *Session) Kill(taskID, agentID string) {
	s.withCore(func(now time.Time) { s.core.Kill(now, taskID, agentID) })
}

// SendMessage sends data to a task's executor, once. It may get lost, so that the caller repeats
// it until a status update answers.
func (s *Session) SendMessage(taskID string, data []byte) {
	s.withCore(func(now time.Time) { s.core.SendMessage(now, taskID, data) })
}

// UpdateFramework changes the registration: at once while the session is subscribed, else with the
// next SUBSCRIBE. State.Divergence has what the master did not change.
func (s *Session) UpdateFramework(info scheduler.Info) error {
	var err error
	s.withCore(func(now time.Time) {
		if err = s.core.UpdateFramework(now, info); err == nil {
			s.info = info
		}
	})
	return err
}

// SetCredentials makes new calls and connections use other credentials. An open stream goes
// on; without one, the next attempt comes soon. A connection with ZooKeeper is made anew.
func (s *Session) SetCredentials(a Credentials) {
	if s.ensemble != nil {
		s.zookeeperLogin.Set(cmp.Or(a.ZooKeeper, s.ensemble.Login()))
	}
	if s.client.setCredentials(a) {
		s.withCore(func(now time.Time) { s.core.RetrySoon(now) })
	}
}

// MaintenanceWindow returns when an agent will be unavailable, as far as the master has announced
// it.
func (s *Session) MaintenanceWindow(agentID string) (scheduler.Window, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.MaintenanceWindow(agentID)
}

// AgentFailures returns the agents on which tasks failed lately. State.AgentFailures changes
// whenever the answer does.
func (s *Session) AgentFailures() []scheduler.AgentFailure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.core.AgentFailures()
}

// ForgetAgentFailures has all agents used again that are left alone after failures.
func (s *Session) ForgetAgentFailures() { s.withCore(s.core.ForgetAgentFailures) }

// Explain returns why a demand has no place yet. Waiting is false when there is no such
// demand, or it has a place.
func (s *Session) Explain(taskID string) (message string, waiting bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	message, waiting = s.core.Explain(taskID)
	if waiting {
		s.surveyQuotas()
	}
	return message, waiting
}

// Teardown removes the framework and all its tasks from Mesos, which ends the session. It
// returns when the master has accepted the call, or with an error when the context ends. Run
// must be running.
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
