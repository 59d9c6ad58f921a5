// Package taskstatus makes task statuses, and knows which states are final.
package taskstatus

import mesos "github.com/mesos/mesos-go/api/v1/lib"

// New begins a status update that a master or an agent makes.
func New(taskID string, state mesos.TaskState, source mesos.TaskStatus_Source, reason *mesos.TaskStatus_Reason, message string) mesos.TaskStatus {
	status := mesos.TaskStatus{
		TaskID: mesos.TaskID{Value: taskID},
		State:  &state,
		Source: &source,
		Reason: reason,
	}
	if message != "" {
		status.Message = &message
	}
	return status
}

// IsTerminal reports whether a task in the state has ended for good.
func IsTerminal(state mesos.TaskState) bool {
	switch state {
	case mesos.TASK_FINISHED, mesos.TASK_FAILED, mesos.TASK_KILLED, mesos.TASK_ERROR, mesos.TASK_LOST,
		mesos.TASK_DROPPED, mesos.TASK_GONE, mesos.TASK_GONE_BY_OPERATOR:
		return true
	}
	return false
}

// BeforePartitionAware is the state that a framework without PARTITION_AWARE reads in its
// place: it knows no loss but TASK_LOST.
func BeforePartitionAware(state mesos.TaskState) mesos.TaskState {
	switch state {
	case mesos.TASK_DROPPED, mesos.TASK_GONE, mesos.TASK_GONE_BY_OPERATOR, mesos.TASK_UNKNOWN, mesos.TASK_UNREACHABLE:
		return mesos.TASK_LOST
	}
	return state
}
