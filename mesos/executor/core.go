package executor

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// State is a state of the task that the executor reports.
type State string

// The states.
const (
	Starting State = "TASK_STARTING"
	Running  State = "TASK_RUNNING"
	// Killing: the task must end, and has not ended yet. It is reported only to a
	// framework that supports it.
	Killing  State = "TASK_KILLING"
	Finished State = "TASK_FINISHED"
	Failed   State = "TASK_FAILED"
	Killed   State = "TASK_KILLED"
	// Error is for a task that would fail on every agent.
	Error State = "TASK_ERROR"
)

// Terminal reports whether no other state can follow.
func (s State) Terminal() bool {
	return s == Finished || s == Failed || s == Killed || s == Error
}

// Identity identifies an executor to its agent.
type Identity struct {
	FrameworkID, ExecutorID string
	// AgentID may be empty.
	AgentID string
}

// Task is the one task of an executor.
type Task struct {
	ID, Name string
	Data     []byte
	// KillGrace is the grace period of the task's kill policy; 0 if it has none.
	KillGrace time.Duration
}

// Kill asks for the end of the task.
type Kill struct {
	// Grace is the time between asking the task to end and killing it; -1 if the call has no
	// kill policy.
	Grace time.Duration
}

// Report is what the workload reports of the task.
type Report struct {
	State State
	// Message is for a person. With Running it is a problem of the task, which then counts as
	// unhealthy.
	Message string
	// Data is for the framework.
	Data []byte
}

// Decision is what the driver has to do because of one event. At most one of Launch, Kill,
// Message, Shutdown and Failure is set.
type Decision struct {
	// Subscribed: the agent accepted the SUBSCRIBE, which contained all unacknowledged
	// updates.
	Subscribed bool
	// Launch is the task to start.
	Launch *Task
	// Refuse has the IDs of tasks that this executor cannot run. Each must be passed to
	// Core.Refuse.
	Refuse []string
	// Kill is to be passed to the workload; nil for none.
	Kill *Kill
	// Message of the framework, to be passed to the workload; nil for none.
	Message []byte
	// Shutdown: the executor must end. The agent kills it soon.
	Shutdown bool
	// Failure is the agent's ERROR: it does not go on with this executor.
	Failure error
}

// Core keeps the updates that the agent has not acknowledged, and decides what events require.
// It is not safe for concurrent use.
type Core struct {
	id       Identity
	task     *mesos.TaskInfo
	pending  []*pendingUpdate
	terminal bool // a terminal state was reported
	// supportsKilling: the framework has the capability TASK_KILLING_STATE.
	supportsKilling bool
	killing         bool // TASK_KILLING was reported
	// taskKnown: the agent acknowledged an update of the task, so that a SUBSCRIBE need not
	// contain the task.
	taskKnown bool
}

type pendingUpdate struct {
	status mesos.TaskStatus
	sent   time.Time // zero if it was not sent
}

// NewCore returns the core of an executor that has no task yet.
func NewCore(id Identity) *Core { return &Core{id: id} }

// Subscribe returns a SUBSCRIBE call with everything that the agent has not acknowledged. The
// updates in it count as sent now.
func (c *Core) Subscribe(now time.Time) *executor.Call {
	call := c.call(executor.Call_SUBSCRIBE)
	call.Subscribe = &executor.Call_Subscribe{}
	if c.task != nil && !c.taskKnown {
		call.Subscribe.UnacknowledgedTasks = []mesos.TaskInfo{*c.task}
	}
	for _, p := range c.pending {
		p.sent = now
		call.Subscribe.UnacknowledgedUpdates = append(call.Subscribe.UnacknowledgedUpdates,
			executor.Call_Update{Status: p.status})
	}
	return call
}

// HandleEvent takes an event of the agent. Events of unknown types require nothing.
func (c *Core) HandleEvent(e *executor.Event) Decision {
	switch e.GetType() {
	case executor.Event_SUBSCRIBED:
		for _, capability := range e.GetSubscribed().GetFrameworkInfo().Capabilities {
			c.supportsKilling = c.supportsKilling || capability.Type == mesos.FrameworkInfo_Capability_TASK_KILLING_STATE
		}
		return Decision{Subscribed: true}
	case executor.Event_LAUNCH:
		if e.Launch != nil {
			return c.launch(e.Launch.Task)
		}
	case executor.Event_LAUNCH_GROUP:
		if e.LaunchGroup != nil {
			return refuseGroup(e.LaunchGroup.TaskGroup.Tasks)
		}
	case executor.Event_KILL:
		return c.kill(e.Kill)
	case executor.Event_MESSAGE:
		if c.task != nil {
			return Decision{Message: e.GetMessage().GetData()}
		}
	case executor.Event_ACKNOWLEDGED:
		c.acknowledged(e.Acknowledged)
	case executor.Event_SHUTDOWN:
		return Decision{Shutdown: true}
	case executor.Event_ERROR:
		return Decision{Failure: fmt.Errorf("agent refuses this executor: %s", e.GetError().GetMessage())}
	}
	return Decision{}
}

