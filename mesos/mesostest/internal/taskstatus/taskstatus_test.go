package taskstatus_test

import (
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskstatus"
)

// Each state of Mesos, whether it is final, and what frameworks that are not
// PARTITION_AWARE read in its place.
var states = map[mesos.TaskState]struct {
	final  bool
	before mesos.TaskState
}{
	mesos.TASK_STAGING:          {false, mesos.TASK_STAGING},
	mesos.TASK_STARTING:         {false, mesos.TASK_STARTING},
	mesos.TASK_RUNNING:          {false, mesos.TASK_RUNNING},
	mesos.TASK_KILLING:          {false, mesos.TASK_KILLING},
	mesos.TASK_FINISHED:         {true, mesos.TASK_FINISHED},
	mesos.TASK_FAILED:           {true, mesos.TASK_FAILED},
	mesos.TASK_KILLED:           {true, mesos.TASK_KILLED},
	mesos.TASK_ERROR:            {true, mesos.TASK_ERROR},
	mesos.TASK_LOST:             {true, mesos.TASK_LOST},
	mesos.TASK_DROPPED:          {true, mesos.TASK_LOST},
	mesos.TASK_UNREACHABLE:      {false, mesos.TASK_LOST},
	mesos.TASK_GONE:             {true, mesos.TASK_LOST},
	mesos.TASK_GONE_BY_OPERATOR: {true, mesos.TASK_LOST},
	mesos.TASK_UNKNOWN:          {false, mesos.TASK_LOST},
}

func TestStates(t *testing.T) {
	if len(states) != len(mesos.TaskState_name) {
		t.Errorf("%d of the %d states are tested", len(states), len(mesos.TaskState_name))
	}
	for state, want := range states {
		if got := taskstatus.IsTerminal(state); got != want.final {
			t.Errorf("%s is final: got %t, want %t", state, got, want.final)
		}
		if got := taskstatus.BeforePartitionAware(state); got != want.before {
			t.Errorf("%s before PARTITION_AWARE: got %s, want %s", state, got, want.before)
		}
	}
}

func TestStatesBeforePartitionAwareStayAsTheyAre(t *testing.T) {
	for state := range states {
		once := taskstatus.BeforePartitionAware(state)
		if twice := taskstatus.BeforePartitionAware(once); twice != once {
			t.Errorf("%s becomes %s, and %s when asked again", state, once, twice)
		}
	}
}

func TestNewStatus(t *testing.T) {
	reason := mesos.REASON_AGENT_REMOVED
	full := taskstatus.New("t", mesos.TASK_LOST, mesos.SOURCE_MASTER, &reason, "it is gone")
	switch {
	case full.TaskID.Value != "t", full.GetState() != mesos.TASK_LOST, full.GetSource() != mesos.SOURCE_MASTER:
		t.Errorf("got %v", full)
	case full.GetReason() != reason, full.GetMessage() != "it is gone":
		t.Errorf("got %v", full)
	case full.UUID != nil:
		t.Error("it has a UUID, though it must not be acknowledged")
	}
	bare := taskstatus.New("t", mesos.TASK_RUNNING, mesos.SOURCE_EXECUTOR, nil, "")
	if bare.Reason != nil || bare.Message != nil {
		t.Errorf("a status without reason and message has %v, %v", bare.Reason, bare.Message)
	}
}
