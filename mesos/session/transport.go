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
	// responseMost is the longest answer of the operator API that is read.
	responseMost = 256 << 20

	mediaType      = string(codecs.MediaTypeProtobuf)
	streamIDHeader = "Mesos-Stream-Id"
)

var codec = codecs.ByMediaType[codecs.MediaTypeProtobuf]

// client posts calls. (Not the library's client: it dials IPv4 only, follows redirects
// by itself and does not tell the statuses of refusals.)
type client struct {
	http          *http.Client
	authorization string
}

func newClient(cfg *Config) *client {
	return &client{
		authorization: cfg.Authorization,
		http: &http.Client{
			Transport: &http.Transport{
				Proxy:                 http.ProxyFromEnvironment,
				DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
				TLSClientConfig:       tlsOf(cfg.TLS),
				TLSHandshakeTimeout:   dialTimeout,
				ResponseHeaderTimeout: headerTimeout,
				MaxIdleConnsPerHost:   lanesMost,
				IdleConnTimeout:       90 * time.Second,
				DisableCompression:    true, // streams are never compressed
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
}

// tlsOf is what was configured, for masters as they are by default.
func tlsOf(c *tls.Config) *tls.Config {
	out := &tls.Config{MinVersion: tls.VersionTLS12}
	if c != nil {
		out = c.Clone()
	}
	if len(out.CipherSuites) == 0 {
		out.CipherSuites = libprocess.CipherSuites()
	}
	return out
}

// post sends one message. The caller closes the answer's body.
func (c *client) post(ctx context.Context, to *url.URL, m encoding.Marshaler, streamID string) (*http.Response, error) {
	var body bytes.Buffer
	if err := codec.NewEncoder(encoding.SinkWriter(&body)).Encode(m); err != nil {
		return nil, fmt.Errorf("encoding a call: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), &body)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Accept", mediaType)
	if c.authorization != "" {
		req.Header.Set("Authorization", c.authorization)
	}
	if streamID != "" {
		req.Header.Set(streamIDHeader, streamID)
	}
	return c.http.Do(req)
}

// follow posts, and posts again wherever it is redirected to. Method, body and
// credentials go along.
func (c *client) follow(ctx context.Context, to *url.URL, m encoding.Marshaler) (*http.Response, error) {
	it := itinerary{secrets: c.authorization != ""}
	for {
		res, err := c.post(ctx, to, m, "")
		if err != nil {
			return nil, err
		}
		if !isRedirect(res.StatusCode) {
			return res, nil
		}
		discard(res)
		if to, err = it.next(res); err != nil {
			return nil, err
		}
	}
}

// discard reads a short rest, so that the connection serves again.
func discard(res *http.Response) {
	if res.ContentLength >= 0 {
		_, _ = io.CopyN(io.Discard, res.Body, detailsMost) // a connection that cannot be kept is closed
	}
	_ = res.Body.Close() // nothing was written
}
