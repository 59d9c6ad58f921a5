package mesostest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What a master answers to a reconciliation of a task that it does not know, by what it
// knows of the agent.
func TestReconciliationOfUnknownTasks(t *testing.T) {
	for name, test := range map[string]struct {
		prepare func(b *virtualCluster)
		named   bool // whether the call names the agent
		want    string
	}{
		"without an agent":        {func(*virtualCluster) {}, false, "TASK_UNKNOWN: Reconciliation: Task is unknown"},
		"of a registered agent":   {func(*virtualCluster) {}, true, "TASK_GONE: Reconciliation: Task is unknown to the agent"},
		"of a disconnected agent": {func(b *virtualCluster) { b.agent.Disconnect() }, true, "TASK_GONE: Reconciliation: Task is unknown to the agent"},
		"of an unreachable agent": {func(b *virtualCluster) { b.agent.MarkUnreachable() }, true, "TASK_UNREACHABLE: Reconciliation: Task is unreachable"},
		"of an agent that has returned": {
			func(b *virtualCluster) { b.agent.MarkUnreachable(); b.agent.Reconnect() },
			true, "TASK_GONE: Reconciliation: Task is unknown to the agent",
		},
		"of an agent that has left": {func(b *virtualCluster) { b.agent.Leave() }, true, "TASK_UNKNOWN: Reconciliation: Task is unknown"},
		"of an agent that is gone": {
			func(b *virtualCluster) { b.master.MarkAgentGone(b.agent.ID()) },
			true, "TASK_GONE_BY_OPERATOR: Reconciliation: Task is gone",
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
				id := b.agent.ID()
				test.prepare(b)
				b.drain(time.Second)
				asked := object{"task_id": value("unknown")}
				if test.named {
					asked["agent_id"] = value(id)
				}
				b.call("RECONCILE", object{"reconcile": object{"tasks": []object{asked}}})
				status := b.update()
				if got := fmt.Sprintf("%v: %v", status["state"], status["message"]); got != test.want {
					b.Errorf("got %s, want %s", got, test.want)
				}
				if status["reason"] != "REASON_RECONCILIATION" || status["uuid"] != nil {
					b.Errorf("got %v", status)
				}
			})
		})
	}
}

// The ways in which an agent goes, and what a framework with a task on it reads.
func TestEventsOfALostAgent(t *testing.T) {
	for name, test := range map[string]struct {
		do   func(b *virtualCluster)
		want []string
	}{
		"disconnected for a moment": {
			func(b *virtualCluster) { b.agent.Disconnect(); time.Sleep(10 * time.Second); b.agent.Reconnect() },
			nil,
		},
		"disconnected for longer than its timeout": {
			func(b *virtualCluster) { b.agent.Disconnect(); time.Sleep(76 * time.Second) },
			[]string{"UPDATE TASK_UNREACHABLE", "FAILURE"},
		},
		"unreachable and back": {
			func(b *virtualCluster) { b.agent.MarkUnreachable(); time.Sleep(time.Second); b.agent.Reconnect() },
			[]string{"UPDATE TASK_UNREACHABLE", "FAILURE", "UPDATE TASK_RUNNING"},
		},
		"left": {
			func(b *virtualCluster) { b.agent.Leave() },
			[]string{"UPDATE TASK_LOST", "FAILURE"},
		},
		"marked gone": {
			func(b *virtualCluster) { b.master.MarkAgentGone(b.agent.ID()) },
			[]string{"UPDATE TASK_GONE_BY_OPERATOR", "FAILURE"},
		},
		"marked gone when it was unreachable": {
			func(b *virtualCluster) { b.agent.MarkUnreachable(); b.master.MarkAgentGone(b.agent.ID()) },
			[]string{"UPDATE TASK_UNREACHABLE", "FAILURE", "UPDATE TASK_GONE_BY_OPERATOR"},
		},
		"marked gone, and refused when it returns": {
			func(b *virtualCluster) {
				b.agent.Disconnect()
				b.master.MarkAgentGone(b.agent.ID())
				b.agent.Reconnect()
			},
			[]string{"UPDATE TASK_GONE_BY_OPERATOR", "FAILURE"},
		},
		"closed": {
			func(b *virtualCluster) {
				if err := b.agent.Close(); err != nil {
					b.Error(err)
				}
			},
			[]string{"UPDATE TASK_LOST", "FAILURE"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
				offer := b.offerOf(b.agent)
				b.launch(offer, 0, executorTask(offer, "t", "executor"))
				b.wantStates("TASK_STARTING", "TASK_RUNNING")
				b.drain(time.Second)
				test.do(b)
				var got []string
				for _, event := range b.drain(time.Second) {
					switch event["type"] {
					case "UPDATE":
						got = append(got, "UPDATE "+fieldAt(event, "update", "status", "state").(string))
					case "FAILURE":
						got = append(got, "FAILURE")
					}
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					b.Errorf("events (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// A framework without checkpoint loses its tasks with the connection of their agent.
func TestTasksWithoutCheckpointAreLostAtOnce(t *testing.T) {
	info := frameworkInfo("a")
	info["checkpoint"] = false
	inVirtualTime(t, info, AgentOptions{}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "t", "executor"))
		b.wantStates("TASK_STARTING", "TASK_RUNNING")
		b.agent.Disconnect()
		if status := b.wantStates("TASK_LOST"); status["reason"] != "REASON_AGENT_DISCONNECTED" {
			b.Errorf("got %v", status)
		}
	})
}

// What passes between master and agent while the connection is paused passes later, in its
// order; what passes while it is broken is lost.
func TestPausedConnection(t *testing.T) {
	var l link
	var passed []int
	pass := func(n int) { l.send(func() { passed = append(passed, n) }) }
	pass(1)
	l.paused = true
	pass(2)
	pass(3)
	if len(passed) != 1 || len(l.held) != 2 {
		t.Fatalf("%v passed, %d are held", passed, len(l.held))
	}
	l.down = true
	pass(4)
	if len(l.held) != 2 {
		t.Error("what is sent over a broken connection is held back")
	}
}

func TestPausedAgent(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		offer := b.offerOf(b.agent)
		b.agent.Pause()
		b.launch(offer, 0, executorTask(offer, "t", "executor"))
		b.wantNoUpdates(10 * time.Second)
		if n := b.agent.Containers(); n != 0 {
			b.Errorf("%d containers run", n)
		}
		b.agent.Resume()
		b.wantStates("TASK_STARTING", "TASK_RUNNING")
	})
}
