package session

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"

	"github.com/k8sm/k8sm/mesos/libprocess"
	"github.com/k8sm/k8sm/mesos/session/failure"
)

const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 15 * time.Second
)

// dialer opens connections; nil is a net.Dialer.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// withTimeout bounds the time to open a connection.
func (d dialer) withTimeout(timeout time.Duration) dialer {
	if d == nil {
		return (&net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}).DialContext
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return d(ctx, network, address)
	}
}

// transport has the connections that were made with one set of credentials.
type transport struct {
	credentials Credentials
	http        *http.Client
}

func newTransport(dial dialer, credentials Credentials) *transport {
	t := &http.Transport{
		DialContext:           dial.withTimeout(dialTimeout),
		TLSClientConfig:       tlsConfig(credentials.TLS),
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		MaxIdleConnsPerHost:   maxCallsInFlight,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true, // a stream is never compressed
		// A header has some hundred bytes, and some of it is shown to people.
		MaxResponseHeaderBytes: 64 << 10,
	}
	if dial == nil {
		t.Proxy = http.ProxyFromEnvironment
	}
	noRedirects := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &transport{credentials: credentials, http: &http.Client{Transport: t, CheckRedirect: noRedirects}}
}

// tlsConfig adds to a configuration what masters with the defaults of libprocess need.
func tlsConfig(c *tls.Config) *tls.Config {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c != nil {
		out = c.Clone()
	}
	if len(out.CipherSuites) == 0 {
		out.CipherSuites = libprocess.CipherSuites()
	}
	return out
}

// client sends requests with the current credentials. (The library's client is not used: it
// dials IPv4 only, follows redirects by itself and does not return the status of a refusal.)
type client struct {
	dial    dialer
	masters []string // hosts that the configuration names

	mu        sync.Mutex
	transport *transport
}

func newClient(cfg *Config, masters []*url.URL) *client {
	hosts := make([]string, len(masters))
	for i, m := range masters {
		hosts[i] = m.Host
	}
	return &client{dial: cfg.Dial, masters: hosts, transport: newTransport(cfg.Dial, cfg.Credentials)}
}

// setCredentials makes later requests use other credentials. It returns true if they are
// others. Requests that are under way go on.
func (c *client) setCredentials(credentials Credentials) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if credentials == c.transport.credentials {
		return false
	}
	c.transport.http.CloseIdleConnections() // the others close when they become idle
	c.transport = newTransport(c.dial, credentials)
	return true
}

func (c *client) current() *transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.transport
}

// send sends one request with the credentials. It follows no redirect.
func (c *client) send(req *http.Request) (*http.Response, error) {
	t := c.current()
	if t.credentials.Authorization != "" {
		req.Header.Set("Authorization", t.credentials.Authorization)
	}
	handshakeDone := false
	trace := &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { handshakeDone = true },
	}
	res, err := t.http.Do(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	if t != c.current() {
		t.http.CloseIdleConnections() // this connection may have become idle after setCredentials
	}
	if err != nil {
		tls := t.credentials.TLS
		return nil, &failure.RequestError{
			Host: req.URL.Host, IsTLS: req.URL.Scheme == "https", HandshakeDone: handshakeDone,
			HasCertificate: tls != nil && len(tls.Certificates) > 0, Err: err,
		}
	}
	return res, nil
}
