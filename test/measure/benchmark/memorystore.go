package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// memoryStore is a store in memory, so that only session and core are measured.
type memoryStore struct {
	mu      sync.Mutex
	id      string
	tasks   map[string]scheduler.TaskStatus
	running int
}

func newMemoryStore() *memoryStore { return &memoryStore{tasks: map[string]scheduler.TaskStatus{}} }

func (l *memoryStore) StoreFrameworkID(_ context.Context, id string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.id = id
	return nil
}

func (l *memoryStore) Prepare(_ context.Context, in scheduler.Intent) (scheduler.Payload, error) {
	l.set(scheduler.TaskStatus{TaskID: in.TaskID, AgentID: in.AgentID})
	return scheduler.Payload{Name: in.TaskID, Command: "true", Overhead: placement.Resources{CPUs: 0.1, MemMiB: 32}}, nil
}

func (l *memoryStore) Record(_ context.Context, st scheduler.TaskStatus) error {
	if !st.IsForeign {
		l.set(st)
	}
	return nil
}

func (l *memoryStore) set(st scheduler.TaskStatus) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, change := range []struct {
		state scheduler.TaskState
		by    int
	}{{l.tasks[st.TaskID].State, -1}, {st.State, 1}} {
		if change.state == scheduler.TaskRunning {
			l.running += change.by
		}
	}
	l.tasks[st.TaskID] = st
}

func (l *memoryStore) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.running
}

// records returns the tasks on record for a session that starts.
func (l *memoryStore) records() []scheduler.Task {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]scheduler.Task, 0, len(l.tasks))
	for _, id := range slices.Sorted(maps.Keys(l.tasks)) {
		out = append(out, scheduler.Task{ID: id, AgentID: l.tasks[id].AgentID, Group: "bench", State: l.tasks[id].State})
	}
	return out
}

// config returns the configuration of a session that goes on with the recorded tasks.
func (l *memoryStore) config(master string) session.Config {
	return session.Config{
		Masters: []string{master}, Store: l, Clock: time.Now, Seed: 1, Tasks: l.records(),
		Framework: scheduler.Info{ID: l.id, Name: "bench", User: "root", Roles: []string{"k8sm"}, FailoverTimeout: 7 * 24 * time.Hour},
	}
}

// addAgents adds agents with room for a few nodes each, whose executors run every task.
func addAgents(m *mesostest.Master, n int) error {
	for range n {
		o := mesostest.AgentOptions{Launcher: mesostest.Func(mesostest.AutoRun), Resources: "cpus:4;mem:8192;ports:[31000-32000]"}
		if _, err := m.AddAgent(o); err != nil {
			return fmt.Errorf("starting an agent: %w", err)
		}
	}
	return nil
}

// node returns a demand. Four of them fill an agent.
func node(i int) placement.Demand {
	return placement.Demand{
		ID: fmt.Sprintf("node-%05d", i), Group: "bench", Role: "k8sm",
		Resources: placement.Resources{CPUs: 1, MemMiB: 2048, Ports: 2},
	}
}

// runSession runs a session until stop is called. Stop returns the session's error.
func runSession(ctx context.Context, s *session.Session) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() error {
		cancel()
		return <-ended
	}
}
