package executor

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// fakeAgent answers one executor as a Mesos agent does, over real HTTP.
type fakeAgent struct {
	*httptest.Server
	t *testing.T

	mu         sync.Mutex
	stream     chan *executor.Event // of the present subscription
	subscribes chan *executor.Call
	updates    chan mesos.TaskStatus
	token      string
	answer     int  // status instead of a stream, if not 0
	silent     bool // acknowledges nothing
	// capabilities of the framework, sent in SUBSCRIBED.
	capabilities []mesos.FrameworkInfo_Capability
}

func newFakeAgent(t *testing.T) *fakeAgent {
	a := &fakeAgent{t: t, subscribes: make(chan *executor.Call, 100), updates: make(chan mesos.TaskStatus, 100)}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(func() {
		a.drop()
		a.Server.Close()
	})
	return a
}

func (a *fakeAgent) serve(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	call := &executor.Call{}
	if err := call.Unmarshal(body); err != nil || r.URL.Path != "/api/v1/executor" {
		http.Error(w, "malformed", http.StatusBadRequest)
		return
	}
	a.mu.Lock()
	a.token = r.Header.Get("Authorization")
	answer, silent := a.answer, a.silent
	a.mu.Unlock()
	if answer != 0 {
		http.Error(w, "not now", answer)
		return
	}
	if call.Type == executor.Call_SUBSCRIBE {
		a.subscribed(w, call)
		return
	}
	w.WriteHeader(http.StatusAccepted)
	a.updates <- call.Update.Status
	if !silent {
		a.send(ackEvent(call.Update.Status.TaskID.Value, string(call.Update.Status.UUID)))
	}
}

func (a *fakeAgent) subscribed(w http.ResponseWriter, call *executor.Call) {
	stream := make(chan *executor.Event, 100)
	a.mu.Lock()
	a.stream = stream
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.WriteHeader(http.StatusOK)
	write(w, &executor.Event{Type: executor.Event_SUBSCRIBED, Subscribed: &executor.Event_Subscribed{
		ExecutorInfo:  mesos.ExecutorInfo{ExecutorID: call.ExecutorID},
		FrameworkInfo: mesos.FrameworkInfo{User: "root", Name: "k8sm", Capabilities: a.capabilities}, AgentInfo: mesos.AgentInfo{Hostname: "h"}}})
	a.subscribes <- call
	for event := range stream {
		write(w, event)
	}
}

func write(w http.ResponseWriter, event *executor.Event) {
	data, err := event.Marshal()
	if err != nil {
		panic(err)
	}
	_, _ = io.WriteString(w, strconv.Itoa(len(data))+"\n")
	_, _ = w.Write(data)
	w.(http.Flusher).Flush()
}

func (a *fakeAgent) send(e *executor.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stream != nil {
		a.stream <- e
	}
}

// drop ends the stream, as a stopping agent does.
func (a *fakeAgent) drop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stream != nil {
		close(a.stream)
		a.stream = nil
	}
}

func (a *fakeAgent) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// fakeWorkload is a workload whose reports come from the test.
type fakeWorkload struct {
	tasks   chan Task
	stops   chan time.Duration
	reports chan Report
	result  chan Report
	// messages of the framework.
	messages chan string
}

func newFakeWorkload() *fakeWorkload {
	return &fakeWorkload{
		tasks: make(chan Task, 1), stops: make(chan time.Duration, 10), reports: make(chan Report), result: make(chan Report, 1),
		messages: make(chan string, 10),
	}
}

func (w *fakeWorkload) Run(task Task, say func(Report)) Report {
	w.tasks <- task
	for {
		select {
		case r := <-w.reports:
			say(r)
		case r := <-w.result:
			return r
		}
	}
}

func (w *fakeWorkload) Stop(grace time.Duration) { w.stops <- grace }

func (w *fakeWorkload) Message(data []byte) { w.messages <- string(data) }

func start(t *testing.T, a *fakeAgent, w Workload, change func(*Config)) (ended chan error, cancel context.CancelFunc) {
	t.Helper()
	c := Config{
		Identity:   Identity{FrameworkID: "f", ExecutorID: "e"},
		Agent:      Endpoint{Address: a.Listener.Addr().String(), Token: "jwt"},
		Checkpoint: true, RecoveryTimeout: 10 * time.Second, RetryInterval: 5 * time.Millisecond,
		ResendInterval: 50 * time.Millisecond, AckTimeout: 10 * time.Second, Workload: w, Now: time.Now,
	}
	if change != nil {
		change(&c)
	}
	d, err := NewDriver(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended = make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	return ended, cancel
}

func next[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("waited 10 s for %s", what)
		panic("unreachable")
	}
}

