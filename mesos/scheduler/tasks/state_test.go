package tasks_test

import (
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
)

// Every state of Mesos is either alive, terminal or uncertain: a state that was forgotten
// would be dropped when a master reports it.
func TestEveryStateOfMesosIsClassified(t *testing.T) {
	t.Parallel()
	alive := map[tasks.State]bool{tasks.Staging: true, tasks.Starting: true, tasks.Running: true, tasks.Killing: true}
	uncertain := map[tasks.State]bool{tasks.Unreachable: true, tasks.Unknown: true, tasks.Lost: true}
	for name := range mesos.TaskState_value {
		s := tasks.State(name)
		if !s.IsValid() {
			t.Errorf("%s is not valid", s)
		}
		if s.IsUncertain() != uncertain[s] {
			t.Errorf("%s is uncertain: %v", s, s.IsUncertain())
		}
		if s.Terminal() != (!alive[s] && !uncertain[s]) {
			t.Errorf("%s is terminal: %v", s, s.Terminal())
		}
	}
	for _, s := range []tasks.State{"", "TASK_", "TASK_DANCING", "running"} {
		if s.IsValid() || s.Terminal() || s.IsUncertain() {
			t.Errorf("%q is a state", s)
		}
	}
}

func TestStatusOfOmitsMissingFields(t *testing.T) {
	t.Parallel()
	st := tasks.StatusOf(&mesos.TaskStatus{TaskID: mesos.TaskID{Value: "n1"}})
	if st.TaskID != "n1" || st.AgentID != "" || st.State != "" || st.Reason != "" || st.Source != "" || !st.Time.IsZero() || st.UUID != nil {
		t.Errorf("the status is %+v", st)
	}
}

func TestStatusOfReadsEverything(t *testing.T) {
	t.Parallel()
	message, when := "out of memory", 1.5
	st := tasks.StatusOf(&mesos.TaskStatus{
		TaskID: mesos.TaskID{Value: "n1"}, AgentID: &mesos.AgentID{Value: "S1"}, State: mesos.TASK_FAILED.Enum(),
		Reason: mesos.REASON_CONTAINER_LIMITATION_MEMORY.Enum(), Source: mesos.SOURCE_AGENT.Enum(), Message: &message,
		Timestamp: &when, UUID: []byte("u1"), Data: []byte("data"),
	})
	if st.AgentID != "S1" || st.State != tasks.Failed || st.Reason != "REASON_CONTAINER_LIMITATION_MEMORY" || st.Source != "SOURCE_AGENT" ||
		st.Message != message || string(st.UUID) != "u1" || string(st.Data) != "data" {
		t.Errorf("the status is %+v", st)
	}
	if want := time.Unix(1, 5e8).UTC(); !st.Time.Equal(want) {
		t.Errorf("the time is %s, want %s", st.Time, want)
	}
}

// An executor chooses how much it writes.
func TestStatusOfBoundsWhatExecutorsWrite(t *testing.T) {
	t.Parallel()
	message := strings.Repeat("ä", 1<<20)
	st := tasks.StatusOf(&mesos.TaskStatus{Message: &message, Data: make([]byte, 3<<20)})
	if len(st.Message) > 8<<10 || !utf8.ValidString(st.Message) || !strings.HasPrefix(message, st.Message) {
		t.Errorf("the message has %d bytes", len(st.Message))
	}
	if st.Data != nil {
		t.Errorf("%d bytes of data are kept", len(st.Data))
	}
	if st := tasks.StatusOf(&mesos.TaskStatus{Data: make([]byte, 64<<10)}); len(st.Data) != 64<<10 {
		t.Errorf("of a report of 64 KiB, %d bytes are kept", len(st.Data))
	}
}

func TestInvalidTimestampsAreDropped(t *testing.T) {
	t.Parallel()
	for _, x := range []float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), 1e300, 253402300800} {
		st := tasks.StatusOf(&mesos.TaskStatus{Timestamp: &x})
		if !st.Time.IsZero() {
			t.Errorf("%g is read as %s", x, st.Time)
		}
	}
	last := 253402300799.0
	if st := tasks.StatusOf(&mesos.TaskStatus{Timestamp: &last}); st.Time.Year() != 9999 {
		t.Errorf("the last second that can be written is read as %s", st.Time)
	}
}
