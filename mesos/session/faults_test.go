package session_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// serve starts an HTTP server in the virtual network that is not a master of mesostest.
func (n *virtualNetwork) serve(ip string, h http.HandlerFunc) {
	n.t.Helper()
	s := &http.Server{Handler: readBody(h)}
	l := n.listen(ip, 5050)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	n.t.Cleanup(func() {
		_ = s.Close()
		<-done
		time.Sleep(time.Minute) // until handlers have noticed
	})
}

// masters starts three masters of one cluster, with an agent.
func (n *virtualNetwork) masters(change ...func(*mesostest.MasterOptions)) *mesostest.Masters {
	n.t.Helper()
	o := mesostest.MasterOptions{}
	for i := range 3 {
		o.Listeners = append(o.Listeners, n.listen(fmt.Sprintf("10.0.1.%d", i+1), 5050))
	}
	for _, f := range change {
		f(&o)
	}
	ms, err := mesostest.NewMasters(3, o)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(func() {
		if err := ms.Close(); err != nil {
			n.t.Errorf("closing the masters: %v", err)
		}
	})
	if _, err := ms.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(mesostest.AutoRun), WorkDir: n.t.TempDir()}); err != nil {
		n.t.Fatal(err)
	}
	return ms
}

// A master that does not lead redirects with /master before the path; for ZooKeeper's
// timeout after the leader's death it redirects to the dead one.
func TestRedirectsLeadToTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		ms := n.masters(func(o *mesostest.MasterOptions) { o.ElectAfter = 10 * time.Second })
		r, store := n.start("10.0.1.2:5050", func(c *session.Config) {
			c.Masters = []string{"10.0.1.2:5050", "10.0.1.3:5050", "10.0.1.1:5050"}
		})
		r.awaitVirtual(2*time.Second, "the first is subscribed to, by redirect", isSubscribedTo(r, "10.0.1.1:5050"))
		r.addDemands(1)
		r.awaitVirtual(10*time.Second, "a task runs", func() bool { return store.countInState(scheduler.TaskRunning) == 1 })

		ms.Kill(0)
		r.awaitVirtual(2*time.Second, "the redirect to the dead one is followed", func() bool {
			st := r.State()
			return st.Reason == scheduler.MasterUnreachable && strings.Contains(st.Message, "10.0.1.1")
		})
		r.awaitVirtual(30*time.Second, "the next leader is subscribed to", func() bool {
			st := r.State()
			return st.Subscribed && st.Master != "10.0.1.1:5050"
		})
		if n := store.countInState(scheduler.TaskRunning); n != 1 {
			t.Errorf("%d tasks run", n)
		}
	})
}

func isSubscribedTo(r *runningSession, master string) func() bool {
	return func() bool { st := r.State(); return st.Subscribed && st.Master == master }
}

// Masters answer 503 without a leader and while the leader recovers, each with its own message.
func TestMissingLeaderAndRecoveryAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		m := n.master("10.0.1.1", 0)
		m.Inject(func(f *mesostest.Faults) { f.NoLeader = true })
		r, _ := n.start("10.0.1.1:5050")
		r.awaitVirtual(2*time.Second, "it waits for a leader", r.hasReason(scheduler.NoLeader))
		wantContains(t, r.State().Message, "No leader elected")
		m.Inject(func(f *mesostest.Faults) { f.NoLeader, f.Recovering = false, true })
		r.awaitVirtual(20*time.Second, "it waits for the recovery", func() bool {
			return r.State().Reason == scheduler.NoLeader && strings.Contains(r.State().Message, "Master has not finished recovery")
		})
		m.Inject(func(f *mesostest.Faults) { f.Recovering = false })
		r.awaitVirtual(20*time.Second, "it is subscribed", r.hasReason(scheduler.Subscribed))
	})
}

// SUBSCRIBE carries no stream ID, and every other call that of its own stream.
func TestStreamIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		first := subscribedRecord(t, 15*time.Second)
		var mu sync.Mutex
		var ids []string // of requests, in order
		streams := 0
		breakOff := make(chan struct{})
		n.serve("10.0.1.1", func(rw http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/api/v1" {
				rw.WriteHeader(http.StatusForbidden)
				return
			}
			mu.Lock()
			id := r.Header.Get("Mesos-Stream-Id")
			ids = append(ids, id)
			if id != "" {
				mu.Unlock()
				rw.WriteHeader(http.StatusAccepted)
				return
			}
			streams++
			rw.Header().Set("Mesos-Stream-Id", fmt.Sprintf("stream-%d", streams))
			mu.Unlock()
			rw.Header().Set("Content-Type", "application/x-protobuf")
			_, _ = rw.Write([]byte(first))
			_ = http.NewResponseController(rw).Flush()
			select {
			case <-breakOff:
			case <-r.Context().Done():
			}
		})
		r, _ := n.start("10.0.1.1:5050")
		r.awaitVirtual(2*time.Second, "it is subscribed", r.hasReason(scheduler.Subscribed))
		r.Kill("t1", "A1")
		time.Sleep(time.Second)
		breakOff <- struct{}{}
		time.Sleep(10 * time.Second)
		r.end()
		mu.Lock()
		defer mu.Unlock()
		next := slices.Index(ids[1:], "") + 1
		if next < 2 || ids[0] != "" || slices.ContainsFunc(ids[1:next], func(id string) bool { return id != "stream-1" }) ||
			slices.ContainsFunc(ids[next+1:], func(id string) bool { return id != "stream-2" }) || len(ids) < next+2 {
			t.Errorf("the stream IDs of SUBSCRIBE, calls, SUBSCRIBE, calls are %q", ids)
		}
	})
}

