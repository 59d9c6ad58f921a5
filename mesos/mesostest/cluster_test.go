package mesostest

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
)

func TestOffersAreSharedFairly(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	first := subscribeScheduler(t, m, frameworkInfo("a"))
	second := subscribeScheduler(t, m, frameworkInfo("b"))
	m.Inject(func(f *Faults) {}) // nothing: the calls above are through
	for range 4 {
		startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
	}
	got := map[string]int{}
	for name, s := range map[string]*testScheduler{"first": first, "second": second} {
		for len(s.held) < 2 {
			s.next("OFFERS")
		}
		got[name] = len(s.held)
	}
	if diff := cmp.Diff(map[string]int{"first": 2, "second": 2}, got); diff != "" {
		t.Errorf("offers (-want +got):\n%s", diff)
	}
	// What one refuses for long, the other gets.
	id := fieldAt(first.held[0], "agent_id", "value")
	first.call("DECLINE", object{"decline": object{
		"offer_ids": []any{fieldAt(first.held[0], "id")}, "filters": object{"refuse_seconds": 1000},
	}})
	if o := second.offers()[0]; fieldAt(o, "agent_id", "value") != id {
		t.Errorf("got %v, want an offer of %s", o, id)
	}
}

func TestOffersEnd(t *testing.T) {
	t.Run("when the agent is cut off", func(t *testing.T) {
		m := startMaster(t, MasterOptions{})
		a := startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
		s := subscribeScheduler(t, m, frameworkInfo("a"))
		o := s.offerOf(a)
		a.Disconnect()
		rescinded := s.next("RESCIND")
		if fieldAt(rescinded, "rescind", "offer_id", "value") != fieldAt(o, "id", "value") {
			t.Errorf("got %v, want %v", rescinded, o)
		}
		a.Reconnect()
		s.offerOf(a)
	})
	t.Run("when their time is over", func(t *testing.T) {
		m := startMaster(t, MasterOptions{OfferTimeout: 20 * time.Millisecond})
		a := startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
		s := subscribeScheduler(t, m, frameworkInfo("a"))
		s.offerOf(a)
		s.next("RESCIND")
		s.offerOf(a)
	})
}

func TestUpdatesAreSentUntilAcknowledged(t *testing.T) {
	m := startMaster(t, MasterOptions{UpdateRetryInterval: 20 * time.Millisecond})
	a := startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	o := s.offerOf(a)
	s.launch(o, 0, executorTask(o, "t", ""))
	var uuids []any
	for range 3 {
		status := fieldAt(s.next("UPDATE"), "update", "status").(object)
		if status["state"] != "TASK_STARTING" {
			t.Errorf("%v passed the first update", status)
		}
		uuids = append(uuids, status["uuid"])
	}
	if uuids[0] != uuids[1] || uuids[1] != uuids[2] {
		t.Errorf("got different uuids %v", uuids)
	}
	s.update() // acknowledges
	eventually(t, "TASK_RUNNING comes", func() bool { return s.update()["state"] == "TASK_RUNNING" })
}

