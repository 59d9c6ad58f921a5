// Package eventstream queues events for a subscriber, and writes them to its connection in
// the RecordIO format.
//
// It does not know what the events mean.
package eventstream

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// Stream is a queue of events for one subscriber, be it a connection or a Conn.
// Sending never blocks: a slow reader grows the queue, as it grows a real
// master's memory.
type Stream struct {
	ID string

	mu     sync.Mutex
	queue  []codec.Message
	ended  bool // no more events; what is queued is still delivered
	broken bool // delivered nothing any more
	Ready  chan struct{}
}

// New returns a stream with an ID of its own.
func New() *Stream {
	return &Stream{ID: naming.NewUUID().String(), Ready: make(chan struct{}, 1)}
}

// Send queues an event. It is dropped when the stream has ended.
func (s *Stream) Send(event codec.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.ended {
		s.queue = append(s.queue, event)
		s.wake()
	}
}

// End closes the stream behind what is queued.
func (s *Stream) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	s.wake()
}

// Abort breaks the stream at once.
func (s *Stream) Abort() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.broken, s.queue = true, true, nil
	s.wake()
}

func (s *Stream) wake() {
	select {
	case s.Ready <- struct{}{}:
	default:
	}
}

// take returns what is queued, and whether more may come.
func (s *Stream) take() (events []codec.Message, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events, s.queue = s.queue, nil
	return events, !s.ended
}

// TakeOne returns the first event queued, or nil.
func (s *Stream) TakeOne() (event codec.Message, more bool) {
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

func (s *Stream) isBroken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

// Writer writes events to a connection as RecordIO, one record to a chunk.
type Writer struct {
	Response  http.ResponseWriter
	MediaType string
	// replace, if not nil, may put other bytes in the place of a record.
	Replace func() []byte
	// hold, if not nil, returns when a record may be written.
	Hold func()
}

func (rw Writer) write(event codec.Message) error {
	if rw.Hold != nil {
		rw.Hold()
	}
	record, err := rw.record(event)
	if err != nil {
		return err
	}
	if _, err := rw.Response.Write(record); err != nil {
		return fmt.Errorf("writing event: %w", err)
	}
	return http.NewResponseController(rw.Response).Flush()
}

func (rw Writer) record(event codec.Message) ([]byte, error) {
	if rw.Replace != nil {
		if raw := rw.Replace(); raw != nil {
			return raw, nil
		}
	}
	body, err := codec.Encode(rw.MediaType, event)
	if err != nil {
		return nil, fmt.Errorf("encoding event: %w", err)
	}
	record := strconv.AppendInt(make([]byte, 0, len(body)+16), int64(len(body)), 10)
	record = append(record, '\n')
	return append(record, body...), nil
}

// Serve delivers the stream's events until it ends or the client goes, with a
// heartbeat at every interval; an interval of 0 is none. Only a broken stream
// ends without the end of its chunked body.
func (s *Stream) Serve(ctx context.Context, out Writer, heartbeat func(), interval time.Duration) {
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
		case <-s.Ready:
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
