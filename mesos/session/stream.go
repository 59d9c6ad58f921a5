package session

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/recordio"
	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session/failure"
)

// firstEventTimeout is the maximum time between the response to SUBSCRIBE and its first
// event.
const firstEventTimeout = 15 * time.Second

// stream is one subscription, from the attempt to its end.
type stream struct {
	s      *Session
	ctx    context.Context
	cancel context.CancelFunc
	// done is closed when nothing of the stream runs any more, except calls in flight.
	done chan struct{}

	host        string   // of the master that is tried, or was subscribed to; guarded by Session.mu
	endpoint    *url.URL // to which calls are sent
	id          string   // Mesos-Stream-Id
	calls       sender
	suspectOnce sync.Once
}

// openStream begins an attempt to subscribe. The attempt waits until the stream before it is
// closed.
func (s *Session) openStream(call *scheduler.Call) {
	st := &stream{s: s, done: make(chan struct{})}
	st.ctx, st.cancel = context.WithCancel(s.ctx)
	st.calls.stream = st
	before := s.last
	s.current, s.last = st, st
	spawned := s.spawn(func() {
		defer close(st.done)
		defer st.cancel()
		if before != nil {
			<-before.done
		}
		st.end(st.run(call))
	})
	if !spawned {
		st.cancel()
		close(st.done)
	}
}

// run subscribes and reads events. It returns the reason why the stream ended.
func (st *stream) run(call *scheduler.Call) error {
	res, err := st.subscribe(call)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it was read to its end, or is given up
	st.id, st.endpoint = res.Header.Get(streamIDHeader), res.Request.URL
	st.setHost(st.endpoint.Host)
	if st.id == "" {
		return failure.New(scheduler.ProtocolError, "%s subscribed us without a %s", st.endpoint.Host, streamIDHeader)
	}
	return st.read(res)
}

// read reads events as they come. It never waits for anything else, because a slow reader
// makes the master's memory grow.
func (st *stream) read(res *http.Response) error {
	silence := time.AfterFunc(firstEventTimeout, func() {
		st.end(failure.New(scheduler.ProtocolError, "%s accepted the subscription, and sent nothing for %s", st.endpoint.Host, firstEventTimeout))
	})
	defer silence.Stop()
	records := recordio.NewReader(res.Body, recordio.MaxMasterRecord)
	for {
		record, err := records.ReadRecord()
		e, err := st.eventOf(record, err)
		if err != nil {
			return err
		}
		silence.Stop()
		st.s.metrics.countEvent(e.Type)
		st.withCore(func(now time.Time) { st.s.core.Step(now, e) })
	}
}

// eventOf returns the event of a record, or of the error for one that was skipped because it
// is too long. An executor may send messages and statuses of any length, and must not cost all
// others the stream: of such an event only its type is left, which shows that the master is
// alive. Mesos sends a status again, and answers for the task when it is asked.
func (st *stream) eventOf(record []byte, err error) (*schedulerpb.Event, error) {
	var tooLong *recordio.TooLongError
	switch {
	case errors.As(err, &tooLong):
		eventType := eventTypeOf(tooLong.Head)
		if eventType != schedulerpb.Event_MESSAGE && eventType != schedulerpb.Event_UPDATE {
			return nil, fmt.Errorf("%w: %s: %w", recordio.ErrMalformed, eventType, err)
		}
		st.s.log.Info("Skipped an event that is too long", "type", eventType.String(), "bytes", tooLong.Length)
		st.s.metrics.countSkipped(eventType)
		return &schedulerpb.Event{Type: eventType}, nil
	case err != nil:
		return nil, err
	}
	return decodeEvent(record)
}

func decodeEvent(record []byte) (*schedulerpb.Event, error) {
	if eventTypeOf(record) == schedulerpb.Event_MESSAGE {
		return &schedulerpb.Event{Type: schedulerpb.Event_MESSAGE}, nil // nobody reads what is in it
	}
	e := &schedulerpb.Event{}
	if err := recordio.Decode(record, e, "an event"); err != nil {
		return nil, err
	}
	return e, nil
}

// eventTypeOf returns the type of an event from the beginning of its record. Masters write the
// fields of a message in the order of their numbers, and the type has the first.
func eventTypeOf(record []byte) schedulerpb.Event_Type {
	const typeField = 1 << 3 // number 1, a varint
	if len(record) < 2 || record[0] != typeField || record[1] >= 0x80 {
		return schedulerpb.Event_UNKNOWN
	}
	return schedulerpb.Event_Type(record[1])
}

// withCore gives the core an input, unless another stream is current by now.
func (st *stream) withCore(input func(now time.Time)) {
	st.s.withCore(func(now time.Time) {
		if st.s.current == st {
			input(now)
		}
	})
}

func (st *stream) setHost(host string) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.host = host
}

// end reports to the core that the stream ended, unless the core ended it.
func (st *stream) end(err error) {
	st.withCore(func(now time.Time) { st.s.disconnect(now, err) })
}

// disconnect closes the current stream and reports the reason to the core.
func (s *Session) disconnect(now time.Time, err error) {
	f := failure.Of(err)
	s.log.V(1).Info("Lost the stream", "reason", f.Reason, "message", f.Message)
	s.metrics.countSubscription(f.Reason)
	s.closeStream()
	s.core.Disconnected(now, f.Reason, f.Message)
}

// closeStream closes the current stream. Calls that were not sent yet are dropped.
func (s *Session) closeStream() {
	if s.current != nil {
		s.current.cancel()
		s.current = nil
	}
}