func TestFaults(t *testing.T) {
	start := func(t *testing.T) (*Master, *Agent, *testScheduler) {
		m := startMaster(t, MasterOptions{})
		a := startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
		return m, a, subscribeScheduler(t, m, frameworkInfo("a"))
	}
	revive := func(s *testScheduler) error {
		request, _ := http.NewRequest(http.MethodPost, s.master.URL()+pathScheduler,
			strings.NewReader(fmt.Sprintf(`{"type": "REVIVE", "framework_id": {"value": %q}}`, s.frameworkID)))
		request.Header.Set("Content-Type", codec.MediaJSON)
		request.Header.Set("Mesos-Stream-Id", s.streamID)
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	t.Run("a dropped request did nothing", func(t *testing.T) {
		m, _, s := start(t)
		m.Inject(func(f *Faults) { f.DropRequests = 1 })
		if err := revive(s); err == nil {
			t.Error("got an answer")
		}
		if n := m.Calls()["REVIVE"]; n != 0 {
			t.Errorf("%d calls were executed", n)
		}
		if err := revive(s); err != nil {
			t.Error(err)
		}
	})
	t.Run("a dropped response did what was asked", func(t *testing.T) {
		m, _, s := start(t)
		m.Inject(func(f *Faults) { f.DropResponses = 1 })
		if err := revive(s); err == nil {
			t.Error("got an answer")
		}
		if n := m.Calls()["REVIVE"]; n != 1 {
			t.Errorf("%d calls were executed", n)
		}
	})
	t.Run("a closed stream loses the offers, not the framework", func(t *testing.T) {
		m, a, s := start(t)
		s.offerOf(a)
		m.CloseStreams()
		for range s.events {
		}
		info := frameworkInfo("a")
		info["id"] = value(s.frameworkID)
		again := subscribeScheduler(t, m, info)
		if again.frameworkID != s.frameworkID {
			t.Errorf("got framework %s, want %s", again.frameworkID, s.frameworkID)
		}
		again.offerOf(a)
	})
	t.Run("malformed bytes come once", func(t *testing.T) {
		m, a, s := start(t)
		s.offerOf(a)
		m.Inject(func(f *Faults) { f.Malformed = []byte("x\n{}") })
		startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
		if _, ok := <-s.events; ok {
			t.Error("the reader went on")
		}
	})
	t.Run("events can get lost", func(t *testing.T) {
		m, a, s := start(t)
		o := s.offerOf(a)
		var dropped atomic.Bool
		m.Inject(func(f *Faults) {
			f.DropEvents = func(kind string) bool {
				dropped.CompareAndSwap(false, kind == "UPDATE")
				return kind == "UPDATE"
			}
		})
		s.launch(o, 0, executorTask(o, "t", ""))
		eventually(t, "an update is lost", dropped.Load)
		m.Inject(func(f *Faults) { f.DropEvents = nil })
		s.call("RECONCILE", object{"reconcile": object{"tasks": []any{}}})
		if got := fieldAt(s.next("UPDATE"), "update", "status", "reason"); got != "REASON_RECONCILIATION" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("a paused agent holds everything back", func(t *testing.T) {
		_, a, s := start(t)
		o := s.offerOf(a)
		a.Pause()
		s.launch(o, 0, executorTask(o, "t", ""))
		time.Sleep(20 * time.Millisecond)
		if a.Containers() != 0 {
			t.Error("the task was launched")
		}
		a.Resume()
		s.wantStates("TASK_STARTING", "TASK_RUNNING")
	})
	t.Run("what a paused agent holds back is lost with its connection", func(t *testing.T) {
		_, a, s := start(t)
		o := s.offerOf(a)
		a.Pause()
		s.launch(o, 0, executorTask(o, "t", ""))
		time.Sleep(20 * time.Millisecond)
		a.Disconnect()
		a.Reconnect()
		a.Resume()
		time.Sleep(20 * time.Millisecond)
		if a.Containers() != 0 {
			t.Error("the task was launched by a message of the broken connection")
		}
	})
	t.Run("a removed framework stays removed", func(t *testing.T) {
		m, _, s := start(t)
		if err := m.RemoveFramework(s.frameworkID); err != nil {
			t.Fatal(err)
		}
		for range s.events {
		}
		c := httpClient{t, http.DefaultClient}
		info := frameworkInfo("a")
		info["id"] = value(s.frameworkID)
		refused := c.subscribe(m.URL()+pathScheduler, nil, object{
			"type": "SUBSCRIBE", "framework_id": info["id"], "subscribe": object{"framework_info": info},
		})
		if got := fieldAt(refused.next("ERROR"), "error", "message"); got != "Framework has been removed" {
			t.Errorf("got %v", got)
		}
		if err := m.RemoveFramework(s.frameworkID); err == nil {
			t.Error("removed twice")
		}
	})
}

func TestMasterThatDoesNotLead(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for name, test := range map[string]struct {
		faults   Faults
		path     string
		status   int
		body     string
		location string
	}{
		"no leader":                          {Faults{NoLeader: true}, pathScheduler, 503, "No leader elected", ""},
		"recovering":                         {Faults{Recovering: true}, pathOperator, 503, "Master has not finished recovery", ""},
		"another leads":                      {Faults{RedirectTo: "10.0.0.1:5050"}, pathScheduler, 307, "", "//10.0.0.1:5050/master/api/v1/scheduler"},
		"health is answered by every master": {Faults{NoLeader: true}, "/health", 200, "", ""},
		"redirect of a leader":               {Faults{}, "/redirect", 307, "", "//" + m.Addr()},
	} {
		t.Run(name, func(t *testing.T) {
			m.Inject(func(f *Faults) { *f = test.faults })
			response, err := client.Get(m.URL() + test.path)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != test.status || string(body) != test.body || response.Header.Get("Location") != test.location {
				t.Errorf("got %s, %q, %q", response.Status, body, response.Header.Get("Location"))
			}
		})
	}
}

func TestExecutorsThatAreFunctions(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	a := startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	if a.Addr() != "" {
		t.Errorf("the agent listens at %s", a.Addr())
	}
	o := s.offerOf(a)
	task := executorTask(o, "t", "")
	task["data"] = "c2VjcmV0"
	s.launch(o, 0, task)
	s.wantStates("TASK_STARTING", "TASK_RUNNING")
	for _, call := range []string{"GET_STATE", "GET_TASKS", "GET_EXECUTORS", "GET_AGENTS", "GET_FRAMEWORKS", "GET_ROLES"} {
		response := s.post(m.URL()+pathOperator, nil, object{"type": call})
		raw, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK || strings.Contains(string(raw), "c2VjcmV0") {
			t.Errorf("%s contains %s", call, raw)
		}
	}
	s.kill("t")
	s.wantStates("TASK_KILLED")
	eventually(t, "the executor has exited", func() bool { return a.Containers() == 0 })
	o = s.offerOf(a)
	s.launch(o, 0, executorTask(o, "u", ""))
	s.wantStates("TASK_STARTING", "TASK_RUNNING")
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if last := s.wantStates("TASK_LOST"); last["reason"] != "REASON_AGENT_REMOVED" {
		t.Errorf("got %v", last)
	}
	if slices.Contains(m.Agents(), a) {
		t.Error("the agent is still there")
	}
}

// A KILL that names another agent than the task's is not even answered.
func TestKillThatNamesAnotherAgent(t *testing.T) {
	m := startMaster(t, MasterOptions{})
	a, b := startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)}), startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	o := s.offerOf(a)
	s.launch(o, 0, executorTask(o, "t", ""))
	s.wantStates("TASK_STARTING", "TASK_RUNNING")
	s.call("KILL", object{"kill": object{"task_id": value("t"), "agent_id": value(b.ID())}})
	s.call("RECONCILE", object{"reconcile": object{"tasks": []object{{"task_id": value("t")}}}})
	if st := s.wantStates("TASK_RUNNING"); st["reason"] != "REASON_RECONCILIATION" {
		t.Errorf("got %v", st)
	}
	s.call("KILL", object{"kill": object{"task_id": value("t"), "agent_id": value(a.ID())}})
	s.wantStates("TASK_KILLED")
}

