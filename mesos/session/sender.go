package session

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session/failure"
)

const (
	// callTimeout bounds a call other than SUBSCRIBE, with its redirects.
	callTimeout = 20 * time.Second
	// errorGrace is the time that a suspect stream stays open for an ERROR event with the reason why it
	// ends.
	errorGrace = time.Second
)

// sender sends the calls of one stream in the order of its queue.
type sender struct {
	stream *stream

	mu     sync.Mutex
	queue  callQueue
	closed bool
}

// send queues calls. It returns at once.
func (s *sender) send(calls []*scheduler.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.add(calls)
	s.startCalls()
}

// startCalls sends the calls that may be sent now, each in a goroutine.
func (s *sender) startCalls() {
	if s.closed {
		return
	}
	for _, call := range s.queue.start() {
		spawned := s.stream.s.spawn(func() {
			s.stream.sendCall(call)
			s.finish(call)
		})
		s.closed = s.closed || !spawned
	}
}

func (s *sender) finish(call *scheduler.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.finish(call)
	s.startCalls()
}

// close makes the sender start no more calls.
func (s *sender) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

// sendCall sends one call, once. Its effect is known only from status updates and task
// reconciliation, so that it is never repeated here.
func (st *stream) sendCall(call *scheduler.Call) {
	if st.ctx.Err() != nil {
		return
	}
	parent := st.ctx
	if call.Type == schedulerpb.Call_TEARDOWN {
		parent = st.s.ctx // the stream ends with TEARDOWN, perhaps before its answer arrives
	}
	ctx, cancel := context.WithTimeout(parent, callTimeout)
	defer cancel()
	res, err := st.s.client.post(ctx, st.endpoint, outboundCall{message: call, streamID: st.id})
	if err != nil {
		if st.ctx.Err() == nil {
			st.s.metrics.countCall(call.Type.String(), "error")
			st.suspect(failure.New(failure.Of(err).Reason, "sending %s: %v", call.Type, err))
		}
		return
	}
	text := ""
	if res.StatusCode >= http.StatusMultipleChoices {
		text = failure.Excerpt(res)
	}
	drainAndClose(res)
	st.s.metrics.countCall(call.Type.String(), strconv.Itoa(res.StatusCode))
	st.handleResponse(call, res.StatusCode, text)
}

// handleResponse handles a master's response to a call. Most refusals mean that the master
// no longer knows the stream.
func (st *stream) handleResponse(call *scheduler.Call, status int, text string) {
	switch {
	case status < http.StatusMultipleChoices:
		if call.Type == schedulerpb.Call_TEARDOWN || call.Type == schedulerpb.Call_UPDATE_FRAMEWORK {
			st.s.withCore(func(now time.Time) { st.s.core.CallAccepted(now, call) })
		}
	case refusesCredentials(status, text):
		st.suspect(failure.Unauthorized(st.endpoint.Host, status, text))
	case status == http.StatusServiceUnavailable:
		st.suspect(failure.New(scheduler.NoLeader, "%s: %s", st.endpoint.Host, text))
	case refusesCall(call, status, text):
		st.s.log.Info("Master refuses a call", "call", call.Type.String(), "message", text)
		st.withCore(func(now time.Time) { st.s.core.CallRefused(now, call, text) })
	default:
		st.suspect(failure.New(scheduler.Connecting, "%s no longer knows the stream: %d %s", st.endpoint.Host, status, text))
	}
}

// refusesCredentials reports whether every call would be refused, whatever it contains. A
// master answers 400 when the credentials belong to another principal than the
// framework's.
func refusesCredentials(status int, text string) bool {
	return status == http.StatusUnauthorized || status == http.StatusBadRequest && strings.Contains(text, "does not match principal")
}

// refusesCall reports whether a call was refused because of its content. The stream is then
// still good.
func refusesCall(call *scheduler.Call, status int, text string) bool {
	switch status {
	case http.StatusBadRequest:
		return !strings.Contains(text, "stream ID") && !strings.Contains(text, "Framework cannot be found")
	case http.StatusForbidden: // by an ACL; for other calls it means that the framework is not subscribed
		return call.Type == schedulerpb.Call_UPDATE_FRAMEWORK && !strings.Contains(text, "not subscribed")
	}
	return false
}

// suspect ends a stream on which calls fail, after errorGrace. When another scheduler took
// over, the refusal of a call can arrive before the ERROR event with the reason. Without that
// event the session would subscribe again, and disconnect the other scheduler.
func (st *stream) suspect(err error) {
	st.calls.close()
	st.suspectOnce.Do(func() { time.AfterFunc(errorGrace, func() { st.end(err) }) })
}
