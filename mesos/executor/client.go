package executor

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/k8sm/k8sm/mesos/access"
	"github.com/k8sm/k8sm/mesos/recordio"
)

const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 10 * time.Second
	// maxRecordBytes is the longest record that is read. A launch has some kilobytes.
	maxRecordBytes = 4 << 20
	mediaType      = string(codecs.MediaTypeProtobuf)
)

// Endpoint is the address at which an agent serves its executors, and how to connect to it.
type Endpoint struct {
	// Address as ip:port.
	Address string
	// Token is sent as a bearer token; empty for none.
	Token string
	// TLS is the configuration for an agent that serves over TLS; nil for one that does not.
	TLS *tls.Config
	// Dial opens connections; nil is a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// IsOpen reports whether the agent serves executors that present no credentials. It sends
// nothing that could change anything.
func (e Endpoint) IsOpen(ctx context.Context) (bool, error) {
	server := access.Server{URL: "http://" + e.Address, TLS: e.TLS, Dial: e.Dial}
	if e.TLS != nil {
		server.URL = "https://" + e.Address
	}
	return server.IsOpen(ctx, access.ExecutorPath)
}

// errRefused is wrapped when the agent does not accept this executor, however often it asks.
var errRefused = errors.New("agent refuses the subscription")

// agentClient sends calls to one agent. (The library's client is not used: it uses proxies,
// dials IPv4 only, and does not bound what it reads of a stream.)
type agentClient struct {
	url, token string
	http       *http.Client
}

func newClient(e Endpoint) *agentClient {
	scheme := "http"
	if e.TLS != nil {
		scheme = "https"
	}
	if e.Dial == nil {
		e.Dial = (&net.Dialer{Timeout: dialTimeout, KeepAlive: 15 * time.Second}).DialContext
	}
	transport := &http.Transport{
		DialContext:           e.Dial,
		TLSClientConfig:       e.TLS,
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		MaxIdleConnsPerHost:   1,
		DisableCompression:    true,
	}
	noRedirects := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &agentClient{
		url:   scheme + "://" + e.Address + "/api/v1/executor",
		token: e.Token,
		http:  &http.Client{Transport: transport, CheckRedirect: noRedirects},
	}
}

// do sends a call and returns the response. A status other than the wanted one becomes an
// error.
func (c *agentClient) do(ctx context.Context, call *executor.Call, want int) (*http.Response, error) {
	body, err := call.Marshal()
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", mediaType)
	request.Header.Set("Accept", mediaType)
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != want {
		defer response.Body.Close()
		return nil, newStatusError(response)
	}
	return response, nil
}

// statusError is a response with another status than the call should have.
type statusError struct {
	status int
	text   string
}

func newStatusError(response *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(response.Body, 500)) // what could be read is shown
	return &statusError{response.StatusCode, strings.TrimSpace(string(text))}
}

func (r *statusError) Error() string {
	return fmt.Sprintf("agent answers %d %s: %s", r.status, http.StatusText(r.status), r.text)
}

// post sends a call that the agent answers with 202.
func (c *agentClient) post(ctx context.Context, call *executor.Call) error {
	response, err := c.do(ctx, call, http.StatusAccepted)
	if err != nil {
		return fmt.Errorf("sending %s: %w", call.Type, err)
	}
	_, _ = io.CopyN(io.Discard, response.Body, 1<<10) // so that the connection can be used again
	return response.Body.Close()
}

// stream sends SUBSCRIBE and passes each event to emit, until emit returns false or the stream
// ends. It always returns an error, which is the reason.
func (c *agentClient) stream(ctx context.Context, call *executor.Call, emit func(*executor.Event) bool) error {
	response, err := c.do(ctx, call, http.StatusOK)
	if err != nil {
		return subscribeError(err)
	}
	defer response.Body.Close()
	records := recordio.NewReader(response.Body, maxRecordBytes)
	for {
		record, err := records.ReadRecord()
		if err != nil {
			return fmt.Errorf("reading the agent's stream: %w", err)
		}
		event := &executor.Event{}
		if err := recordio.Decode(record, event, "an event"); err != nil {
			return fmt.Errorf("reading the agent's stream: %w", err)
		}
		if !emit(event) {
			return ctx.Err()
		}
	}
}

// subscribeError adds errRefused to an error that will not pass: a malformed call, an executor
// that the agent does not know, a token that is invalid or another executor's. Other errors
// may pass: the agent is away, or is recovering.
func subscribeError(err error) error {
	var r *statusError
	if errors.As(err, &r) {
		switch r.status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnsupportedMediaType:
			return fmt.Errorf("%w: %w", errRefused, err)
		}
	}
	return fmt.Errorf("subscribing: %w", err)
}