func (c *Core) launch(task mesos.TaskInfo) Decision {
	if c.task != nil {
		if c.task.TaskID.Value == task.TaskID.Value {
			return Decision{}
		}
		return Decision{Refuse: []string{task.TaskID.Value}}
	}
	c.task = &task
	t := &Task{ID: task.TaskID.Value, Name: task.Name, Data: task.Data}
	if grace := task.KillPolicy.GetGracePeriod(); grace != nil {
		t.KillGrace = time.Duration(grace.Nanoseconds)
	}
	return Decision{Launch: t}
}

func refuseGroup(tasks []mesos.TaskInfo) Decision {
	var d Decision
	for i := range tasks {
		d.Refuse = append(d.Refuse, tasks[i].TaskID.Value)
	}
	return d
}

func (c *Core) kill(k *executor.Event_Kill) Decision {
	if k == nil || c.task == nil || k.TaskID.Value != c.task.TaskID.Value {
		return Decision{}
	}
	kill := &Kill{Grace: -1}
	if grace := k.KillPolicy.GetGracePeriod(); grace != nil {
		kill.Grace = time.Duration(max(grace.Nanoseconds, 0))
	}
	return Decision{Kill: kill}
}

func (c *Core) acknowledged(ack *executor.Event_Acknowledged) {
	if ack == nil {
		return
	}
	if c.task != nil && ack.TaskID.Value == c.task.TaskID.Value {
		c.taskKnown = true
	}
	for i, p := range c.pending {
		if p.status.TaskID == ack.TaskID && bytes.Equal(p.status.UUID, ack.UUID) {
			c.pending = append(c.pending[:i], c.pending[i+1:]...)
			return
		}
	}
}

// SupportsKilling reports whether the framework supports TASK_KILLING.
func (c *Core) SupportsKilling() bool { return c.supportsKilling }

// Update adds an update of the task, to be sent by TakeDue or Subscribe. It is ignored before
// the launch and after a terminal state. After Killing only a terminal state is added.
func (c *Core) Update(r Report, uuid []byte, now time.Time) {
	if c.task == nil || c.terminal || c.killing && !r.State.Terminal() {
		return
	}
	c.terminal, c.killing = r.State.Terminal(), r.State == Killing
	c.addUpdate(c.task.TaskID.Value, r, uuid, now)
}

// Refuse adds an update for a task that this executor cannot run.
func (c *Core) Refuse(taskID string, uuid []byte, now time.Time) {
	c.addUpdate(taskID, Report{State: Error, Message: "this executor runs one task, launched by itself"}, uuid, now)
}

func (c *Core) addUpdate(taskID string, r Report, uuid []byte, now time.Time) {
	taskState := mesos.TaskState(mesos.TaskState_value[string(r.State)])
	source := mesos.SOURCE_EXECUTOR
	timestamp := float64(now.UnixNano()) / float64(time.Second)
	status := mesos.TaskStatus{
		TaskID:     mesos.TaskID{Value: taskID},
		State:      &taskState,
		Source:     &source,
		ExecutorID: &mesos.ExecutorID{Value: c.id.ExecutorID},
		Timestamp:  &timestamp,
		UUID:       uuid,
		Data:       r.Data,
	}
	if r.Message != "" {
		status.Message = &r.Message
	}
	if r.State == Running {
		status.Healthy = new(r.Message == "")
	}
	if c.id.AgentID != "" {
		status.AgentID = &mesos.AgentID{Value: c.id.AgentID}
	}
	c.pending = append(c.pending, &pendingUpdate{status: status})
}

// TakeDue returns the updates that were never sent, or were sent at least age ago and are not
// acknowledged, and all updates after them, because the agent processes states in the order
// of arrival. They count as sent now. The agent recognizes a copy by its UUID.
func (c *Core) TakeDue(now time.Time, age time.Duration) []*executor.Call {
	due := slices.IndexFunc(c.pending, func(p *pendingUpdate) bool { return now.Sub(p.sent) >= age })
	if due < 0 {
		return nil
	}
	var calls []*executor.Call
	for _, p := range c.pending[due:] {
		p.sent = now
		calls = append(calls, c.update(p))
	}
	return calls
}

// ResetSent makes all updates due again, after they could not be sent.
func (c *Core) ResetSent() {
	for _, p := range c.pending {
		p.sent = time.Time{}
	}
}

// IsFinished reports whether nothing is left to send: every update was acknowledged, and the
// task, if there was one, has ended.
func (c *Core) IsFinished() bool {
	return len(c.pending) == 0 && (c.task == nil || c.terminal)
}

func (c *Core) update(p *pendingUpdate) *executor.Call {
	call := c.call(executor.Call_UPDATE)
	call.Update = &executor.Call_Update{Status: p.status}
	return call
}

func (c *Core) call(kind executor.Call_Type) *executor.Call {
	return &executor.Call{
		Type:        kind,
		FrameworkID: mesos.FrameworkID{Value: c.id.FrameworkID},
		ExecutorID:  mesos.ExecutorID{Value: c.id.ExecutorID},
	}
}
