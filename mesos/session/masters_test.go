package session_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func serve(t *testing.T, f http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(readBody(f))
	t.Cleanup(s.Close)
	return s
}

// readBody reads a call before the handler answers. A server notices a closed connection only
// after it has read the request; without this, a handler that waits for the close would wait
// for ever, and Close of the server too.
func readBody(f http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it has gone already
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		f(w, r)
	}
}

// answer with a status, a content type and a body.
func answer(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// streaming answers SUBSCRIBE as a master does, with these bytes, and then is silent.
func streaming(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1":
			w.WriteHeader(http.StatusForbidden)
			return
		case r.Header.Get("Mesos-Stream-Id") != "":
			w.WriteHeader(http.StatusAccepted)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.Header().Set("Mesos-Stream-Id", "s1")
		_, _ = w.Write([]byte(body))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func TestInvalidMasterResponses(t *testing.T) {
	t.Parallel()
	loop := serve(t, nil)
	loop.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "//"+loop.Listener.Addr().String()+"/master"+r.URL.Path)
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	for name, tc := range map[string]struct {
		handler http.HandlerFunc
		reason  scheduler.StateReason
		message string
	}{
		"401":                             {answer(401, "text/plain", "401 Unauthorized."), scheduler.Unauthorized, "refuses the credentials: 401 401 Unauthorized."},
		"403":                             {answer(403, "text/plain", "no"), scheduler.Unauthorized, "403 no"},
		"a web server":                    {answer(200, "text/html", "<html>It works!</html>"), scheduler.NotAMesosMaster, `answers SUBSCRIBE with "text/html"`},
		"a web server without the path":   {answer(404, "text/html", "<h1>404</h1>"), scheduler.NotAMesosMaster, "answers 404 to /api/v1/scheduler: <h1>404</h1>"},
		"no such method":                  {answer(405, "text/plain", ""), scheduler.NotAMesosMaster, "405"},
		"no leader":                       {answer(503, "text/plain", "No leader elected"), scheduler.NoLeader, "No leader elected"},
		"a broken proxy":                  {answer(502, "text/html", "bad gateway"), scheduler.MasterUnreachable, "502 bad gateway"},
		"another principal":               {answer(400, "text/plain", "Authenticated principal 'a' does not match principal 'b'"), scheduler.Refused, "does not match"},
		"redirects to itself":             {loop.Config.Handler.ServeHTTP, scheduler.TooManyRedirects, "redirected in circles"},
		"redirects to nowhere":            {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(307) }, scheduler.NotAMesosMaster, `redirects to ""`},
		"redirects to another scheme":     {redirectTo("ftp://example.org/"), scheduler.NotAMesosMaster, "ftp://"},
		"no stream ID":                    {answer(200, "application/x-protobuf", ""), scheduler.ProtocolError, "without a Mesos-Stream-Id"},
		"not RecordIO":                    {streaming("<html>"), scheduler.ProtocolError, `"<html>" where a record's length is due`},
		"a record without end":            {streaming("99999999999\n"), scheduler.ProtocolError, "more than 33554432"},
		"a length without end":            {streaming(strings.Repeat("0", 100)), scheduler.ProtocolError, "length is due"},
		"a negative length":               {streaming("-1\n"), scheduler.ProtocolError, "length is due"},
		"a record that is not an event":   {streaming("5\nhello"), scheduler.ProtocolError, "decoding an event"},
		"a length that overflows":         {streaming("12\n\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00\x00"), scheduler.ProtocolError, "decoding an event"},
		"another event before SUBSCRIBED": {streaming("2\n\x08\x08"), scheduler.ProtocolError, "the first event is HEARTBEAT"},
		"a stream that ends at once": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-protobuf")
			w.Header().Set("Mesos-Stream-Id", "s1")
		}, scheduler.MasterUnreachable, "closed the stream"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int32
			bad := serve(t, func(w http.ResponseWriter, r *http.Request) { tries.Add(1); tc.handler(w, r) })
			r := start(t, config(newMemoryStore(), bad.URL))
			st := r.awaitState(tc.reason)
			wantContains(t, st.Message, tc.message)
			if st.Final || st.Subscribed {
				t.Errorf("state %+v", st)
			}
			eventually(t, "it is tried again", func() bool { return tries.Load() >= 2 })
		})
	}
}

func redirectTo(location string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", location)
		w.WriteHeader(http.StatusTemporaryRedirect)
	}
}

func TestConsecutiveRedirectsAreLimited(t *testing.T) {
	t.Parallel()
	next := "http://127.0.0.1:1"
	for range 8 {
		next = serve(t, redirectTo(next)).URL
	}
	r := start(t, config(newMemoryStore(), next))
	wantContains(t, r.awaitState(scheduler.TooManyRedirects).Message, " → ")
}

