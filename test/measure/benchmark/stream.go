package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/resources"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler"
	"github.com/k8sm/k8sm/mesos/session"
)

// streamed is the number of offers in one event, and of updates in one burst.
const streamed = 10_000

// measureStream measures a session with a master that sends much at once, over loopback. The time
// is from the first byte until the last offer is declined or the last update acknowledged, so it
// includes decoding, deciding and answering.
func measureStream(ctx context.Context, _ options) ([]figure, error) {
	offers, err := record(offersEvent())
	if err != nil {
		return nil, err
	}
	var updates strings.Builder
	tasks := make([]scheduler.Task, streamed)
	for i := range streamed {
		tasks[i] = scheduler.Task{ID: fmt.Sprintf("general-%05d.1a2b3c4d.1", i), AgentID: fmt.Sprintf("S%d", i), Group: "general", State: scheduler.TaskStarting}
		update, err := record(updateEvent(tasks[i].ID, tasks[i].AgentID))
		if err != nil {
			return nil, err
		}
		updates.WriteString(update)
	}
	a, err := answerTime(ctx, offers, nil, schedulerpb.Call_DECLINE)
	if err != nil {
		return nil, fmt.Errorf("sending offers: %w", err)
	}
	b, err := answerTime(ctx, updates.String(), tasks, schedulerpb.Call_ACKNOWLEDGE)
	if err != nil {
		return nil, fmt.Errorf("sending updates: %w", err)
	}
	note := "decoded, judged and answered over loopback; the heap holds the fake master too"
	return []figure{
		{Name: "offers_10000_in_one_event", Value: streamed / a.took.Seconds(), Unit: "offers/s", Note: note, Beside: a.beside()},
		{Name: "updates_10000_in_a_burst", Value: streamed / b.took.Seconds(), Unit: "events/s", Note: note, Beside: b.beside()},
	}, nil
}

// answerCost is the cost of answering a stream.
type answerCost struct {
	took  time.Duration
	peak  uint64 // bytes that the heap grew by, at most
	bytes int
}

func (a answerCost) beside() map[string]float64 {
	return map[string]float64{"seconds": a.took.Seconds(), "peak_heap_mib": float64(a.peak) / (1 << 20), "stream_mib": float64(a.bytes) / (1 << 20)}
}

// answerTime sends a stream to a session, and waits until all of it is answered by calls of one
// type.
func answerTime(ctx context.Context, stream string, tasks []scheduler.Task, by schedulerpb.Call_Type) (a answerCost, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	m := &burstMaster{by: by, send: make(chan struct{}), done: make(chan struct{}), stream: stream}
	server := httptest.NewServer(m)
	defer server.Close()
	s, err := session.New(session.Config{
		Masters: []string{server.URL}, Store: acceptingStore{}, Clock: time.Now, Tasks: tasks,
		Framework: scheduler.Info{ID: "F1", Name: "k8sm", User: "root", Roles: []string{"k8sm"}},
	})
	if err != nil {
		return answerCost{}, err
	}
	stop := runSession(ctx, s)
	defer func() { err = errors.Join(err, stop()) }()
	for !s.State().Subscribed {
		if err := sleep(ctx, time.Millisecond); err != nil {
			return answerCost{}, fmt.Errorf("waiting for the subscription (%s): %w", s.State().Message, err)
		}
	}
	peak := watchHeap()
	start := time.Now()
	close(m.send)
	select {
	case <-m.done:
	case <-ctx.Done():
		return answerCost{}, fmt.Errorf("%d of %d were answered: %w", m.answers.Load(), streamed, ctx.Err())
	}
	return answerCost{time.Since(start), peak(), len(stream)}, nil
}

// watchHeap measures the growth of the heap until peak is called.
func watchHeap() (peak func() uint64) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before, most := m.HeapAlloc, m.HeapAlloc
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(2 * time.Millisecond):
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
	}()
	return func() uint64 {
		close(stop)
		<-stopped
		return most - before
	}
}

// burstMaster is a master that accepts the subscription, and sends everything at once when asked.
type burstMaster struct {
	by      schedulerpb.Call_Type
	stream  string
	send    chan struct{}
	done    chan struct{}
	answers atomic.Int64
}

