package session_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// tlsServer serves TLS with a change of its configuration, and answers 404 to all.
func tlsServer(t *testing.T, change func(*httptest.Server)) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(http.NotFoundHandler())
	s.TLS = &tls.Config{}
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	if change != nil {
		change(s)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// closingListener hands connections to a function that ends them.
func closingListener(t *testing.T, end func(net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				end(c)
			}()
		}
	}()
	return l
}

// readSome reads the beginning of what comes, so that closing sends no reset.
func readSome(c net.Conn) { _, _ = c.Read(make([]byte, 4<<10)) }

// What a person has to do about a master that cannot be subscribed to differs: so do reason
// and message.
func TestReasonsForNoSubscriptionAreToldApart(t *testing.T) {
	t.Parallel()
	good := tlsServer(t, nil)
	trusting := func(s *httptest.Server) session.Credentials {
		pool := x509.NewCertPool()
		pool.AddCert(s.Certificate())
		return session.Credentials{TLS: &tls.Config{RootCAs: pool}}
	}
	withCertificate := func(c session.Credentials) session.Credentials {
		c.TLS.Certificates = good.TLS.Certificates
		return c
	}
	demanding := tlsServer(t, func(s *httptest.Server) { s.TLS.ClientAuth = tls.RequireAndVerifyClientCert })
	demandingOld := tlsServer(t, func(s *httptest.Server) {
		s.TLS.ClientAuth, s.TLS.MaxVersion = tls.RequireAndVerifyClientCert, tls.VersionTLS12
	})
	// As libprocess does with LIBPROCESS_SSL_VERIFY_IPADD: it looks at the certificate when
	// the handshake is over, and closes the connection.
	closing := closingListener(t, func(c net.Conn) {
		server := tls.Server(c, &tls.Config{Certificates: good.TLS.Certificates})
		if server.Handshake() == nil {
			readSome(server)
		}
	})
	during := closingListener(t, readSome)
	silent := closingListener(t, func(net.Conn) {})
	_, closedPort, _ := net.SplitHostPort(closing.Addr().String())
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	answering := func(status int) string {
		return serve(t, func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", status) }).URL
	}
	plain := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })

	for name, tc := range map[string]struct {
		master      string
		credentials session.Credentials
		reason      scheduler.StateReason
		want        []string
	}{
		"nothing listens":               {free.Addr().String(), session.Credentials{}, scheduler.MasterUnreachable, []string{"connection refused", "Nothing listens at " + free.Addr().String()}},
		"the name does not resolve":     {"master.invalid:5050", session.Credentials{}, scheduler.MasterUnreachable, []string{"cannot resolve the host name in master.invalid:5050"}},
		"an authority that is unknown":  {good.URL, session.Credentials{TLS: &tls.Config{RootCAs: x509.NewCertPool()}}, scheduler.MasterCertificateInvalid, []string{"unknown authority", `"ca.crt"`}},
		"a certificate of another name": {"https://localhost:" + portOf(good.URL), trusting(good), scheduler.MasterCertificateInvalid, []string{"name the master in spec.masters as its certificate does"}},
		"a client certificate is wanted": {demanding.URL, trusting(demanding), scheduler.ClientCertificateRefused,
			[]string{"LIBPROCESS_SSL_REQUIRE_CLIENT_CERT", `"tls.crt"`}},
		"a client certificate is wanted, TLS 1.2": {demandingOld.URL, trusting(demandingOld), scheduler.ClientCertificateRefused,
			[]string{"LIBPROCESS_SSL_REQUIRE_CLIENT_CERT"}},
		"another client certificate is wanted": {demanding.URL, withCertificate(trusting(demanding)), scheduler.ClientCertificateRefused,
			[]string{"its authorities may not accept the certificate"}},
		"closed after the handshake": {"https://" + closing.Addr().String(), trusting(good), scheduler.ConnectionClosed,
			[]string{"EOF", "closed the connection after the TLS handshake", "LIBPROCESS_SSL_VERIFY_IPADD"}},
		"closed after the handshake, with a certificate": {"https://127.0.0.1:" + closedPort, withCertificate(trusting(good)), scheduler.ConnectionClosed,
			[]string{"may not name the operator's address"}},
		"closed during the handshake":  {"https://" + during.Addr().String(), trusting(good), scheduler.ConnectionClosed, []string{"during the TLS handshake"}},
		"closed without TLS":           {silent.Addr().String(), session.Credentials{}, scheduler.MasterUnreachable, []string{"write https:// before it"}},
		"no TLS where TLS is expected": {strings.Replace(plain.URL, "http:", "https:", 1), trusting(good), scheduler.MasterUnreachable, []string{"does not serve TLS"}},
		"no credentials":               {answering(http.StatusUnauthorized), session.Credentials{}, scheduler.Unauthorized, []string{"refuses the credentials: 401", "set spec.credentials"}},
		"wrong credentials": {answering(http.StatusUnauthorized), session.Credentials{Authorization: "Basic eDp5"}, scheduler.Unauthorized,
			[]string{"refuses the credentials: 401", "Compare the secret"}},
		"forbidden": {answering(http.StatusForbidden), session.Credentials{Authorization: "Basic eDp5"}, scheduler.Unauthorized, []string{"403", "ACLs"}},
		"no leader": {answering(http.StatusServiceUnavailable), session.Credentials{}, scheduler.NoLeader, []string{"no"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := config(newMemoryStore(), tc.master)
			cfg.Credentials = tc.credentials
			st := start(t, cfg).awaitState(tc.reason)
			for _, want := range tc.want {
				wantContains(t, st.Message, want)
			}
		})
	}
}

func portOf(url string) string { return url[strings.LastIndex(url, ":")+1:] }

// A call without credentials may hold bootstrap tokens, and its answer decides what is done.
func TestCallsAreNotRedirectedOutOfTLS(t *testing.T) {
	t.Parallel()
	var seen atomic.Bool
	plain := serve(t, func(http.ResponseWriter, *http.Request) { seen.Store(true) })
	secure := tlsServer(t, func(s *httptest.Server) { s.Config.Handler = redirectTo(plain.URL + "/api/v1/scheduler") })
	cfg := config(newMemoryStore(), secure.URL)
	cfg.TLS = &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.TLS.RootCAs.AddCert(secure.Certificate())
	wantContains(t, start(t, cfg).awaitState(scheduler.ProtocolError).Message, "without TLS")
	if seen.Load() {
		t.Error("the redirect was followed")
	}
}

// The server that a redirect names gets no credentials unless the masters' authority signed its
// certificate.
func TestCredentialsFollowARedirectOnlyToTheMastersOwnAuthority(t *testing.T) {
	t.Parallel()
	var seen atomic.Bool
	other := tlsServer(t, func(s *httptest.Server) {
		s.TLS.Certificates = []tls.Certificate{selfSigned(t)}
		s.Config.Handler = http.HandlerFunc(func(http.ResponseWriter, *http.Request) { seen.Store(true) })
	})
	secure := tlsServer(t, func(s *httptest.Server) { s.Config.Handler = redirectTo(other.URL + "/api/v1/scheduler") })
	cfg := config(newMemoryStore(), secure.URL)
	cfg.Authorization, cfg.TLS = "Basic eDp5", &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.TLS.RootCAs.AddCert(secure.Certificate())
	wantContains(t, start(t, cfg).awaitState(scheduler.MasterCertificateInvalid).Message, other.Listener.Addr().String())
	if seen.Load() {
		t.Error("the credentials were sent")
	}
}

// selfSigned returns a certificate for 127.0.0.1 that no authority signed.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
		BasicConstraintsValid: true, IsCA: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
