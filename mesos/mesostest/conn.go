package mesostest

import (
	"context"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// Conn is the connection of an executor in this process to its agent. It is
// subscribed from the start: the first event is SUBSCRIBED.
type Conn struct {
	executor *executorState
}

// Next waits for the next event. It fails when the context ends or the container
// is destroyed.
func (c *Conn) Next(ctx context.Context) (*executor.Event, error) { return nil, nil }

// Update sends a status update. Only TaskID and State are needed: the rest is
// filled in as an executor library would.
func (c *Conn) Update(status mesos.TaskStatus) error { return nil }

// Message sends data to the scheduler.
func (c *Conn) Message(data []byte) error { return nil }

// Obedient is a Func that does as it is told: each task is TASK_STARTING and
// TASK_RUNNING when launched, TASK_KILLED when killed. It exits when its last task
// has ended, or at SHUTDOWN.
func Obedient(ctx context.Context, x *Conn) error { return nil }
