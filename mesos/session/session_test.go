package session_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// callRecorder keeps the scheduler's calls in their order of arrival.
type callRecorder struct {
	mu    sync.Mutex
	calls []string
}

func (r *callRecorder) observe(c *schedulerpb.Call) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := c.Type.String()
	switch c.Type {
	case schedulerpb.Call_ACCEPT:
		for _, op := range c.Accept.Operations {
			for _, ti := range op.GetLaunch().GetTaskInfos() {
				text += " " + ti.TaskID.Value
			}
		}
	case schedulerpb.Call_RECONCILE:
		for _, rt := range c.Reconcile.Tasks {
			text += " " + rt.TaskID.Value + "@" + rt.AgentID.GetValue()
		}
	case schedulerpb.Call_SUBSCRIBE:
		text += " " + c.GetFrameworkID().GetValue()
	}
	r.calls = append(r.calls, text)
}

func (r *callRecorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

func (r *callRecorder) count(prefix string) int {
	n := 0
	for _, c := range r.all() {
		if strings.HasPrefix(c, prefix) {
			n++
		}
	}
	return n
}

func TestTasksAreLaunchedKilledAndTornDown(t *testing.T) {
	t.Parallel()
	calls := &callRecorder{}
	m := startCluster(t, 6, func(o *mesostest.MasterOptions) { o.Observe = calls.observe })
	store := newMemoryStore()
	cfg := config(store, m.Addr())
	cfg.Metrics = session.NewMetrics()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(cfg.Metrics)
	r := start(t, cfg)
	st := r.awaitState(scheduler.Subscribed)
	if !st.Subscribed || !st.Reconciled || st.Master != m.Addr() || st.MasterVersion != "1.11.1" {
		t.Errorf("state %+v", st)
	}
	r.addDemands(20)
	eventually(t, "20 tasks run", func() bool { return store.countInState(scheduler.TaskRunning) == 20 })
	if id := store.frameworkID(); id == "" || id != r.State().FrameworkID {
		t.Errorf("stored ID %q, the state has %q", id, r.State().FrameworkID)
	}
	if msg, waiting := r.Explain(demand(3).ID); waiting {
		t.Errorf("a running task waits: %s", msg)
	}
	eventually(t, "offers are suppressed at rest", func() bool { return calls.count("SUPPRESS") > 0 })

	for i := range 15 {
		r.Kill(demand(i).ID, "")
	}
	eventually(t, "15 tasks are killed", func() bool { return store.countInState(scheduler.TaskKilled) == 15 })
	if n := store.countInState(scheduler.TaskRunning); n != 5 {
		t.Errorf("%d tasks run, want 5", n)
	}

	eventually(t, "at rest the framework calls nothing but ACKNOWLEDGE for half a second", func() bool {
		others := func() int { return len(calls.all()) - calls.count("ACKNOWLEDGE") }
		before := others() // what was decided before the last task ended may still arrive
		time.Sleep(500 * time.Millisecond)
		return others() == before
	})

	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := r.Teardown(ctx); err != nil {
		t.Errorf("tearing down: %v", err)
	}
	if st := r.State(); !st.Final || st.Reason != scheduler.FrameworkRemoved {
		t.Errorf("state %+v after teardown", st)
	}
	eventually(t, "all containers are gone", func() bool {
		return !slices.ContainsFunc(m.Agents(), func(a *mesostest.Agent) bool { return a.Containers() > 0 })
	})
	r.awaitEnd()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(families, func(f *dto.MetricFamily) bool {
		return f.GetName() == "k8sm_launches_total" && f.Metric[0].GetCounter().GetValue() == 20
	}) {
		t.Errorf("20 launches are not in the metrics: %v", families)
	}
}

// A demand that fits nowhere is explained, and is placed on the first agent that fits.
func TestWaitingDemandReportsItsRefusal(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 2)
	store := newMemoryStore()
	r := start(t, config(store, m.Addr()))
	d := demand(0)
	d.Resources.CPUs = 16
	r.AddDemand(d)
	want := "0 of 2 agents fit: 2 lack cpus (most offered 4 on agent-1.example, wants 16); nearest is agent-1.example, which lacks 12 cpus"
	eventually(t, "the demand is explained", func() bool {
		msg, waiting := r.Explain(d.ID)
		return waiting && msg == want
	})
	if _, err := m.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(mesostest.AutoRun), Resources: "cpus:32;mem:8192;ports:[31000-31009]", WorkDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it runs on the new agent", func() bool { return store.countInState(scheduler.TaskRunning) == 1 })
}