func TestTaskLifecycleEndsWithTheLastAcknowledgement(t *testing.T) {
	a, w := newFakeAgent(t), newFakeWorkload()
	ended, _ := start(t, a, w, nil)
	next(t, "SUBSCRIBE", a.subscribes)
	a.send(launchEvent("a", "data"))
	if task := next(t, "the task", w.tasks); string(task.Data) != "data" {
		t.Errorf("task has data %q", task.Data)
	}
	w.reports <- Report{State: Starting, Message: "fetching"}
	w.reports <- Report{State: Running}
	a.send(killEvent("a", &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{Nanoseconds: 3e9}}))
	if grace := next(t, "the stop", w.stops); grace != 3*time.Second {
		t.Errorf("grace is %s", grace)
	}
	w.result <- Report{State: Killed, Message: "killed by request"}
	if err := next(t, "the end", ended); err != nil {
		t.Errorf("driver ended with %v", err)
	}
	var got []string
	for range 3 {
		got = append(got, next(t, "update", a.updates).State.String())
	}
	if diff := cmp.Diff([]string{"TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"}, got); diff != "" {
		t.Errorf("updates (-want +got):\n%s", diff)
	}
	a.set(func() {
		if a.token != "Bearer jwt" {
			t.Errorf("authorization is %q", a.token)
		}
	})
}

func TestKillingStateIsSentToCapableFrameworks(t *testing.T) {
	a, w := newFakeAgent(t), newFakeWorkload()
	a.capabilities = []mesos.FrameworkInfo_Capability{{Type: mesos.FrameworkInfo_Capability_TASK_KILLING_STATE}}
	ended, _ := start(t, a, w, nil)
	next(t, "SUBSCRIBE", a.subscribes)
	a.send(launchEvent("a", ""))
	next(t, "the task", w.tasks)
	w.reports <- Report{State: Starting, Message: "fetching"}
	got := []string{next(t, "update", a.updates).State.String()}
	for range 2 { // a KILL may come again
		a.send(killEvent("a", nil))
		next(t, "the stop", w.stops)
	}
	w.reports <- Report{State: Running, Message: "too late"}
	w.result <- Report{State: Killed, Message: "killed by request"}
	if err := next(t, "the end", ended); err != nil {
		t.Errorf("driver ended with %v", err)
	}
	for range 2 {
		got = append(got, next(t, "update", a.updates).State.String())
	}
	if diff := cmp.Diff([]string{"TASK_STARTING", "TASK_KILLING", "TASK_KILLED"}, got); diff != "" || len(a.updates) > 0 {
		t.Errorf("updates (-want +got), and %d more:\n%s", len(a.updates), diff)
	}
}

func TestKillWithoutPolicyHasTheTasksGrace(t *testing.T) {
	a, w := newFakeAgent(t), newFakeWorkload()
	start(t, a, w, nil)
	next(t, "SUBSCRIBE", a.subscribes)
	a.send(launchEvent("a", ""))
	next(t, "the task", w.tasks)
	a.send(killEvent("a", nil))
	if grace := next(t, "the stop", w.stops); grace != 7*time.Second {
		t.Errorf("grace is %s", grace)
	}
	w.result <- Report{State: Killed}
}

func TestReconnectSendsMissedUpdates(t *testing.T) {
	a, w := newFakeAgent(t), newFakeWorkload()
	ended, _ := start(t, a, w, nil)
	next(t, "SUBSCRIBE", a.subscribes)
	a.send(launchEvent("a", ""))
	next(t, "the task", w.tasks)

	a.set(func() { a.answer = http.StatusServiceUnavailable })
	a.drop()
	w.reports <- Report{State: Starting}
	w.result <- Report{State: Failed, Message: "kubelet ended"}
	time.Sleep(30 * time.Millisecond) // a few attempts are answered by 503
	a.set(func() { a.answer = 0 })

	call := next(t, "second SUBSCRIBE", a.subscribes)
	if diff := cmp.Diff([]string{"TASK_STARTING", "TASK_FAILED"}, states(call)); diff != "" {
		t.Errorf("unacknowledged updates (-want +got):\n%s", diff)
	}
	if n := len(call.Subscribe.UnacknowledgedTasks); n != 1 {
		t.Errorf("%d unacknowledged tasks", n)
	}
	for _, u := range call.Subscribe.UnacknowledgedUpdates {
		a.send(ackEvent("a", string(u.Status.UUID)))
	}
	if err := next(t, "the end", ended); err != nil {
		t.Errorf("driver ended with %v", err)
	}
}

