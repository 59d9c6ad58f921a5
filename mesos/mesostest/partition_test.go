package mesostest

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// killRecorder is an executor that ends at no KILL, and records when they came.
type killRecorder struct {
	mu    sync.Mutex
	began time.Time
	kills []time.Duration
	other []string
}

func (r *killRecorder) run(ctx context.Context, x *Conn) error {
	for {
		event, err := x.Next(ctx)
		if err != nil {
			return err
		}
		for _, t := range LaunchedTasks(event) {
			if err := x.Update(mesos.TaskStatus{TaskID: t.TaskID, State: mesos.TASK_RUNNING.Enum()}); err != nil {
				return err
			}
		}
		r.mu.Lock()
		switch event.Type {
		case executor.Event_KILL:
			r.kills = append(r.kills, time.Since(r.began))
		case executor.Event_SHUTDOWN, executor.Event_MESSAGE:
			r.other = append(r.other, event.Type.String())
		}
		r.mu.Unlock()
		if event.Type == executor.Event_SHUTDOWN {
			return nil
		}
	}
}

// restart begins a new record.
func (r *killRecorder) restart() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.began, r.kills, r.other = time.Now(), nil, nil
}

func (r *killRecorder) recorded() []time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.kills)
}

// inCutNetwork runs a test with a task that runs.
func inCutNetwork(t *testing.T, test func(b *virtualCluster, r *killRecorder)) {
	t.Helper()
	r := &killRecorder{}
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: Func(r.run)}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "t", "executor"))
		b.wantStates("TASK_RUNNING")
		b.drain(5 * time.Second)
		r.restart()
		test(b, r)
	})
}

// states returns the events about tasks and agents that come within a time.
func (b *virtualCluster) states(d time.Duration) []string {
	var out []string
	for _, event := range b.drain(d) {
		switch event["type"] {
		case "UPDATE":
			out = append(out, fmt.Sprint(fieldAt(event, "update", "status", "state")))
		case "FAILURE", "RESCIND":
			out = append(out, event["type"].(string))
		}
	}
	return out
}

