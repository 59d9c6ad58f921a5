package eventstream_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/eventstream"
)

// message is an event that is identified by its text.
func message(text string) codec.Message { return events.Error(text) }

func record(text string) string {
	body := fmt.Sprintf(`{"type":"ERROR","error":{"message":%q}}`, text)
	return strconv.Itoa(len(body)) + "\n" + body
}

// response is a connection that a test can read from while it is written to.
type response struct {
	mu      sync.Mutex
	written []string
	flushes int
	fail    error
}

func (r *response) Header() http.Header { return http.Header{} }
func (r *response) WriteHeader(int)     {}

func (r *response) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		return 0, r.fail
	}
	r.written = append(r.written, string(p))
	return len(p), nil
}

func (r *response) Flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flushes++
}

func (r *response) records() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.written...)
}

func wantRecords(t *testing.T, r *response, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, r.records()); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
}

// serve serves the stream until it ends, and returns with what it panicked, if it did.
func serve(ctx context.Context, s *eventstream.Stream, out eventstream.Writer, heartbeat func(), interval time.Duration) (panicked any) {
	defer func() { panicked = recover() }()
	s.Serve(ctx, out, heartbeat, interval)
	return nil
}

func TestStreamsHaveIDsOfTheirOwn(t *testing.T) {
	if a, b := eventstream.New(), eventstream.New(); a.ID == b.ID || a.ID == "" {
		t.Errorf("got %q and %q", a.ID, b.ID)
	}
}

func TestEventsAreDeliveredInOrder(t *testing.T) {
	s, r := eventstream.New(), &response{}
	for _, text := range []string{"a", "b", "c"} {
		s.Send(message(text))
	}
	s.End()
	if p := serve(t.Context(), s, eventstream.Writer{Response: r, MediaType: codec.MediaJSON}, nil, 0); p != nil {
		t.Fatal(p)
	}
	wantRecords(t, r, record("a"), record("b"), record("c"))
	if r.flushes != 3 {
		t.Errorf("flushed %d times, want once for each record", r.flushes)
	}
}

func TestNothingIsSentAfterTheEnd(t *testing.T) {
	s, r := eventstream.New(), &response{}
	s.Send(message("a"))
	s.End()
	s.Send(message("late"))
	serve(t.Context(), s, eventstream.Writer{Response: r, MediaType: codec.MediaJSON}, nil, 0)
	wantRecords(t, r, record("a"))
}

func TestBrokenStreamDeliversNothing(t *testing.T) {
	s, r := eventstream.New(), &response{}
	s.Send(message("a"))
	s.Abort()
	s.Send(message("late"))
	p := serve(t.Context(), s, eventstream.Writer{Response: r, MediaType: codec.MediaJSON}, nil, 0)
	if err, ok := p.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
		t.Errorf("got %v: a connection that breaks has no proper end", p)
	}
	wantRecords(t, r)
}

func TestStreamsEndWithTheirClient(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if p := serve(ctx, eventstream.New(), eventstream.Writer{Response: &response{}}, nil, 0); p != nil {
		t.Error(p)
	}
}

func TestStreamsEndWhenTheyCannotBeWritten(t *testing.T) {
	s, r := eventstream.New(), &response{fail: errors.New("broken pipe")}
	s.Send(message("a"))
	if p := serve(t.Context(), s, eventstream.Writer{Response: r, MediaType: codec.MediaJSON}, nil, 0); p != nil {
		t.Error(p)
	}
}

func TestHeartbeatsComeAtTheirInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := eventstream.New(), &response{}
		start := time.Now()
		var at []time.Duration
		done := make(chan struct{})
		go func() {
			defer close(done)
			serve(t.Context(), s, eventstream.Writer{Response: r, MediaType: codec.MediaJSON}, func() {
				at = append(at, time.Since(start))
				s.Send(events.Heartbeat)
			}, 15*time.Second)
		}()
		time.Sleep(50 * time.Second)
		s.End()
		<-done
		if diff := cmp.Diff([]time.Duration{15 * time.Second, 30 * time.Second, 45 * time.Second}, at); diff != "" {
			t.Errorf("heartbeats (-want +got):\n%s", diff)
		}
		beat := "20\n" + `{"type":"HEARTBEAT"}`
		wantRecords(t, r, beat, beat, beat)
	})
}

