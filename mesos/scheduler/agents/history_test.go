package agents

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// player launches tasks on agents and lets them end.
type player struct {
	*History
	timers *timers.Queue
	now    time.Time
	count  int
}

func newPlayer(stored ...Failure) *player {
	q := timers.NewQueue()
	return &player{History: NewHistory(q, stored), timers: q, now: noon}
}

// wait lets time pass.
func (p *player) wait(d time.Duration) {
	until := p.now.Add(d)
	for next := p.timers.Next(); !next.IsZero() && !next.After(until); next = p.timers.Next() {
		p.now = next
		timer, _ := p.timers.Pop(p.now)
		p.Review(p.now, timer.Key)
	}
	p.now = until
}

// launch launches a task of a group on an agent, whose host has its name.
func (p *player) launch(agentID, group string) (taskID string) {
	p.count++
	id := fmt.Sprintf("t%d", p.count)
	p.Launched(p.now, id, Place{AgentID: agentID, Hostname: "host-" + agentID, Group: group})
	return id
}

func (p *player) end(taskID string, s tasks.State, reason, message string) {
	p.Recorded(p.now, &tasks.Status{TaskID: taskID, State: s, Reason: reason, Message: message}, false)
}

func (p *player) fail(agentID, group string) {
	p.end(p.launch(agentID, group), tasks.Failed, "REASON_CONTAINER_LAUNCH_FAILED", "")
}

// leftAlone returns for how long an agent is left alone, and by whom.
func (p *player) leftAlone(agentID string) (time.Duration, string) {
	b := p.Backoffs().ByAgentID[agentID]
	if b == nil || !p.now.Before(b.Until) {
		return 0, ""
	}
	return b.Until.Sub(p.now), b.Group
}