func TestUnacknowledgedUpdateIsSentAgainWithItsUUID(t *testing.T) {
	a, w := newFakeAgent(t), newFakeWorkload()
	a.silent = true
	ended, _ := start(t, a, w, nil)
	next(t, "SUBSCRIBE", a.subscribes)
	a.send(launchEvent("a", ""))
	next(t, "the task", w.tasks)
	w.result <- Report{State: Error, Message: "bad launch message"}
	first, second := next(t, "update", a.updates), next(t, "update again", a.updates)
	if string(first.UUID) != string(second.UUID) || len(first.UUID) != 16 {
		t.Errorf("uuids %x, %x", first.UUID, second.UUID)
	}
	a.send(ackEvent("a", string(first.UUID)))
	next(t, "the end", ended)
}

func TestDriverStopsTheTaskWhenItEnds(t *testing.T) {
	tests := map[string]struct {
		change  func(*Config)
		prepare func(a *fakeAgent)
		cause   func(a *fakeAgent, cancel func())
		failure error // nil: none
	}{
		"the agent sends SHUTDOWN": {
			cause: func(a *fakeAgent, _ func()) { a.send(&executor.Event{Type: executor.Event_SHUTDOWN}) },
		},
		"the context is canceled": {
			cause: func(_ *fakeAgent, cancel func()) { cancel() },
		},
		"the agent goes and there is no checkpointing": {
			change:  func(c *Config) { c.Checkpoint = false },
			cause:   func(a *fakeAgent, _ func()) { a.drop() },
			failure: io.EOF,
		},
		"the agent stays away for longer than the recovery timeout": {
			change: func(c *Config) { c.RecoveryTimeout = 50 * time.Millisecond },
			cause: func(a *fakeAgent, _ func()) {
				a.set(func() { a.answer = http.StatusServiceUnavailable })
				a.drop()
			},
			failure: ErrAgentLost,
		},
		"the agent no longer knows the executor": {
			cause: func(a *fakeAgent, _ func()) {
				a.set(func() { a.answer = http.StatusBadRequest })
				a.drop()
			},
			failure: errRefused,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			a, w := newFakeAgent(t), newFakeWorkload()
			ended, cancel := start(t, a, w, tc.change)
			next(t, "SUBSCRIBE", a.subscribes)
			a.send(launchEvent("a", ""))
			next(t, "the task", w.tasks)
			tc.cause(a, cancel)
			if grace := next(t, "the stop", w.stops); grace >= DefaultShutdownGrace {
				t.Errorf("grace is %s, the agent kills after %s", grace, DefaultShutdownGrace)
			}
			w.result <- Report{State: Killed}
			if err := next(t, "the end", ended); !errors.Is(err, tc.failure) {
				t.Errorf("driver ended with %v, want %v", err, tc.failure)
			}
		})
	}
}

func TestShutdownAsFirstEventEndsAnIdleExecutor(t *testing.T) {
	a, w := newFakeAgent(t), newFakeWorkload()
	ended, _ := start(t, a, w, nil)
	next(t, "SUBSCRIBE", a.subscribes)
	a.send(&executor.Event{Type: executor.Event_SHUTDOWN})
	if err := next(t, "the end", ended); err != nil {
		t.Errorf("driver ended with %v", err)
	}
}

func TestAgentThatNeverAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	ended, _ := start(t, newFakeAgent(t), newFakeWorkload(), func(c *Config) {
		c.Agent.Address = address
		c.RecoveryTimeout = 50 * time.Millisecond
	})
	if err := next(t, "the end", ended); !errors.Is(err, ErrAgentLost) {
		t.Errorf("driver ended with %v", err)
	}
}

func TestWaitForTheLastAcknowledgementIsBounded(t *testing.T) {
	a, w := newFakeAgent(t), newFakeWorkload()
	a.silent = true
	ended, _ := start(t, a, w, func(c *Config) { c.AckTimeout = 30 * time.Millisecond })
	next(t, "SUBSCRIBE", a.subscribes)
	a.send(launchEvent("a", ""))
	next(t, "the task", w.tasks)
	w.result <- Report{State: Finished}
	next(t, "the end", ended)
}

func TestSecondTaskGetsTaskError(t *testing.T) {
	a, w := newFakeAgent(t), newFakeWorkload()
	start(t, a, w, nil)
	next(t, "SUBSCRIBE", a.subscribes)
	a.send(launchEvent("a", ""))
	next(t, "the task", w.tasks)
	a.send(launchEvent("b", ""))
	u := next(t, "update", a.updates)
	if u.TaskID.Value != "b" || *u.State != mesos.TASK_ERROR {
		t.Errorf("update of %s is %s", u.TaskID.Value, u.State)
	}
	w.result <- Report{State: Finished}
}

func TestDriverNeedsWorkloadAndClock(t *testing.T) {
	if _, err := NewDriver(Config{}); err == nil {
		t.Error("no error")
	}
}
