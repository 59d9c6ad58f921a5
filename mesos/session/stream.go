package session

import (
	"context"
	"net/http"
	"net/url"
	"sync"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/recordio"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// firstEventTimeout is how long a master that took SUBSCRIBE may be silent.
const firstEventTimeout = 15 * time.Second

// stream is one subscription, from the attempt to its end.
type stream struct {
	s      *Session
	ctx    context.Context
	cancel context.CancelFunc
	// done is closed when nothing of the stream is left but calls on their way.
	done chan struct{}

	host        string   // that it is at, or last tried for; guarded by Session.mu
	endpoint    *url.URL // where calls go
	id          string
	calls       sender
	suspectOnce sync.Once
}

// openStream begins an attempt, once the stream before is closed.
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

// run is the life of a stream; its error is why it ended.
func (st *stream) run(call *scheduler.Call) error {
	res, err := st.subscribe(call)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }() // it is read to its end, or not worth it
	st.id, st.endpoint = res.Header.Get(streamIDHeader), res.Request.URL
	st.setHost(st.endpoint.Host)
	if st.id == "" {
		return failuref(scheduler.ProtocolError, "%s subscribed us without a %s", st.endpoint.Host, streamIDHeader)
	}
	return st.read(res)
}

// read takes events as they come. A reader that is slow grows the master's memory, so
// nothing here waits for anything.
func (st *stream) read(res *http.Response) error {
	silence := time.AfterFunc(firstEventTimeout, func() {
		st.end(failuref(scheduler.ProtocolError, "%s took the subscription, and said nothing for %s", st.endpoint.Host, firstEventTimeout))
	})
	defer silence.Stop()
	records := recordio.NewReader(res.Body, recordio.MasterMost)
	for {
		record, err := records.ReadFrame()
		if err != nil {
			return err
		}
		e, err := decodeEvent(record)
		if err != nil {
			return err
		}
		silence.Stop()
		st.s.metrics.event(e.Type)
		st.withCore(func(now time.Time) { st.s.core.Step(now, e) })
	}
}

func decodeEvent(record []byte) (*schedulerpb.Event, error) {
	e := &schedulerpb.Event{}
	if err := recordio.Decode(record, e, "an event"); err != nil {
		return nil, err
	}
	return e, nil
}

// withCore feeds the core, as long as the stream is the current one.
func (st *stream) withCore(f func(now time.Time)) {
	st.s.withCore(func(now time.Time) {
		if st.s.current == st {
			f(now)
		}
	})
}

// setHost says where the stream is, or is tried for.
func (st *stream) setHost(host string) {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	st.host = host
}

// end tells the core that the stream ended, unless it was the core that ended it.
func (st *stream) end(err error) {
	st.withCore(func(now time.Time) { st.s.disconnect(now, err) })
}

// disconnect ends the current stream for a reason that the core does not know yet.
func (s *Session) disconnect(now time.Time, err error) {
	f := toFailure(err)
	s.log.V(1).Info("Lost the stream", "reason", f.reason, "message", f.message)
	s.metrics.subscription(f.reason)
	s.closeStream()
	s.core.Disconnected(now, f.reason, f.message)
}

// closeStream ends the current stream, and whatever has not been sent on it.
func (s *Session) closeStream() {
	if s.current != nil {
		s.current.cancel()
		s.current = nil
	}
}