func TestSlowReadersDoNotBlockSenders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, r := eventstream.New(), &response{}
		hold := make(chan struct{})
		done := make(chan struct{})
		go func() {
			defer close(done)
			serve(t.Context(), s, eventstream.Writer{Response: r, MediaType: codec.MediaJSON, Hold: func() { <-hold }}, nil, 0)
		}()
		for i := range 1000 {
			s.Send(message(strconv.Itoa(i)))
		}
		synctest.Wait()
		wantRecords(t, r)
		close(hold)
		s.End()
		<-done
		if got := r.records(); len(got) != 1000 || got[999] != record("999") {
			t.Errorf("%d records came", len(got))
		}
	})
}

func TestRecordsCanBeReplaced(t *testing.T) {
	s, r := eventstream.New(), &response{}
	s.Send(message("a"))
	s.Send(message("b"))
	s.End()
	replacements := [][]byte{[]byte("garbage"), nil}
	serve(t.Context(), s, eventstream.Writer{Response: r, MediaType: codec.MediaJSON, Replace: func() (raw []byte) {
		raw, replacements = replacements[0], replacements[1:]
		return raw
	}}, nil, 0)
	wantRecords(t, r, "garbage", record("b"))
}

func TestRecordsInProtobuf(t *testing.T) {
	s, r := eventstream.New(), &response{}
	s.Send(message("a"))
	s.End()
	serve(t.Context(), s, eventstream.Writer{Response: r, MediaType: codec.MediaProtobuf}, nil, 0)
	body, err := message("a").Marshal()
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, r, strconv.Itoa(len(body))+"\n"+string(body))
}

func TestTakeOne(t *testing.T) {
	s := eventstream.New()
	if event, more := s.TakeOne(); event != nil || !more {
		t.Errorf("got %v, %t of an empty stream", event, more)
	}
	s.Send(message("a"))
	s.Send(message("b"))
	s.End()
	for _, want := range []string{"a", "b"} {
		<-s.Ready
		event, more := s.TakeOne()
		if event == nil || !more || !strings.Contains(fmt.Sprint(event), want) {
			t.Errorf("got %v, %t, want %s", event, more, want)
		}
	}
	<-s.Ready
	if event, more := s.TakeOne(); event != nil || more {
		t.Errorf("got %v, %t behind the end", event, more)
	}
}

func TestTakeOneOfABrokenStream(t *testing.T) {
	s := eventstream.New()
	s.Send(message("a"))
	s.Abort()
	if event, more := s.TakeOne(); event != nil || more {
		t.Errorf("got %v, %t", event, more)
	}
}

// Over a real connection a stream that ends has the end of its chunked body, and one
// that breaks has not.
func TestEndsOfConnections(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(*eventstream.Stream)
		want error
	}{
		"a stream that ends":   {(*eventstream.Stream).End, io.EOF},
		"a stream that breaks": {(*eventstream.Stream).Abort, io.ErrUnexpectedEOF},
	} {
		t.Run(name, func(t *testing.T) {
			s := eventstream.New()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s.Serve(r.Context(), eventstream.Writer{Response: w, MediaType: codec.MediaJSON}, nil, 0)
			}))
			defer server.Close()
			s.Send(message("a"))
			got, err := http.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Body.Close()
			in := bufio.NewReader(got.Body)
			if _, err := io.ReadFull(in, make([]byte, len(record("a")))); err != nil {
				t.Fatal(err)
			}
			test.end(s)
			if _, err := in.ReadByte(); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}
