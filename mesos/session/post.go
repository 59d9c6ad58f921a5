package session

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/mesos/mesos-go/api/v1/lib/encoding"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"

	"github.com/k8sm/k8sm/mesos/session/failure"
	"github.com/k8sm/k8sm/mesos/session/redirect"
)

const (
	mediaType      = string(codecs.MediaTypeProtobuf)
	streamIDHeader = "Mesos-Stream-Id"
)

var codec = codecs.ByMediaType[codecs.MediaTypeProtobuf]

// outboundCall is a message to a master, with what accompanies it to every master that it is
// redirected to.
type outboundCall struct {
	message  encoding.Marshaler
	streamID string        // empty with SUBSCRIBE
	gate     subscribeGate // checked before each request; nil with all calls but SUBSCRIBE
}

// post sends a call, and sends it again to wherever it is redirected: a master that
// redirects has not processed it. Method, body and credentials stay the same. The caller
// closes the body of the response.
func (c *client) post(ctx context.Context, to *url.URL, call outboundCall) (*http.Response, error) {
	redirects := c.redirectPolicy()
	for {
		req, err := newRequest(ctx, to, call)
		if err != nil {
			return nil, err
		}
		call.gate.attach(req)
		res, err := c.send(req)
		if err != nil {
			return nil, err
		}
		if !redirect.Is(res.StatusCode) {
			return res, nil
		}
		drainAndClose(res)
		if to, err = redirects.Follow(res); err != nil {
			return nil, err
		}
	}
}

// redirectPolicy returns the policy for a call with the current credentials.
func (c *client) redirectPolicy() redirect.Policy {
	credentials := c.current().credentials
	return redirect.Policy{
		WithCredentials: credentials.Authorization != "",
		HasOwnCA:        credentials.TLS != nil && credentials.TLS.RootCAs != nil,
		Masters:         c.masters,
	}
}

func newRequest(ctx context.Context, to *url.URL, call outboundCall) (*http.Request, error) {
	var body bytes.Buffer
	if err := codec.NewEncoder(encoding.SinkWriter(&body)).Encode(call.message); err != nil {
		return nil, fmt.Errorf("encoding a call: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), &body)
	if err != nil {
		return nil, fmt.Errorf("making a request: %w", err)
	}
	req.Header.Set("Content-Type", mediaType)
	req.Header.Set("Accept", mediaType)
	if call.streamID != "" {
		req.Header.Set(streamIDHeader, call.streamID)
	}
	return req, nil
}

// drainAndClose reads the short rest of a body, so that the connection can be used again.
func drainAndClose(res *http.Response) {
	if res.ContentLength >= 0 {
		_, _ = io.CopyN(io.Discard, res.Body, failure.MaxBody) // a connection with a longer rest is closed
	}
	_ = res.Body.Close() // nothing was written
}
