package scheduler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// fleet is agents of one node each, whose framework keeps some nodes running.
type fleet struct {
	t *testing.T
	player
	agents int
	made   int            // demands so far
	runs   map[string]int // launches by agent
}

func newFleet(t *testing.T, agents int) *fleet {
	f := &fleet{t: t, agents: agents, runs: map[string]int{}}
	f.step("new id=F1")
	f.step("subscribed id=F1")
	f.step("auto prepare record")
	return f
}

func (f *fleet) step(line string, args ...any) {
	f.t.Helper()
	if err := f.do(strings.Fields(fmt.Sprintf(line, args...))); err != nil {
		f.t.Fatal(err)
	}
}

// launch asks for a node, and returns where it was launched; empty if nowhere. All agents
// but the busy ones make offers.
func (f *fleet) launch(busy map[string]bool) (taskID, agentID string) {
	f.made++
	taskID = fmt.Sprintf("n%d", f.made)
	f.log = nil
	f.step("demand %s", taskID)
	for n := 1; n <= f.agents; n++ {
		if agent := fmt.Sprintf("S%d", n); !busy[agent] {
			f.step("offers O%d-%d@%s:8", f.made, n, agent)
		}
	}
	f.step("wait 100ms")
	for _, line := range f.log {
		if _, after, ok := strings.Cut(line, "prepare "+taskID+" on "); ok {
			agentID = strings.Fields(after)[0]
			f.runs[agentID]++
			return taskID, agentID
		}
	}
	f.step("withdraw %s", taskID)
	return taskID, ""
}

// pass lets time pass in which the master is heard.
func (f *fleet) pass(d time.Duration) {
	for ; d > 0; d -= 30 * time.Second {
		f.step("heartbeat")
		f.step("wait %s", min(d, 30*time.Second))
	}
}

// Three nodes, four like agents: on S1 each node runs for a minute and dies.
func TestReplacementsGoToAgentsWithoutFailures(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 4)
	busy, onFirst := map[string]bool{}, ""
	for range 3 {
		id, agent := f.launch(busy)
		busy[agent] = true
		f.step("update %s@%s TASK_RUNNING", id, agent)
		if agent == "S1" {
			onFirst = id
		}
	}
	f.pass(time.Minute)
	f.step("update %s@S1 TASK_FAILED reason=REASON_EXECUTOR_TERMINATED", onFirst)
	delete(busy, "S1")
	if _, agent := f.launch(busy); agent != "S4" {
		t.Errorf("the replacement went to %q, want S4, the only one that nothing failed on", agent)
	}
}

// The only agent with room is tried again, ever more seldom.
func TestAnAgentOnWhichNodesDieIsUsedEverMoreSeldom(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		end      string
		ran      time.Duration // before its end
		atMost   int           // launches in twelve hours
		distance time.Duration // between the last two
	}{
		"nodes die a minute after they came up": {"TASK_FAILED reason=REASON_EXECUTOR_TERMINATED", time.Minute, 75, 10 * time.Minute},
		"no container can be launched":          {"TASK_FAILED reason=REASON_CONTAINER_LAUNCH_FAILED", 0, 80, 10 * time.Minute},
		"the agent's process dies":              {"TASK_FAILED reason=REASON_AGENT_RESTARTED", 0, 20, time.Hour},
		"the agent is lost":                     {"TASK_UNREACHABLE reason=REASON_AGENT_REMOVED", 0, 20, time.Hour},
		"the agent drops what it gets":          {"TASK_DROPPED reason=REASON_RECONCILIATION", 0, 80, 10 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, 1)
			var launched []time.Time
			for f.now.Before(epoch.Add(12 * time.Hour)) {
				id, agent := f.launch(nil)
				if agent == "" {
					f.pass(10 * time.Second)
					continue
				}
				launched = append(launched, f.now)
				if tc.ran > 0 {
					f.step("update %s@S1 TASK_RUNNING", id)
					f.pass(tc.ran)
				}
				f.step("update %s@S1 %s", id, tc.end)
			}
			last := len(launched) - 1
			if len(launched) < 10 || len(launched) > tc.atMost || launched[last].Sub(launched[last-1]) < tc.distance {
				t.Errorf("%d launches in twelve hours, the last two %s apart, want %d at most, %s apart",
					len(launched), launched[last].Sub(launched[last-1]), tc.atMost, tc.distance)
			}
			if got := f.core.AgentFailures(); len(got) != 1 || got[0].AgentID != "S1" {
				t.Errorf("failures are %v", got)
			}
		})
	}
}

// All pools of the framework leave the agent alone, whichever its nodes failed of.
func TestBackoffIsSharedByAllPools(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 1)
	id, agent := f.launch(nil)
	f.step("update %s@%s TASK_FAILED reason=REASON_CONTAINER_LAUNCH_FAILED", id, agent)
	f.step("demand other group=another-pool")
	f.step("offers O9@S1:8")
	f.step("wait 1s")
	message, waiting := f.core.Explain("other")
	if want := "0 of 1 agents fit: 1 is left alone until 12:00:30 UTC (host-S1, after a failure: REASON_CONTAINER_LAUNCH_FAILED)"; !waiting || message != want {
		t.Errorf("waiting=%t: %s\nwant %s", waiting, message, want)
	}
	f.log = nil
	f.pass(31 * time.Second) // offers are asked for when the back-off ends, whatever filter the agent has
	if revived := strings.Contains(strings.Join(f.log, "\n"), "30.1s      REVIVE [k8sm]"); !revived {
		t.Errorf("no REVIVE at the end of the back-off:\n%s", strings.Join(f.log, "\n"))
	}
}