func TestRestartReconcilesBeforeItLaunches(t *testing.T) {
	t.Parallel()
	calls := &callRecorder{}
	m := startCluster(t, 3, func(o *mesostest.MasterOptions) { o.Observe = calls.observe })
	store := newMemoryStore()
	r := start(t, config(store, m.Addr()))
	r.addDemands(4)
	eventually(t, "4 tasks run", func() bool { return store.countInState(scheduler.TaskRunning) == 4 })
	r.end()

	// A crash between the record of an intent and its ACCEPT.
	lost := scheduler.Intent{TaskID: "lost.1", AgentID: m.Agents()[0].ID()}
	store.mu.Lock()
	store.intents[lost.TaskID] = lost
	store.mu.Unlock()

	before := len(calls.all())
	cfg := config(store, m.Addr())
	cfg.Framework.ID = store.frameworkID()
	cfg.Tasks = store.unfinishedTasks()
	s := start(t, cfg)
	s.AddDemand(demand(9))
	eventually(t, "the intent is known to have come to nothing", func() bool { return store.countInState(scheduler.TaskGone) == 1 })
	eventually(t, "the new task runs", func() bool { return store.countInState(scheduler.TaskRunning) == 5 })
	if s.State().FrameworkID != cfg.Framework.ID {
		t.Errorf("the framework ID became %s", s.State().FrameworkID)
	}

	now := slices.DeleteFunc(calls.all()[before:], func(c string) bool { return c == "ACKNOWLEDGE" }) // by either
	subscribe := slices.Index(now, "SUBSCRIBE "+cfg.Framework.ID)
	reconcile := slices.IndexFunc(now, func(c string) bool { return strings.HasPrefix(c, "RECONCILE lost.1@") })
	accept := slices.Index(now, "ACCEPT "+demand(9).ID)
	if subscribe != 0 || reconcile < subscribe || accept < reconcile {
		t.Errorf("SUBSCRIBE at %d, RECONCILE at %d, ACCEPT at %d of %v", subscribe, reconcile, accept, now)
	}
	for _, rt := range cfg.Tasks {
		if !strings.Contains(now[reconcile], rt.ID+"@"+rt.AgentID) {
			t.Errorf("%s was not asked for in %s", rt.ID, now[reconcile])
		}
	}
}

func TestSecondSchedulerReplacesTheFirst(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 2)
	store := newMemoryStore()
	first := start(t, config(store, m.Addr()))
	first.addDemands(2)
	eventually(t, "2 tasks run", func() bool { return store.countInState(scheduler.TaskRunning) == 2 })

	cfg := config(store, m.Addr())
	cfg.Framework.ID, cfg.Tasks = store.frameworkID(), store.unfinishedTasks()
	second := start(t, cfg)
	second.awaitState(scheduler.Subscribed)
	st := first.awaitState(scheduler.FailedOver)
	if !st.Final {
		t.Errorf("the first goes on: %+v", st)
	}
	first.awaitEnd()
	time.Sleep(300 * time.Millisecond) // it must not come back
	if st := second.State(); st.Reason != scheduler.Subscribed {
		t.Errorf("the second is %+v", st)
	}
	second.Kill(demand(0).ID, "")
	eventually(t, "the second kills what the first launched", func() bool { return store.countInState(scheduler.TaskKilled) == 1 })
}

