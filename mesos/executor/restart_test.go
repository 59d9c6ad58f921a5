package executor

import (
	"errors"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// options of an agent with Mesos' defaults, but for the time that executors live
// without it.
var options = mesostest.AgentOptions{RecoveryTimeout: 30 * time.Second}

func TestTaskSurvivesAgentRestart(t *testing.T) {
	inCluster(t, options, func(c *cluster) {
		c.launchRunning("n1")
		c.agent.Restart(20 * time.Second)
		time.Sleep(40 * time.Second)
		if n := len(c.work.stops); n > 0 {
			c.Errorf("the workload was stopped %d times", n)
		}
		c.call(calls.Kill("n1", c.agent.ID()))
		next(c.T, "the stop", c.work.stops)
		c.work.result <- Report{State: Killed}
		c.wantStates(mesos.TASK_KILLED)
		if err := next(c.T, "the end", c.ended); err != nil {
			c.Error(err)
		}
	})
}

func TestDriverReconnectsAtLeastEverySecond(t *testing.T) {
	inCluster(t, options, func(c *cluster) {
		c.launchRunning("n1")
		c.agent.Restart(20 * time.Second)
		down := time.Now()
		time.Sleep(25 * time.Second)
		c.mu.Lock()
		defer c.mu.Unlock()
		last, tries := down, 0
		for _, at := range c.sent {
			if at.Before(down) {
				continue
			}
			if gap := at.Sub(last); gap >= time.Second {
				c.Errorf("%s passed between two attempts, the agent waits for 2 s", gap)
			}
			last = at
			tries++
		}
		if back := down.Add(20 * time.Second); tries == 0 || back.Sub(last) >= time.Second {
			c.Errorf("%d attempts, the last one %s before the agent was back", tries, back.Sub(last))
		}
	})
}

func TestStoppedAgentGetsMissedUpdates(t *testing.T) {
	inCluster(t, options, func(c *cluster) {
		c.launchRunning("n1")
		c.agent.Stop()
		c.work.result <- Report{State: Failed, Message: "the kubelet ended"}
		time.Sleep(10 * time.Second)
		if len(c.ended) > 0 {
			c.Fatalf("the executor ended before its agent knew: %v", <-c.ended)
		}
		c.agent.Start()
		if status := c.wantStates(mesos.TASK_FAILED); status.GetMessage() != "the kubelet ended" {
			c.Errorf("got %v", status)
		}
		if err := next(c.T, "the end", c.ended); err != nil {
			c.Error(err)
		}
	})
}

// An agent that recovers takes SUBSCRIBE, but no updates.
func TestUpdatesKeepTheirOrderWhileTheAgentRecovers(t *testing.T) {
	inCluster(t, options, func(c *cluster) {
		c.launch("n1")
		next(c.T, "the task", c.work.tasks)
		c.agent.Restart(5 * time.Second)
		time.Sleep(5600 * time.Millisecond) // it has subscribed again
		c.report(Starting, "")
		time.Sleep(1450 * time.Millisecond) // the agent has recovered
		c.report(Running, "")
		c.wantStates(mesos.TASK_STARTING, mesos.TASK_RUNNING)
	})
}

func TestDriverGivesUpAtTheRecoveryTimeout(t *testing.T) {
	inCluster(t, options, func(c *cluster) {
		c.launchRunning("n1")
		began := time.Now()
		c.agent.Restart(time.Minute)
		time.Sleep(29 * time.Second)
		if len(c.work.stops) > 0 {
			c.Error("the workload was stopped before the recovery timeout")
		}
		next(c.T, "the stop", c.work.stops)
		if waited := time.Since(began); waited > 31*time.Second {
			c.Errorf("the workload was stopped after %s, the recovery timeout is 30 s", waited)
		}
		c.work.result <- Report{State: Killed}
		if err := next(c.T, "the end", c.ended); !errors.Is(err, ErrAgentLost) {
			c.Errorf("got %v", err)
		}
		time.Sleep(40 * time.Second)
		c.wantStates(mesos.TASK_FAILED)
	})
}

func TestDriverEndsWithItsFramework(t *testing.T) {
	for name, remove := range map[string]func(c *cluster){
		"removed while the agent is there": func(c *cluster) {
			if err := c.master.RemoveFramework(c.frameworkID); err != nil {
				c.Error(err)
			}
		},
		"removed while the agent is away": func(c *cluster) {
			c.agent.Stop()
			if err := c.master.RemoveFramework(c.frameworkID); err != nil {
				c.Error(err)
			}
			c.agent.Start()
		},
	} {
		t.Run(name, func(t *testing.T) {
			inCluster(t, options, func(c *cluster) {
				c.launchRunning("n1")
				remove(c)
				if grace := next(c.T, "the stop", c.work.stops); grace >= DefaultShutdownGrace {
					c.Errorf("the workload has %s, the agent kills after %s", grace, DefaultShutdownGrace)
				}
				c.work.result <- Report{State: Killed}
				if err := next(c.T, "the end", c.ended); err != nil {
					c.Error(err)
				}
				time.Sleep(time.Second)
				if n := c.agent.Containers(); n > 0 {
					c.Errorf("%d containers are left", n)
				}
			})
		})
	}
}

// The agent counts the time until SUBSCRIBE; what a task needs is fetched after it.
func TestSlowTaskDoesNotDelayRegistration(t *testing.T) {
	o := options
	o.ExecutorRegistrationTimeout = time.Second
	inCluster(t, o, func(c *cluster) {
		c.launch("n1")
		next(c.T, "the task", c.work.tasks)
		c.report(Starting, "fetching")
		c.wantStates(mesos.TASK_STARTING)
		time.Sleep(10 * time.Minute)
		if len(c.ended) > 0 || len(c.updates) > 0 {
			c.Error("the executor did not live until everything was fetched")
		}
	})
}

func TestExecutorEndsWhenItsAgentDrains(t *testing.T) {
	inCluster(t, options, func(c *cluster) {
		c.launchRunning("n1")
		c.agent.Drain(10*time.Second, false)
		if grace := next(c.T, "the stop", c.work.stops); grace != 10*time.Second {
			c.Errorf("grace is %s, the drain's is 10 s", grace)
		}
		c.work.result <- Report{State: Killed}
		if status := c.wantStates(mesos.TASK_KILLED); status.GetReason() != mesos.REASON_AGENT_DRAINING {
			c.Errorf("got %v", status)
		}
		if err := next(c.T, "the end", c.ended); err != nil {
			c.Error(err)
		}
		time.Sleep(time.Second)
		if !c.agent.Drained() {
			c.Error("the agent is not drained")
		}
		// An agent that still had the executor would drop the next launch.
		if err := c.agent.Reactivate(); err != nil {
			c.Error(err)
		}
		for len(c.offered) > 0 {
			<-c.offered
		}
		c.launchRunning("n2")
	})
}

func TestDriverAuthenticatesWithItsToken(t *testing.T) {
	o := options
	o.ExecutorKey = []byte("key")
	inCluster(t, o, func(c *cluster) {
		c.launchRunning("n1")
		c.agent.Restart(time.Second)
		c.work.result <- Report{State: Finished}
		c.wantStates(mesos.TASK_FINISHED)
		if err := next(c.T, "the end", c.ended); err != nil {
			c.Error(err)
		}
	})
}

func TestFrameworkAndTaskExchangeMessages(t *testing.T) {
	inCluster(t, options, func(c *cluster) {
		c.launchRunning("a")
		agent := c.agent.ID()
		c.call(calls.Message(agent, "a", []byte("take another kubelet")))
		if message := next(c.T, "the message", c.work.messages); message != "take another kubelet" {
			c.Errorf("the task got message %q", message)
		}
		c.work.reports <- Report{State: Running, Data: []byte("it is taken")}
		status := c.wantStates(mesos.TASK_RUNNING)
		if string(status.Data) != "it is taken" || !status.GetHealthy() {
			c.Errorf("the framework got data %q, healthy %t", status.Data, status.GetHealthy())
		}
		c.work.result <- Report{State: Killed}
		c.wantStates(mesos.TASK_KILLED)
	})
}
