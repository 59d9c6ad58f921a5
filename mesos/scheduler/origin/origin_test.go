package origin_test

import (
	"strings"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/capacity"
	"github.com/k8sm/k8sm/mesos/scheduler/origin"
	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// task returns the task n1, launched on S1.
func task() *tasks.Task {
	return tasks.NewSet(capacity.NewOccupancy(), timers.NewQueue()).Launched("n1", "S1", "general")
}

func status(source, executorID, agentID string, s tasks.State) tasks.Status {
	return tasks.Status{TaskID: "n1", Source: "SOURCE_" + source, ExecutorID: executorID, AgentID: agentID, State: s, UUID: []byte("u")}
}

func TestUpdatesCountByTheirSource(t *testing.T) {
	tests := map[string]struct {
		status  tasks.Status
		unknown bool
		want    origin.Verdict
	}{
		"of the task's executor on its agent":           {status: status("EXECUTOR", "n1", "S1", tasks.Failed)},
		"of the task's executor, without an agent":      {status: status("EXECUTOR", "n1", "", tasks.Failed)},
		"of another executor elsewhere":                 {status: status("EXECUTOR", "n2", "S2", tasks.Failed), want: origin.Foreign},
		"of another executor on the same agent":         {status: status("EXECUTOR", "n2", "S1", tasks.Running), want: origin.Foreign},
		"of an executor that does not name itself":      {status: status("EXECUTOR", "", "S1", tasks.Failed), want: origin.Foreign},
		"of the task's executor on another agent":       {status: status("EXECUTOR", "n1", "S2", tasks.Failed), want: origin.Foreign},
		"of an executor about a task in the cluster":    {status: status("EXECUTOR", "n1", "S1", tasks.Unreachable), want: origin.Foreign},
		"of an executor that does not know its task":    {status: status("EXECUTOR", "n1", "S1", tasks.Unknown), want: origin.Foreign},
		"of an executor about an unknown task":          {status: status("EXECUTOR", "n2", "S2", tasks.Running), unknown: true, want: origin.Foreign},
		"of an unknown task's executor":                 {status: status("EXECUTOR", "n1", "S2", tasks.Running), unknown: true},
		"of the task's agent":                           {status: status("AGENT", "n1", "S1", tasks.Failed)},
		"of the task's agent, before there is executor": {status: status("AGENT", "", "S1", tasks.Dropped)},
		"of another agent":                              {status: status("AGENT", "n1", "S2", tasks.Dropped), want: origin.Foreign},
		"of an unknown task's agent":                    {status: status("AGENT", "", "S2", tasks.Dropped), unknown: true},
		"of the master":                                 {status: status("MASTER", "", "S1", tasks.Gone)},
		"of the master, which corrects the agent":       {status: status("MASTER", "", "S7", tasks.Running)},
		"without a source, as no Mesos sends":           {status: tasks.Status{TaskID: "n1", AgentID: "S7", State: tasks.Running}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			known := task()
			if tc.unknown {
				known = nil
			}
			if got := origin.Judge(&tc.status, known); got != tc.want {
				t.Errorf("got verdict %d, want %d", got, tc.want)
			}
		})
	}
}

func TestMasterRepeatsWhatAForeignUpdateClaimed(t *testing.T) {
	n1 := task()
	n1.Dispute(tasks.Failed)
	answer := tasks.Status{TaskID: "n1", AgentID: "S1", Source: "SOURCE_MASTER", Reason: tasks.ReasonReconciliation, State: tasks.Failed}
	if got := origin.Judge(&answer, n1); got != origin.Echo {
		t.Errorf("the answer of the master has verdict %d, want Echo", got)
	}
	for name, other := range map[string]tasks.Status{
		"another state":                {AgentID: "S1", Source: "SOURCE_MASTER", Reason: tasks.ReasonReconciliation, State: tasks.Gone},
		"what the master knows itself": {AgentID: "S1", Source: "SOURCE_MASTER", Reason: "REASON_AGENT_REMOVED", State: tasks.Failed},
		"the agent's own word":         {AgentID: "S1", Source: "SOURCE_AGENT", Reason: "REASON_EXECUTOR_TERMINATED", State: tasks.Failed},
	} {
		if got := origin.Judge(&other, n1); got != origin.Counts {
			t.Errorf("%s has verdict %d, want Counts", name, got)
		}
	}
	n1.Settle()
	if got := origin.Judge(&answer, n1); got != origin.Counts {
		t.Errorf("after an update that counts the answer has verdict %d, want Counts", got)
	}
	if !n1.IsInDoubt() {
		t.Error("it is forgotten that the task's state was ever disputed")
	}
}

