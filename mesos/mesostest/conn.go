package mesostest

import (
	"context"
	"errors"
	"io"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// Conn is the connection of an executor in this process to its agent. It is
// subscribed from the start: the first event is SUBSCRIBED.
type Conn struct {
	executor *executorState
	stream   *stream
}

func (c *Conn) subscribe() {
	m := c.executor.agent.master
	m.mu.Lock()
	defer m.mu.Unlock()
	c.executor.subscribed(c.stream)
}

// Next waits for the next event. It fails when the context ends, and with io.EOF
// when the executor has.
func (c *Conn) Next(ctx context.Context) (*executor.Event, error) {
	for {
		event, more := c.stream.takeOne()
		if event != nil {
			return event.(*executor.Event), nil
		}
		if !more {
			return nil, io.EOF
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.stream.ready:
		}
	}
}

// Update sends a status update. Only TaskID and State are needed: the rest is
// filled in as an executor library would.
func (c *Conn) Update(status mesos.TaskStatus) error {
	if status.State == nil {
		return errors.New("sending update: no state")
	}
	if status.Source == nil {
		status.Source = mesos.SOURCE_EXECUTOR.Enum()
	}
	if status.UUID == nil {
		u := newUUID()
		status.UUID = u[:]
	}
	m := c.executor.agent.master
	m.mu.Lock()
	defer m.mu.Unlock()
	c.executor.updateFrom(c.stream, status)
	return nil
}

// Message sends data to the scheduler.
func (c *Conn) Message(data []byte) {
	m := c.executor.agent.master
	m.mu.Lock()
	defer m.mu.Unlock()
	c.executor.messageFrom(data)
}

// Obedient is a Func that does as it is told: each task is TASK_STARTING and
// TASK_RUNNING when launched, TASK_KILLED when killed. It exits when its last task
// has ended, or at SHUTDOWN.
func Obedient(ctx context.Context, x *Conn) error {
	var running []string
	for {
		event, err := x.Next(ctx)
		if err != nil {
			return err
		}
		for _, t := range Launched(event) {
			running = append(running, t.TaskID.Value)
			for _, state := range []mesos.TaskState{mesos.TASK_STARTING, mesos.TASK_RUNNING} {
				if err := x.Update(mesos.TaskStatus{TaskID: t.TaskID, State: &state}); err != nil {
					return err
				}
			}
		}
		switch event.Type {
		case executor.Event_SHUTDOWN:
			return nil
		case executor.Event_KILL:
			killed := mesos.TASK_KILLED
			if err := x.Update(mesos.TaskStatus{TaskID: event.Kill.TaskID, State: &killed}); err != nil {
				return err
			}
			running = slices.DeleteFunc(running, func(id string) bool { return id == event.Kill.TaskID.Value })
			if len(running) == 0 {
				return nil
			}
		}
	}
}

// Launched lists the tasks of a LAUNCH or LAUNCH_GROUP event; none of any other.
func Launched(event *executor.Event) []mesos.TaskInfo {
	switch event.Type {
	case executor.Event_LAUNCH:
		return []mesos.TaskInfo{event.Launch.Task}
	case executor.Event_LAUNCH_GROUP:
		return event.LaunchGroup.TaskGroup.Tasks
	}
	return nil
}
