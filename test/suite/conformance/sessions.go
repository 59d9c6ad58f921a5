package conformance

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

var sessionChecks = []check{
	{"session/lifecycle", "k8sm's own session subscribes, launches a task, restarts and reconciles it, kills it, and tears the framework down.", []int{11, 12, 19, 20, 30}, checkSession},
}

// checkSession runs the product's own client, which finds properties that it relies on and
// that no other check covers.
func checkSession(p *probe) (string, error) {
	if p.noShellReason != "" {
		return "", skipError(p.noShellReason)
	}
	if p.onlyLoopback() {
		return "", skipf("all agents have loopback addresses, on which k8sm places no node")
	}
	store := &memoryStore{tasks: map[string]scheduler.TaskStatus{}}
	defer func() {
		if store.frameworkID() != "" { // tearDown notices if it has been torn down
			p.addOwn(&schedulerClient{c: p.cluster, leader: p.masters[0], frameworkID: store.frameworkID(), close: func() {}})
		}
	}()
	task := p.name()
	if err := p.withSession(store, func(s *session.Session) error {
		s.AddDemand(placement.Demand{ID: task, Group: "conformance", Role: p.Role, Resources: placement.Resources{CPUs: 2 * taskCPUs, MemMiB: 2 * taskMem}})
		return p.awaitRecorded(s, store, task, scheduler.TaskRunning)
	}); err != nil {
		return "", fmt.Errorf("the first session: %w", err)
	}
	store.forgetStates()
	if err := p.withSession(store, func(s *session.Session) error {
		if err := p.awaitRecorded(s, store, task, scheduler.TaskRunning); err != nil {
			return err
		}
		s.Kill(task, store.agentOf(task))
		if err := p.awaitRecorded(s, store, task, scheduler.TaskKilled); err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(p.ctx, p.Patience)
		defer cancel()
		return s.Teardown(ctx)
	}); err != nil {
		return "", fmt.Errorf("the second session: %w", err)
	}
	return "framework " + store.frameworkID(), nil
}

// onlyLoopback reports whether all agents have loopback addresses.
func (p *probe) onlyLoopback() bool {
	agents, err := p.agents()
	if err != nil || len(agents) == 0 {
		return false // unknown: the session reports it
	}
	return !slices.ContainsFunc(agents, func(a agentInfo) bool {
		_, address, _ := strings.Cut(a.PID, "@")
		at, err := netip.ParseAddrPort(address)
		return err != nil || !at.Addr().IsLoopback()
	})
}

// withSession runs a session until do returns. The session ends with its context and
// without TEARDOWN, as at a restart of the operator.
func (p *probe) withSession(store *memoryStore, do func(*session.Session) error) error {
	authorization := ""
	if p.Principal != "" {
		authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(p.Principal+":"+p.Secret))
	}
	s, err := session.New(session.Config{
		Masters: p.Masters, Credentials: session.Credentials{Authorization: authorization, TLS: p.TLS},
		Store: store, Clock: time.Now, Tasks: store.liveTasks(),
		Framework: scheduler.Info{
			ID: store.frameworkID(), Name: "k8sm-conformance-" + p.run, User: p.User, Principal: p.Principal,
			Roles: []string{p.Role}, FailoverTimeout: failoverTimeout * time.Second,
		},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(p.ctx)
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	err = do(s)
	cancel()
	return errors.Join(err, <-ended)
}

// awaitRecorded waits until the session has recorded a state of a task.
func (p *probe) awaitRecorded(s *session.Session, store *memoryStore, task string, want scheduler.TaskState) error {
	err := p.poll("waiting for "+string(want), func() (bool, error) {
		st := store.status(task)
		if st.State.Terminal() && st.State != want {
			return false, fmt.Errorf("the task is %s %s: %s", st.State, st.Reason, st.Message)
		}
		return st.State == want, nil
	})
	if err == nil {
		return nil
	}
	why, _ := s.Explain(task)
	return fmt.Errorf("%w (%s; %s)", err, s.State().Message, why)
}

// memoryStore is a session.Store in memory. It survives a restart of the session.
type memoryStore struct {
	mu    sync.Mutex
	id    string
	tasks map[string]scheduler.TaskStatus
}

func (m *memoryStore) StoreFrameworkID(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.id = id
	return nil
}

func (m *memoryStore) Prepare(_ context.Context, in scheduler.Intent) (scheduler.Payload, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tasks[in.TaskID] = scheduler.TaskStatus{TaskID: in.TaskID, AgentID: in.AgentID}
	return scheduler.Payload{
		Name: in.TaskID, Command: shellExecutor, KillGrace: time.Second,
		Overhead: placement.Resources{CPUs: taskCPUs, MemMiB: taskMem},
	}, nil
}

func (m *memoryStore) Record(_ context.Context, st scheduler.TaskStatus) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.tasks[st.TaskID]
	if !ok {
		return scheduler.ErrUnknownTask
	}
	if st.AgentID == "" {
		st.AgentID = known.AgentID
	}
	if !st.IsForeign {
		m.tasks[st.TaskID] = st
	}
	return nil
}

func (m *memoryStore) frameworkID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.id
}

func (m *memoryStore) status(task string) scheduler.TaskStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.tasks[task]
}

func (m *memoryStore) agentOf(task string) string { return m.status(task).AgentID }

// liveTasks returns the tasks on record that have not ended, for a session that starts.
func (m *memoryStore) liveTasks() []scheduler.Task {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []scheduler.Task
	for _, task := range slices.Sorted(maps.Keys(m.tasks)) {
		if st := m.tasks[task]; !st.State.Terminal() {
			out = append(out, scheduler.Task{ID: task, AgentID: st.AgentID, Group: "conformance", State: st.State})
		}
	}
	return out
}

// forgetStates removes the states and keeps the intents. A state that is known afterwards
// came from reconciliation.
func (m *memoryStore) forgetStates() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for task, st := range m.tasks {
		m.tasks[task] = scheduler.TaskStatus{TaskID: task, AgentID: st.AgentID}
	}
}