func wantStrings(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// The master notices a cut network by its pings only: until then nothing is rescinded.
func TestCutNetworkIsNoticedByPings(t *testing.T) {
	inCutNetwork(t, func(b *virtualCluster, _ *killRecorder) {
		b.agent.CutNetwork()
		wantStrings(t, b.states(74*time.Second))
		got := b.states(2 * time.Second)
		slices.Sort(got)
		wantStrings(t, slices.Compact(got), "FAILURE", "RESCIND", "TASK_UNREACHABLE")
		b.agent.RestoreNetwork(NetworkReturn{})
		wantStrings(t, b.states(time.Minute), "TASK_RUNNING")
	})
}

func TestShortCutIsNotNoticed(t *testing.T) {
	inCutNetwork(t, func(b *virtualCluster, _ *killRecorder) {
		b.agent.CutNetwork()
		b.agent.CutNetwork() // it is cut already
		b.drain(30 * time.Second)
		b.agent.RestoreNetwork(NetworkReturn{})
		b.agent.RestoreNetwork(NetworkReturn{Flaps: 3}) // it is there already
		wantStrings(t, b.states(10*time.Minute))
	})
}

// KILLs that went to the old connection arrive with the network, in a bunch; the master
// repeats the one of a task that it wants killed when the agent registers again.
func TestKillsArriveLate(t *testing.T) {
	for name, test := range map[string]struct {
		back NetworkReturn
		want []time.Duration
	}{
		"at once":            {NetworkReturn{}, []time.Duration{30 * time.Second, 30 * time.Second, 30010 * time.Millisecond, 30020 * time.Millisecond}},
		"later":              {NetworkReturn{LateBy: time.Minute}, []time.Duration{30 * time.Second, 90 * time.Second, 90010 * time.Millisecond, 90020 * time.Millisecond}},
		"each of them twice": {NetworkReturn{Repeats: 1}, []time.Duration{30 * time.Second, 30 * time.Second, 30010 * time.Millisecond, 30020 * time.Millisecond, 30030 * time.Millisecond, 30040 * time.Millisecond, 30050 * time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			inCutNetwork(t, func(b *virtualCluster, r *killRecorder) {
				b.agent.CutNetwork()
				for range 3 {
					b.kill("t")
					time.Sleep(10 * time.Second)
				}
				if early := r.recorded(); len(early) > 0 {
					t.Errorf("KILLs came through the cut: %v", early)
				}
				b.agent.RestoreNetwork(test.back)
				b.drain(2 * time.Minute)
				if got := r.recorded(); !slices.Equal(got, test.want) {
					t.Errorf("KILLs came after %v, want %v", got, test.want)
				}
			})
		})
	}
}

// A KILL that was sent before the agent was unreachable reaches it after its return, when
// the master no longer remembers it.
func TestKillSurvivesUnreachability(t *testing.T) {
	inCutNetwork(t, func(b *virtualCluster, r *killRecorder) {
		b.agent.CutNetwork()
		b.kill("t")
		b.drain(3 * time.Minute)
		b.kill("t") // answered by the master
		wantStrings(t, b.states(time.Second), "TASK_UNKNOWN")
		b.agent.RestoreNetwork(NetworkReturn{LateBy: time.Minute})
		wantStrings(t, b.states(2*time.Minute), "TASK_RUNNING")
		if got := r.recorded(); len(got) != 1 || got[0] < 4*time.Minute {
			t.Errorf("KILLs came after %v", got)
		}
	})
}

func TestTaskFlapsAfterACut(t *testing.T) {
	inCutNetwork(t, func(b *virtualCluster, _ *killRecorder) {
		b.agent.CutNetwork()
		b.drain(3 * time.Minute)
		b.agent.RestoreNetwork(NetworkReturn{Flaps: 3, FlapInterval: 6 * time.Second})
		var updates []string
		for _, state := range b.states(40 * time.Second) {
			if state != "FAILURE" && state != "RESCIND" {
				updates = append(updates, state)
			}
		}
		wantStrings(t, updates, "TASK_RUNNING", "TASK_UNREACHABLE", "TASK_RUNNING", "TASK_UNREACHABLE", "TASK_RUNNING", "TASK_UNREACHABLE", "TASK_RUNNING")
		wantStrings(t, b.states(10*time.Minute))
	})
}

// What happens to the agent in the meantime ends the flapping.
func TestFlappingEndsWithTheAgent(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(b *virtualCluster)
		want string // the last state
	}{
		"disconnected":  {func(b *virtualCluster) { b.agent.Disconnect() }, "TASK_UNREACHABLE"},
		"cut off again": {func(b *virtualCluster) { b.agent.CutNetwork() }, "TASK_UNREACHABLE"},
		"marked gone":   {func(b *virtualCluster) { b.master.MarkAgentGone(b.agent.ID()) }, "TASK_GONE_BY_OPERATOR"},
		"left":          {func(b *virtualCluster) { b.agent.Leave() }, "TASK_LOST"},
		"killed":        {func(b *virtualCluster) { b.agent.Stop() }, "TASK_UNREACHABLE"},
		"back for good": {func(b *virtualCluster) { b.agent.MarkUnreachable(); b.agent.Reconnect() }, "TASK_RUNNING"},
	} {
		t.Run(name, func(t *testing.T) {
			inCutNetwork(t, func(b *virtualCluster, _ *killRecorder) {
				b.agent.CutNetwork()
				b.drain(3 * time.Minute)
				b.agent.RestoreNetwork(NetworkReturn{Flaps: 100, FlapInterval: 10 * time.Second})
				b.drain(5 * time.Second)
				test.do(b)
				last := ""
				for _, state := range b.states(5 * time.Minute) {
					if state != "FAILURE" && state != "RESCIND" {
						last = state
					}
				}
				if last != test.want {
					t.Errorf("the last state is %s, want %s", last, test.want)
				}
			})
		})
	}
}

