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

// virtualNetwork is a network in memory, so that all of a test lives in one bubble of virtual
// time: a wait that is over at once here is one that no real clock took part in.
type virtualNetwork struct {
	t  *testing.T
	mu sync.Mutex
	at map[string]*zookeepertest.Pipe
}

func newVirtualNetwork(t *testing.T) *virtualNetwork {
	return &virtualNetwork{t: t, at: map[string]*zookeepertest.Pipe{}}
}

func (n *virtualNetwork) listen(ip string, port int) net.Listener {
	p := zookeepertest.Listen(ip, port)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.at[p.Addr().String()] = p
	return p
}

func (n *virtualNetwork) dial(ctx context.Context, network, address string) (net.Conn, error) {
	n.mu.Lock()
	p := n.at[address]
	n.mu.Unlock()
	if p == nil {
		return nil, fmt.Errorf("no listener at %s", address)
	}
	return p.Dial(ctx, network, address)
}

func (n *virtualNetwork) master(ip string, agents int) *mesostest.Master {
	n.t.Helper()
	return startCluster(n.t, agents, func(o *mesostest.MasterOptions) {
		o.Listener, o.AllocationInterval = n.listen(ip, 5050), time.Second
	})
}

func (n *virtualNetwork) zookeeper() *zookeepertest.Server {
	n.t.Helper()
	s := zookeepertest.NewServer(n.listen("10.0.0.1", 2181))
	n.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			n.t.Errorf("closing ZooKeeper: %v", err)
		}
	})
	s.Set("/mesos", nil)
	return s
}

func setLeader(z *zookeepertest.Server, sequence int, ip string) {
	z.Set(leaderNode(sequence), fmt.Appendf(nil, `{"address":{"hostname":"m","ip":%q,"port":5050}}`, ip))
}

func leaderNode(sequence int) string { return fmt.Sprintf("/mesos/json.info_%010d", sequence) }

// start starts a session in the virtual network, with the default timing.
func (n *virtualNetwork) start(masters string, change ...func(*session.Config)) (*runningSession, *memoryStore) {
	n.t.Helper()
	store := newMemoryStore()
	cfg := config(store, masters)
	cfg.Timing, cfg.Dial = scheduler.Timing{}, n.dial
	for _, f := range change {
		f(&cfg)
	}
	return start(n.t, cfg), store
}

// awaitVirtual waits up to d of virtual time for a condition.
func (r *runningSession) awaitVirtual(d time.Duration, what string, condition func() bool) {
	r.t.Helper()
	for range 100 {
		if synctest.Wait(); condition() {
			return
		}
		time.Sleep(d / 100)
	}
	r.t.Fatalf("not within %s: %s; the state is %+v", d, what, r.State())
}

func (r *runningSession) hasReason(reason scheduler.StateReason) func() bool {
	return func() bool { return r.State().Reason == reason }
}

// A session runs entirely in a synctest bubble: none of its goroutines, timers or clocks is
// outside.
func TestSessionRunsInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		n.master("10.0.1.1", 2)
		r, store := n.start("10.0.1.1:5050")
		r.addDemands(3)
		r.awaitVirtual(10*time.Second, "3 tasks run", func() bool { return store.countInState(scheduler.TaskRunning) == 3 })
		time.Sleep(time.Hour)
		if st := r.State(); st.Reason != scheduler.Subscribed {
			t.Errorf("an hour later the state is %+v", st)
		}
		r.Kill(demand(0).ID, "")
		r.awaitVirtual(10*time.Second, "one is killed", func() bool { return store.countInState(scheduler.TaskKilled) == 1 })
		if err := r.Teardown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLeaderIsFoundInZooKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		first, second := n.master("10.0.1.1", 1), n.master("10.0.1.2", 1)
		z := n.zookeeper()
		r, store := n.start("zk://10.0.0.1:2181/mesos")
		r.awaitVirtual(time.Second, "no master leads", r.hasReason(scheduler.NoLeader))
		wantContains(t, r.State().Message, "no master leads, says ZooKeeper at zk://10.0.0.1:2181/mesos")

		time.Sleep(10 * time.Minute) // the back-off is at its longest
		setLeader(z, 1, "10.0.1.1")
		r.awaitVirtual(2*time.Second, "the leader is subscribed to, whatever the back-off", r.hasReason(scheduler.Subscribed))
		setLeader(z, 2, "10.0.1.2")
		r.addDemands(1)
		r.awaitVirtual(10*time.Second, "the task runs", func() bool { return store.countInState(scheduler.TaskRunning) == 1 })
		if st := r.State(); st.Master != first.Addr() {
			t.Errorf("subscribed to %s, want the lowest sequence's %s", st.Master, first.Addr())
		}

		// The old one is cut off from ZooKeeper, and has not noticed.
		z.Delete(leaderNode(1))
		r.awaitVirtual(2*time.Second, "the new leader is subscribed to", func() bool {
			return r.State().Master == second.Addr() && r.State().Subscribed
		})
	})
}

