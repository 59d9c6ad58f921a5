package detector_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/detector"
	"github.com/k8sm/k8sm/mesos/zookeepertest"
)

// detection is a detector under way in a bubble, with servers in memory.
type detection struct {
	t        *testing.T
	servers  map[string]*zookeepertest.Server
	mu       sync.Mutex
	pipes    map[string]*zookeepertest.Pipe
	findings chan detector.Finding
	masters  chan []detector.Master
	login    *detector.Login // nil for the one in the address
	dialed   atomic.Int32
	last     atomic.Value // address that was dialed last
}

func startDetection(t *testing.T, address string, prepare ...func(*detection)) *detection {
	t.Helper()
	e, err := detector.ParseEnsemble(address)
	if err != nil {
		t.Fatal(err)
	}
	w := &detection{t: t, servers: map[string]*zookeepertest.Server{}, pipes: map[string]*zookeepertest.Pipe{}, findings: make(chan detector.Finding, 100), masters: make(chan []detector.Master, 100)}
	for i, address := range e.Servers {
		p := zookeepertest.Listen(fmt.Sprintf("10.0.0.%d", i+1), 2181)
		w.pipes[address], w.servers[address] = p, zookeepertest.NewServer(p)
		w.servers[address].Set("/mesos", nil)
		w.servers[address].Set("/mesos/log_replicas/0000000007", []byte("a replica of the log"))
	}
	for _, f := range prepare {
		f(w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		detector.Run(ctx, detector.Config{Ensemble: e, Login: w.login, Dial: w.dial, Seed: 1, OnFinding: func(f detector.Finding) { w.findings <- f }, OnMasters: func(m []detector.Master) { w.masters <- m }})
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		for _, s := range w.servers {
			if err := s.Close(); err != nil {
				t.Errorf("closing the server: %v", err)
			}
		}
	})
	return w
}

func (w *detection) dial(ctx context.Context, network, address string) (net.Conn, error) {
	w.dialed.Add(1)
	w.last.Store(address)
	w.mu.Lock()
	p := w.pipes[address]
	w.mu.Unlock()
	return p.Dial(ctx, network, address)
}

func (w *detection) each(f func(s *zookeepertest.Server)) {
	for _, s := range w.servers {
		f(s)
	}
}

func (w *detection) set(node, json string) {
	w.each(func(s *zookeepertest.Server) { s.Set("/mesos/"+node, []byte(json)) })
}

func (w *detection) expect(want string, within time.Duration) {
	w.t.Helper()
	select {
	case f := <-w.findings:
		got := fmt.Sprintf("%s:%d", f.Master.IP, f.Master.Port)
		if f.Err != nil {
			got = f.Err.Error()
		}
		if !strings.Contains(got, want) {
			w.t.Errorf("found %s, want %s", got, want)
		}
	case <-time.After(within):
		w.t.Errorf("nothing was found within %s, want %s", within, want)
	}
	synctest.Wait() // until the other masters are read
}

func (w *detection) expectNothing(within time.Duration) {
	w.t.Helper()
	select {
	case f := <-w.findings:
		w.t.Errorf("found %+v, want nothing new", f)
	case <-time.After(within):
	}
}

const nobody = ":0"

func info(ip string) string {
	return fmt.Sprintf(`{"address":{"hostname":"host","ip":%q,"port":5050},"hostname":"host","id":"x","ip":16777343,"pid":"master@%s:5050","port":5050,"version":"1.11.1","capabilities":[{"type":"AGENT_UPDATE"}]}`, ip, ip)
}

// The node with the lowest sequence number is the leader; its successor is reported at once.
func TestLeadershipIsFollowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startDetection(t, "zk://a:2181/mesos")
		w.expect(nobody, time.Second)
		w.set("json.info_0000000002", info("10.1.0.2"))
		w.expect("10.1.0.2:5050", time.Second)
		w.set("json.info_0000000003", info("10.1.0.3"))
		w.expectNothing(time.Hour)
		w.each(func(s *zookeepertest.Server) { s.Delete("/mesos/json.info_0000000002") })
		w.expect("10.1.0.3:5050", time.Second)
		w.each(func(s *zookeepertest.Server) { s.Delete("/mesos/json.info_0000000003") })
		w.expect(nobody, time.Second)
		if n := w.dialed.Load(); n != 1 {
			t.Errorf("it connected %d times", n)
		}
	})
}

func TestMissingPathIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startDetection(t, "zk://a:2181/other")
		w.expect(nobody, time.Second)
		w.servers["a:2181"].Set("/other/json.info_0000000000", []byte(info("10.1.0.1")))
		w.expect("10.1.0.1", 6*time.Second)
	})
}

// Detection that hangs or fails restarts at another server.
func TestFailedDetectionRestarts(t *testing.T) {
	for name, tc := range map[string]struct {
		inject func(s *zookeepertest.Server)
		want   string
		within time.Duration
	}{
		"the server disconnects":            {func(s *zookeepertest.Server) { s.Disconnect() }, "closed the connection", time.Second},
		"the server freezes":                {func(s *zookeepertest.Server) { s.Inject(func(f *zookeepertest.Faults) { f.Frozen = true }) }, "no answer for 10s", 14 * time.Second},
		"only pings are answered":           {func(s *zookeepertest.Server) { s.Inject(func(f *zookeepertest.Faults) { f.NoReplies = true }) }, "no answer for 10s", 71 * time.Second},
		"answers lack a header":             {answering(0, 0, 0, 2, 1, 2), "malformed answer", 4 * time.Second},
		"answers are empty":                 {answering(0, 0, 0, 0), "malformed answer", 4 * time.Second},
		"answers are endless":               {answering(0xff, 0xff, 0xff, 0xff), "more than 1048576", 4 * time.Second},
		"answers are truncated":             {answering(0, 0, 0, 9, 1), "no answer for 10s", 14 * time.Second},
		"answers have another request's ID": {answering(0, 0, 0, 16, 0, 0, 9, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), "which was not made", 4 * time.Second},
		"nothing answers but in HTTP":       {answering([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")...), "more than 1048576", 4 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := startDetection(t, "zk://a:2181,b:2181/mesos")
				w.expect(nobody, time.Second)
				w.set("json.info_0000000001", info("10.1.0.1"))
				w.expect("10.1.0.1", time.Second)
				first := w.last.Load()
				tc.inject(w.servers[first.(string)])
				w.expect(tc.want, tc.within)
				w.expect("10.1.0.1", 3*time.Second)
				if w.last.Load() == first {
					t.Error("the other server was not tried")
				}
			})
		})
	}
}

func answering(b ...byte) func(*zookeepertest.Server) {
	return func(s *zookeepertest.Server) { s.Inject(func(f *zookeepertest.Faults) { f.RawReply = b }) }
}

// A lost watch must not hide a new leader for ever.
func TestLostWatchIsRecheckedAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startDetection(t, "zk://a:2181/mesos")
		w.expect(nobody, time.Second)
		w.servers["a:2181"].Inject(func(f *zookeepertest.Faults) { f.NoWatches = true })
		w.set("json.info_0000000001", info("10.1.0.1"))
		w.expect("10.1.0.1", 61*time.Second)
	})
}

// Attempts to reach ZooKeeper are spaced out, and the reason is reported once.
func TestUnreachableZooKeeperIsRetriedWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startDetection(t, "zk://a:2181/mesos")
		w.expect(nobody, time.Second)
		if err := w.servers["a:2181"].Close(); err != nil {
			t.Fatal(err)
		}
		w.expect("closed the connection", time.Second)
		w.expect("refused", 5*time.Second)
		before := w.dialed.Load()
		w.expectNothing(time.Hour)
		if n := w.dialed.Load() - before; n < 1000 || n > 3600 {
			t.Errorf("it tried %d times in an hour", n)
		}
		w.servers["a:2181"] = restarted(w)
		w.set("json.info_0000000001", info("10.1.0.1"))
		w.expect("10.1.0.1", 5*time.Second)
	})
}

func restarted(w *detection) *zookeepertest.Server {
	p := zookeepertest.Listen("10.0.0.1", 2181)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pipes["a:2181"] = p
	return zookeepertest.NewServer(p)
}

func TestCredentials(t *testing.T) {
	for name, tc := range map[string]struct{ userinfo, want string }{
		"right":   {"mesos:secret@", "10.1.0.1:5050"},
		"wrong":   {"mesos:guess@", "refuses the credentials"},
		"missing": {"", "may not be read"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := startDetection(t, "zk://"+tc.userinfo+"a:2181/mesos", func(w *detection) {
					w.each(func(s *zookeepertest.Server) {
						s.Inject(func(f *zookeepertest.Faults) { f.RequiredDigest = "mesos:secret" })
					})
					w.set("json.info_0000000001", info("10.1.0.1"))
				})
				w.expect(tc.want, time.Second)
			})
		})
	}
}

