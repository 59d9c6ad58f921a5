// Package events makes the events that masters send to schedulers, and agents to
// executors.
package events

import (
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// Heartbeat of a scheduler's stream.
var Heartbeat = &schedulerpb.Event{Type: schedulerpb.Event_HEARTBEAT}

// Subscribed is the first event of a scheduler's stream. The interval of heartbeats is in
// seconds.
func Subscribed(frameworkID string, interval float64, master *mesos.MasterInfo) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED, Subscribed: &schedulerpb.Event_Subscribed{
		FrameworkID:              &mesos.FrameworkID{Value: frameworkID},
		HeartbeatIntervalSeconds: &interval,
		MasterInfo:               master,
	}}
}

// Offers brings offers to a scheduler.
func Offers(offers []mesos.Offer) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_OFFERS, Offers: &schedulerpb.Event_Offers{Offers: offers}}
}

// Rescind makes an offer void.
func Rescind(offerID string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_RESCIND, Rescind: &schedulerpb.Event_Rescind{
		OfferID: mesos.OfferID{Value: offerID},
	}}
}

// Update brings the status of a task to a scheduler.
func Update(status mesos.TaskStatus) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE, Update: &schedulerpb.Event_Update{Status: status}}
}

// Error is the last event of a stream that the master ends.
func Error(message string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_ERROR, Error: &schedulerpb.Event_Error{Message: message}}
}

// Failure is the failure of an agent or, with an executor's ID, of that executor.
func Failure(agentID, executorID string, status int32) *schedulerpb.Event {
	failure := &schedulerpb.Event_Failure{AgentID: &mesos.AgentID{Value: agentID}}
	if executorID != "" {
		failure.ExecutorID = &mesos.ExecutorID{Value: executorID}
		failure.Status = &status
	}
	return &schedulerpb.Event{Type: schedulerpb.Event_FAILURE, Failure: failure}
}

// Message brings data from an executor to a scheduler.
func Message(agentID, executorID string, data []byte) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_MESSAGE, Message: &schedulerpb.Event_Message{
		AgentID:    mesos.AgentID{Value: agentID},
		ExecutorID: mesos.ExecutorID{Value: executorID},
		Data:       data,
	}}
}

// Launch brings a task to an executor.
func Launch(task mesos.TaskInfo) *executor.Event {
	return &executor.Event{Type: executor.Event_LAUNCH, Launch: &executor.Event_Launch{Task: task}}
}

// LaunchGroup brings the tasks of a group to an executor.
func LaunchGroup(tasks []mesos.TaskInfo) *executor.Event {
	return &executor.Event{Type: executor.Event_LAUNCH_GROUP, LaunchGroup: &executor.Event_LaunchGroup{
		TaskGroup: mesos.TaskGroupInfo{Tasks: tasks},
	}}
}

// Kill asks an executor to kill a task. The policy, if not nil, overrides the task's own.
func Kill(taskID string, policy *mesos.KillPolicy) *executor.Event {
	return &executor.Event{Type: executor.Event_KILL, Kill: &executor.Event_Kill{
		TaskID:     mesos.TaskID{Value: taskID},
		KillPolicy: policy,
	}}
}

// Acknowledged confirms an update to its executor.
func Acknowledged(taskID string, uuid []byte) *executor.Event {
	return &executor.Event{Type: executor.Event_ACKNOWLEDGED, Acknowledged: &executor.Event_Acknowledged{
		TaskID: mesos.TaskID{Value: taskID},
		UUID:   uuid,
	}}
}

// ExecutorMessage brings data from a scheduler to an executor.
func ExecutorMessage(data []byte) *executor.Event {
	return &executor.Event{Type: executor.Event_MESSAGE, Message: &executor.Event_Message{Data: data}}
}

// Shutdown asks an executor to end.
var Shutdown = &executor.Event{Type: executor.Event_SHUTDOWN}

// InverseOffers brings inverse offers to a scheduler.
func InverseOffers(offers []mesos.InverseOffer) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_INVERSE_OFFERS, InverseOffers: &schedulerpb.Event_InverseOffers{InverseOffers: offers}}
}

// RescindInverseOffer makes an inverse offer void.
func RescindInverseOffer(id string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_RESCIND_INVERSE_OFFER, RescindInverseOffer: &schedulerpb.Event_RescindInverseOffer{
		InverseOfferID: mesos.OfferID{Value: id},
	}}
}

// OperationStatus brings the status of an operation to a scheduler.
func OperationStatus(s mesos.OperationStatus) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE_OPERATION_STATUS, UpdateOperationStatus: &schedulerpb.Event_UpdateOperationStatus{Status: s}}
}

// ExecutorHeartbeat of an executor's stream.
var ExecutorHeartbeat = &executor.Event{Type: executor.Event_HEARTBEAT}
