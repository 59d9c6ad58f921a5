package executor

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// State of the task, as the executor reports it.
type State string

// The states.
const (
	Starting State = "TASK_STARTING"
	Running  State = "TASK_RUNNING"
	// Killing is told where the framework knows it: the task was told to end, and has not
	// yet. What drains a node has that long.
	Killing  State = "TASK_KILLING"
	Finished State = "TASK_FINISHED"
	Failed   State = "TASK_FAILED"
	Killed   State = "TASK_KILLED"
	// Error is for a task that would fail again wherever it were launched.
	Error State = "TASK_ERROR"
)

// Terminal says whether nothing can follow the state.
func (s State) Terminal() bool {
	return s == Finished || s == Failed || s == Killed || s == Error
}

// Identity is what an agent knows an executor by.
type Identity struct {
	FrameworkID, ExecutorID string
	// AgentID may be empty.
	AgentID string
}

// Task is the one task of an executor.
type Task struct {
	ID, Name string
	Data     []byte
	// KillGrace is the grace period of the task's own kill policy, 0 where it has none.
	KillGrace time.Duration
}

// Kill asks for the end of the task.
type Kill struct {
	// Grace between asking and forcing, -1 where the call brought no kill policy.
	Grace time.Duration
}

// Report is what is told of the task.
type Report struct {
	State State
	// Message is for people. With Running it says what ails the task, which then is not
	// healthy.
	Message string
	// Data is for the framework.
	Data []byte
}

// Decision is what one event asks of the shell. At most one of Launch, Kill, Message,
// Shutdown and Failure is set.
type Decision struct {
	// Subscribed: the agent has taken the SUBSCRIBE. All that was unacknowledged was
	// in it.
	Subscribed bool
	// Launch is to be started.
	Launch *Task
	// Refuse are tasks that this executor can't run: each to be given to Core.Refuse.
	Refuse []string
	// Kill is to be passed to the workload.
	Kill *Kill
	// Message of the framework, to be passed to the workload.
	Message []byte
	// Shutdown: the agent wants the executor to end, and kills it soon.
	Shutdown bool
	// Failure is the agent's word that it can't go on with this executor.
	Failure error
}

// Core remembers what the agent must be told again, and decides what events ask for.
// Not safe for concurrent use.
type Core struct {
	id       Identity
	task     *mesos.TaskInfo
	pending  []*pendingUpdate
	terminal bool
	// tellsKilling: the framework has said that it knows TASK_KILLING; killing: it was told.
	tellsKilling, killing bool
	// taskKnown: the agent has acknowledged an update of the task, so it needs not be
	// told of the task itself.
	taskKnown bool
}

type pendingUpdate struct {
	status mesos.TaskStatus
	sent   time.Time // zero: never
}

// NewCore returns the core of an executor that was not launched yet.
func NewCore(id Identity) *Core { return &Core{id: id} }

// Subscribe returns the SUBSCRIBE call, with all that the agent has not acknowledged.
// The updates in it count as sent now.
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

// Event takes an event of the agent. Types that are unknown ask for nothing.
func (c *Core) Event(e *executor.Event) Decision {
	switch e.GetType() {
	case executor.Event_SUBSCRIBED:
		for _, known := range e.GetSubscribed().GetFrameworkInfo().Capabilities {
			c.tellsKilling = c.tellsKilling || known.Type == mesos.FrameworkInfo_Capability_TASK_KILLING_STATE
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

// TellsKilling says whether TASK_KILLING is to be told: only to a framework with that
// capability.
func (c *Core) TellsKilling() bool { return c.tellsKilling }

// Update notes a report of the task, for Due and Subscribe to tell the agent. It notes
// nothing before the launch and after a terminal state; after a KILL, no state but that.
func (c *Core) Update(r Report, uuid []byte, now time.Time) {
	if c.task == nil || c.terminal || c.killing && !r.State.Terminal() {
		return
	}
	c.terminal, c.killing = r.State.Terminal(), r.State == Killing
	c.note(c.task.TaskID.Value, r, uuid, now)
}

// Refuse notes that a task which is not this executor's can't be run.
func (c *Core) Refuse(taskID string, uuid []byte, now time.Time) {
	c.note(taskID, Report{State: Error, Message: "this executor runs one task, launched by itself"}, uuid, now)
}

func (c *Core) note(taskID string, r Report, uuid []byte, now time.Time) {
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

// Due returns the updates that were never sent, or were sent at least age ago and are
// still not acknowledged, and all that came after them: the agent takes states in the
// order in which they come. It knows copies by their uuid.
func (c *Core) Due(now time.Time, age time.Duration) []*executor.Call {
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

// Unsent takes back what Due gave out and could not be sent. It is all due again.
func (c *Core) Unsent() {
	for _, p := range c.pending {
		p.sent = time.Time{}
	}
}

// Settled says that nothing is left to be told: every update was acknowledged, and the
// task, if there was one, has ended.
func (c *Core) Settled() bool {
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
