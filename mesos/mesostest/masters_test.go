package mesostest

import (
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// masterCluster is a cluster of three masters and two agents in virtual time, and a framework
// whose tasks t1 and t2 run on the first one.
type masterCluster struct {
	t       *testing.T
	masters *Masters
	agents  []*Agent
	wire    httpClient
	s       *testScheduler
}

func inMasterCluster(t *testing.T, o MasterOptions, test func(*masterCluster)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork()
		for _, ip := range []string{"127.0.0.1", "127.0.0.2", "127.0.0.3"} {
			o.Listeners = append(o.Listeners, n.listen(ip, 5050))
		}
		masters, err := NewMasters(3, o)
		if err != nil {
			t.Fatal(err)
		}
		b := &masterCluster{t: t, masters: masters, wire: httpClient{t, n.client()}}
		defer b.close()
		for range 2 {
			a, err := masters.AddAgent(AgentOptions{Launcher: Func(AutoRun)})
			if err != nil {
				t.Fatal(err)
			}
			b.agents = append(b.agents, a)
		}
		b.subscribe(frameworkInfo("a"))
		offer := b.s.offerOf(b.agents[0])
		b.s.launch(offer, 3600, executorTask(offer, "t1", ""), executorTask(offer, "t2", ""))
		for range 4 {
			b.s.update()
		}
		test(b)
	})
}

func (b *masterCluster) close() {
	if b.s != nil {
		b.s.close()
	}
	if err := b.masters.Close(); err != nil {
		b.t.Error(err)
	}
}

// subscribe at the leader; info may have an ID.
func (b *masterCluster) subscribe(info object) {
	b.t.Helper()
	if b.s != nil {
		b.s.close()
	}
	b.s = subscribeThrough(b.wire, b.masters.Leader(), info)
}

func (b *masterCluster) resubscribe() {
	b.t.Helper()
	info := frameworkInfo("a")
	info["id"] = value(b.s.frameworkID)
	b.subscribe(info)
}

// answers are the states of the tasks that come within a second, by task ID.
func (b *masterCluster) answers() map[string]string {
	b.t.Helper()
	got := map[string]string{}
	for _, event := range b.s.drain(time.Second) {
		if status, ok := fieldAt(event, "update", "status").(object); ok {
			got[fieldAt(status, "task_id", "value").(string)] = status["state"].(string)
		}
	}
	return got
}

// reconcile asks for the tasks, each of an agent or of none.
func (b *masterCluster) reconcile(agentOfTask map[string]string) map[string]string {
	b.t.Helper()
	tasks := []object{}
	for id, agent := range agentOfTask {
		task := object{"task_id": value(id)}
		if agent != "" {
			task["agent_id"] = value(agent)
		}
		tasks = append(tasks, task)
	}
	b.s.call("RECONCILE", object{"reconcile": object{"tasks": tasks}})
	return b.answers()
}

// redirects returns the status of a GET at each master, with where it redirects to.
func (b *masterCluster) redirects() []string {
	b.t.Helper()
	var got []string
	for _, m := range b.masters.All() {
		response, err := b.wire.client.Get(m.URL() + "/redirect")
		if err != nil {
			got = append(got, "dead")
			continue
		}
		response.Body.Close()
		got = append(got, response.Header.Get("Location"))
		if response.StatusCode != http.StatusTemporaryRedirect {
			got[len(got)-1] = response.Status
		}
	}
	return got
}

func (b *masterCluster) wantRedirects(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.redirects()); diff != "" {
		b.t.Errorf("redirects (-want +got):\n%s", diff)
	}
}

func TestLeadership(t *testing.T) {
	const (
		first, second = "//127.0.0.1:5050", "//127.0.0.2:5050"
		none          = "503 Service Unavailable"
	)
	for name, test := range map[string]func(b *masterCluster){
		"the first leads from the start": func(b *masterCluster) { b.wantRedirects(first, first, first) },
		"another one is elected": func(b *masterCluster) {
			b.masters.Elect(1)
			b.wantRedirects(second, second, second)
		},
		"no master leads after the leader is deposed": func(b *masterCluster) {
			b.masters.Depose()
			b.wantRedirects(none, none, none)
			if b.masters.Leader() != nil {
				b.t.Error("there is a leader")
			}
		},
		"masters redirect to a dead leader until the next election": func(b *masterCluster) {
			b.masters.Kill(0)
			b.wantRedirects("dead", first, first)
			b.masters.Elect(1)
			b.wantRedirects("dead", second, second)
			b.masters.Revive(0)
			b.wantRedirects(second, second, second)
		},
		"a leader that restarts at once no longer leads": func(b *masterCluster) {
			b.masters.Kill(0)
			b.masters.Revive(0)
			b.wantRedirects(none, none, none)
		},
		"the death of another one changes nothing": func(b *masterCluster) {
			b.masters.Kill(2)
			b.wantRedirects(first, first, "dead")
			if got := b.reconcile(map[string]string{"t1": ""}); got["t1"] != "TASK_RUNNING" {
				b.t.Errorf("got %v of the framework's stream", got)
			}
		},
		"a dead master that is elected runs again": func(b *masterCluster) {
			b.masters.Kill(1)
			b.masters.Elect(1)
			b.wantRedirects(second, second, second)
		},
		"a dead leader that is elected has another master ID": func(b *masterCluster) {
			id := b.masters.Leader().ID()
			b.masters.Kill(0)
			b.masters.Elect(0)
			if b.masters.Leader().ID() == id {
				b.t.Error("it kept its ID, and would give IDs of agents a second time")
			}
		},
		"the election of the leader changes nothing": func(b *masterCluster) {
			id := b.masters.Leader().ID()
			b.masters.Elect(0)
			if b.masters.Leader().ID() != id {
				b.t.Error("it was started again")
			}
		},
	} {
		t.Run(name, func(t *testing.T) { inMasterCluster(t, MasterOptions{}, test) })
	}
}

