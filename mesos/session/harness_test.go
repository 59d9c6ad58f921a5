package session_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// testTimeout is the maximum time that a test waits for a condition.
const testTimeout = 20 * time.Second

// memoryStore is a store in memory with injected failures.
type memoryStore struct {
	mu      sync.Mutex
	id      string
	intents map[string]scheduler.Intent
	states  map[string][]scheduler.TaskState
	log     []string // "prepare n1", "record n1 TASK_RUNNING", in order

	failID      int // the next so many calls fail
	failPrepare func(taskID string) error
	failRecord  func(scheduler.TaskStatus) error
	prepareTime time.Duration
}

func newMemoryStore() *memoryStore {
	return &memoryStore{intents: map[string]scheduler.Intent{}, states: map[string][]scheduler.TaskState{}}
}

func (m *memoryStore) StoreFrameworkID(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failID > 0 {
		m.failID--
		return fmt.Errorf("the store is away")
	}
	m.id = id
	return nil
}

func (m *memoryStore) Prepare(ctx context.Context, in scheduler.Intent) (scheduler.Payload, error) {
	select {
	case <-time.After(m.prepareTime):
	case <-ctx.Done():
		return scheduler.Payload{}, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failPrepare != nil {
		if err := m.failPrepare(in.TaskID); err != nil {
			return scheduler.Payload{}, err
		}
	}
	m.intents[in.TaskID] = in
	m.log = append(m.log, "prepare "+in.TaskID)
	return scheduler.Payload{
		Name: in.TaskID, Data: []byte("secret"), Command: "run", Overhead: placement.Resources{CPUs: 0.1, MemMiB: 32},
		KillGrace: time.Second, Labels: map[string]string{"pool": "general"},
	}, nil
}

func (m *memoryStore) Record(_ context.Context, st scheduler.TaskStatus) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failRecord != nil {
		if err := m.failRecord(st); err != nil {
			return err
		}
	}
	if _, known := m.intents[st.TaskID]; !known {
		return scheduler.ErrUnknownTask
	}
	if st.IsForeign {
		return nil
	}
	m.states[st.TaskID] = append(m.states[st.TaskID], st.State)
	m.log = append(m.log, fmt.Sprintf("record %s %s", st.TaskID, st.State))
	return nil
}

// countInState counts the tasks whose last state is the one given.
func (m *memoryStore) countInState(s scheduler.TaskState) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, states := range m.states {
		if states[len(states)-1] == s {
			n++
		}
	}
	return n
}

func (m *memoryStore) frameworkID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.id
}

// unfinishedTasks returns the tasks that a restart restores.
func (m *memoryStore) unfinishedTasks() []scheduler.Task {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []scheduler.Task
	for _, id := range slices.Sorted(maps.Keys(m.intents)) {
		t := scheduler.Task{ID: id, AgentID: m.intents[id].AgentID, Group: "general"}
		if states := m.states[id]; len(states) > 0 {
			t.State = states[len(states)-1]
		}
		if !t.State.Terminal() {
			out = append(out, t)
		}
	}
	return out
}

// runningSession is a session whose Run was started.
type runningSession struct {
	*session.Session
	t       *testing.T
	changed chan struct{}
	stop    context.CancelFunc
	done    chan struct{}
}

// shortTiming returns timing with short delays for tests in real time.
func shortTiming() scheduler.Timing {
	return scheduler.Timing{
		Subscribe:     scheduler.Backoff{Initial: 20 * time.Millisecond, Max: 100 * time.Millisecond},
		Store:         scheduler.Backoff{Initial: 20 * time.Millisecond, Max: 100 * time.Millisecond},
		Prepare:       scheduler.Backoff{Initial: 20 * time.Millisecond, Max: 100 * time.Millisecond},
		PlanDelay:     5 * time.Millisecond,
		SuppressDelay: 300 * time.Millisecond,
		OfferHold:     500 * time.Millisecond,
		Reconcile:     scheduler.Backoff{Initial: 200 * time.Millisecond, Max: time.Second},
		Kill:          scheduler.Backoff{Initial: 200 * time.Millisecond, Max: time.Second},
	}
}

func config(store session.Store, masters ...string) session.Config {
	return session.Config{
		Masters: masters, Store: store, Clock: time.Now, Seed: 1, Timing: shortTiming(),
		Framework: scheduler.Info{Name: "k8sm", User: "root", Roles: []string{"k8sm"}, FailoverTimeout: time.Hour},
	}
}

func start(t *testing.T, cfg session.Config) *runningSession {
	t.Helper()
	r := &runningSession{t: t, changed: make(chan struct{}, 1), done: make(chan struct{})}
	cfg.OnChange = func() {
		select {
		case r.changed <- struct{}{}:
		default:
		}
	}
	s, err := session.New(cfg)
	if err != nil {
		t.Fatalf("making the session: %v", err)
	}
	r.Session = s
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() {
		defer close(r.done)
		if err := s.Run(ctx); err != nil {
			t.Errorf("running the session: %v", err)
		}
	}()
	t.Cleanup(r.end)
	return r
}

// end stops the session and waits until Run has returned.
func (r *runningSession) end() {
	r.stop()
	r.awaitEnd()
}

func (r *runningSession) awaitEnd() {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(testTimeout):
		r.t.Errorf("the session does not end: %+v", r.State())
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(testTimeout); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if condition() {
			return
		}
	}
	t.Fatalf("not within %s: %s", testTimeout, what)
}

// awaitState waits for a reason. It is woken by OnChange instead of polling.
func (r *runningSession) awaitState(reason scheduler.StateReason) session.State {
	r.t.Helper()
	deadline := time.After(testTimeout)
	for {
		if st := r.State(); st.Reason == reason {
			return st
		}
		select {
		case <-r.changed:
		case <-deadline:
			r.t.Fatalf("the state is %+v, want %s", r.State(), reason)
		}
	}
}

// startCluster starts a Mesos cluster with a master and some agents. Their executors report
// each task as running.
func startCluster(t *testing.T, agents int, change ...func(*mesostest.MasterOptions)) *mesostest.Master {
	t.Helper()
	o := mesostest.MasterOptions{AllocationInterval: 50 * time.Millisecond, UpdateRetryInterval: 200 * time.Millisecond}
	for _, f := range change {
		f(&o)
	}
	m, err := mesostest.NewMaster(o)
	if err != nil {
		t.Fatalf("starting the master: %v", err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("closing the master: %v", err)
		}
	})
	for range agents {
		if _, err := m.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(mesostest.AutoRun), WorkDir: t.TempDir()}); err != nil {
			t.Fatalf("adding an agent: %v", err)
		}
	}
	return m
}

func demand(n int) placement.Demand {
	return placement.Demand{
		ID: fmt.Sprintf("node-%02d.1", n), Group: "general", Role: "k8sm",
		Resources: placement.Resources{CPUs: 1, MemMiB: 512, Ports: 2},
	}
}

func (r *runningSession) addDemands(n int) {
	for i := range n {
		r.AddDemand(demand(i))
	}
}

func wantContains(t *testing.T, s, part string) {
	t.Helper()
	if !strings.Contains(s, part) {
		t.Errorf("%q does not contain %q", s, part)
	}
}
