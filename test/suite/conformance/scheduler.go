package conformance

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// frameworkSpec is the variable part of a SUBSCRIBE. The zero value is a new framework
// with the properties of k8sm's.
type frameworkSpec struct {
	id           string
	user         string // default Options.User
	principal    string // default Options.Principal
	roles        []string
	failover     *float64 // seconds; default failoverTimeout
	noCheckpoint bool
	suppressed   bool
	constraints  object // offer_constraints; nil for none
}

func (c *cluster) info(s frameworkSpec) object {
	user, principal, roles, failover := s.user, s.principal, s.roles, float64(failoverTimeout)
	if user == "" {
		user = c.User
	}
	if principal == "" {
		principal = c.Principal
	}
	if roles == nil {
		roles = []string{c.Role}
	}
	if s.failover != nil {
		failover = *s.failover
	}
	info := object{
		"name": "k8sm-conformance-" + c.run, "user": user, "roles": roles,
		"failover_timeout": failover, "checkpoint": !s.noCheckpoint,
		"capabilities": []object{{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}, {"type": "RESERVATION_REFINEMENT"}, {"type": "REGION_AWARE"}},
	}
	if principal != "" {
		info["principal"] = principal
	}
	if s.id != "" {
		info["id"] = idOf(s.id)
	}
	return info
}

// message returns the body of SUBSCRIBE, which is that of UPDATE_FRAMEWORK too.
func (c *cluster) message(s frameworkSpec) object {
	m := object{"framework_info": c.info(s)}
	if s.suppressed {
		m["suppressed_roles"] = m["framework_info"].(object)["roles"]
	}
	if s.constraints != nil {
		m["offer_constraints"] = s.constraints
	}
	return m
}

func (c *cluster) subscribeCall(s frameworkSpec) object {
	call := object{"type": "SUBSCRIBE", "subscribe": c.message(s)}
	if s.id != "" {
		call["framework_id"] = idOf(s.id)
	}
	return call
}

// refusedError is the error of a SUBSCRIBE whose status is not 200.
type refusedError struct{ answer *answer }

func (r *refusedError) Error() string { return "SUBSCRIBE was answered " + r.answer.String() }

// errorEventError is the error of a SUBSCRIBE whose first event is ERROR.
type errorEventError struct {
	message string
	stream  *schedulerClient
}

func (e *errorEventError) Error() string {
	return fmt.Sprintf("SUBSCRIBE was answered by an ERROR event: %q", e.message)
}

// schedulerClient is one subscription of a framework, with the events that it received.
type schedulerClient struct {
	c           *cluster
	spec        frameworkSpec
	leader      *url.URL
	header      http.Header
	chunked     bool
	frameworkID string
	streamID    string
	close       context.CancelFunc

	mu           sync.Mutex
	changed      chan struct{} // closed and replaced at every change
	types        []string      // of all events, in order
	first        *event
	heartbeats   []time.Time
	held         []offer
	offered      []offer // all offers received, also those that are no longer held
	updates      []status
	failures     []failure
	rescinds     []string
	errorMessage string // of the ERROR event
	ended        error
	holdAcks     bool              // updates are not acknowledged automatically
	live         map[string]string // agents of the tasks that were launched and have not ended, by task ID
}

// subscribe opens a stream and waits for its first event. The error may be a refusedError
// or an errorEventError.
func (c *cluster) subscribe(ctx context.Context, s frameworkSpec) (*schedulerClient, error) {
	return c.open(ctx, s, request{body: c.subscribeCall(s)})
}