func TestElectionByTime(t *testing.T) {
	o := MasterOptions{ElectAfter: 4 * time.Second, RecoveryTime: 2 * time.Second}
	inMasterCluster(t, o, func(b *masterCluster) {
		b.masters.Kill(0)
		time.Sleep(3 * time.Second)
		b.wantRedirects("dead", "//127.0.0.1:5050", "//127.0.0.1:5050")
		b.masters.Revive(0)
		time.Sleep(time.Second + time.Millisecond)
		if b.masters.Leader() != b.masters.All()[1] {
			t.Fatalf("got %v, want the one that has run longest", b.redirects())
		}
		recovering := b.wire.post(b.masters.Leader().URL()+"/api/v1", nil, object{"type": "GET_HEALTH"})
		recovering.Body.Close()
		if recovering.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("got %s in recovery", recovering.Status)
		}
		time.Sleep(2 * time.Second)
		b.resubscribe()

		for i := range 3 {
			b.masters.Kill(i)
		}
		time.Sleep(10 * time.Second)
		if b.masters.Leader() != nil {
			t.Error("a dead one leads")
		}
		b.masters.Revive(2)
		time.Sleep(4*time.Second + time.Millisecond)
		if b.masters.Leader() != b.masters.All()[2] {
			t.Errorf("got %v, want the only one that lives", b.redirects())
		}
	})
}