func TestAnAgentIsLeftAloneForLongerAfterEachFailure(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		reason string
		want   []time.Duration
	}{
		"tasks fail":         {"REASON_EXECUTOR_TERMINATED", []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute, 10 * time.Minute}},
		"the agent restarts": {"REASON_AGENT_RESTARTED", []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlayer()
			var got []time.Duration
			for range tc.want {
				id := p.launch("S1", "general")
				p.end(id, tasks.Running, "", "")
				p.wait(time.Minute) // each registers, and fails a minute later
				p.end(id, tasks.Failed, tc.reason, "")
				d, _ := p.leftAlone("S1")
				got = append(got, d)
				p.wait(d)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestARefusedAgentIsLeftAlone(t *testing.T) {
	p := newPlayer()
	place := Place{AgentID: "S1", Hostname: "host-S1", Group: "general"}
	p.Refused(p.now, place, tasks.ReasonAddressRefused, "The address is a Service's.")
	if d, _ := p.leftAlone("S1"); d != 30*time.Second {
		t.Errorf("it is left alone for %s", d)
	}
	p.wait(30 * time.Second)
	p.Refused(p.now, place, tasks.ReasonAddressRefused, "The address is a Service's.")
	if d, _ := p.leftAlone("S1"); d != time.Minute {
		t.Errorf("after the second refusal it is left alone for %s", d)
	}
	if got := p.Failures(); len(got) != 1 || got[0].Count != 2 || got[0].Hostname != "host-S1" || !strings.Contains(got[0].String(), "REASON_ADDRESS_REFUSED: The address is a Service's") {
		t.Errorf("remembered is %+v", got)
	}
}

func TestClearedFailuresLetAllAgentsBeUsed(t *testing.T) {
	p := newPlayer()
	running := p.launch("S3", "general")
	p.fail("S1", "general")
	p.fail("S2", "general")
	p.fail("S1", "general")
	before := p.Version()
	p.Clear(p.now)
	for _, id := range []string{"S1", "S2"} {
		if d, _ := p.leftAlone(id); d != 0 {
			t.Errorf("%s is left alone for %s", id, d)
		}
	}
	if len(p.Failures()) != 0 || p.Version() == before || p.timers.Len() != 0 {
		t.Errorf("left are %v and %d timers", p.Failures(), p.timers.Len())
	}
	p.end(running, tasks.Failed, "REASON_X", "")
	if d, _ := p.leftAlone("S3"); d != 30*time.Second {
		t.Errorf("the next failure leaves the agent alone for %s", d)
	}
}

func TestFailuresAreForgottenAfterAnHour(t *testing.T) {
	t.Parallel()
	p := newPlayer()
	p.fail("S1", "general")
	before := p.Version()
	p.wait(30*time.Second + memory - time.Second)
	if len(p.Failures()) != 1 || p.Version() == before {
		t.Errorf("failures %v, version %d after %d: it is remembered until then, and the end of its back-off is a change", p.Failures(), p.Version(), before)
	}
	p.wait(time.Second)
	if len(p.Failures()) != 0 || len(p.Backoffs().ByAgentID) != 0 || p.timers.Len() != 0 {
		t.Errorf("remembered are %v, %d timers", p.Failures(), p.timers.Len())
	}
	p.fail("S1", "general")
	if f := p.Failures()[0]; f.Count != 1 {
		t.Errorf("the next failure is number %d in a row", f.Count)
	}
}

func TestTasksThatFailTogetherCountOnce(t *testing.T) {
	t.Parallel()
	p := newPlayer()
	first, second := p.launch("S1", "general"), p.launch("S1", "general")
	p.end(first, tasks.Failed, "", "")
	p.wait(time.Second)
	p.end(second, tasks.Failed, "", "")
	if d, _ := p.leftAlone("S1"); d != 29*time.Second || p.Failures()[0].Count != 1 {
		t.Errorf("left alone for another %s, %v", d, p.Failures())
	}
}

func TestOneTaskCountsOnce(t *testing.T) {
	t.Parallel()
	p := newPlayer()
	id := p.launch("S1", "general")
	p.end(id, tasks.Unreachable, "", "")
	p.wait(time.Minute)
	p.end(id, tasks.Gone, "", "")
	p.end(id, tasks.Failed, "", "")
	if got := p.Failures(); len(got) != 1 || got[0].Count != 1 {
		t.Errorf("failures %v, want one", got)
	}
}

func TestDropsCountWhenTheyRepeat(t *testing.T) {
	t.Parallel()
	p := newPlayer()
	drop := func() time.Duration {
		p.end(p.launch("S1", "general"), tasks.Dropped, "REASON_INVALID_OFFERS", "")
		d, _ := p.leftAlone("S1")
		return d
	}
	for n := range freeDrops {
		if d := drop(); d != 0 || len(p.Failures()) != 0 {
			t.Errorf("drop %d: the agent is left alone for %s", n+1, d)
		}
		if p.Backoffs().ByAgentID["S1"] == nil {
			t.Errorf("drop %d: other agents are not preferred", n+1)
		}
	}
	if d := drop(); d != 30*time.Second {
		t.Errorf("drop %d: the agent is left alone for %s", freeDrops+1, d)
	}
	p.wait(30 * time.Second)
	if d := drop(); d != time.Minute {
		t.Errorf("the next one: the agent is left alone for %s", d)
	}
	p.wait(3 * time.Hour)
	if d := drop(); d != 0 {
		t.Errorf("after a long time: the agent is left alone for %s", d)
	}
}

func TestAnAgentThatComesBackUnderAnotherIDKeepsItsFailures(t *testing.T) {
	t.Parallel()
	p := newPlayer()
	launch := func(agentID string) string {
		p.count++
		id := fmt.Sprintf("t%d", p.count)
		p.Launched(p.now, id, Place{AgentID: agentID, Hostname: "host-1", Group: "general"})
		return id
	}
	p.end(launch("S1"), tasks.Unreachable, "", "")
	if p.Backoffs().ByHostname["host-1"] == nil {
		t.Fatal("the host is not left alone")
	}
	p.wait(time.Minute)
	p.end(launch("S2"), tasks.Failed, "REASON_AGENT_RESTARTED", "")
	if got := p.Failures(); len(got) != 1 || got[0].AgentID != "S2" || got[0].Count != 2 {
		t.Errorf("failures %v, want two in a row of S2", got)
	}
	// An agent whose tasks fail stays where it is: another one on its host is none of it.
	p.wait(2 * time.Minute)
	p.end(launch("S2"), tasks.Failed, "", "")
	if b := p.Backoffs(); b.ByHostname["host-1"] != nil || b.ByAgentID["S2"] == nil {
		t.Errorf("back-offs %v", b)
	}
}

// A pool whose nodes start nowhere leaves the agents to the other pools.
func TestAGroupThatFailsEverywhereIsAtFaultItself(t *testing.T) {
	t.Parallel()
	p := newPlayer()
	for n := range manyAgents {
		if _, by := p.leftAlone("S1"); by != "" {
			t.Errorf("after %d failures the agent is left alone by %s only", n, by)
		}
		p.fail(fmt.Sprintf("S%d", n), "broken")
	}
	for n := range manyAgents {
		if d, by := p.leftAlone(fmt.Sprintf("S%d", n)); d == 0 || by != "broken" {
			t.Errorf("agent S%d is left alone by %q for %s", n, by, d)
		}
	}
	p.fail("S1", "other") // the agent is at fault after all
	if _, by := p.leftAlone("S1"); by != "" {
		t.Errorf("after failures of two groups the agent is left alone by %q", by)
	}
	if _, by := p.leftAlone("S2"); by != "broken" {
		t.Errorf("agent S2 is left alone by %q", by)
	}
}

// The nodes of a pool that runs well elsewhere are not at fault.
func TestManyBadAgentsAmongMoreGoodOnesAreAtFault(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		good int
		ran  time.Duration
		want string
	}{
		"it runs on more agents":             {good: 4, ran: time.Hour},
		"it has run there for a moment only": {good: 4, ran: time.Minute, want: "general"},
		"it runs on fewer agents":            {good: 2, ran: time.Hour, want: "general"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlayer()
			for n := range tc.good {
				p.end(p.launch(fmt.Sprintf("good-%d", n), "general"), tasks.Running, "", "")
			}
			p.wait(tc.ran)
			for n := range manyAgents {
				p.fail(fmt.Sprintf("S%d", n), "general")
			}
			if _, by := p.leftAlone("S1"); by != tc.want {
				t.Errorf("left alone by %q, want %q", by, tc.want)
			}
		})
	}
}