// open is subscribe with a given request. It sets the address.
func (c *cluster) open(ctx context.Context, s frameworkSpec, r request) (*schedulerClient, error) {
	leader, _, err := c.transport.leader(ctx, c.masters)
	if err != nil {
		return nil, err
	}
	r.to = leader.JoinPath(schedulerPath)
	stream, stop := context.WithCancel(c.ctx)
	res, err := c.transport.send(stream, r)
	if err != nil {
		stop()
		return nil, fmt.Errorf("sending SUBSCRIBE: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		defer stop()
		defer res.Body.Close()
		body, err := io.ReadAll(io.LimitReader(res.Body, 1<<16))
		if err != nil {
			return nil, fmt.Errorf("reading the answer to SUBSCRIBE: %w", err)
		}
		return nil, &refusedError{&answer{res.StatusCode, res.Header, body}}
	}
	f := &schedulerClient{
		c: c, spec: s, leader: leader, header: res.Header, streamID: res.Header.Get("Mesos-Stream-Id"), close: stop,
		chunked: len(res.TransferEncoding) == 1 && res.TransferEncoding[0] == "chunked",
		changed: make(chan struct{}), live: map[string]string{},
	}
	go f.read(res.Body)
	return f, f.begin(ctx)
}

// begin waits for the first event.
func (s *schedulerClient) begin(ctx context.Context) error {
	first, err := await(ctx, s, s.c.Patience, "the first event", func() (*event, bool) { return s.first, s.first != nil })
	switch {
	case err != nil:
		s.close()
		return err
	case first.Type == "ERROR" && first.Error != nil:
		return &errorEventError{first.Error.Message, s}
	case first.Type != "SUBSCRIBED" || first.Subscribed == nil:
		s.close()
		return fmt.Errorf("the first event is %s, neither SUBSCRIBED nor ERROR", first.Type)
	}
	s.frameworkID = first.Subscribed.FrameworkID.Value
	s.c.registered(s)
	return nil
}

// call makes a call, other than SUBSCRIBE, with the ID of this stream.
func (s *schedulerClient) call(ctx context.Context, callType string, body object) (*answer, error) {
	return s.callAs(ctx, callType, body, s.streamID)
}

// callAs is call with another stream ID.
func (s *schedulerClient) callAs(ctx context.Context, callType string, body object, streamID string) (*answer, error) {
	a, err := s.c.transport.ask(ctx, request{
		to: s.leader.JoinPath(schedulerPath), streamID: streamID, body: s.bodyOf(callType, body),
	})
	if err != nil {
		return nil, fmt.Errorf("sending %s: %w", callType, err)
	}
	return a, nil
}

func (s *schedulerClient) bodyOf(callType string, body object) object {
	m := object{"type": callType, "framework_id": idOf(s.frameworkID)}
	for k, v := range body {
		m[k] = v
	}
	return m
}

// accepted makes a call and returns an error unless it is answered by 202.
func (s *schedulerClient) accepted(ctx context.Context, callType string, body object) error {
	a, err := s.call(ctx, callType, body)
	if err != nil {
		return err
	}
	if a.status != http.StatusAccepted {
		return fmt.Errorf("%s was answered %s, not 202", callType, a)
	}
	return nil
}

// endError returns why the stream ended; nil while it is open.
func (s *schedulerClient) endError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended
}

// disconnect closes the connection without a call, as a crash does, and waits until the
// master has noticed it.
func (s *schedulerClient) disconnect(p *probe) error {
	s.close()
	return p.poll("waiting for the master to notice that the stream is closed", func() (bool, error) {
		a, err := s.call(p.ctx, "SUPPRESS", nil)
		return err == nil && a.status != http.StatusAccepted, err
	})
}

// resubscribe subscribes with the ID of the framework. The new client takes over the live
// tasks, which have to be cleaned up.
func (s *schedulerClient) resubscribe(p *probe, next frameworkSpec) (*schedulerClient, error) {
	next.id = s.frameworkID
	f, err := p.framework(next)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	for task, agent := range s.live {
		f.live[task] = agent
	}
	return f, nil
}

// tearDown removes the framework. If its stream is closed, it subscribes again first,
// because the master accepts TEARDOWN only from a subscribed framework.
func (s *schedulerClient) tearDown(ctx context.Context) error {
	s.c.mu.Lock()
	registered := s.c.frameworks[s.frameworkID] != nil
	s.c.mu.Unlock()
	if !registered {
		s.close()
		return nil
	}
	if s.removeFramework(ctx) != nil {
		f, err := s.c.subscribe(ctx, frameworkSpec{id: s.frameworkID, suppressed: true})
		if err == nil {
			err = f.removeFramework(ctx)
			f.close()
		} else if before := (*errorEventError)(nil); errors.As(err, &before) {
			err = nil // the master has removed it already
		}
		if err != nil {
			return err
		}
	}
	s.forget()
	return nil
}

// removeFramework sends TEARDOWN, and checks that the framework is unknown afterwards.
func (s *schedulerClient) removeFramework(ctx context.Context) error {
	if err := s.accepted(ctx, "TEARDOWN", nil); err != nil {
		return err
	}
	a, err := s.call(ctx, "SUPPRESS", nil)
	if err == nil && a.status != http.StatusBadRequest {
		err = fmt.Errorf("after TEARDOWN the master still answers %s", a)
	}
	return err
}

// forget closes the stream of a framework that is no longer registered.
func (s *schedulerClient) forget() {
	s.close()
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	delete(s.c.frameworks, s.frameworkID)
}
