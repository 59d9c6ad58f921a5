package mesostest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// object is a JSON object, as it is on the wire.
type object = map[string]any

// httpClient makes calls as a client that knows nothing but HTTP and JSON.
type httpClient struct {
	t      testing.TB
	client *http.Client
}

func (c httpClient) post(url string, headers map[string]string, body any) *http.Response {
	c.t.Helper()
	raw, ok := body.([]byte)
	if !ok {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			c.t.Fatal(err)
		}
	}
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(raw))
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Content-Type", codec.MediaJSON)
	request.Header.Set("Accept", codec.MediaJSON)
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := c.client.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	return response
}

// subscription is a stream of events that is being read.
type subscription struct {
	t        testing.TB
	response *http.Response
	events   chan object // closed at the end of the stream
	held     []any       // offers that came, and were not yet used
}

func (c httpClient) subscribe(url string, headers map[string]string, body any) *subscription {
	c.t.Helper()
	response := c.post(url, headers, body)
	s := &subscription{t: c.t, response: response, events: make(chan object, 4096)}
	if response.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(response.Body)
		c.t.Fatalf("subscribing: %s: %s", response.Status, raw)
	}
	go s.read()
	c.t.Cleanup(s.close)
	return s
}

func (s *subscription) close() { s.response.Body.Close() }

func (s *subscription) read() {
	defer close(s.events)
	in := bufio.NewReader(s.response.Body)
	for {
		record, err := readRecord(in)
		if err != nil {
			return
		}
		var event object
		if json.Unmarshal(record, &event) != nil {
			return
		}
		s.events <- event
	}
}

// next waits for the next event of the type, past all others.
func (s *subscription) next(eventType string) object {
	s.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case event, ok := <-s.events:
			if !ok {
				s.t.Fatalf("the stream ended while waiting for %s", eventType)
			}
			if offers, ok := fieldAt(event, "offers", "offers").([]any); ok {
				s.held = append(s.held, offers...)
			}
			if event["type"] == eventType {
				return event
			}
		case <-timeout:
			s.t.Fatalf("no %s came", eventType)
		}
	}
}

// drain returns what comes within the time.
func (s *subscription) drain(d time.Duration) []object {
	var events []object
	timeout := time.After(d)
	for {
		select {
		case event, ok := <-s.events:
			if !ok {
				return events
			}
			events = append(events, event)
		case <-timeout:
			return events
		}
	}
}

// testScheduler is a framework that a test drives by hand.
type testScheduler struct {
	*subscription
	httpClient
	master      *Master
	frameworkID string
	streamID    string
}

func frameworkInfo(role string) object {
	return object{
		"user": "root", "name": "test", "roles": []string{role}, "checkpoint": true, "failover_timeout": 3600,
		"capabilities": []object{{"type": "MULTI_ROLE"}, {"type": "PARTITION_AWARE"}, {"type": "RESERVATION_REFINEMENT"}},
	}
}

func subscribeScheduler(t testing.TB, m *Master, info object) *testScheduler {
	t.Helper()
	return subscribeThrough(httpClient{t, http.DefaultClient}, m, info)
}

func subscribeThrough(c httpClient, m *Master, info object) *testScheduler {
	c.t.Helper()
	call := object{"type": "SUBSCRIBE", "subscribe": object{"framework_info": info}}
	if id, ok := info["id"]; ok {
		call["framework_id"] = id
	}
	s := &testScheduler{httpClient: c, master: m}
	s.subscription = c.subscribe(m.URL()+pathScheduler, nil, call)
	s.streamID = s.response.Header.Get("Mesos-Stream-Id")
	s.frameworkID = fieldAt(s.next("SUBSCRIBED"), "subscribed", "framework_id", "value").(string)
	return s
}