func TestFailuresSurviveARestart(t *testing.T) {
	t.Parallel()
	p := newPlayer()
	p.fail("S1", "general")
	p.wait(30 * time.Second)
	p.end(p.launch("S1", "general"), tasks.Failed, "REASON_AGENT_RESTARTED", "aborted")
	p.fail("S2", "general")
	stored := p.Failures()
	again := newPlayer(stored...)
	again.now = p.now
	if diff := cmp.Diff(stored, again.Failures()); diff != "" {
		t.Errorf("failures (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(p.Backoffs(), again.Backoffs()); diff != "" {
		t.Errorf("back-offs (-before +after):\n%s", diff)
	}
	again.Restore("t9", Place{AgentID: "S3", Group: "general"}, tasks.Running)
	again.Restore("t10", Place{AgentID: "S4", Group: "general"}, tasks.Failed)
	again.end("t9", tasks.Failed, "", "")
	again.end("t10", tasks.Failed, "", "")
	if got := again.Failures(); len(got) != 3 || got[2].AgentID != "S3" {
		t.Errorf("failures %v, want one of the task that ran before the restart", got)
	}
	again.wait(3 * time.Hour)
	if got := again.Failures(); len(got) != 0 {
		t.Errorf("%v are never forgotten", got)
	}
}

func TestStoredNonsenseIsLeftOut(t *testing.T) {
	t.Parallel()
	if got := newPlayer(Failure{}, Failure{AgentID: "S1"}, Failure{AgentID: "S2", Count: -3}).Failures(); len(got) != 0 {
		t.Errorf("failures %v", got)
	}
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	t.Parallel()
	p := newPlayer()
	p.fail("first", "general")
	p.wait(time.Second)
	for n := range maxAgents {
		p.fail(fmt.Sprintf("S%d", n), fmt.Sprintf("group-%d", n))
	}
	for n := range 2 * maxGroups {
		p.fail("S1", fmt.Sprintf("another-%d", n))
	}
	p.end(p.launch("S1", "general"), tasks.Failed, "", strings.Repeat("ä", maxMessage))
	got := p.Failures()
	if len(got) != maxAgents || p.timers.Len() != maxAgents || p.Backoffs().ByAgentID["first"] != nil {
		t.Errorf("%d agents and %d timers are remembered; the first is among them: %t", len(got), p.timers.Len(), p.Backoffs().ByAgentID["first"] != nil)
	}
	for _, f := range got {
		if len(f.Groups) > maxGroups || len(f.Message) > maxMessage || !utf8.ValidString(f.Message) {
			t.Errorf("agent %s: %d groups, a message of %d bytes, valid: %t", f.AgentID, len(f.Groups), len(f.Message), utf8.ValidString(f.Message))
		}
	}
}

func TestFailuresAsText(t *testing.T) {
	t.Parallel()
	for want, f := range map[string]Failure{
		"after a failure: TASK_FAILED": {Count: 1, Reason: "TASK_FAILED"},
		"after 3 failures in a row, the last: REASON_CONTAINER_LAUNCH_FAILED: no hugetlb":  {Count: 3, Reason: "REASON_CONTAINER_LAUNCH_FAILED", Message: " no hugetlb. "},
		"after 2 failures in a row, the last: the agent went away, REASON_AGENT_RESTARTED": {Count: 2, Reason: "REASON_AGENT_RESTARTED", WentAway: true},
	} {
		if got := f.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if f := (Failure{AgentID: "S1"}); f.Name() != "S1" {
		t.Errorf("an agent without a host name is called %q", f.Name())
	}
}

// The back-offs that placement has must not change under it.
func TestBackoffsAreNotChangedLater(t *testing.T) {
	t.Parallel()
	p := newPlayer()
	p.fail("S1", "general")
	taken := p.Backoffs()
	before := *taken.ByAgentID["S1"]
	p.wait(time.Minute)
	p.fail("S1", "general")
	p.fail("S2", "general")
	if diff := cmp.Diff(map[string]*placement.Backoff{"S1": &before}, taken.ByAgentID); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}
