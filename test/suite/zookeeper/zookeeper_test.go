package zookeeper

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// memoryStore is a session's store in memory.
type memoryStore struct {
	mu     sync.Mutex
	states map[string]scheduler.TaskState
}

func (r *memoryStore) StoreFrameworkID(context.Context, string) error { return nil }

func (r *memoryStore) Prepare(_ context.Context, in scheduler.Intent) (scheduler.Payload, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states[in.TaskID] = ""
	return scheduler.Payload{Name: in.TaskID, Command: "run", Overhead: placement.Resources{CPUs: 0.1, MemMiB: 32}}, nil
}

func (r *memoryStore) Record(_ context.Context, st scheduler.TaskStatus) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.states[st.TaskID]; !known {
		return scheduler.ErrUnknownTask
	}
	if !st.IsForeign {
		r.states[st.TaskID] = st.State
	}
	return nil
}

func (r *memoryStore) state(taskID string) scheduler.TaskState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.states[taskID]
}

type testSession struct {
	*session.Session
	*memoryStore
	t *testing.T
}

func startSession(t *testing.T, masters string) *testSession {
	t.Helper()
	c := &testSession{t: t, memoryStore: &memoryStore{states: map[string]scheduler.TaskState{}}}
	s, err := session.New(session.Config{
		Masters: []string{masters}, Store: c.memoryStore, Clock: time.Now,
		Framework: scheduler.Info{Name: "k8sm", User: "root", Roles: []string{"k8sm"}, FailoverTimeout: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.Session = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("running the session: %v", err)
		}
	})
	return c
}

func (c *testSession) await(what string, so func(session.State) bool) {
	c.t.Helper()
	begin := time.Now()
	for time.Since(begin) < timeout {
		if so(c.State()) {
			c.t.Logf("after %4.1fs: %s", time.Since(begin).Seconds(), what)
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	c.t.Fatalf("after %s still waiting for: %s; the state is %+v", timeout, what, c.State())
}

func subscribedTo(m *mesostest.Master) func(session.State) bool {
	return func(st session.State) bool { return st.Subscribed && st.Master == m.Addr() }
}

func cluster(t *testing.T) *mesostest.Masters {
	t.Helper()
	ms, err := mesostest.NewMasters(2, mesostest.MasterOptions{AllocationInterval: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ms.Close(); err != nil {
			t.Errorf("closing the masters: %v", err)
		}
	})
	if _, err := ms.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(mesostest.AutoRun), WorkDir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	return ms
}

// The masters change, and ZooKeeper is killed, restarted, frozen and continued. The session must
// always find the leader, and its task must go on.
func TestSessionFollowsTheLeader(t *testing.T) {
	z := startServer(t)
	ms := cluster(t)
	first, second := ms.All()[0], ms.All()[1]
	ours := startSession(t, "zk://"+z.addr()+"/mesos")
	ours.await("no master leads before one has registered", func(st session.State) bool { return st.Reason == scheduler.NoLeader })

	one := z.registerMaster("/mesos", first.Addr(), zk.WorldACL(zk.PermAll), "")
	ours.await("the first master is subscribed to", subscribedTo(first))
	z.registerMaster("/mesos", second.Addr(), zk.WorldACL(zk.PermAll), "")
	ours.AddDemand(placement.Demand{ID: "node-1.1", Group: "general", Role: "k8sm", Resources: placement.Resources{CPUs: 1, MemMiB: 512}})
	ours.await("a task runs", func(session.State) bool { return ours.state("node-1.1") == scheduler.TaskRunning })

	one.conn.Close() // its node is removed with its session
	ms.Elect(1)
	ours.await("the second master is subscribed to", subscribedTo(second))

	z.kill()
	time.Sleep(3 * time.Second)
	if st := ours.State(); !st.Subscribed {
		t.Errorf("without ZooKeeper the stream is lost: %+v", st)
	}
	second.CloseStreams()
	ours.await("the stream is lost", func(st session.State) bool { return !st.Subscribed })
	ours.await("without ZooKeeper, the master that led last is subscribed to again", subscribedTo(second))

	z.start()
	two := z.registerMaster("/mesos", first.Addr(), zk.WorldACL(zk.PermAll), "")
	ms.Elect(0)
	z.unregisterOthers(two)
	ours.await("after ZooKeeper's return, the first master is subscribed to", subscribedTo(first))

	z.signal(syscall.SIGSTOP)
	time.Sleep(12 * time.Second) // longer than an answer may take
	if st := ours.State(); !st.Subscribed {
		t.Errorf("with ZooKeeper frozen the stream is lost: %+v", st)
	}
	z.signal(syscall.SIGCONT)
	three := z.registerMaster("/mesos", second.Addr(), zk.WorldACL(zk.PermAll), "")
	ms.Elect(1)
	z.unregisterOthers(three)
	ours.await("after ZooKeeper goes on, the second master is subscribed to", subscribedTo(second))
	if st := ours.state("node-1.1"); st.Terminal() {
		t.Errorf("meanwhile the task ended: %s", st)
	}
}

// unregisterOthers removes the registrations of all masters but one.
func (z *ensemble) unregisterOthers(but *masterRegistration) {
	z.t.Helper()
	children, _, err := but.conn.Children("/mesos")
	if err != nil {
		z.t.Fatal(err)
	}
	for _, name := range children {
		if node := "/mesos/" + name; node != but.node {
			if err := but.conn.Delete(node, -1); err != nil && !errors.Is(err, zk.ErrNoNode) {
				z.t.Fatal(err)
			}
		}
	}
}

// The masters' registration can only be read with a digest.
func TestCredentialsOfZooKeeper(t *testing.T) {
	z := startServer(t)
	ms := cluster(t)
	z.registerMaster("/secret", ms.All()[0].Addr(), zk.DigestACL(zk.PermAll, "mesos", "hunter2"), "mesos:hunter2")
	t.Run("right", func(t *testing.T) {
		startSession(t, "zk://mesos:hunter2@"+z.addr()+"/secret").await("the master is subscribed to", subscribedTo(ms.All()[0]))
	})
	for name, userinfo := range map[string]string{"wrong": "mesos:guess@", "missing": ""} {
		t.Run(name, func(t *testing.T) {
			ours := startSession(t, "zk://"+userinfo+z.addr()+"/secret")
			ours.await("the message has the reason and not the password", func(st session.State) bool {
				return st.Reason == scheduler.MasterUnreachable &&
					strings.Contains(st.Message, "may not be read with these credentials") && !strings.Contains(st.Message, "guess")
			})
		})
	}
}
