package mesostest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

func TestDrain(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		b.runTask("t")
		b.agent.Drain(time.Minute, false)
		status := fieldAt(b.next("UPDATE"), "update", "status").(object)
		if status["state"] != "TASK_KILLED" || status["reason"] != "REASON_AGENT_DRAINING" {
			b.Errorf("got %v", status)
		}
		b.held = nil
		time.Sleep(5 * time.Second)
		if b.agent.Drained() {
			b.Error("drained before the last update is acknowledged")
		}
		if err := b.agent.Reactivate(); err == nil {
			b.Error("reactivated while draining")
		}
		b.update() // sent again, and acknowledged
		time.Sleep(5 * time.Second)
		if !b.agent.Drained() {
			b.Error("not drained")
		}
		if len(b.held) > 0 {
			b.Errorf("got offers %v", b.held)
		}
		if err := b.agent.Reactivate(); err != nil {
			b.Error(err)
		}
		b.runTask("again")
	})
}

func TestIdleExecutorKeepsItsAgentDraining(t *testing.T) {
	idle := Func(func(ctx context.Context, x *Conn) error { return eachEvent(ctx, x, mesos.TASK_RUNNING, nil) })
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: idle}, func(b *virtualCluster) {
		b.runTask("t")
		b.agent.Drain(NoMaxGrace, false)
		b.wantStates("TASK_KILLED")
		time.Sleep(time.Second)
		if err := b.agent.Reactivate(); err != nil {
			b.Error(err)
		}
		b.held = nil
		offer := b.offerOf(b.agent)
		b.launch(offer, 0, executorTask(offer, "u", ""))
		if got := b.wantStates("TASK_DROPPED"); got["reason"] != "REASON_AGENT_DRAINING" {
			b.Errorf("got %v", got)
		}
	})
}

func TestDrainThatMarksGone(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		b.runTask("t")
		b.agent.Drain(NoMaxGrace, true)
		b.wantStates("TASK_GONE_BY_OPERATOR")
		b.next("FAILURE")
		if n := len(b.master.Agents()); n != 0 {
			b.Errorf("%d agents are left", n)
		}
	})
}

func TestDrainOfAnAgentThatIsAway(t *testing.T) {
	inVirtualTime(t, frameworkInfo("a"), AgentOptions{}, func(b *virtualCluster) {
		b.runTask("t")
		b.agent.Stop()
		b.agent.Drain(NoMaxGrace, false)
		b.wantNoUpdates(time.Minute)
		b.agent.Start()
		b.wantStates("TASK_KILLED")
		time.Sleep(time.Second)
		if !b.agent.Drained() {
			b.Error("not drained")
		}
	})
}

func TestDrainCapsTheGrace(t *testing.T) {
	for name, test := range map[string]struct {
		limit, own time.Duration // of the task; 0: it has none
		want       int64
	}{
		"a long grace period is limited":              {limit: time.Second, own: time.Minute, want: 1e9},
		"a short grace period is kept":                {limit: time.Minute, own: time.Second, want: -1},
		"a task without a policy has the limit":       {limit: time.Second, want: 1e9},
		"without a limit KILL has no policy":          {limit: NoMaxGrace, own: time.Minute, want: -1},
		"the limit may be 0":                          {limit: 0, own: time.Minute, want: 0},
		"without limit and policy KILL has no policy": {limit: NoMaxGrace, want: -1},
	} {
		t.Run(name, func(t *testing.T) {
			graces := make(chan int64, 1)
			watch := Func(func(ctx context.Context, x *Conn) error {
				for {
					event, err := x.Next(ctx)
					if err != nil {
						return err
					}
					if event.Type == executor.Event_KILL {
						graces <- graceOf(event.Kill.KillPolicy)
					}
				}
			})
			inVirtualTime(t, frameworkInfo("a"), AgentOptions{Launcher: watch}, func(b *virtualCluster) {
				offer := b.offerOf(b.agent)
				task := executorTask(offer, "t", "")
				if test.own > 0 {
					task["kill_policy"] = object{"grace_period": object{"nanoseconds": test.own.Nanoseconds()}}
				}
				b.launch(offer, 0, task)
				time.Sleep(time.Second)
				b.agent.Drain(test.limit, false)
				if diff := cmp.Diff(test.want, <-graces); diff != "" {
					b.Errorf("grace (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func graceOf(policy *mesos.KillPolicy) int64 {
	if policy.GetGracePeriod() == nil {
		return -1
	}
	return policy.GracePeriod.Nanoseconds
}