// call makes a call, and returns its status.
func (s *testScheduler) call(callType string, fields object) int {
	s.httpClient.t.Helper()
	body := object{"type": callType, "framework_id": value(s.frameworkID)}
	for name, field := range fields {
		body[name] = field
	}
	response := s.post(s.master.URL()+pathScheduler, map[string]string{"Mesos-Stream-Id": s.streamID}, body)
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// update waits for the next update and acknowledges it.
func (s *testScheduler) update() object {
	s.httpClient.t.Helper()
	status := fieldAt(s.next("UPDATE"), "update", "status").(object)
	if uuid, ok := status["uuid"]; ok {
		s.call("ACKNOWLEDGE", object{"acknowledge": object{
			"agent_id": status["agent_id"], "task_id": status["task_id"], "uuid": uuid,
		}})
	}
	return status
}

// wantStates waits for the states, in order, whatever the task.
func (s *testScheduler) wantStates(states ...string) object {
	s.httpClient.t.Helper()
	var last object
	for _, want := range states {
		last = s.update()
		if last["state"] != want {
			s.httpClient.t.Fatalf("got %v, want %s", last, want)
		}
	}
	return last
}

func (s *testScheduler) offers() []any {
	s.httpClient.t.Helper()
	return fieldAt(s.next("OFFERS"), "offers", "offers").([]any)
}

// offerOf returns an offer of the agent that has a cpu or more.
func (s *testScheduler) offerOf(a *Agent) any {
	s.httpClient.t.Helper()
	for {
		for i, o := range s.held {
			if fieldAt(o, "agent_id", "value") == a.ID() && cpusOf(o) >= 1 {
				s.held = slices.Delete(s.held, i, i+1)
				return o
			}
		}
		s.next("OFFERS")
	}
}

func cpusOf(offer any) float64 {
	for _, r := range fieldAt(offer, "resources").([]any) {
		if fieldAt(r, "name") == "cpus" {
			return fieldAt(r, "scalar", "value").(float64)
		}
	}
	return 0
}

func (s *testScheduler) launch(offer any, refuse float64, tasks ...object) {
	s.httpClient.t.Helper()
	s.call("ACCEPT", object{"accept": object{
		"offer_ids":  []any{fieldAt(offer, "id")},
		"operations": []object{{"type": "LAUNCH", "launch": object{"task_infos": tasks}}},
		"filters":    object{"refuse_seconds": refuse},
	}})
}

func (s *testScheduler) kill(taskID string) {
	s.call("KILL", object{"kill": object{"task_id": value(taskID)}})
}

func value(v string) object { return object{"value": v} }

func scalar(name string, v float64) object {
	return object{"name": name, "type": "SCALAR", "scalar": object{"value": v}}
}

// commandTask runs a shell command.
func commandTask(offer any, id, command string) object {
	return object{
		"name": id, "task_id": value(id), "agent_id": fieldAt(offer, "agent_id"),
		"resources": []object{scalar("cpus", 0.1), scalar("mem", 32)},
		"command":   object{"value": command},
	}
}

// executorTask runs on an executor of its own.
func executorTask(offer any, id, command string) object {
	t := commandTask(offer, id, "")
	delete(t, "command")
	t["executor"] = object{
		"type": "CUSTOM", "executor_id": value(id), "command": object{"value": command},
		"resources": []object{scalar("cpus", 0.1), scalar("mem", 32)},
	}
	return t
}

// fieldAt follows names and indices into decoded JSON.
func fieldAt(v any, path ...any) any {
	for _, step := range path {
		switch key := step.(type) {
		case string:
			o, _ := v.(object)
			v = o[key]
		case int:
			v = v.([]any)[key]
		}
	}
	return v
}

func startMaster(t testing.TB, o MasterOptions) *Master {
	t.Helper()
	setDefault(&o.AllocationInterval, 10*time.Millisecond)
	m, err := NewMaster(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func startAgent(t testing.TB, m *Master, o AgentOptions) *Agent {
	t.Helper()
	a, err := m.AddAgent(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatal(fmt.Sprint("still not: ", what))
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// validUUID returns the bytes of a UUID that a real agent and master accept.
func validUUID() []byte {
	u := naming.NewUUID()
	return u[:]
}
