package mesostest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// stream is a queue of events for one subscriber, be it a connection or a Conn.
// Sending never blocks: a slow reader grows the queue, as it grows a real
// master's memory.
type stream struct {
	id string

	mu     sync.Mutex
	queue  []protobufMessage
	ended  bool // no more events; what is queued is still delivered
	broken bool // delivered nothing any more
	ready  chan struct{}
}

func newStream() *stream {
	return &stream{id: newUUID().String(), ready: make(chan struct{}, 1)}
}

// send queues an event. It is dropped when the stream has ended.
func (s *stream) send(event protobufMessage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.queue = append(s.queue, event)
		s.wake()
	}
}

// end closes the stream behind what is queued.
func (s *stream) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.wake()
}

// abort breaks the stream at once.
func (s *stream) abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.broken, s.queue = true, true, nil
	s.wake()
}

func (s *stream) wake() {
	select {
	case s.ready <- struct{}{}:
	default:
	}
}

// take returns what is queued, and whether more may come.
func (s *stream) take() (events []protobufMessage, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events, s.queue = s.queue, nil
	return events, !s.ended
}

// takeOne returns the first event queued, or nil.
func (s *stream) takeOne() (event protobufMessage, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return nil, !s.ended
	}
	event, s.queue = s.queue[0], s.queue[1:]
	if len(s.queue) > 0 || s.ended {
		s.wake()
	}
	return event, true
}

func (s *stream) isBroken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// recordWriter writes events to a connection as RecordIO, one record to a chunk.
type recordWriter struct {
	w         http.ResponseWriter
	mediaType string
	// replace, if not nil, may put other bytes in the place of a record.
	replace func() []byte
	// hold, if not nil, returns when a record may be written.
	hold func()
}

func (rw recordWriter) write(event protobufMessage) error {
	if rw.hold != nil {
		rw.hold()
	}
	record, err := rw.record(event)
	if err != nil {
		return err
	}
	if _, err := rw.w.Write(record); err != nil {
		return fmt.Errorf("writing event: %w", err)
	}
	return http.NewResponseController(rw.w).Flush()
}

func (rw recordWriter) record(event protobufMessage) ([]byte, error) {
	if rw.replace != nil {
		if raw := rw.replace(); raw != nil {
			return raw, nil
		}
	}
	body, err := encode(rw.mediaType, event)
	if err != nil {
		return nil, fmt.Errorf("encoding event: %w", err)
	}
	record := strconv.AppendInt(make([]byte, 0, len(body)+16), int64(len(body)), 10)
	record = append(record, '\n')
	return append(record, body...), nil
}

// serve delivers the stream's events until it ends or the client goes, with a
// heartbeat at every interval; an interval of 0 is none. Only a broken stream
// ends without the end of its chunked body.
func (s *stream) serve(ctx context.Context, out recordWriter, heartbeat func(), interval time.Duration) {
	var beat <-chan time.Time
	if interval > 0 {
		ticker := time.NewTicker(interval)
		defer ticker.Stop()
		beat = ticker.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat:
			heartbeat()
			continue
		case <-s.ready:
		}
		events, more := s.take()
		for _, event := range events {
			if out.write(event) != nil {
				return
			}
		}
		if s.isBroken() {
			panic(http.ErrAbortHandler)
		}
		if !more {
			return
		}
	}
}