// The login for ZooKeeper is in the credentials. The stream outlives its rotation.
func TestARotatedZooKeeperLoginIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		n.master("10.0.1.1", 1)
		z := n.zookeeper()
		require := func(login string) { z.Inject(func(f *zookeepertest.Faults) { f.RequiredDigest = login }) }
		require("mesos:old")
		setLeader(z, 1, "10.0.1.1")
		r, _ := n.start("zk://10.0.0.1:2181/mesos")
		r.awaitVirtual(20*time.Second, "nothing is found without a login", r.hasReason(scheduler.MasterUnreachable))
		r.SetCredentials(session.Credentials{ZooKeeper: "mesos:old"})
		r.awaitVirtual(2*time.Second, "the leader is subscribed to, whatever the back-off", r.hasReason(scheduler.Subscribed))

		z.Disconnect()
		require("mesos:new")
		time.Sleep(time.Hour)
		r.SetCredentials(session.Credentials{ZooKeeper: "mesos:new"})
		second := n.master("10.0.1.2", 1)
		z.Delete(leaderNode(1))
		setLeader(z, 2, "10.0.1.2")
		r.awaitVirtual(10*time.Second, "the next leader is found with the new login", func() bool {
			return r.State().Master == second.Addr() && r.State().Subscribed
		})
	})
}

// A stream outlives ZooKeeper, and an attempt while ZooKeeper is away asks who led last.
func TestSubscriptionIsRegainedWhileZooKeeperIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		m := n.master("10.0.1.1", 1)
		z := n.zookeeper()
		setLeader(z, 1, "10.0.1.1")
		r, _ := n.start("zk://10.0.0.1:2181/mesos")
		r.awaitVirtual(2*time.Second, "the leader is subscribed to", r.hasReason(scheduler.Subscribed))
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if st := r.State(); !st.Subscribed {
			t.Errorf("an hour later the state is %+v", st)
		}
		m.CloseStreams()
		r.awaitVirtual(time.Second, "the stream is lost", func() bool { return !r.State().Subscribed })
		r.awaitVirtual(5*time.Second, "the master that led is subscribed to again", r.hasReason(scheduler.Subscribed))
	})
}

func TestUnreachableZooKeeperIsReportedAndRetried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		r, _ := n.start("zk://10.0.0.1:2181,10.0.0.2:2181/mesos")
		r.awaitVirtual(time.Second, "the reason is reported", r.hasReason(scheduler.MasterUnreachable))
		wantContains(t, r.State().Message, "asking ZooKeeper at 10.0.0.")
		z := n.zookeeper()
		setLeader(z, 7, "10.0.1.1")
		n.master("10.0.1.1", 0)
		r.awaitVirtual(10*time.Second, "the leader is subscribed to", r.hasReason(scheduler.Subscribed))
	})
}

// For ZooKeeper's timeout after a leader's death its node is still there.
func TestDeadLeaderIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		z := n.zookeeper()
		setLeader(z, 1, "10.0.1.1")
		next := n.master("10.0.1.2", 0)
		r, _ := n.start("zk://10.0.0.1:2181/mesos")
		r.awaitVirtual(time.Second, "the dead one is not reached", r.hasReason(scheduler.MasterUnreachable))
		time.Sleep(10 * time.Second)
		z.Delete(leaderNode(1))
		time.Sleep(5 * time.Second)
		next.Inject(func(f *mesostest.Faults) { f.Recovering = true })
		setLeader(z, 2, "10.0.1.2")
		r.awaitVirtual(2*time.Second, "the next one is asked", func() bool { return r.State().Reason == scheduler.NoLeader })
		wantContains(t, r.State().Message, "has not finished recovery")
		next.Inject(func(f *mesostest.Faults) { f.Recovering = false })
		r.awaitVirtual(15*time.Second, "the next one is subscribed to", r.hasReason(scheduler.Subscribed))
	})
}

