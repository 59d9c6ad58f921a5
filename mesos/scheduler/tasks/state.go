package tasks

import (
	"errors"
	"math"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
)

// ErrUnknown is what a store returns for a status when it has no record of the task. A task
// of ours that is still alive is then killed.
var ErrUnknown = errors.New("no record bears the task")

// State is a task's state, in Mesos' own words. It is empty when an intent was recorded,
// and the master has reported nothing.
type State string

// The states.
const (
	Staging        State = "TASK_STAGING"
	Starting       State = "TASK_STARTING"
	Running        State = "TASK_RUNNING"
	Killing        State = "TASK_KILLING"
	Finished       State = "TASK_FINISHED"
	Failed         State = "TASK_FAILED"
	Killed         State = "TASK_KILLED"
	Error          State = "TASK_ERROR"
	Dropped        State = "TASK_DROPPED"
	Gone           State = "TASK_GONE"
	GoneByOperator State = "TASK_GONE_BY_OPERATOR"
	Unreachable    State = "TASK_UNREACHABLE"
	Unknown        State = "TASK_UNKNOWN"
	Lost           State = "TASK_LOST"
)

// Terminal reports whether the task has ended for good. TASK_LOST, TASK_UNKNOWN and
// TASK_UNREACHABLE prove nothing, so they are not terminal.
func (s State) Terminal() bool {
	switch s {
	case Finished, Failed, Killed, Error, Dropped, Gone, GoneByOperator:
		return true
	}
	return false
}

// IsUncertain reports whether the task may be alive although the state does not say so.
func (s State) IsUncertain() bool {
	return s == Unreachable || s == Unknown || s == Lost
}

// IsValid reports whether it is one of the states above.
func (s State) IsValid() bool {
	switch s {
	case Staging, Starting, Running, Killing:
		return true
	}
	return s.Terminal() || s.IsUncertain()
}

// SourceK8sm is the source of statuses that no master sent: the scheduler itself knows that
// the task was never launched.
const SourceK8sm = "SOURCE_K8SM"

// Reasons of such statuses.
const (
	// ReasonInvalidOffers: the offer was gone before the launch was sent.
	ReasonInvalidOffers = "REASON_INVALID_OFFERS"
	// ReasonPrepareFailed: the payload could not be made, or its intent not be recorded.
	ReasonPrepareFailed = "REASON_PREPARE_FAILED"
	// ReasonAddressRefused: the agent's address must not be that of a node.
	ReasonAddressRefused = "REASON_ADDRESS_REFUSED"
	// ReasonWithdrawn: the demand was withdrawn before the launch was sent.
	ReasonWithdrawn = "REASON_WITHDRAWN"
	// ReasonFrameworkRemoved: Mesos has removed the framework, and all its tasks with it.
	ReasonFrameworkRemoved = "REASON_FRAMEWORK_REMOVED"
	// ReasonCallRefused: the master refused the launch as malformed.
	ReasonCallRefused = "REASON_CALL_REFUSED"
)

// ReasonReconciliation is why a master sends a status that it was asked for: it may contain
// nothing new.
const ReasonReconciliation = "REASON_RECONCILIATION"

// Status is a report about a task.
type Status struct {
	TaskID  string
	AgentID string // may be empty when the master does not know the agent
	State   State
	Reason  string // REASON_…; empty when none was given
	Source  string // SOURCE_…
	// ExecutorID is the executor that made the status, or that the task is of; it may be
	// empty.
	ExecutorID string
	Message    string
	Time       time.Time // when the status was made, by the clock of its source
	// UUID that must be acknowledged; nil for statuses by the master or by ourselves.
	UUID []byte
	// Data that the executor sent along.
	Data []byte
	// IsForeign means that it was made by another executor, or another agent, than the
	// task's. It is recorded as a claim, and changes nothing else: the master may repeat it
	// to a later scheduler.
	IsForeign bool
}

// OwnStatus makes a status that no master sends.
func OwnStatus(taskID, agentID string, s State, reason, message string) Status {
	return Status{TaskID: taskID, AgentID: agentID, State: s, Source: SourceK8sm, Reason: reason, Message: message}
}

// maxTimestamp is the end of the year 9999: later times are nonsense, and cannot be
// written.
const maxTimestamp = 253402300800

// An executor chooses how long its message and its data are. What is longer is cut, so that
// statuses which wait for the store take bounded memory; data that is cut has no meaning, and
// is left out.
const (
	maxMessage = 8 << 10
	maxData    = 256 << 10
)

// StatusOf reads a status. What was not sent is empty: the getters of mesos-go would answer
// with the first value of an enumeration.
func StatusOf(s *mesos.TaskStatus) Status {
	st := Status{
		TaskID:  s.TaskID.Value,
		AgentID: s.GetAgentID().GetValue(),
		Message: s.GetMessage(),
		UUID:    s.UUID,

		ExecutorID: s.GetExecutorID().GetValue(),
	}
	if len(st.Message) > maxMessage {
		st.Message = strings.ToValidUTF8(st.Message[:maxMessage], "") // the cut may be within a character
	}
	if len(s.Data) <= maxData {
		st.Data = s.Data
	}
	if s.State != nil {
		st.State = State(s.State.String())
	}
	if s.Reason != nil {
		st.Reason = s.Reason.String()
	}
	if s.Source != nil {
		st.Source = s.Source.String()
	}
	if t := s.GetTimestamp(); t > 0 && t < maxTimestamp {
		sec, frac := math.Modf(t)
		st.Time = time.Unix(int64(sec), int64(frac*1e9)).UTC()
	}
	return st
}
