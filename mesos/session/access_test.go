package session_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// An operator that lost the lease must not replace the leader's subscription: MaySubscribe is
// asked once more after the connection is made, before anything is written on it.
func TestMaySubscribePreventsSubscriptions(t *testing.T) {
	t.Parallel()
	for name, refuseFrom := range map[string]int32{"before a master is tried": 1, "while the connection is made": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var subscribes, asked, connections atomic.Int32
			var leads atomic.Bool
			m := startCluster(t, 0, func(o *mesostest.MasterOptions) {
				o.Observe = func(c *schedulerpb.Call) { subscribes.Add(1) }
			})
			cfg := config(newMemoryStore(), m.Addr())
			cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				connections.Add(1)
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}
			cfg.MaySubscribe = func(context.Context) error {
				if n := asked.Add(1); leads.Load() || n%refuseFrom != 0 {
					return nil
				}
				return errors.New("operator-1 holds the lease")
			}
			r := start(t, cfg)
			wantContains(t, r.awaitState(scheduler.NotLeading).Message, "operator-1 holds the lease")
			eventually(t, "it is asked again", func() bool { return asked.Load() >= 6 })
			if n := subscribes.Load(); n != 0 {
				t.Errorf("%d times subscribed nevertheless", n)
			}
			if n := connections.Load(); refuseFrom == 1 && n != 0 {
				t.Errorf("%d connections were made for nothing", n)
			}
			leads.Store(true)
			r.awaitState(scheduler.Subscribed)
		})
	}
}

// Credentials are changed in a running session: later calls use the new ones, and the
// stream is not reopened.
func TestCredentialsChangeOnTheOpenStream(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	shown := map[string][]string{} // Authorization by kind of call
	var streams atomic.Int32
	first := subscribedRecord(t, 0)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		kind := "SUBSCRIBE"
		if r.Header.Get("Mesos-Stream-Id") != "" {
			kind = "call"
		} else {
			streams.Add(1)
		}
		mu.Lock()
		shown[kind] = append(shown[kind], r.Header.Get("Authorization"))
		mu.Unlock()
		streaming(first)(w, r)
	})
	last := func(kind string) string {
		mu.Lock()
		defer mu.Unlock()
		if len(shown[kind]) == 0 {
			return ""
		}
		return shown[kind][len(shown[kind])-1]
	}
	cfg := config(newMemoryStore(), s.URL)
	cfg.Authorization = "Bearer old"
	r := start(t, cfg)
	r.awaitState(scheduler.Subscribed)
	r.Kill("a", "A")
	eventually(t, "calls show the old token", func() bool { return last("call") == "Bearer old" })
	r.SetCredentials(session.Credentials{Authorization: "Bearer new"})
	eventually(t, "calls show the new token", func() bool { return last("call") == "Bearer new" })
	if n := streams.Load(); n != 1 {
		t.Errorf("%d streams were opened, want 1", n)
	}
	s.CloseClientConnections()
	eventually(t, "the next stream shows the new token", func() bool { return last("SUBSCRIBE") == "Bearer new" })
}

// A certificate that the master no longer trusts is replaced without a new session.
func TestCertificatesChangeWhileTheSessionRuns(t *testing.T) {
	t.Parallel()
	certs := httptest.NewUnstartedServer(nil)
	certs.StartTLS()
	t.Cleanup(certs.Close)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mutual atomic.Bool // whether clients must show a certificate from now on
	base := &tls.Config{Certificates: certs.TLS.Certificates}
	m := startCluster(t, 0, func(o *mesostest.MasterOptions) {
		o.Listener = tls.NewListener(inner, &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			c := base.Clone()
			if mutual.Load() {
				c.ClientAuth = tls.RequireAnyClientCert
			}
			return c, nil
		}})
	})
	pool := x509.NewCertPool()
	pool.AddCert(certs.Certificate())
	cfg := config(newMemoryStore(), "https://"+m.Addr())
	cfg.TLS = &tls.Config{RootCAs: pool}
	r := start(t, cfg)
	r.awaitState(scheduler.Subscribed)
	mutual.Store(true)
	m.CloseStreams()
	eventually(t, "the master wants a certificate", func() bool { return strings.Contains(r.State().Message, "certificate required") })
	r.SetCredentials(session.Credentials{TLS: &tls.Config{RootCAs: pool, Certificates: certs.TLS.Certificates}})
	r.awaitState(scheduler.Subscribed)
}