func TestFailOver(t *testing.T) {
	away := MasterOptions{AgentReturn: 10 * time.Second}
	for name, test := range map[string]struct {
		options MasterOptions
		test    func(b *masterCluster)
	}{
		"reconciliation is silent for agents that are not back": {away, func(b *masterCluster) {
			b.masters.Elect(1)
			b.resubscribe()
			agent := b.agents[0].ID()
			got := b.reconcile(map[string]string{"t1": agent, "t2": "", "t3": "made-up", "t4": agent})
			if diff := cmp.Diff(map[string]string{"t3": "TASK_UNKNOWN"}, got); diff != "" {
				b.t.Errorf("(-want +got):\n%s", diff)
			}
			if got := b.reconcile(nil); len(got) > 0 {
				b.t.Errorf("got %v of implicit reconciliation", got)
			}
			time.Sleep(10 * time.Second)
			got = b.reconcile(map[string]string{"t1": agent, "t2": "", "t3": "made-up", "t4": agent})
			want := map[string]string{"t1": "TASK_RUNNING", "t2": "TASK_RUNNING", "t3": "TASK_UNKNOWN", "t4": "TASK_GONE"}
			if diff := cmp.Diff(want, got); diff != "" {
				b.t.Errorf("later (-want +got):\n%s", diff)
			}
		}},
		"a kill is lost while the agent is away": {away, func(b *masterCluster) {
			b.masters.Elect(1)
			b.resubscribe()
			b.s.call("KILL", object{"kill": object{"task_id": value("t1"), "agent_id": value(b.agents[0].ID())}})
			time.Sleep(time.Minute)
			if got := b.reconcile(map[string]string{"t1": b.agents[0].ID()}); got["t1"] != "TASK_RUNNING" {
				b.t.Errorf("got %v", got)
			}
		}},
		"an update comes again from the agent when it is back": {away, func(b *masterCluster) {
			b.s.call("KILL", object{"kill": object{"task_id": value("t1")}})
			killed := fieldAt(b.s.next("UPDATE"), "update", "status").(object) // not acknowledged
			b.masters.Elect(1)
			b.resubscribe()
			time.Sleep(10 * time.Second)
			again := b.s.update()
			if again["uuid"] != killed["uuid"] || again["state"] != "TASK_KILLED" {
				b.t.Errorf("got %v, want %v", again, killed)
			}
			if got := b.reconcile(map[string]string{"t1": b.agents[0].ID()}); got["t1"] != "TASK_GONE" {
				b.t.Errorf("got %v once acknowledged", got)
			}
		}},
		"agents that do not come back are unreachable in the end": {MasterOptions{AgentReregisterTimeout: time.Minute}, func(b *masterCluster) {
			b.agents[0].Disconnect()
			b.masters.Elect(1)
			b.resubscribe()
			time.Sleep(58 * time.Second)
			agent := b.agents[0].ID()
			if got := b.reconcile(map[string]string{"t1": agent}); len(got) > 0 {
				b.t.Errorf("got %v before the time is over", got)
			}
			time.Sleep(2 * time.Second)
			if got := b.reconcile(map[string]string{"t1": agent}); got["t1"] != "TASK_UNREACHABLE" {
				b.t.Errorf("got %v after it", got)
			}
			b.agents[0].Reconnect()
			if got := b.answers(); got["t1"] != "TASK_RUNNING" || got["t2"] != "TASK_RUNNING" {
				b.t.Errorf("got %v at its return", got)
			}
		}},
		"an unreachable agent stays unreachable": {MasterOptions{}, func(b *masterCluster) {
			b.agents[0].MarkUnreachable()
			b.masters.Elect(1)
			b.resubscribe()
			if got := b.reconcile(map[string]string{"t1": b.agents[0].ID()}); got["t1"] != "TASK_UNREACHABLE" {
				b.t.Errorf("got %v", got)
			}
		}},
		"filters, suppression and the stream are forgotten": {MasterOptions{}, func(b *masterCluster) {
			b.s.call("SUPPRESS", nil)
			old := b.s.streamID
			b.masters.Elect(1)
			b.resubscribe()
			time.Sleep(time.Second)
			b.s.offerOf(b.agents[0])
			b.s.streamID = old
			if status := b.s.call("REVIVE", nil); status != http.StatusBadRequest {
				b.t.Errorf("got %d on the old stream", status)
			}
		}},
		"a framework that does not come back is never removed": {MasterOptions{}, func(b *masterCluster) {
			b.masters.Elect(1)
			time.Sleep(3 * time.Hour) // its failover_timeout is one
			b.resubscribe()
			if got := b.reconcile(nil); len(got) != 2 {
				b.t.Errorf("got %v", got)
			}
		}},
		"agents report frameworks that have not returned": {MasterOptions{}, func(b *masterCluster) {
			info := frameworkInfo("a")
			info["id"], info["name"] = value(b.s.frameworkID), "renamed"
			b.s.call("UPDATE_FRAMEWORK", object{"update_framework": object{"framework_info": info}})
			b.masters.Elect(1)
			time.Sleep(time.Second + time.Millisecond)
			_, answer := b.wire.operator(b.masters.Leader(), "GET_FRAMEWORKS", nil)
			got := fieldAt(answer, "get_frameworks", "frameworks", 0).(object)
			if got["recovered"] != true || got["connected"] != false || fieldAt(got, "framework_info", "name") != "renamed" {
				b.t.Errorf("got %v", got)
			}
			b.s.master = b.masters.Leader()
			if status := b.s.call("REVIVE", nil); status != http.StatusForbidden {
				b.t.Errorf("got %d for a call", status)
			}
		}},
		"a removed framework's ID is taken again": {MasterOptions{}, func(b *masterCluster) {
			b.s.call("TEARDOWN", nil)
			b.masters.Elect(1)
			b.resubscribe()
		}},
		"an agent that starts without a leader registers later": {MasterOptions{}, func(b *masterCluster) {
			b.masters.Depose()
			a, err := b.masters.AddAgent(AgentOptions{Launcher: Func(AutoRun)})
			if err != nil {
				b.t.Fatal(err)
			}
			if a.ID() != "" {
				b.t.Errorf("it has the ID %s", a.ID())
			}
			b.masters.Elect(2)
			b.resubscribe()
			time.Sleep(time.Second)
			b.s.offerOf(a)
		}},
		"an agent that was marked gone ends when it returns": {away, func(b *masterCluster) {
			b.masters.Elect(1)
			b.resubscribe()
			agent := b.agents[0].ID()
			if !b.masters.Leader().MarkAgentGone(agent) {
				b.t.Fatal("the new leader does not know it")
			}
			if got := b.reconcile(map[string]string{"t1": agent}); got["t1"] != "TASK_GONE_BY_OPERATOR" {
				b.t.Errorf("got %v", got)
			}
			if n := b.agents[0].Containers(); n != 2 {
				b.t.Errorf("%d containers run while it is away", n)
			}
			time.Sleep(11 * time.Second)
			if n := b.agents[0].Containers(); n != 0 {
				b.t.Errorf("%d containers run after its return", n)
			}
		}},
		"a second fail-over during the first": {away, func(b *masterCluster) {
			b.masters.Elect(1)
			time.Sleep(9 * time.Second)
			b.masters.Elect(2)
			b.resubscribe()
			if got := b.reconcile(nil); len(got) > 0 {
				b.t.Errorf("got %v before any agent is back", got)
			}
			time.Sleep(10 * time.Second)
			if got := b.reconcile(nil); len(got) != 2 {
				b.t.Errorf("got %v after their return", got)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) { inMasterCluster(t, test.options, test.test) })
	}
}

func TestNewMastersNeedsAListenerForEach(t *testing.T) {
	o := MasterOptions{Listeners: []net.Listener{newNetwork().listen("127.0.0.1", 5050)}}
	if _, err := NewMasters(2, o); err == nil {
		t.Error("one listener was enough for two")
	}
}
