package session_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
	"github.com/k8sm/k8sm/mesos/zookeepertest"
)

// world is a network in memory, so that all of a test lives in one bubble of virtual
// time: a wait that is over at once here is one that no real clock took part in.
type world struct {
	t  *testing.T
	mu sync.Mutex
	at map[string]*zookeepertest.Pipe
}

func newWorld(t *testing.T) *world {
	return &world{t: t, at: map[string]*zookeepertest.Pipe{}}
}

func (w *world) listen(ip string, port int) net.Listener {
	p := zookeepertest.Listen(ip, port)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.at[p.Addr().String()] = p
	return p
}

func (w *world) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.mu.Lock()
	p := w.at[address]
	w.mu.Unlock()
	if p == nil {
		return nil, fmt.Errorf("nobody is at %s", address)
	}
	return p.Dial(ctx, network, address)
}

func (w *world) master(ip string, agents int) *mesostest.Master {
	w.t.Helper()
	return box(w.t, agents, func(o *mesostest.MasterOptions) {
		o.Listener, o.AllocationInterval = w.listen(ip, 5050), time.Second
	})
}

func (w *world) zookeeper() *zookeepertest.Server {
	w.t.Helper()
	s := zookeepertest.NewServer(w.listen("10.0.0.1", 2181))
	w.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			w.t.Errorf("closing ZooKeeper: %v", err)
		}
	})
	s.Set("/mesos", nil)
	return s
}

func lead(z *zookeepertest.Server, sequence int, ip string) {
	z.Set(node(sequence), fmt.Appendf(nil, `{"address":{"hostname":"m","ip":%q,"port":5050}}`, ip))
}

func node(sequence int) string { return fmt.Sprintf("/mesos/json.info_%010d", sequence) }

// start begins a session with Mesos' real timing.
func (w *world) start(masters string, change ...func(*session.Config)) (*run, *memory) {
	w.t.Helper()
	store := newMemory()
	cfg := config(store, masters)
	cfg.Timing, cfg.Dial = scheduler.Timing{}, w.dial
	for _, f := range change {
		f(&cfg)
	}
	return start(w.t, cfg), store
}

// within says that something is so after some virtual time, and not before half of it.
func (r *run) within(d time.Duration, what string, so func() bool) {
	r.t.Helper()
	for range 100 {
		if synctest.Wait(); so() {
			return
		}
		time.Sleep(d / 100)
	}
	r.t.Fatalf("after %s it is not so: %s; the state is %+v", d, what, r.State())
}

func (r *run) is(reason scheduler.StateReason) func() bool {
	return func() bool { return r.State().Reason == reason }
}

// All that a session does is done in a bubble: no goroutine, timer or clock of it is
// outside.
func TestSessionLivesInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.master("10.0.1.1", 2)
		r, store := w.start("10.0.1.1:5050")
		r.want(3)
		r.within(10*time.Second, "3 tasks run", func() bool { return store.in(scheduler.TaskRunning) == 3 })
		time.Sleep(time.Hour)
		if st := r.State(); st.Reason != scheduler.Subscribed {
			t.Errorf("an hour later the state is %+v", st)
		}
		r.Kill(demand(0).ID, "")
		r.within(10*time.Second, "one is killed", func() bool { return store.in(scheduler.TaskKilled) == 1 })
		if err := r.Teardown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLeaderIsFoundByZooKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		first, second := w.master("10.0.1.1", 1), w.master("10.0.1.2", 1)
		z := w.zookeeper()
		r, store := w.start("zk://10.0.0.1:2181/mesos")
		r.within(time.Second, "nobody leads", r.is(scheduler.NoLeader))
		contains(t, r.State().Message, "no master leads, says ZooKeeper at zk://10.0.0.1:2181/mesos")

		time.Sleep(10 * time.Minute) // the back-off is at its longest
		lead(z, 1, "10.0.1.1")
		r.within(2*time.Second, "the leader is subscribed to, whatever the back-off", r.is(scheduler.Subscribed))
		lead(z, 2, "10.0.1.2")
		r.want(1)
		r.within(10*time.Second, "the task runs", func() bool { return store.in(scheduler.TaskRunning) == 1 })
		if st := r.State(); st.Master != first.Addr() {
			t.Errorf("subscribed to %s, want the lowest sequence's %s", st.Master, first.Addr())
		}

		// The old one is cut off from ZooKeeper, and has not noticed.
		z.Delete(node(1))
		r.within(2*time.Second, "the new leader is subscribed to", func() bool {
			return r.State().Master == second.Addr() && r.State().Subscribed
		})
	})
}

// A stream outlives ZooKeeper, and an attempt while ZooKeeper is away asks who led last.
func TestZooKeeperIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		m := w.master("10.0.1.1", 1)
		z := w.zookeeper()
		lead(z, 1, "10.0.1.1")
		r, _ := w.start("zk://10.0.0.1:2181/mesos")
		r.within(2*time.Second, "the leader is subscribed to", r.is(scheduler.Subscribed))
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if st := r.State(); !st.Subscribed {
			t.Errorf("an hour later the state is %+v", st)
		}
		m.CloseStreams()
		r.within(time.Second, "the stream is lost", func() bool { return !r.State().Subscribed })
		r.within(5*time.Second, "the master that led is subscribed to again", r.is(scheduler.Subscribed))
	})
}

func TestZooKeeperWasNeverThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		r, _ := w.start("zk://10.0.0.1:2181,10.0.0.2:2181/mesos")
		r.within(time.Second, "the reason is told", r.is(scheduler.MasterUnreachable))
		contains(t, r.State().Message, "asking ZooKeeper at 10.0.0.")
		z := w.zookeeper()
		lead(z, 7, "10.0.1.1")
		w.master("10.0.1.1", 0)
		r.within(10*time.Second, "the leader is subscribed to", r.is(scheduler.Subscribed))
	})
}

