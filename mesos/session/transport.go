package session

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/encoding"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"

	"github.com/k8sm/k8sm/mesos/libprocess"
)

const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 15 * time.Second
	// callTimeout bounds a call that is not SUBSCRIBE, in all.
	callTimeout = 20 * time.Second

	mediaType      = string(codecs.MediaTypeProtobuf)
	streamIDHeader = "Mesos-Stream-Id"
)

var codec = codecs.ByMediaType[codecs.MediaTypeProtobuf]

// client posts calls. (Not the library's client: it dials IPv4 only, follows redirects
// by itself and does not tell the statuses of refusals.)
type client struct {
	dial dialer

	mu  sync.Mutex
	now *transport
}

// transport is a way in to masters: connections that were made with one TLS
// configuration, and what is shown on them.
type transport struct {
	access Credentials
	http   *http.Client
}

func newClient(cfg *Config) *client {
	c := &client{dial: cfg.Dial}
	c.now = c.newTransport(cfg.Credentials)
	return c
}

// dialer opens connections.
type dialer func(ctx context.Context, network, address string) (net.Conn, error)

// withTimeout bounds how long it may take.
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

func (c *client) newTransport(a Credentials) *transport {
	t := &http.Transport{
		DialContext:           c.dial.withTimeout(dialTimeout),
		TLSClientConfig:       tlsConfig(a.TLS),
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		MaxIdleConnsPerHost:   maxCallsInFlight,
		IdleConnTimeout:       90 * time.Second,
		DisableCompression:    true, // streams are never compressed
	}
	if c.dial == nil {
		t.Proxy = http.ProxyFromEnvironment
	}
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &transport{access: a, http: &http.Client{Transport: t, CheckRedirect: stay}}
}

// setCredentials has all that follows go another way, and says whether it is one. What is under way
// goes on.
func (c *client) setCredentials(a Credentials) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if a == c.now.access {
		return false
	}
	c.now.http.CloseIdleConnections() // those in use close when they become idle
	c.now = c.newTransport(a)
	return true
}

func (c *client) current() *transport {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// send sends a request as it stands, but for the credentials.
func (c *client) send(req *http.Request) (*http.Response, error) {
	e := c.current()
	if e.access.Authorization != "" {
		req.Header.Set("Authorization", e.access.Authorization)
	}
	res, err := e.http.Do(req)
	if e != c.current() {
		e.http.CloseIdleConnections() // this one may have come after set
	}
	return res, err
}

// tlsConfig is what was configured, for masters as they are by default.
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

// outboundCall is a message, and what goes along wherever it is redirected to.
type outboundCall struct {
	message  encoding.Marshaler
	streamID string        // none with SUBSCRIBE
	guard    subscribeGate // asked each time
}

// post posts, and posts again wherever it is redirected to: a master that redirects has
// read nothing. Method, body and credentials go along. The caller closes the answer's body.
func (c *client) post(ctx context.Context, to *url.URL, p outboundCall) (*http.Response, error) {
	it := redirectPolicy{secrets: c.current().access.Authorization != ""}
	for {
		req, err := newRequest(ctx, to, p)
		if err != nil {
			return nil, err
		}
		p.guard.stand(req)
		res, err := c.send(req)
		if err != nil {
			return nil, err
		}
		if !isRedirect(res.StatusCode) {
			return res, nil
		}
		drainAndClose(res)
		if to, err = it.next(res); err != nil {
			return nil, err
		}
	}
}

func newRequest(ctx context.Context, to *url.URL, p outboundCall) (*http.Request, error) {
	var body bytes.Buffer
	if err := codec.NewEncoder(encoding.SinkWriter(&body)).Encode(p.message); err != nil {
		return nil, fmt.Errorf("encoding a call: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), &body)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Accept", mediaType)
	if p.streamID != "" {
		req.Header.Set(streamIDHeader, p.streamID)
	}
	return req, nil
}

// drainAndClose reads a short rest, so that the connection serves again.
func drainAndClose(res *http.Response) {
	if res.ContentLength >= 0 {
		_, _ = io.CopyN(io.Discard, res.Body, maxBodyExcerpt) // a connection that cannot be kept is closed
	}
	_ = res.Body.Close() // nothing was written
}