// Answers of masters on a stream that is no longer ours. The call is not repeated on the
// stream, whatever the answer: the stream is closed, and SUBSCRIBE has the same framework ID.
func TestCallsOnALostStream(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		text   string
	}{
		"an old stream":            {400, "The stream ID 's1' included in this request didn't match the stream ID currently associated with framework ID 'F1'"},
		"disconnected":             {403, "Framework is not subscribed"},
		"removed":                  {400, "Framework cannot be found"},
		"no longer leading":        {307, ""},
		"no leader":                {503, "No leader elected"},
		"recovering":               {503, "Master has not finished recovery"},
		"credentials have expired": {401, "401 Unauthorized."},
		"a broken proxy":           {502, "bad gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newVirtualNetwork(t)
				first := subscribedRecord(t, 15*time.Second)
				calls := map[string]int{}
				var mu sync.Mutex
				n.serve("10.0.1.1", func(rw http.ResponseWriter, r *http.Request) {
					id := r.Header.Get("Mesos-Stream-Id")
					if id == "" {
						mu.Lock()
						calls["SUBSCRIBE"]++
						mu.Unlock()
						streaming(first)(rw, r)
						return
					}
					mu.Lock()
					calls["call"]++
					mu.Unlock()
					rw.Header().Set("Location", "//10.0.1.1:5050/master/api/v1/scheduler")
					answer(tc.status, "text/plain", tc.text)(rw, r)
				})
				r, _ := n.start("10.0.1.1:5050")
				r.awaitVirtual(2*time.Second, "it is subscribed, and refused a call", func() bool { return !r.State().Subscribed && r.State().Master == "" && r.State().FrameworkID == "F1" })
				r.end()
				mu.Lock()
				defer mu.Unlock()
				if calls["call"] != 1 || calls["SUBSCRIBE"] != 1 {
					t.Errorf("calls until the stream was dropped: %v", calls)
				}
				if r.State().Final {
					t.Errorf("it gave up: %+v", r.State())
				}
			})
		})
	}
}

// Events of unknown types are skipped, and counted under one label.
func TestUnknownEventsAreSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		stream := subscribedRecord(t, 15*time.Second)
		for i := range int32(100) {
			stream += eventRecord(t, schedulerpb.Event{Type: schedulerpb.Event_Type(1000 + i)})
		}
		n.serve("10.0.1.1", streaming(stream))
		metrics := session.NewMetrics()
		r, _ := n.start("10.0.1.1:5050", func(c *session.Config) { c.Metrics = metrics })
		r.awaitVirtual(2*time.Second, "it is subscribed", r.hasReason(scheduler.Subscribed))
		time.Sleep(time.Minute)
		if st := r.State(); !st.Subscribed {
			t.Errorf("the state is %+v", st)
		}
		registry := prometheus.NewRegistry()
		registry.MustRegister(metrics)
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			if f.GetName() == "k8sm_mesos_events_total" && len(f.Metric) != 2 {
				t.Errorf("events are counted under %d labels, want SUBSCRIBED and UNKNOWN", len(f.Metric))
			}
		}
	})
}

// A connection without any event is closed after five heartbeat intervals.
func TestHalfOpenConnectionTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		calls := &callRecorder{}
		startCluster(t, 0, func(o *mesostest.MasterOptions) {
			o.Listener, o.Observe = n.listen("10.0.1.1", 5050), calls.observe
		})
		var cut atomic.Bool
		r, store := n.start("10.0.1.1:5050", func(c *session.Config) {
			c.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				conn, err := n.dial(ctx, network, address)
				return &halfOpen{Conn: conn, cut: &cut, closed: make(chan struct{})}, err
			}
		})
		r.awaitVirtual(2*time.Second, "it is subscribed", r.hasReason(scheduler.Subscribed))
		cut.Store(true)
		time.Sleep(59 * time.Second)
		if !r.State().Subscribed {
			t.Errorf("four missed heartbeats end the stream: %+v", r.State())
		}
		r.awaitVirtual(17*time.Second, "the stream is closed", r.hasReason(scheduler.MasterUnreachable))
		wantContains(t, r.State().Message, "nothing was heard from the master for 1m15s")
		cut.Store(false)
		r.awaitVirtual(20*time.Second, "it is subscribed again", r.hasReason(scheduler.Subscribed))
		if n := calls.count("SUBSCRIBE " + store.frameworkID()); n == 0 {
			t.Errorf("the framework ID was not shown again: %v", calls.all())
		}
	})
}

