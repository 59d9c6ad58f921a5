package scheduler

import (
	"errors"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/agents"
	"github.com/k8sm/k8sm/mesos/scheduler/connection"
	"github.com/k8sm/k8sm/mesos/scheduler/launches"
	"github.com/k8sm/k8sm/mesos/scheduler/outgoing"
	"github.com/k8sm/k8sm/mesos/scheduler/registration"
	"github.com/k8sm/k8sm/mesos/scheduler/tasks"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// The types of the packages below that callers of this one need.
type (
	// Info describes the framework to the master.
	Info = registration.Info
	// Call is a call of the scheduler API.
	Call = outgoing.Call
	// Intent is a task about to be launched: it is recorded before Mesos is asked.
	Intent = launches.Intent
	// Payload is what an intent is launched with: a task and the executor of its own.
	Payload = launches.Payload
	// URI is a file that the agent fetches into the sandbox before the executor starts.
	URI = launches.URI
	// TaskState is a task's state, in Mesos' own words.
	TaskState = tasks.State
	// TaskStatus is a report about a task.
	TaskStatus = tasks.Status
	// State is what is known of the registration.
	State = connection.State
	// StateReason is why a State is as it is, in one word.
	StateReason = connection.StateReason
	// Timing holds the durations and limits of a core.
	Timing = timers.Timing
	// Backoff is a delay that doubles.
	Backoff = timers.Backoff
	// AgentFailure is what failed on one agent.
	AgentFailure = agents.Failure
	// Window is when an agent is unavailable.
	Window = placement.MaintenanceWindow
)

// The task states.
const (
	TaskStaging        = tasks.Staging
	TaskStarting       = tasks.Starting
	TaskRunning        = tasks.Running
	TaskKilling        = tasks.Killing
	TaskFinished       = tasks.Finished
	TaskFailed         = tasks.Failed
	TaskKilled         = tasks.Killed
	TaskError          = tasks.Error
	TaskDropped        = tasks.Dropped
	TaskGone           = tasks.Gone
	TaskGoneByOperator = tasks.GoneByOperator
	TaskUnreachable    = tasks.Unreachable
	TaskUnknown        = tasks.Unknown
	TaskLost           = tasks.Lost
)

// The reasons of a State. Package connection describes them.
const (
	Subscribed               = connection.Subscribed
	Connecting               = connection.Connecting
	ReconcilingTasks         = connection.ReconcilingTasks
	MasterUnreachable        = connection.MasterUnreachable
	NoLeader                 = connection.NoLeader
	NotLeading               = connection.NotLeading
	TooManyRedirects         = connection.TooManyRedirects
	Unauthorized             = connection.Unauthorized
	MasterCertificateInvalid = connection.MasterCertificateInvalid
	ClientCertificateRefused = connection.ClientCertificateRefused
	ConnectionClosed         = connection.ConnectionClosed
	NotAMesosMaster          = connection.NotAMesosMaster
	ProtocolError            = connection.ProtocolError
	Refused                  = connection.Refused
	FrameworkRemoved         = connection.FrameworkRemoved
	FailedOver               = connection.FailedOver
)

// StateReasons returns every reason that a State may have.
func StateReasons() []StateReason { return connection.StateReasons() }

// The source and the reasons of statuses that no master sent, and the reason of those that
// a master was asked for. Package tasks describes them.
const (
	SourceK8sm             = tasks.SourceK8sm
	ReasonInvalidOffers    = tasks.ReasonInvalidOffers
	ReasonPrepareFailed    = tasks.ReasonPrepareFailed
	ReasonAddressRefused   = tasks.ReasonAddressRefused
	ReasonWithdrawn        = tasks.ReasonWithdrawn
	ReasonFrameworkRemoved = tasks.ReasonFrameworkRemoved
	ReasonCallRefused      = tasks.ReasonCallRefused
	ReasonReconciliation   = tasks.ReasonReconciliation
)

// ErrAgentRefused is what a store returns for an intent on an agent that it refuses: another agent
// may do.
var ErrAgentRefused = errors.New("the agent is refused")

// ErrUnknownTask is what a store returns for a status when it has no record of the task. A
// task of ours that is still alive is then killed.
var ErrUnknownTask = tasks.ErrUnknown

// Task is a task that may be alive, as the durable records have it after a restart.
type Task struct {
	ID      string
	AgentID string
	// Hostname of the agent; empty if it is not known.
	Hostname string
	Group    string    // the demand's group: it counts for MaxPerAgent
	State    TaskState // the last that was recorded; empty for a bare intent
	// Disputed are the states that foreign statuses claimed, and that are on record.
	Disputed []TaskState
}

// Counters only grow.
type Counters struct {
	Accepted  uint64 // offers
	Declined  uint64 // offers
	Rescinded uint64 // offers
	Expired   uint64 // offers whose intents were not prepared in time
	Voided    uint64 // offers lost with a stream
	Malformed uint64 // offers that could not be read
	Launched  uint64 // tasks
	Dropped   uint64 // tasks that were placed and not launched
	Plans     uint64 // passes of placement
	Ignored   uint64 // status updates that another executor, or another agent, made
}