func TestEveryMasterIsTriedAndErrorsAreReported(t *testing.T) {
	t.Parallel()
	noLeader := serve(t, answer(503, "text/plain", "No leader elected"))
	r := start(t, config(newMemoryStore(), "127.0.0.1:1", noLeader.URL))
	st := r.awaitState(scheduler.NoLeader)
	wantContains(t, st.Message, "connection refused")
	wantContains(t, st.Message, "No leader elected")

	m := startCluster(t, 0)
	start(t, config(newMemoryStore(), "127.0.0.1:1", noLeader.URL, m.Addr())).awaitState(scheduler.Subscribed)
}

func TestSilentMastersTimeOut(t *testing.T) {
	t.Parallel()
	t.Run("no heartbeats", func(t *testing.T) {
		t.Parallel()
		silent := serve(t, streaming(subscribedRecord(t, 20*time.Millisecond)))
		r := start(t, config(newMemoryStore(), silent.URL))
		wantContains(t, r.awaitState(scheduler.MasterUnreachable).Message, "nothing was heard from the master for 100ms")
		r.awaitState(scheduler.Subscribed)
	})
	t.Run("no answers", func(t *testing.T) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		r := start(t, config(newMemoryStore(), l.Addr().String()))
		r.end() // although the attempt hangs
	})
}

// A redirect keeps method, body and credentials, and later calls go to the subscribed master.
func TestRedirectsKeepTheCredentials(t *testing.T) {
	t.Parallel()
	m := startCluster(t, 1, func(o *mesostest.MasterOptions) { o.Credentials = map[string]string{"k8sm": "secret"} })
	other := startCluster(t, 0, func(o *mesostest.MasterOptions) { o.Faults.RedirectTo = m.Addr() })
	store := newMemoryStore()
	cfg := config(store, other.Addr())
	cfg.Framework.Principal = "k8sm"
	cfg.Authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte("k8sm:secret"))
	r := start(t, cfg)
	r.addDemands(1)
	eventually(t, "the task runs", func() bool { return store.countInState(scheduler.TaskRunning) == 1 })
	if c := r.Capacity(context.Background()); c.SurveyedAt.IsZero() {
		t.Errorf("operator call: %s", c.UnknownReason)
	}

	cfg = config(newMemoryStore(), other.Addr())
	wantContains(t, start(t, cfg).awaitState(scheduler.Unauthorized).Message, m.Addr()+" refuses the credentials")
}

func TestSessionFollowsRedirectToTheNextLeader(t *testing.T) {
	t.Parallel()
	m, next := startCluster(t, 1), startCluster(t, 1)
	store := newMemoryStore()
	r := start(t, config(store, m.Addr(), next.Addr()))
	r.awaitState(scheduler.Subscribed)
	m.Inject(func(f *mesostest.Faults) { f.RedirectTo = next.Addr() })
	r.addDemands(1) // REVIVE is answered with 307
	eventually(t, "the next one is subscribed to", func() bool { return r.State().Master == next.Addr() })
	eventually(t, "the task runs there", func() bool { return store.countInState(scheduler.TaskRunning) == 1 })
}

func TestTLS(t *testing.T) {
	t.Parallel()
	certs := httptest.NewUnstartedServer(nil)
	certs.StartTLS()
	t.Cleanup(certs.Close)
	pool := x509.NewCertPool()
	pool.AddCert(certs.Certificate())
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := startCluster(t, 0, func(o *mesostest.MasterOptions) {
		o.Listener = tls.NewListener(inner, &tls.Config{Certificates: certs.TLS.Certificates})
	})
	cfg := config(newMemoryStore(), "https://"+m.Addr())
	wantContains(t, start(t, cfg).awaitState(scheduler.MasterCertificateInvalid).Message, "certificate")
	cfg = config(newMemoryStore(), "https://"+m.Addr())
	cfg.TLS = &tls.Config{RootCAs: pool}
	start(t, cfg).awaitState(scheduler.Subscribed)
}

// The default cipher suites of libprocess.
func TestTLSOfAMasterWithDefaults(t *testing.T) {
	t.Parallel()
	old := httptest.NewUnstartedServer(http.NotFoundHandler())
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}}
	old.StartTLS()
	t.Cleanup(old.Close)

	cfg := config(newMemoryStore(), old.URL)
	wantContains(t, start(t, cfg).awaitState(scheduler.MasterCertificateInvalid).Message, "certificate") // of an unknown authority: past the choice of a suite
	cfg = config(newMemoryStore(), old.URL)
	cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.TLS.RootCAs.AddCert(old.Certificate())
	start(t, cfg).awaitState(scheduler.NotAMesosMaster)
	if cfg.TLS.CipherSuites != nil {
		t.Error("the caller's configuration was changed")
	}
}

