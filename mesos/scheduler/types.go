package scheduler

import (
	"errors"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
)

// ErrUnknownTask is what a store returns for a status when no record bears its task. A
// task of ours that is still alive is then killed.
var ErrUnknownTask = errors.New("no record bears the task")

// TaskState is a task's state, in Mesos' own words. Empty: an intent was written, and
// nothing has been heard.
type TaskState string

// The task states.
const (
	TaskStaging        TaskState = "TASK_STAGING"
	TaskStarting       TaskState = "TASK_STARTING"
	TaskRunning        TaskState = "TASK_RUNNING"
	TaskKilling        TaskState = "TASK_KILLING"
	TaskFinished       TaskState = "TASK_FINISHED"
	TaskFailed         TaskState = "TASK_FAILED"
	TaskKilled         TaskState = "TASK_KILLED"
	TaskError          TaskState = "TASK_ERROR"
	TaskDropped        TaskState = "TASK_DROPPED"
	TaskGone           TaskState = "TASK_GONE"
	TaskGoneByOperator TaskState = "TASK_GONE_BY_OPERATOR"
	TaskUnreachable    TaskState = "TASK_UNREACHABLE"
	TaskUnknown        TaskState = "TASK_UNKNOWN"
	TaskLost           TaskState = "TASK_LOST"
)

// Terminal says that the task has ended for good. TASK_LOST, TASK_UNKNOWN and
// TASK_UNREACHABLE prove nothing, so they are not.
func (s TaskState) Terminal() bool {
	switch s {
	case TaskFinished, TaskFailed, TaskKilled, TaskError, TaskDropped, TaskGone, TaskGoneByOperator:
		return true
	}
	return false
}

// known says that it is one of the states above.
func (s TaskState) known() bool {
	switch s {
	case TaskStaging, TaskStarting, TaskRunning, TaskKilling:
		return true
	}
	return s.Terminal() || s.doubtful()
}

// doubtful says that the task may be alive although the state does not say so.
func (s TaskState) doubtful() bool {
	return s == TaskUnreachable || s == TaskUnknown || s == TaskLost
}

// SourceK8sm is the source of statuses that no master sent: we know by ourselves that
// the task was never launched.
const SourceK8sm = "SOURCE_K8SM"

// Reasons of such statuses.
const (
	// ReasonInvalidOffers: the offer was gone before the launch was sent.
	ReasonInvalidOffers = "REASON_INVALID_OFFERS"
	// ReasonPrepareFailed: the payload could not be made, or its intent not be written.
	ReasonPrepareFailed = "REASON_PREPARE_FAILED"
	// ReasonWithdrawn: the demand was withdrawn before the launch was sent.
	ReasonWithdrawn = "REASON_WITHDRAWN"
	// ReasonFrameworkRemoved: Mesos has removed the framework, and all its tasks with it.
	ReasonFrameworkRemoved = "REASON_FRAMEWORK_REMOVED"
	// ReasonCallRefused: the master refused the launch as malformed.
	ReasonCallRefused = "REASON_CALL_REFUSED"
)

// ReasonReconciliation is why a master sends a status that it was asked for: it may say
// nothing new.
const ReasonReconciliation = "REASON_RECONCILIATION"

// TaskStatus is what was told of a task.
type TaskStatus struct {
	TaskID  string
	AgentID string // may be empty when the master does not know the agent
	State   TaskState
	Reason  string // REASON_…; empty when none was given
	Source  string // SOURCE_…
	Message string
	Time    time.Time // when the status was made, by the clock of its source
	// UUID that must be acknowledged; nil for statuses by the master or by ourselves.
	UUID []byte
	// Data that the executor sent along.
	Data []byte
}

// Intent is a task about to be launched: it is recorded before Mesos is asked.
type Intent struct {
	TaskID     string
	AgentID    string
	Hostname   string
	Address    string // the agent's IP address; empty when its offer tells none
	Region     string
	Zone       string
	Attributes map[string]string // as text: scalars as numbers, ranges as [1-5,7-9]
	Ports      []int             // concrete ports, as many as were wanted, ascending
	Resources  placement.Resources
}

// URI is a file that the agent fetches into the sandbox before the executor starts.
type URI struct {
	Value      string
	Executable bool
}

// Payload is what an intent is launched with: a task and the executor of its own.
type Payload struct {
	// Name of the task.
	Name string
	// Data of the task. It appears in no answer of masters and agents.
	Data []byte
	// Command that starts the executor, for a shell.
	Command string
	// URIs that the command needs.
	URIs []URI
	// Overhead is the part of the intent's resources that is the executor's; the rest
	// is the task's.
	Overhead placement.Resources
	// Labels of the task. They are visible to all who may read the master's state.
	Labels map[string]string
	// KillGrace is how long the executor has from KILL, or SHUTDOWN, to its end.
	KillGrace time.Duration
}

// Task is a task that may be alive, as the durable records tell it after a restart.
type Task struct {
	ID      string
	AgentID string
	Group   string    // the demand's group: it counts for MaxPerAgent
	State   TaskState // the last that was recorded; empty for a bare intent
}

// Info says as what to register.
type Info struct {
	// ID under which the framework is registered; empty only if none was ever given.
	ID        string
	Name      string
	User      string
	Principal string
	Hostname  string
	WebUIURL  string
	// Roles in which offers are wanted; at least one, without duplicates.
	Roles []string
	// FailoverTimeout is how long the master keeps tasks alive without us; 0 is a week.
	FailoverTimeout time.Duration
}

// Window is when an agent is unavailable.
type Window = placement.MaintenanceWindow

// State is what is known of the registration.
type State struct {
	// Subscribed says that there is a stream, and that the master took us.
	Subscribed bool
	// Reconciled says that the master was asked for all tasks, and that launches may
	// follow.
	Reconciled    bool
	FrameworkID   string
	Master        string // host:port of the leading master
	MasterVersion string
	// Reason is one of StateReasons; empty only in the zero State.
	Reason StateReason
	// Message is for a person.
	Message string
	// Final says that the session has ended, and nothing but a new one helps.
	Final bool
	// Divergence is what the master keeps although we said otherwise, for a person: "user
	// root, not nobody". Empty if nothing is.
	Divergence string
}