// For ZooKeeper's timeout after a leader's death its node is still there.
func TestDeadLeaderIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		z := w.zookeeper()
		lead(z, 1, "10.0.1.1")
		next := w.master("10.0.1.2", 0)
		r, _ := w.start("zk://10.0.0.1:2181/mesos")
		r.within(time.Second, "the dead one is not reached", r.is(scheduler.MasterUnreachable))
		time.Sleep(10 * time.Second)
		z.Delete(node(1))
		time.Sleep(5 * time.Second)
		next.Inject(func(f *mesostest.Faults) { f.Recovering = true })
		lead(z, 2, "10.0.1.2")
		r.within(2*time.Second, "the next one is asked", func() bool { return r.State().Reason == scheduler.NoLeader })
		contains(t, r.State().Message, "has not finished recovery")
		next.Inject(func(f *mesostest.Faults) { f.Recovering = false })
		r.within(15*time.Second, "the next one is subscribed to", r.is(scheduler.Subscribed))
	})
}

// New credentials are tried for soon, whatever the back-off.
func TestNewCredentialsAreTriedForSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		box(t, 0, func(o *mesostest.MasterOptions) {
			o.Listener, o.AllocationInterval = w.listen("10.0.1.1", 5050), time.Second
			o.Credentials = map[string]string{"k8sm": "new"}
		})
		r, _ := w.start("10.0.1.1:5050", func(c *session.Config) {
			c.Framework.Principal = "k8sm"
			c.Authorization = "Basic azhzbTpvbGQ=" // k8sm:old
		})
		time.Sleep(time.Hour)
		r.within(time.Second, "the credentials are refused", r.is(scheduler.Unauthorized))
		r.SetCredentials(session.Credentials{Authorization: "Basic azhzbTpuZXc="}) // k8sm:new
		r.within(2*time.Second, "the new ones are taken", r.is(scheduler.Subscribed))
	})
}

// A master silently keeps the user of the first registration: whoever says another later
// is told.
func TestWhatTheMasterKeepsIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.master("10.0.1.1", 0)
		first, store := w.start("10.0.1.1:5050")
		first.within(2*time.Second, "it is subscribed", first.is(scheduler.Subscribed))
		if st := first.State(); st.Divergence != "" {
			t.Errorf("the first registration keeps %q", st.Divergence)
		}
		first.end()

		second, _ := w.start("10.0.1.1:5050", func(c *session.Config) {
			c.Framework.ID, c.Framework.User = store.frameworkID(), "nobody"
		})
		second.within(2*time.Second, "what is kept is told", func() bool { return second.State().Divergence == "user root, not nobody" })
		time.Sleep(time.Hour)
		if st := second.State(); !st.Subscribed || st.Divergence == "" {
			t.Errorf("an hour later the state is %+v", st)
		}
		second.end()

		third, _ := w.start("10.0.1.1:5050", func(c *session.Config) { c.Framework.ID = store.frameworkID() })
		third.within(2*time.Second, "it is subscribed", third.is(scheduler.Subscribed))
		time.Sleep(time.Minute)
		if st := third.State(); st.Divergence != "" {
			t.Errorf("of what did not change is kept %q", st.Divergence)
		}
	})
}

// Credentials of another principal than the framework's are no good on its stream: all
// calls are refused, and nothing else would say so.
func TestCredentialsOfAnotherPrincipalEndTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		box(t, 1, func(o *mesostest.MasterOptions) {
			o.Listener, o.AllocationInterval = w.listen("10.0.1.1", 5050), time.Second
			o.Credentials = map[string]string{"k8sm": "secret", "other": "secret"}
		})
		r, _ := w.start("10.0.1.1:5050", func(c *session.Config) {
			c.Framework.Principal = "k8sm"
			c.Authorization = "Basic azhzbTpzZWNyZXQ=" // k8sm:secret
		})
		r.within(5*time.Second, "it is subscribed", r.is(scheduler.Subscribed))
		r.SetCredentials(session.Credentials{Authorization: "Basic b3RoZXI6c2VjcmV0"}) // other:secret
		r.AddDemand(demand(1))
		r.within(5*time.Second, "the subscription is refused", r.is(scheduler.Refused))
		contains(t, r.State().Message, "principal")
		r.SetCredentials(session.Credentials{Authorization: "Basic azhzbTpzZWNyZXQ="})
		r.within(5*time.Second, "it is subscribed again", r.is(scheduler.Subscribed))
	})
}

// One name or address may stand for all masters, as a load balancer's does: a call that
// comes to one that does not lead was not read, and goes on to the one that does.
func TestCallsFindTheLeaderBehindASharedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		leader := w.master("10.0.1.1", 2)
		w.master("10.0.1.2", 0).Inject(func(f *mesostest.Faults) { f.RedirectTo = leader.Addr() })
		var connections atomic.Int32
		r, store := w.start("10.0.9.9:5050", func(c *session.Config) {
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == "10.0.9.9:5050" {
					address = fmt.Sprintf("10.0.1.%d:5050", 1+(connections.Add(1)-1)%2)
				}
				return w.dial(ctx, network, address)
			}
		})
		r.want(3)
		r.within(10*time.Second, "3 tasks run", func() bool { return store.in(scheduler.TaskRunning) == 3 })
		if n := leader.Calls()["SUBSCRIBE"]; n != 1 {
			t.Errorf("it subscribed %d times", n)
		}
	})
}
