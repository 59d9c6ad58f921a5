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
)

const (
	// maxCallsInFlight is how many calls are on their way at once.
	maxCallsInFlight = 8
	// lookAhead is how far the queue is searched for a call that may go.
	lookAhead = 256
	// errorGrace is how long a stream that refused a call has to say why it ends.
	errorGrace = time.Second
)

// sender sends the calls of one stream. Calls that concern the same agent keep their
// order, and RECONCILE and its like keep theirs with all: a RECONCILE that overtook an
// ACCEPT would be told that the task does not exist.
type sender struct {
	stream *stream

	mu     sync.Mutex
	queue  []*scheduler.Call
	lanes  map[string]bool // on their way, by agent
	alone  bool            // a call that goes alone is on its way
	closed bool
}

// laneOf is the agent that a call concerns; alone says that it keeps its place among
// all.
func laneOf(c *scheduler.Call) (lane string, alone bool) {
	switch c.Type {
	case schedulerpb.Call_ACCEPT:
		ops := c.Accept.GetOperations()
		if len(ops) > 0 && len(ops[0].GetLaunch().GetTaskInfos()) > 0 {
			return ops[0].Launch.TaskInfos[0].AgentID.Value, false
		}
	case schedulerpb.Call_KILL:
		return c.Kill.GetAgentID().GetValue(), false
	case schedulerpb.Call_MESSAGE:
		return c.Message.AgentID.Value, false
	case schedulerpb.Call_ACKNOWLEDGE:
		return c.Acknowledge.AgentID.Value, false
	}
	return "", true
}

// send puts calls in line.
func (q *sender) send(calls []*scheduler.Call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.queue = append(q.queue, calls...)
	q.dispatch()
}

// dispatch lets go what may go, in order.
func (q *sender) dispatch() {
	if q.closed {
		return
	}
	if q.lanes == nil {
		q.lanes = map[string]bool{}
	}
	waiting := map[string]bool{} // lanes of calls that stay behind
	for i := 0; i < len(q.queue) && i < lookAhead; {
		if q.alone || len(q.lanes) >= maxCallsInFlight {
			return
		}
		lane, alone := laneOf(q.queue[i])
		switch {
		case alone && (i > 0 || len(q.lanes) > 0):
			return
		case !alone && (q.lanes[lane] || waiting[lane]):
			waiting[lane] = true
			i++
			continue
		}
		call := q.queue[i]
		q.queue = append(q.queue[:i], q.queue[i+1:]...)
		q.begin(call, lane, alone)
	}
}

func (q *sender) begin(call *scheduler.Call, lane string, alone bool) {
	if alone {
		q.alone = true
	} else {
		q.lanes[lane] = true
	}
	spawned := q.stream.s.spawn(func() {
		q.stream.sendCall(call)
		q.mu.Lock()
		defer q.mu.Unlock()
		if alone {
			q.alone = false
		} else {
			delete(q.lanes, lane)
		}
		q.dispatch()
	})
	q.closed = q.closed || !spawned
}

// sendCall sends one call, once. What becomes of it is known by updates, never by
// sending it again.
func (st *stream) sendCall(call *scheduler.Call) {
	if st.ctx.Err() != nil {
		return
	}
	parent := st.ctx
	if call.Type == schedulerpb.Call_TEARDOWN {
		parent = st.s.ctx // the stream ends with it, perhaps before the answer is here
	}
	ctx, cancel := context.WithTimeout(parent, callTimeout)
	defer cancel()
	res, err := st.s.client.post(ctx, st.endpoint, outboundCall{message: call, streamID: st.id})
	if err != nil {
		if st.ctx.Err() == nil {
			st.s.metrics.call(call.Type.String(), "error")
			st.suspect(failuref(toFailure(err).reason, "sending %s: %v", call.Type, err))
		}
		return
	}
	text := ""
	if res.StatusCode >= http.StatusMultipleChoices {
		text = bodyExcerpt(res)
	}
	drainAndClose(res)
	st.s.metrics.call(call.Type.String(), strconv.Itoa(res.StatusCode))
	st.handleResponse(call, res.StatusCode, text)
}

// handleResponse judges what the master said to a call. Most refusals mean that the stream
// is no longer ours.
func (st *stream) handleResponse(call *scheduler.Call, status int, text string) {
	switch {
	case status < http.StatusMultipleChoices:
		if call.Type == schedulerpb.Call_TEARDOWN || call.Type == schedulerpb.Call_UPDATE_FRAMEWORK {
			st.s.withCore(func(now time.Time) { st.s.core.CallAccepted(now, call) })
		}
	case status == http.StatusUnauthorized:
		st.suspect(failuref(scheduler.Unauthorized, "%s refuses the credentials: %d %s", st.endpoint.Host, status, text))
	case status == http.StatusBadRequest && strings.Contains(text, "does not match principal"):
		// Not for what the call says: whoever we are by now, every call is refused.
		st.suspect(failuref(scheduler.Unauthorized, "%s refuses the credentials: %d %s", st.endpoint.Host, status, text))
	case status == http.StatusServiceUnavailable:
		st.suspect(failuref(scheduler.NoLeader, "%s: %s", st.endpoint.Host, text))
	case refusesCall(call, status, text):
		st.s.log.Info("Master refuses a call", "call", call.Type.String(), "message", text)
		st.withCore(func(now time.Time) { st.s.core.CallRefused(now, call, text) })
	default:
		st.suspect(failuref(scheduler.Connecting, "%s no longer knows the stream: %d %s", st.endpoint.Host, status, text))
	}
}

// refusesCall says that a call was turned down for what it says: the stream is still ours.
func refusesCall(call *scheduler.Call, status int, text string) bool {
	switch status {
	case http.StatusBadRequest:
		return !strings.Contains(text, "stream ID") && !strings.Contains(text, "Framework cannot be found")
	case http.StatusForbidden: // an ACL; of other calls it says that we are not subscribed
		return call.Type == schedulerpb.Call_UPDATE_FRAMEWORK && !strings.Contains(text, "not subscribed")
	}
	return false
}

// suspect ends a stream that calls no longer go through on, but lets it speak first: when
// another scheduler took over, the refusal of a call can come before the ERROR that says
// so, and to subscribe again would throw the other one out.
func (st *stream) suspect(err error) {
	st.calls.close()
	st.suspectOnce.Do(func() { time.AfterFunc(errorGrace, func() { st.end(err) }) })
}

// close has nothing more sent.
func (q *sender) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}
