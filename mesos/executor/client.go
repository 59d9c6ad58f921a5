package executor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/mesos/mesos-go/api/v1/lib/client"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/apierrors"
)

// Endpoint is where an agent serves its executors.
type Endpoint struct {
	// Address as ip:port.
	Address string
	// Token is sent as bearer token, if there is one.
	Token string
	// TLS is set where the agent serves over TLS.
	TLS *tls.Config
}

// errRefused: the agent will not take this executor, however often it asks.
var errRefused = errors.New("agent refuses the subscription")

// agentClient posts calls to one agent. It is mesos-go's client over a transport of our
// own: its default one goes through proxies and binds to IPv4.
type agentClient struct {
	*httpcli.Client
}

func newClient(e Endpoint) *agentClient {
	scheme := "http"
	if e.TLS != nil {
		scheme = "https"
	}
	transport := &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:       e.TLS,
		ResponseHeaderTimeout: 10 * time.Second,
		MaxIdleConnsPerHost:   1,
	}
	opts := []httpcli.Opt{
		httpcli.Endpoint(scheme + "://" + e.Address + "/api/v1/executor"),
		httpcli.Do((&http.Client{Transport: transport}).Do),
	}
	if e.Token != "" {
		opts = append(opts, httpcli.RequestOptions(httpcli.Header("Authorization", "Bearer "+e.Token)))
	}
	return &agentClient{httpcli.New(opts...)}
}

// post sends a call that is answered by 202.
func (c *agentClient) post(ctx context.Context, call *executor.Call) error {
	response, err := c.Send(client.RequestSingleton(call), client.ResponseClassAuto, httpcli.Context(ctx))
	if response != nil {
		_ = response.Close()
	}
	if err != nil {
		return fmt.Errorf("sending %s: %w", call.Type, err)
	}
	return nil
}

// stream sends SUBSCRIBE and passes each event to emit until emit returns false or the
// stream ends. It always returns an error that says why.
func (c *agentClient) stream(ctx context.Context, call *executor.Call, emit func(*executor.Event) bool) error {
	response, err := c.Send(client.RequestSingleton(call), client.ResponseClassAuto, httpcli.Context(ctx))
	if response != nil {
		defer response.Close()
	}
	if err != nil {
		return subscribeError(err)
	}
	if response == nil {
		return errors.New("subscribing: the agent answered without a stream")
	}
	for {
		var event executor.Event
		if err := response.Decode(&event); err != nil {
			return fmt.Errorf("reading the agent's stream: %w", err)
		}
		if !emit(&event) {
			return ctx.Err()
		}
	}
}

// subscribeError tells what passes (an agent that is away or recovering) from what
// doesn't: a malformed call or a token that is not taken.
func subscribeError(err error) error {
	for _, code := range []apierrors.Code{apierrors.CodeMalformedRequest, apierrors.CodeNotAuthenticated, http.StatusUnsupportedMediaType} {
		if code.Matches(err) {
			return fmt.Errorf("%w: %w", errRefused, err)
		}
	}
	return fmt.Errorf("subscribing: %w", err)
}
