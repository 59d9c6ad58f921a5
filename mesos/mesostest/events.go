package mesostest

import (
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

var heartbeatEvent = &schedulerpb.Event{Type: schedulerpb.Event_HEARTBEAT}

func subscribedEvent(frameworkID string, interval float64, master *mesos.MasterInfo) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED, Subscribed: &schedulerpb.Event_Subscribed{
		FrameworkID:              &mesos.FrameworkID{Value: frameworkID},
		HeartbeatIntervalSeconds: &interval,
		MasterInfo:               master,
	}}
}

func offersEvent(offers []mesos.Offer) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_OFFERS, Offers: &schedulerpb.Event_Offers{Offers: offers}}
}

func rescindEvent(offerID string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_RESCIND, Rescind: &schedulerpb.Event_Rescind{
		OfferID: mesos.OfferID{Value: offerID},
	}}
}

func updateEvent(status mesos.TaskStatus) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE, Update: &schedulerpb.Event_Update{Status: status}}
}

func errorEvent(message string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_ERROR, Error: &schedulerpb.Event_Error{Message: message}}
}

// failureEvent tells of an agent, or, with an executor's ID, of that executor.
func failureEvent(agentID, executorID string, status int32) *schedulerpb.Event {
	failure := &schedulerpb.Event_Failure{AgentID: &mesos.AgentID{Value: agentID}}
	if executorID != "" {
		failure.ExecutorID = &mesos.ExecutorID{Value: executorID}
		failure.Status = &status
	}
	return &schedulerpb.Event{Type: schedulerpb.Event_FAILURE, Failure: failure}
}

func messageEvent(agentID, executorID string, data []byte) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_MESSAGE, Message: &schedulerpb.Event_Message{
		AgentID:    mesos.AgentID{Value: agentID},
		ExecutorID: mesos.ExecutorID{Value: executorID},
		Data:       data,
	}}
}

func launchEvent(task mesos.TaskInfo) *executor.Event {
	return &executor.Event{Type: executor.Event_LAUNCH, Launch: &executor.Event_Launch{Task: task}}
}

func launchGroupEvent(tasks []mesos.TaskInfo) *executor.Event {
	return &executor.Event{Type: executor.Event_LAUNCH_GROUP, LaunchGroup: &executor.Event_LaunchGroup{
		TaskGroup: mesos.TaskGroupInfo{Tasks: tasks},
	}}
}

func killEvent(taskID string, policy *mesos.KillPolicy) *executor.Event {
	return &executor.Event{Type: executor.Event_KILL, Kill: &executor.Event_Kill{
		TaskID:     mesos.TaskID{Value: taskID},
		KillPolicy: policy,
	}}
}

func acknowledgedEvent(taskID string, uuid []byte) *executor.Event {
	return &executor.Event{Type: executor.Event_ACKNOWLEDGED, Acknowledged: &executor.Event_Acknowledged{
		TaskID: mesos.TaskID{Value: taskID},
		UUID:   uuid,
	}}
}

func executorMessageEvent(data []byte) *executor.Event {
	return &executor.Event{Type: executor.Event_MESSAGE, Message: &executor.Event_Message{Data: data}}
}

var shutdownEvent = &executor.Event{Type: executor.Event_SHUTDOWN}

// statusOf begins a status update that a master or an agent makes.
func statusOf(taskID string, state mesos.TaskState, source mesos.TaskStatus_Source, reason *mesos.TaskStatus_Reason, message string) mesos.TaskStatus {
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

func terminal(state mesos.TaskState) bool {
	switch state {
	case mesos.TASK_FINISHED, mesos.TASK_FAILED, mesos.TASK_KILLED, mesos.TASK_ERROR, mesos.TASK_LOST,
		mesos.TASK_DROPPED, mesos.TASK_GONE, mesos.TASK_GONE_BY_OPERATOR:
		return true
	}
	return false
}
