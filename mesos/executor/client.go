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

	"github.com/k8sm/k8sm/mesos/recordio"
)

const (
	dialTimeout   = 5 * time.Second
	headerTimeout = 10 * time.Second
	// recordMost is the longest record that is taken. A launch has some kilobytes.
	recordMost = 4 << 20
	mediaType  = string(codecs.MediaTypeProtobuf)
)

// Endpoint is where an agent serves its executors.
type Endpoint struct {
	// Address as ip:port.
	Address string
	// Token is sent as bearer token, if there is one.
	Token string
	// TLS is set where the agent serves over TLS.
	TLS *tls.Config
	// Dial opens connections; nil is a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// errRefused: the agent will not take this executor, however often it asks.
var errRefused = errors.New("agent refuses the subscription")

// agentClient posts calls to one agent. (Not the library's client: it goes through
// proxies, dials IPv4 only, and reads streams without bounds that hold.)
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
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &agentClient{
		url:   scheme + "://" + e.Address + "/api/v1/executor",
		token: e.Token,
		http:  &http.Client{Transport: transport, CheckRedirect: stay},
	}
}

// do sends a call and returns the answer, or the agent's refusal as an error.
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
		return nil, refusalOf(response)
	}
	return response, nil
}

// refusal is an answer other than the one that a call is to get.
type refusal struct {
	status int
	text   string
}

func refusalOf(response *http.Response) error {
	text, _ := io.ReadAll(io.LimitReader(response.Body, 500)) // as much of it as there is
	return &refusal{response.StatusCode, strings.TrimSpace(string(text))}
}

func (r *refusal) Error() string {
	return fmt.Sprintf("agent answers %d %s: %s", r.status, http.StatusText(r.status), r.text)
}

// post sends a call that is answered by 202.
func (c *agentClient) post(ctx context.Context, call *executor.Call) error {
	response, err := c.do(ctx, call, http.StatusAccepted)
	if err != nil {
		return fmt.Errorf("sending %s: %w", call.Type, err)
	}
	_, _ = io.CopyN(io.Discard, response.Body, 1<<10) // so that the connection can be used again
	return response.Body.Close()
}

// stream sends SUBSCRIBE and passes each event to emit until emit returns false or the
// stream ends. It always returns an error that says why.
func (c *agentClient) stream(ctx context.Context, call *executor.Call, emit func(*executor.Event) bool) error {
	response, err := c.do(ctx, call, http.StatusOK)
	if err != nil {
		return subscribeError(err)
	}
	defer response.Body.Close()
	records := recordio.NewReader(response.Body, recordMost)
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

// subscribeError tells what passes (an agent that is away or recovering) from what
// doesn't: a malformed call, an executor that the agent does not know, a token that it
// does not take or that is another executor's.
func subscribeError(err error) error {
	var r *refusal
	if errors.As(err, &r) {
		switch r.status {
		case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusUnsupportedMediaType:
			return fmt.Errorf("%w: %w", errRefused, err)
		}
	}
	return fmt.Errorf("subscribing: %w", err)
}
