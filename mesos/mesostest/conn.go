package mesostest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/eventstream"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// Conn is the connection of an executor in this process to its agent. It is
// subscribed from the start: the first event is SUBSCRIBED. When the agent is killed
// and started again, Next subscribes anew, with what the agent has not got, and
// SUBSCRIBED is the next event. Without checkpoint the end of the agent is the end of
// the Conn.
type Conn struct {
	executor *executorState
	stream   *eventstream.Stream // of the function's own goroutine, once that runs

	// Guarded by the master's lock: what the agent did not acknowledge.
	tasks   []mesos.TaskInfo
	updates []executor.Call_Update
}

func (c *Conn) subscribe() { c.executor.subscribe(&executor.Call_Subscribe{}, c.stream) }

// Next waits for the next event. It fails when the context ends, and with io.EOF
// when the executor has, or the agent for longer than its RecoveryTimeout.
func (c *Conn) Next(ctx context.Context) (*executor.Event, error) {
	for {
		event, more := c.stream.TakeOne()
		if event != nil {
			return c.recordEvent(event.(*executor.Event)), nil
		}
		if !more {
			if err := c.resubscribe(ctx); err != nil {
				return nil, err
			}
			continue
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-c.stream.Ready:
		}
	}
}

// recordEvent remembers the tasks that the event brought, and forgets the update that it
// acknowledges.
func (c *Conn) recordEvent(event *executor.Event) *executor.Event {
	m := c.executor.agent.cluster
	m.mu.Lock()
	defer m.mu.Unlock()
	c.tasks = append(c.tasks, LaunchedTasks(event)...)
	if event.Type == executor.Event_ACKNOWLEDGED {
		uuid := event.Acknowledged.UUID
		c.updates = slices.DeleteFunc(c.updates, func(u executor.Call_Update) bool { return bytes.Equal(u.Status.UUID, uuid) })
	}
	return event
}

// resubscribe waits for the agent to be back.
func (c *Conn) resubscribe(ctx context.Context) error {
	for {
		wait, err := c.trySubscribe()
		if err != nil || wait == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-wait:
		}
	}
}

// trySubscribe subscribes if the agent is there, or returns a channel that is closed when
// it is back.
func (c *Conn) trySubscribe() (wait <-chan struct{}, err error) {
	x := c.executor
	m := x.agent.cluster
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case x.phase == executorTerminated || x.forgotten || x.gaveUp || x.agent.closed || m.closed:
		return nil, io.EOF
	case x.agent.processState == processDown:
		return x.agent.restarted, nil
	}
	c.stream = eventstream.New()
	x.resubscribe(&executor.Call_Subscribe{UnacknowledgedTasks: c.tasks, UnacknowledgedUpdates: c.updates}, c.stream)
	return nil, nil
}

// Update sends a status update. Only TaskID and State are needed: the rest is
// filled in as an executor library would. An agent that is away gets it when it is
// back.
func (c *Conn) Update(status mesos.TaskStatus) error {
	if status.State == nil {
		return errors.New("sending update: no state")
	}
	if status.Source == nil {
		status.Source = mesos.SOURCE_EXECUTOR.Enum()
	}
	if status.UUID == nil {
		u := naming.NewUUID()
		status.UUID = u[:]
	}
	if status.ExecutorID == nil {
		status.ExecutorID = &mesos.ExecutorID{Value: c.executor.id()}
	}
	m := c.executor.agent.cluster
	m.mu.Lock()
	defer m.mu.Unlock()
	if status.Timestamp == nil {
		status.Timestamp = m.now()
	}
	c.tasks = slices.DeleteFunc(c.tasks, func(t mesos.TaskInfo) bool { return t.TaskID == status.TaskID })
	c.updates = append(c.updates, executor.Call_Update{Status: status})
	if c.executor.answers() {
		c.executor.updateFrom(c.stream, status)
	}
	return nil
}

// answers reports whether the agent takes calls other than SUBSCRIBE of the executor.
func (x *executorState) answers() bool {
	return !x.forgotten && x.phase != executorRegistering && x.agent.processState != processDown && x.agent.processState != processRecovering
}

// Message sends data to the scheduler. An agent that is away never gets it.
func (c *Conn) Message(data []byte) {
	m := c.executor.agent.cluster
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.executor.answers() {
		c.executor.messageFrom(data)
	}
}

// AutoRun is a Func that runs every task that it is given: a launched task becomes
// TASK_STARTING and TASK_RUNNING, a killed one TASK_KILLED. The executor exits when its
// last task has ended, or at SHUTDOWN.
func AutoRun(ctx context.Context, x *Conn) error {
	var running []string
	for {
		event, err := x.Next(ctx)
		if err != nil {
			return err
		}
		for _, t := range LaunchedTasks(event) {
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

// LaunchedTasks lists the tasks of a LAUNCH or LAUNCH_GROUP event; none of any other.
func LaunchedTasks(event *executor.Event) []mesos.TaskInfo {
	switch event.Type {
	case executor.Event_LAUNCH:
		return []mesos.TaskInfo{event.Launch.Task}
	case executor.Event_LAUNCH_GROUP:
		return event.LaunchGroup.TaskGroup.Tasks
	}
	return nil
}
