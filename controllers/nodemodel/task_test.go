package nodemodel

import (
	"testing"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func TestTaskStates(t *testing.T) {
	type answers struct{ ended, unreachable bool }
	for state, want := range map[scheduler.TaskState]answers{
		"":                         {},
		scheduler.TaskStaging:      {},
		scheduler.TaskStarting:     {},
		scheduler.TaskRunning:      {},
		scheduler.TaskKilling:      {},
		scheduler.TaskFinished:     {ended: true},
		scheduler.TaskFailed:       {ended: true},
		scheduler.TaskKilled:       {ended: true},
		scheduler.TaskError:        {ended: true},
		scheduler.TaskDropped:      {ended: true},
		scheduler.TaskGone:         {ended: true},
		scheduler.TaskUnreachable:  {unreachable: true}, // may come back
		scheduler.TaskLost:         {unreachable: true},
		scheduler.TaskUnknown:      {unreachable: true},
		scheduler.TaskState("new"): {}, // of a Mesos to come: nothing is known to have ended
	} {
		task := &v1alpha1.MesosTask{State: string(state)}
		if got := (answers{HasEnded(task), IsUnreachable(task)}); got != want {
			t.Errorf("state %q: got %+v, want %+v", state, got, want)
		}
		node := newNode()
		node.Status.Task = task
		if got := MayRun(node); got == want.ended {
			t.Errorf("state %q: may run %t", state, got)
		}
	}
	if HasEnded(nil) || MayRun(newNode()) {
		t.Error("a node without a task has one that ended, or that may run")
	}
}

func TestAgentNames(t *testing.T) {
	if got := AgentName(&v1alpha1.MesosTask{AgentID: "S3", AgentHostname: "agent-3"}); got != "agent-3" {
		t.Errorf("got %q", got)
	}
	if got := AgentName(&v1alpha1.MesosTask{AgentID: "S3"}); got != "S3" {
		t.Errorf("without a host name: got %q, want the agent ID", got)
	}
}

func TestProviderIDsOfOthersAreNoAttempt(t *testing.T) {
	node := newNode()
	id := TaskID(node, 3)
	for name, providerID := range map[string]string{
		"no ID":                           "",
		"the provider ID of a cloud":      "aws:///eu-1/" + id,
		"without an agent":                "mesos://" + id,
		"the provider ID of another node": ProviderID("S1", "other.0f1e2d3c.3"),
		"the provider ID of another UID":  ProviderID("S1", "general-x7k2p.99999999.3"),
		"without an attempt":              ProviderID("S1", "general-x7k2p.0f1e2d3c."),
		"an attempt that is not a number": ProviderID("S1", id+"x"),
		"an attempt that is too large":    ProviderID("S1", id+"9999999999"),
	} {
		if got := AttemptOf(node, providerID); got != 0 {
			t.Errorf("%s: attempt %d, want 0", name, got)
		}
	}
	if got := CurrentProviderID(node); got != "" {
		t.Errorf("without a task: %q", got)
	}
	node.Status.Task = &v1alpha1.MesosTask{ID: id, AgentID: "S1"}
	if got := CurrentProviderID(node); got != "mesos://S1/general-x7k2p.0f1e2d3c.3" || AttemptOf(node, got) != 3 {
		t.Errorf("the current provider ID is %q, of attempt %d", got, AttemptOf(node, got))
	}
}

func TestTheEndOfATaskIsDescribed(t *testing.T) {
	for name, test := range map[string]struct {
		task *v1alpha1.MesosTask
		want string
	}{
		"with nothing reported":         {&v1alpha1.MesosTask{AgentID: "S1", State: "TASK_KILLED"}, "The task on agent S1 ended (TASK_KILLED)."},
		"with a reason and a message":   {&v1alpha1.MesosTask{AgentHostname: "host-1", State: "TASK_FAILED", Reason: "REASON_X", Message: "out of memory\n"}, "The task on agent host-1 ended (TASK_FAILED, REASON_X). out of memory."},
		"with a message that is blanks": {&v1alpha1.MesosTask{AgentID: "S1", State: "TASK_FAILED", Message: "  "}, "The task on agent S1 ended (TASK_FAILED)."},
	} {
		if got := DescribeEnd(test.task); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