func TestExecutorsDoNotChooseHowTheirFailureCounts(t *testing.T) {
	tests := map[string]struct {
		state      tasks.State
		reason     string
		wantState  tasks.State
		wantReason string
	}{
		"dropped":                          {tasks.Dropped, "REASON_INVALID_OFFERS", tasks.Failed, ""},
		"gone":                             {tasks.Gone, "", tasks.Failed, ""},
		"lost":                             {tasks.Lost, "", tasks.Failed, ""},
		"gone by operator":                 {tasks.GoneByOperator, "", tasks.Failed, ""},
		"gone with its draining agent":     {tasks.GoneByOperator, "REASON_AGENT_DRAINING", tasks.GoneByOperator, "REASON_AGENT_DRAINING"},
		"killed by its draining agent":     {tasks.Killed, "REASON_AGENT_DRAINING", tasks.Killed, "REASON_AGENT_DRAINING"},
		"failed while no agent drains":     {tasks.Failed, "REASON_AGENT_DRAINING", tasks.Failed, ""},
		"preempted":                        {tasks.Failed, "REASON_CONTAINER_PREEMPTED", tasks.Failed, ""},
		"removed with its framework":       {tasks.Killed, "REASON_FRAMEWORK_REMOVED", tasks.Killed, ""},
		"a health check":                   {tasks.Running, "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED", tasks.Running, "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"},
		"an answer that nobody asked for":  {tasks.Running, tasks.ReasonReconciliation, tasks.Running, ""},
		"the executor of a command failed": {tasks.Failed, "REASON_COMMAND_EXECUTOR_FAILED", tasks.Failed, "REASON_COMMAND_EXECUTOR_FAILED"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			st := status("EXECUTOR", "n1", "S1", tc.state)
			st.Reason = tc.reason
			if got := origin.Judge(&st, task()); got != origin.Counts {
				t.Fatalf("got verdict %d, want Counts", got)
			}
			if st.State != tc.wantState || st.Reason != tc.wantReason {
				t.Errorf("got %s %s, want %s %s", st.State, st.Reason, tc.wantState, tc.wantReason)
			}
			if tc.state != tc.wantState && !strings.Contains(st.Message, string(tc.state)) {
				t.Errorf("the message %q does not say what the executor reported", st.Message)
			}
		})
	}
}

// Agents and masters say what executors cannot: nothing is taken from their statuses.
func TestStatusesOfAgentsAndMastersStayAsTheyAre(t *testing.T) {
	for _, source := range []string{"AGENT", "MASTER"} {
		st := status(source, "", "S1", tasks.Dropped)
		st.Reason = "REASON_CONTAINER_PREEMPTED"
		origin.Judge(&st, task())
		if st.State != tasks.Dropped || st.Reason != "REASON_CONTAINER_PREEMPTED" {
			t.Errorf("the status of source %s became %s %s", source, st.State, st.Reason)
		}
	}
}

func TestIgnoredUpdatesAreExplained(t *testing.T) {
	long := status("EXECUTOR", "n2", "S2", tasks.Failed)
	long.TaskID = strings.Repeat("x", 1<<20)
	for want, st := range map[string]tasks.Status{
		`comes from executor "n2" on agent "S2"`:  status("EXECUTOR", "n2", "S2", tasks.Failed),
		`but the task was launched on agent "S1"`: status("AGENT", "", "S2", tasks.Failed),
		`an executor, which cannot know that`:     status("EXECUTOR", "n1", "S1", tasks.Unreachable),
		`which is not the task's executor`:        long,
	} {
		got := origin.Explain(&st, task())
		if !strings.Contains(got, want) {
			t.Errorf("got %q, want it to contain %q", got, want)
		}
		if len(got) > 1200 {
			t.Errorf("the explanation has %d bytes", len(got))
		}
	}
}

// Whatever the fields hold, the verdict is one of three, and no executor ends another's task.
func FuzzJudge(f *testing.F) {
	f.Add("EXECUTOR", "n2", "S2", "TASK_FAILED", "REASON_RECONCILIATION")
	f.Fuzz(func(t *testing.T, source, executorID, agentID, state, reason string) {
		st := status(source, executorID, agentID, tasks.State(state))
		st.Reason, st.Time = reason, time.Time{}
		n1 := task()
		got := origin.Judge(&st, n1)
		if got > origin.Echo {
			t.Errorf("verdict %d", got)
		}
		if source == "EXECUTOR" && executorID != "n1" && got == origin.Counts {
			t.Error("the word of another executor counts")
		}
		_ = origin.Explain(&st, n1)
	})
}