func TestCredentialsAreNotRedirectedOutOfTLS(t *testing.T) {
	t.Parallel()
	var seen atomic.Bool
	plain := serve(t, func(http.ResponseWriter, *http.Request) { seen.Store(true) })
	secure := httptest.NewTLSServer(redirectTo(plain.URL + "/api/v1/scheduler"))
	t.Cleanup(secure.Close)
	cfg := config(newMemoryStore(), secure.URL)
	cfg.Authorization = "Bearer token"
	cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.TLS.RootCAs.AddCert(secure.Certificate())
	wantContains(t, start(t, cfg).awaitState(scheduler.ProtocolError).Message, "without TLS")
	if seen.Load() {
		t.Error("the redirect was followed")
	}
}

func TestOldStreamIsClosedBeforeTheNewOne(t *testing.T) {
	t.Parallel()
	record := subscribedRecord(t, 10*time.Millisecond) // given up after 50 ms, again and again
	s := serve(t, streaming(record))
	streams := &streamCount{}
	cfg := config(newMemoryStore(), s.URL)
	cfg.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return &countedConn{Conn: c, count: streams}, err
	}
	start(t, cfg)
	eventually(t, "several streams came and went", func() bool { return streams.begun.Load() >= 4 })
	if n := streams.most.Load(); n != 1 {
		t.Errorf("%d streams were open at once", n)
	}
}

// streamCount counts streams as our side sees them: from the SUBSCRIBE to the close of
// its connection.
type streamCount struct{ begun, open, most atomic.Int32 }

type countedConn struct {
	net.Conn
	count  *streamCount
	stream atomic.Bool
}

func (c *countedConn) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("/api/v1/scheduler")) && !bytes.Contains(p, []byte("Mesos-Stream-Id")) && c.stream.CompareAndSwap(false, true) {
		c.count.begun.Add(1)
		if n := c.count.open.Add(1); n > c.count.most.Load() {
			c.count.most.Store(n)
		}
	}
	return c.Conn.Write(p)
}

func (c *countedConn) Close() error {
	if c.stream.CompareAndSwap(true, false) {
		c.count.open.Add(-1)
	}
	return c.Conn.Close()
}

// When another scheduler takes over, a call may be refused before the ERROR event arrives
// with the reason. Subscribing again at that moment would replace the other scheduler.
func TestRefusedCallAwaitsTheErrorEvent(t *testing.T) {
	t.Parallel()
	refused := make(chan struct{}, 100)
	var streams atomic.Int32
	first := subscribedRecord(t, time.Minute)
	last := eventRecord(t, schedulerpb.Event{Type: schedulerpb.Event_ERROR, Error: &schedulerpb.Event_Error{Message: "Framework failed over"}})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Mesos-Stream-Id") != "" {
			answer(http.StatusBadRequest, "text/plain", "The stream ID 's1' included in this request didn't match the stream ID currently associated with framework ID 'F1'")(w, r)
			refused <- struct{}{}
			return
		}
		streams.Add(1)
		w.Header().Set("Content-Type", "application/x-protobuf")
		w.Header().Set("Mesos-Stream-Id", "s1")
		_, _ = w.Write([]byte(first))
		w.(http.Flusher).Flush()
		select {
		case <-refused:
		case <-r.Context().Done():
			return
		}
		time.Sleep(100 * time.Millisecond)
		_, _ = w.Write([]byte(last))
	})
	r := start(t, config(newMemoryStore(), s.URL))
	r.addDemands(1)
	if st := r.awaitState(scheduler.FailedOver); !st.Final {
		t.Errorf("it goes on: %+v", st)
	}
	if n := streams.Load(); n != 1 {
		t.Errorf("it subscribed %d times", n)
	}
}

// subscribedRecord is the first record of a stream.
func subscribedRecord(t *testing.T, heartbeat time.Duration) string {
	t.Helper()
	seconds := heartbeat.Seconds()
	return eventRecord(t, schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED, Subscribed: &schedulerpb.Event_Subscribed{
		FrameworkID: &mesos.FrameworkID{Value: "F1"}, HeartbeatIntervalSeconds: &seconds,
	}})
}

func eventRecord(t testing.TB, e schedulerpb.Event) string {
	t.Helper()
	b, err := e.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d\n%s", len(b), b)
}