// halfOpen is a connection that delivers nothing once it is cut, not even EOF.
type halfOpen struct {
	net.Conn
	cut    *atomic.Bool
	once   sync.Once
	closed chan struct{}
}

func (c *halfOpen) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if c.cut.Load() {
		<-c.closed
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *halfOpen) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}

// The delay between attempts grows to 15 s, with jitter between frameworks.
func TestAttemptsBackOff(t *testing.T) {
	rhythm := func(t *testing.T, seed uint64) (gaps []time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			var mu sync.Mutex
			var times []time.Time
			cfg := config(newMemoryStore(), "10.0.1.1:5050")
			cfg.Timing, cfg.Seed = scheduler.Timing{}, seed
			cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
				mu.Lock()
				defer mu.Unlock()
				times = append(times, time.Now())
				return nil, errors.New("connection refused")
			}
			r := start(t, cfg)
			time.Sleep(10 * time.Minute)
			r.end()
			for i := range times[1:] {
				gaps = append(gaps, times[i+1].Sub(times[i]))
			}
		})
		return gaps
	}
	one, two := rhythm(t, 1), rhythm(t, 2)
	if len(one) < 40 || len(one) > 90 {
		t.Errorf("%d attempts in ten minutes", len(one))
	}
	for i, gap := range one {
		least, most := min(time.Second<<min(i, 4), 15*time.Second)/2, min(time.Second<<min(i, 4), 15*time.Second)
		if gap < least || gap > most {
			t.Errorf("gap %d is %s, want between %s and %s", i, gap, least, most)
		}
	}
	if slices.Equal(one, two) {
		t.Error("two frameworks keep the same rhythm")
	}
}

// Masters do not limit the call rate of HTTP frameworks, so the session does.
func TestCallsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newVirtualNetwork(t)
		var mu sync.Mutex
		var kills []time.Time
		startCluster(t, 0, func(o *mesostest.MasterOptions) {
			o.Listener = n.listen("10.0.1.1", 5050)
			o.Observe = func(c *schedulerpb.Call) {
				mu.Lock()
				defer mu.Unlock()
				if c.Type == schedulerpb.Call_KILL {
					kills = append(kills, time.Now())
				}
			}
		})
		r, _ := n.start("10.0.1.1:5050", func(c *session.Config) {
			c.Timing.Kill = scheduler.Backoff{Initial: time.Hour, Max: time.Hour}
		})
		r.awaitVirtual(2*time.Second, "it is subscribed", r.hasReason(scheduler.Subscribed))
		begin := time.Now()
		for i := range 5000 {
			r.Kill(fmt.Sprintf("node-%d.1", i), fmt.Sprintf("agent-%d", i%50))
		}
		time.Sleep(time.Minute)
		mu.Lock()
		defer mu.Unlock()
		took := kills[len(kills)-1].Sub(begin)
		if len(kills) != 5000 || took < 2900*time.Millisecond || took > 3500*time.Millisecond {
			t.Errorf("%d calls were sent in %s, want 5000: 2000 at once, 1000 a second after", len(kills), took)
		}
	})
}

// The session queries its registration once for each subscription. A master that hides the
// framework or refuses the query causes no divergence.
func TestUnreadableRegistrationIsIgnored(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
	}{
		"the field is missing": {200, "\x08\x0a\x52\x00"}, // GET_FRAMEWORKS, and no framework
		"refused":              {403, "no"},
		"undecodable":          {200, "\xff\xff"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := newVirtualNetwork(t)
				stream := streaming(subscribedRecord(t, 5*time.Minute))
				var asked, streams atomic.Int32
				n.serve("10.0.1.1", func(rw http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/api/v1" {
						asked.Add(1)
						answer(tc.status, "application/x-protobuf", tc.body)(rw, r)
						return
					}
					if r.Header.Get("Mesos-Stream-Id") == "" {
						streams.Add(1)
					}
					stream(rw, r)
				})
				r, _ := n.start("10.0.1.1:5050", func(c *session.Config) { c.Framework.ID = "F1" })
				time.Sleep(time.Hour) // the master sends nothing more: the stream is given up now and then
				if st := r.State(); st.Divergence != "" || st.Final {
					t.Errorf("the state is %+v", st)
				}
				r.end()
				if n, m := asked.Load(), streams.Load(); n != m || n < 2 {
					t.Errorf("asked %d times in %d subscriptions", n, m)
				}
			})
		})
	}
}
