package scheduler

import (
	"testing"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// An executor can send any number of them, of any size.
func TestMessagesOfExecutorsAreDropped(t *testing.T) {
	if _, handled := onEvent[schedulerpb.Event_MESSAGE]; handled {
		t.Error("something is done with MESSAGE events: bound it for each task and agent")
	}
}