// A launch into a cut network is lost, whether the agent was missed meanwhile or not.
func TestLaunchIntoACutNetwork(t *testing.T) {
	for name, test := range map[string]struct {
		after   time.Duration
		dropped bool
	}{
		"not noticed": {10 * time.Second, true},
		"noticed":     {3 * time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
				offer := b.offerOf(b.agent)
				b.agent.CutNetwork()
				b.launch(offer, 0, executorTask(offer, "t", "executor"))
				b.drain(test.after)
				b.agent.RestoreNetwork(NetworkReturn{})
				if test.dropped {
					// The agent's own, and twice more since it registers again.
					b.wantStates("TASK_DROPPED", "TASK_DROPPED", "TASK_DROPPED")
				}
				wantStrings(t, b.states(time.Minute))
				if n := b.agent.Containers(); n > 0 {
					t.Errorf("%d containers run", n)
				}
				b.call("RECONCILE", object{"reconcile": object{"tasks": []object{{"task_id": value("t"), "agent_id": value(b.agent.ID())}}}})
				wantStrings(t, b.states(time.Second), "TASK_GONE")
			})
		})
	}
}

// SHUTDOWN waits, too, and ends the executor; what waits is lost with the agent's process.
func TestShutdownArrivesLate(t *testing.T) {
	shutdown := func(b *virtualCluster) {
		b.call("SHUTDOWN", object{"shutdown": object{"executor_id": value("t"), "agent_id": value(b.agent.ID())}})
	}
	t.Run("with the network", func(t *testing.T) {
		inCutNetwork(t, func(b *virtualCluster, r *killRecorder) {
			b.agent.CutNetwork()
			b.call("MESSAGE", object{"message": object{"executor_id": value("t"), "agent_id": value(b.agent.ID()), "data": "eA=="}})
			shutdown(b)
			wantStrings(t, b.states(10*time.Second))
			b.agent.RestoreNetwork(NetworkReturn{})
			b.wantStates("TASK_FAILED")
			wantStrings(t, r.other, "MESSAGE", "SHUTDOWN")
		})
	})
	t.Run("not after a restart of the agent", func(t *testing.T) {
		inCutNetwork(t, func(b *virtualCluster, r *killRecorder) {
			b.agent.CutNetwork()
			shutdown(b)
			b.agent.Restart(time.Second)
			b.drain(10 * time.Second)
			b.agent.RestoreNetwork(NetworkReturn{LateBy: time.Second})
			b.drain(time.Minute)
			wantStrings(t, r.other)
			if n := b.agent.Containers(); n != 1 {
				t.Errorf("%d containers run", n)
			}
		})
	})
}

// An agent in a cut network registers with a new leader when the network is back.
func TestFailOverDuringACut(t *testing.T) {
	inMasterCluster(t, MasterOptions{AgentReturn: 5 * time.Second}, func(b *masterCluster) {
		agent := b.agents[0]
		agent.CutNetwork()
		b.masters.Kill(0)
		b.masters.Elect(1)
		b.resubscribe()
		time.Sleep(time.Minute)
		if got := b.reconcile(map[string]string{"t1": agent.ID()}); len(got) > 0 {
			t.Errorf("the agent registered through the cut: %v", got)
		}
		agent.RestoreNetwork(NetworkReturn{Flaps: 1})
		if got := b.reconcile(map[string]string{"t1": agent.ID()}); got["t1"] != "TASK_RUNNING" {
			t.Errorf("got %v at its return", got)
		}
		time.Sleep(time.Minute)
		if got := b.reconcile(map[string]string{"t1": agent.ID()}); got["t1"] != "TASK_RUNNING" {
			t.Errorf("got %v in the end", got)
		}
	})
}
