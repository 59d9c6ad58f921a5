package session_test

import (
	"context"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// An executor that was taken over says of its neighbours' tasks that they have ended. Mesos
// passes that on, and its master repeats it when it is asked. Nothing comes of it.
func TestExecutorsDoNotEndEachOthersTasks(t *testing.T) {
	t.Parallel()
	attack := make(chan struct{})
	calls := &callRecorder{}
	m := startCluster(t, 0, func(o *mesostest.MasterOptions) { o.Observe = calls.observe })
	attacker := func(ctx context.Context, x *mesostest.Conn) error {
		event, err := x.Next(ctx)
		if err != nil || event.Type != executor.Event_SUBSCRIBED {
			return err
		}
		if event.Subscribed.ExecutorInfo.ExecutorID.Value == demand(1).ID {
			go func() {
				<-attack
				_ = x.Update(mesos.TaskStatus{TaskID: mesos.TaskID{Value: demand(0).ID}, State: mesos.TASK_FAILED.Enum()}) // the agent runs
			}()
		}
		return mesostest.AutoRun(ctx, x)
	}
	for range 2 {
		if _, err := m.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(attacker), WorkDir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
	}
	store := newMemoryStore()
	cfg := config(store, m.Addr())
	cfg.Metrics = session.NewMetrics()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(cfg.Metrics)
	r := start(t, cfg)
	r.awaitState(scheduler.Subscribed)
	for i := range 2 {
		d := demand(i)
		d.MaxPerAgent = 1
		r.AddDemand(d)
	}
	eventually(t, "both tasks run", func() bool { return store.countInState(scheduler.TaskRunning) == 2 })
	close(attack)
	eventually(t, "the foreign update is counted", func() bool { return counterOf(t, registry, "k8sm_status_updates_ignored_total") >= 1 })
	if n := store.countInState(scheduler.TaskRunning); n != 2 {
		t.Errorf("%d tasks run after the attack, want 2: %v", n, store.states)
	}

	// After a lost stream the master is asked about every task, and answers what it was told.
	reconciled := calls.count("RECONCILE")
	m.CloseStreams()
	eventually(t, "the master is asked again", func() bool { return calls.count("SUBSCRIBE") > 1 && calls.count("RECONCILE") > reconciled+1 })
	r.awaitState(scheduler.Subscribed)
	time.Sleep(300 * time.Millisecond)
	if n := store.countInState(scheduler.TaskRunning); n != 2 {
		t.Errorf("%d tasks run after reconciliation, want 2: %v", n, store.states)
	}
}

// counterOf returns the sum of a counter.
func counterOf(t *testing.T, from prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() == name {
			for _, metric := range f.Metric {
				sum += metric.GetCounter().GetValue()
			}
		}
	}
	return sum
}

// A stopped executor carries out no KILL. Its agent ends the container after SHUTDOWN.
func TestStoppedExecutorIsShutDownByItsAgent(t *testing.T) {
	t.Parallel()
	calls := &callRecorder{}
	m := startCluster(t, 0, func(o *mesostest.MasterOptions) { o.Observe = calls.observe })
	stopped := func(ctx context.Context, x *mesostest.Conn) error {
		for {
			event, err := x.Next(ctx)
			if err != nil {
				return err
			}
			for _, task := range mesostest.LaunchedTasks(event) {
				if err := x.Update(mesos.TaskStatus{TaskID: task.TaskID, State: mesos.TASK_RUNNING.Enum()}); err != nil {
					return err
				}
				<-ctx.Done() // until the container is destroyed
				return ctx.Err()
			}
		}
	}
	if _, err := m.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(stopped), WorkDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	store := newMemoryStore()
	cfg := config(store, m.Addr())
	cfg.Timing.KillGrace = time.Second
	r := start(t, cfg)
	r.awaitState(scheduler.Subscribed)
	r.addDemands(1)
	eventually(t, "the task runs", func() bool { return store.countInState(scheduler.TaskRunning) == 1 })
	r.Kill(demand(0).ID, "")
	eventually(t, "the task has ended", func() bool { return store.countInState(scheduler.TaskFailed) == 1 })
	all := strings.Join(calls.all(), " ")
	if kill, shutdown := strings.Index(all, "KILL"), strings.Index(all, "SHUTDOWN"); kill < 0 || shutdown < kill {
		t.Errorf("the calls are %s, want KILL and then SHUTDOWN", all)
	}
	if m.Agents()[0].Containers() != 0 {
		t.Error("the container is still there")
	}
}