func TestBadOptions(t *testing.T) {
	if _, err := NewMaster(MasterOptions{Address: "nowhere"}); err == nil {
		t.Error("a master listens nowhere")
	}
	m := startMaster(t, MasterOptions{})
	for name, o := range map[string]AgentOptions{
		"resources that are not numbers":        {Resources: "cpus:many"},
		"a range whose end is before its begin": {Resources: "ports:[2-1]"},
		"attributes that are sets":              {Attributes: "disks:{a,b}"},
		"a namespace that is not there":         {NetNS: "/no/such/namespace"},
		"an address of another machine":         {Address: "192.0.2.1:1"},
	} {
		if _, err := m.AddAgent(o); err == nil {
			t.Errorf("an agent with %s starts", name)
		}
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.AddAgent(AgentOptions{Launcher: Func(AutoRun)}); err == nil {
		t.Error("a closed master takes agents")
	}
}

func TestCloseEndsAllGoroutines(t *testing.T) {
	http.DefaultClient.CloseIdleConnections()
	before := runtime.NumGoroutine()
	m, err := NewMaster(MasterOptions{AllocationInterval: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		startAgent(t, m, AgentOptions{Launcher: Func(AutoRun)})
	}
	real := startAgent(t, m, AgentOptions{})
	s := subscribeScheduler(t, m, frameworkInfo("a"))
	for _, a := range m.Agents() {
		o := s.offerOf(a)
		s.launch(o, 0, executorTask(o, a.ID(), "sleep 1000 & sleep 1000"))
	}
	eventually(t, "all run", func() bool { return real.Containers() == 1 })
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	s.close()
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}