// Contents of a master's node that do not describe a master.
func TestInvalidMasterNodesAreReported(t *testing.T) {
	for name, tc := range map[string]struct{ node, data, want string }{
		"not JSON":                         {"json.info_0000000001", "\x0a\x04host", "reading a MasterInfo"},
		"no address":                       {"json.info_0000000001", `{"id":"x"}`, "neither an address nor a PID"},
		"an impossible port":               {"json.info_0000000001", `{"address":{"ip":"10.0.0.1","port":65536}}`, "is no address"},
		"an impossible IP":                 {"json.info_0000000001", `{"address":{"ip":"evil/","port":5050}}`, "is no address"},
		"null":                             {"json.info_0000000001", `null`, "neither an address nor a PID"},
		"before Mesos 0.24":                {"info_0000000001", "binary", `"info_0000000001" is not a json.info`},
		"only a PID":                       {"json.info_0000000001", `{"pid":"master@10.1.0.9:5051"}`, "10.1.0.9:5051"},
		"a sequence that overflowed leads": {"json.info_-2147483648", info("10.1.0.8"), "10.1.0.8"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := startDetection(t, "zk://a:2181/mesos")
				w.expect(nobody, time.Second)
				w.set("json.info_0000000005", info("10.1.0.5"))
				w.expect("10.1.0.5", time.Second)
				w.set(tc.node, tc.data)
				w.expect(tc.want, time.Second)
			})
		})
	}
}

func TestParse(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"zk://a:2181/mesos":                         "zk://a:2181/mesos",
		"zk://a:2181,b:2182,[::1]:2183/mesos/prod/": "zk://a:2181,b:2182,[::1]:2183/mesos/prod",
		"zk://user:p@ss/w:rd@a:2181/mesos":          "zk://a:2181/mesos",
		"zk://a:2181":                               "zk://a:2181/",
		"http://a:2181/mesos":                       "error",
		"zk://a/mesos":                              "error",
		"zk://a:0/mesos":                            "error",
		"zk://a:zk/mesos":                           "error",
		"zk://a:2181,/mesos":                        "error",
		"zk:///mesos":                               "error",
		"zk://user@a:2181/mesos":                    "error",
		"zk://a:2181//mesos":                        "error",
		"zk://a:2181/mesos/../secret":               "error",
		"zk://a:2181/mesos//":                       "error",
		"zk://user:hunter2@a:b:c/mesos":             "error",
	} {
		e, err := detector.ParseEnsemble(address)
		got := e.String()
		if err != nil {
			got = "error"
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error shows the password: %v", err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", address, diff)
		}
	}
}

// Masters that do not lead are found too, so that they can be kept from pods.
func TestAllRegisteredMastersAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := startDetection(t, "zk://a:2181/mesos")
		expect := func(step string, want ...string) {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			var got []string
			for len(w.masters) > 0 {
				got = nil
				for _, m := range <-w.masters {
					got = append(got, m.IP)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", step, diff)
			}
		}
		w.set("json.info_0000000012", info("10.1.0.3"))
		w.set("json.info_0000000002", info("10.1.0.2"))
		w.set("json.info_0000000007", "no master's")
		w.set("info_0000000001x", info("10.1.0.9"))
		expect("the leader and another master", "10.1.0.2", "10.1.0.3")
		expect("no change")
		w.each(func(s *zookeepertest.Server) { s.Delete("/mesos/json.info_0000000002") })
		expect("the leader has gone", "10.1.0.3")
		w.each(func(s *zookeepertest.Server) { s.Delete("/mesos/json.info_0000000007") })
		for i := range 40 {
			w.set(fmt.Sprintf("json.info_00000001%02d", i), info(fmt.Sprintf("10.2.0.%d", i)))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		last := []detector.Master{}
		for len(w.masters) > 0 {
			last = <-w.masters
		}
		if len(last) != 15 || last[0].IP != "10.1.0.3" {
			t.Errorf("%d masters were read, the first is %+v", len(last), last)
		}
	})
}