// New credentials are tried for soon, whatever the back-off.
func TestNewCredentialsAreTriedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		startCluster(t, 0, func(o *mesostest.MasterOptions) {
			o.Listener, o.AllocationInterval = n.listen("10.0.1.1", 5050), time.Second
			o.Credentials = map[string]string{"k8sm": "new"}
		})
		r, _ := n.start("10.0.1.1:5050", func(c *session.Config) {
			c.Framework.Principal = "k8sm"
			c.Authorization = "Basic azhzbTpvbGQ=" // k8sm:old
		})
		time.Sleep(time.Hour)
		r.awaitVirtual(time.Second, "the credentials are refused", r.hasReason(scheduler.Unauthorized))
		r.SetCredentials(session.Credentials{Authorization: "Basic azhzbTpuZXc="}) // k8sm:new
		r.awaitVirtual(2*time.Second, "the new ones are taken", r.hasReason(scheduler.Subscribed))
	})
}

// A master silently keeps the user of the first registration: a later registration with
// another user reports the divergence.
func TestRegistrationDivergenceIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		n.master("10.0.1.1", 0)
		first, store := n.start("10.0.1.1:5050")
		first.awaitVirtual(2*time.Second, "it is subscribed", first.hasReason(scheduler.Subscribed))
		if st := first.State(); st.Divergence != "" {
			t.Errorf("the divergence of the first registration is %q", st.Divergence)
		}
		first.end()

		second, _ := n.start("10.0.1.1:5050", func(c *session.Config) {
			c.Framework.ID, c.Framework.User = store.frameworkID(), "nobody"
		})
		second.awaitVirtual(2*time.Second, "the divergence is reported", func() bool { return second.State().Divergence == "user root, not nobody" })
		time.Sleep(time.Hour)
		if st := second.State(); !st.Subscribed || st.Divergence == "" {
			t.Errorf("an hour later the state is %+v", st)
		}
		second.end()

		third, _ := n.start("10.0.1.1:5050", func(c *session.Config) { c.Framework.ID = store.frameworkID() })
		third.awaitVirtual(2*time.Second, "it is subscribed", third.hasReason(scheduler.Subscribed))
		time.Sleep(time.Minute)
		if st := third.State(); st.Divergence != "" {
			t.Errorf("the divergence of an unchanged registration is %q", st.Divergence)
		}
	})
}

// Credentials of another principal than the framework's are refused for all calls on its
// stream. Only the refused calls show it.
func TestCredentialsOfAnotherPrincipalEndTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		startCluster(t, 1, func(o *mesostest.MasterOptions) {
			o.Listener, o.AllocationInterval = n.listen("10.0.1.1", 5050), time.Second
			o.Credentials = map[string]string{"k8sm": "secret", "other": "secret"}
		})
		r, _ := n.start("10.0.1.1:5050", func(c *session.Config) {
			c.Framework.Principal = "k8sm"
			c.Authorization = "Basic azhzbTpzZWNyZXQ=" // k8sm:secret
		})
		r.awaitVirtual(5*time.Second, "it is subscribed", r.hasReason(scheduler.Subscribed))
		r.SetCredentials(session.Credentials{Authorization: "Basic b3RoZXI6c2VjcmV0"}) // other:secret
		r.AddDemand(demand(1))
		r.awaitVirtual(5*time.Second, "the subscription is refused", r.hasReason(scheduler.Refused))
		wantContains(t, r.State().Message, "principal")
		r.SetCredentials(session.Credentials{Authorization: "Basic azhzbTpzZWNyZXQ="})
		r.awaitVirtual(5*time.Second, "it is subscribed again", r.hasReason(scheduler.Subscribed))
	})
}

// One name or address may stand for all masters, as a load balancer's does: a non-leading
// master does not read a call, so the session repeats it at the leader.
func TestCallsFindTheLeaderBehindASharedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		leader := n.master("10.0.1.1", 2)
		n.master("10.0.1.2", 0).Inject(func(f *mesostest.Faults) { f.RedirectTo = leader.Addr() })
		var connections atomic.Int32
		r, store := n.start("10.0.9.9:5050", func(c *session.Config) {
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				if address == "10.0.9.9:5050" {
					address = fmt.Sprintf("10.0.1.%d:5050", 1+(connections.Add(1)-1)%2)
				}
				return n.dial(ctx, network, address)
			}
		})
		r.addDemands(3)
		r.awaitVirtual(10*time.Second, "3 tasks run", func() bool { return store.countInState(scheduler.TaskRunning) == 3 })
		if n := leader.Calls()["SUBSCRIBE"]; n != 1 {
			t.Errorf("it subscribed %d times", n)
		}
	})
}