func TestBrokenStreamIsReopened(t *testing.T) {
	t.Parallel()
	for name, breakIt := range map[string]func(*mesostest.Master){
		"the connection breaks":    func(m *mesostest.Master) { m.CloseStreams() },
		"a record is not RecordIO": func(m *mesostest.Master) { m.Inject(func(f *mesostest.Faults) { f.Malformed = []byte("garbage\n") }) },
		"a record is not an event": func(m *mesostest.Master) {
			m.Inject(func(f *mesostest.Faults) { f.Malformed = []byte("4\n\xff\xff\xff\xff") })
		},
		"a record is larger than the maximum": func(m *mesostest.Master) {
			m.Inject(func(f *mesostest.Faults) { f.Malformed = []byte("99999999999999999999\n") })
		},
		"an answer to a call fails": func(m *mesostest.Master) { m.Inject(func(f *mesostest.Faults) { f.DropResponses = 1 }) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := &callRecorder{}
			m := startCluster(t, 2, func(o *mesostest.MasterOptions) {
				o.HeartbeatInterval = 50 * time.Millisecond // so that faults hit a record
				o.Observe = calls.observe
			})
			store := newMemoryStore()
			cfg := config(store, m.Addr())
			cfg.Timing.FailureDelay = 50 * time.Millisecond
			cfg.Timing.MissedHeartbeats = 100 // a busy machine is no silent master
			r := start(t, cfg)
			r.addDemands(2)
			eventually(t, "2 tasks run", func() bool { return store.countInState(scheduler.TaskRunning) == 2 })
			breakIt(m)
			r.Kill(demand(0).ID, "")
			eventually(t, "the stream is opened again, with the same ID", func() bool {
				return calls.count("SUBSCRIBE "+store.frameworkID()) >= 1 && r.State().Reason == scheduler.Subscribed
			})
			eventually(t, "the task is killed", func() bool { return store.countInState(scheduler.TaskKilled) == 1 })
			if n := store.countInState(scheduler.TaskRunning); n != 1 {
				t.Errorf("%d tasks run, want 1", n)
			}
		})
	}
}

// Updates are acknowledged after they are recorded: a failing store makes them come again.
func TestUpdatesAreRecordedBeforeTheyAreAcknowledged(t *testing.T) {
	t.Parallel()
	calls := &callRecorder{}
	m := startCluster(t, 1, func(o *mesostest.MasterOptions) { o.Observe = calls.observe })
	store := newMemoryStore()
	failures := 0
	store.failRecord = func(scheduler.TaskStatus) error {
		if n := calls.count("ACKNOWLEDGE"); n > 0 {
			t.Errorf("%d updates were acknowledged while none was recorded", n)
		}
		if failures++; failures > 5 {
			store.failRecord = nil
		}
		return errors.New("conflict")
	}
	r := start(t, config(store, m.Addr()))
	r.addDemands(1)
	eventually(t, "the task runs", func() bool { return store.countInState(scheduler.TaskRunning) == 1 })
	eventually(t, "its updates are acknowledged", func() bool { return calls.count("ACKNOWLEDGE") >= 1 })
}

func TestLaunchesWaitForTheirRecords(t *testing.T) {
	t.Parallel()
	store := newMemoryStore()
	store.failID = 3
	store.failPrepare = func(id string) error {
		if id == demand(1).ID {
			return fmt.Errorf("the record of %s is being deleted", id)
		}
		return nil
	}
	m := startCluster(t, 2, func(o *mesostest.MasterOptions) {
		o.Observe = func(c *schedulerpb.Call) {
			if c.Type != schedulerpb.Call_ACCEPT {
				return
			}
			store.mu.Lock()
			defer store.mu.Unlock()
			for _, ti := range c.Accept.Operations[0].Launch.TaskInfos {
				if _, ok := store.intents[ti.TaskID.Value]; !ok || store.id == "" {
					t.Errorf("%s was launched without its record; framework ID stored: %q", ti.TaskID.Value, store.id)
				}
			}
		}
	})
	r := start(t, config(store, m.Addr()))
	r.addDemands(3)
	eventually(t, "the others run", func() bool { return store.countInState(scheduler.TaskRunning) == 2 })
	eventually(t, "the reason is reported", func() bool {
		msg, waiting := r.Explain(demand(1).ID)
		return waiting && strings.Contains(msg, "is being deleted")
	})
	r.WithdrawDemand(demand(1).ID)
	eventually(t, "nothing waits", func() bool { _, waiting := r.Explain(demand(1).ID); return !waiting })
}