func (f *burstMaster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/api/v1/scheduler" {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	body, err := io.ReadAll(r.Body) // in any case: only then is it noticed that the client has gone
	if err != nil {
		return
	}
	if r.Header.Get("Mesos-Stream-Id") != "" {
		f.count(body)
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Header().Set("Mesos-Stream-Id", "s1")
	first, err := record(schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED, Subscribed: &schedulerpb.Event_Subscribed{FrameworkID: &mesos.FrameworkID{Value: "F1"}}})
	if err != nil {
		return
	}
	f.write(w, first)
	select {
	case <-f.send:
		f.write(w, f.stream)
	case <-r.Context().Done():
	}
	<-r.Context().Done()
}

func (f *burstMaster) write(w http.ResponseWriter, s string) {
	_, _ = io.WriteString(w, s) // after a lost connection the measurement ends by its timeout
	_ = http.NewResponseController(w).Flush()
}

func (f *burstMaster) count(body []byte) {
	var c schedulerpb.Call
	if c.Unmarshal(body) != nil || c.Type != f.by {
		return
	}
	n := int64(1)
	if c.Decline != nil {
		n = int64(len(c.Decline.OfferIDs))
	}
	if f.answers.Add(n) == streamed {
		close(f.done)
	}
}

// acceptingStore is a store that accepts everything and keeps nothing.
type acceptingStore struct{}

func (acceptingStore) StoreFrameworkID(context.Context, string) error { return nil }
func (acceptingStore) Prepare(context.Context, scheduler.Intent) (scheduler.Payload, error) {
	return scheduler.Payload{}, nil
}
func (acceptingStore) Record(context.Context, scheduler.TaskStatus) error { return nil }

// record returns an event as a record of the stream.
func record(e schedulerpb.Event) (string, error) {
	b, err := e.Marshal()
	if err != nil {
		return "", fmt.Errorf("encoding an event: %w", err)
	}
	return fmt.Sprintf("%d\n%s", len(b), b), nil
}

func updateEvent(taskID, agentID string) schedulerpb.Event {
	state, source := mesos.TASK_RUNNING, mesos.SOURCE_EXECUTOR
	return schedulerpb.Event{Type: schedulerpb.Event_UPDATE, Update: &schedulerpb.Event_Update{Status: mesos.TaskStatus{
		TaskID: mesos.TaskID{Value: taskID}, AgentID: &mesos.AgentID{Value: agentID},
		State: &state, Source: &source, UUID: []byte(taskID)[:16],
	}}}
}

func offersEvent() schedulerpb.Event {
	role := "k8sm"
	e := schedulerpb.Event{Type: schedulerpb.Event_OFFERS, Offers: &schedulerpb.Event_Offers{}}
	for i := range streamed {
		o := mesos.Offer{
			ID:      mesos.OfferID{Value: fmt.Sprintf("b8ee7be9-8d5c-4a0b-9c38-6a9c6a1e3b52-O%d", i)},
			AgentID: mesos.AgentID{Value: fmt.Sprintf("b8ee7be9-8d5c-4a0b-9c38-6a9c6a1e3b52-S%d", i)}, FrameworkID: mesos.FrameworkID{Value: "F1"},
			Hostname: fmt.Sprintf("agent-%d.example", i), AllocationInfo: &mesos.Resource_AllocationInfo{Role: &role},
		}
		for _, r := range []mesos.Resource{
			resources.NewCPUs(32).Resource, resources.NewMemory(131072).Resource,
			resources.Build().Name(resources.NamePorts).Ranges(resources.BuildRanges().Span(31000, 32000).Ranges).Resource,
		} {
			r.AllocationInfo = o.AllocationInfo
			o.Resources = append(o.Resources, r)
		}
		for _, name := range []string{"rack", "zone", "model"} {
			o.Attributes = append(o.Attributes, mesos.Attribute{Name: name, Type: mesos.TEXT, Text: &mesos.Value_Text{Value: "r1"}})
		}
		e.Offers.Offers = append(e.Offers.Offers, o)
	}
	return e
}