func TestUnknownTasksAreKilled(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 1)
	store := newMemoryStore()
	r := start(t, config(store, m.Addr()))
	r.addDemands(2)
	eventually(t, "2 tasks run", func() bool { return store.countInState(scheduler.TaskRunning) == 2 })
	r.end()

	// The record of one is lost.
	store.mu.Lock()
	delete(store.intents, demand(0).ID)
	delete(store.states, demand(0).ID)
	store.mu.Unlock()
	cfg := config(store, m.Addr())
	cfg.Framework.ID, cfg.Tasks = store.frameworkID(), store.unfinishedTasks()
	start(t, cfg)
	eventually(t, "one container is left", func() bool { return m.Agents()[0].Containers() == 1 })
	if n := store.countInState(scheduler.TaskRunning); n != 1 {
		t.Errorf("%d tasks run, want 1", n)
	}
}

// Not parallel: it counts the goroutines of the process.
func TestSessionEndsAllItsGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	m, err := mesostest.NewMaster(mesostest.MasterOptions{AllocationInterval: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(mesostest.AutoRun), WorkDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	store := newMemoryStore()
	r := start(t, config(store, m.Addr()))
	r.addDemands(2)
	eventually(t, "2 tasks run", func() bool { return store.countInState(scheduler.TaskRunning) == 2 })
	r.end()
	r.addDemands(5) // of no use, and no harm
	r.Kill("x", "")
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

func TestTeardownBeforeRegistration(t *testing.T) {
	t.Parallel()
	r := start(t, config(newMemoryStore(), "127.0.0.1:1"))
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	if err := r.Teardown(ctx); err != nil {
		t.Errorf("tearing down: %v", err)
	}
}

func TestTeardownErrorNamesTheReason(t *testing.T) {
	t.Parallel()
	cfg := config(newMemoryStore(), "127.0.0.1:1")
	cfg.Framework.ID = "F1"
	r := start(t, cfg)
	r.awaitState(scheduler.MasterUnreachable)
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	err := r.Teardown(ctx)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	wantContains(t, err.Error(), "connection refused")
}

func TestNewRejectsInvalidConfigurations(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*session.Config){
		"no masters":                 func(c *session.Config) { c.Masters = nil },
		"no port":                    func(c *session.Config) { c.Masters = []string{"leader.mesos"} },
		"another scheme":             func(c *session.Config) { c.Masters = []string{"ftp://leader.mesos:5050"} },
		"zk:// among others":         func(c *session.Config) { c.Masters = []string{"leader.mesos:5050", "zk://leader.mesos:2181/mesos"} },
		"zk:// without port":         func(c *session.Config) { c.Masters = []string{"zk://leader.mesos/mesos"} },
		"credentials in the address": func(c *session.Config) { c.Masters = []string{"http://u:p@leader.mesos:5050"} },
		"no store":                   func(c *session.Config) { c.Store = nil },
		"no clock":                   func(c *session.Config) { c.Clock = nil },
		"no roles":                   func(c *session.Config) { c.Framework.Roles = nil },
		"a task ID with a /":         func(c *session.Config) { c.Tasks = []scheduler.Task{{ID: "a/b"}} },
		"the task ID .":              func(c *session.Config) { c.Framework.ID = "." },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(newMemoryStore(), "127.0.0.1:5050")
			change(&cfg)
			if _, err := session.New(cfg); err == nil {
				t.Error("was taken")
			}
		})
	}
}
