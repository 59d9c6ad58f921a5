// Package events makes the events that masters send to schedulers, and agents to
// executors.
package events

import (
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

var Heartbeat = &schedulerpb.Event{Type: schedulerpb.Event_HEARTBEAT}

func Subscribed(frameworkID string, interval float64, master *mesos.MasterInfo) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_SUBSCRIBED, Subscribed: &schedulerpb.Event_Subscribed{
		FrameworkID:              &mesos.FrameworkID{Value: frameworkID},
		HeartbeatIntervalSeconds: &interval,
		MasterInfo:               master,
	}}
}

func Offers(offers []mesos.Offer) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_OFFERS, Offers: &schedulerpb.Event_Offers{Offers: offers}}
}

func Rescind(offerID string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_RESCIND, Rescind: &schedulerpb.Event_Rescind{
		OfferID: mesos.OfferID{Value: offerID},
	}}
}

func Update(status mesos.TaskStatus) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE, Update: &schedulerpb.Event_Update{Status: status}}
}

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

func Message(agentID, executorID string, data []byte) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_MESSAGE, Message: &schedulerpb.Event_Message{
		AgentID:    mesos.AgentID{Value: agentID},
		ExecutorID: mesos.ExecutorID{Value: executorID},
		Data:       data,
	}}
}

func Launch(task mesos.TaskInfo) *executor.Event {
	return &executor.Event{Type: executor.Event_LAUNCH, Launch: &executor.Event_Launch{Task: task}}
}

func LaunchGroup(tasks []mesos.TaskInfo) *executor.Event {
	return &executor.Event{Type: executor.Event_LAUNCH_GROUP, LaunchGroup: &executor.Event_LaunchGroup{
		TaskGroup: mesos.TaskGroupInfo{Tasks: tasks},
	}}
}

func Kill(taskID string, policy *mesos.KillPolicy) *executor.Event {
	return &executor.Event{Type: executor.Event_KILL, Kill: &executor.Event_Kill{
		TaskID:     mesos.TaskID{Value: taskID},
		KillPolicy: policy,
	}}
}

func Acknowledged(taskID string, uuid []byte) *executor.Event {
	return &executor.Event{Type: executor.Event_ACKNOWLEDGED, Acknowledged: &executor.Event_Acknowledged{
		TaskID: mesos.TaskID{Value: taskID},
		UUID:   uuid,
	}}
}

func ExecutorMessage(data []byte) *executor.Event {
	return &executor.Event{Type: executor.Event_MESSAGE, Message: &executor.Event_Message{Data: data}}
}

var Shutdown = &executor.Event{Type: executor.Event_SHUTDOWN}

func InverseOffers(offers []mesos.InverseOffer) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_INVERSE_OFFERS, InverseOffers: &schedulerpb.Event_InverseOffers{InverseOffers: offers}}
}

func RescindInverseOffer(id string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_RESCIND_INVERSE_OFFER, RescindInverseOffer: &schedulerpb.Event_RescindInverseOffer{
		InverseOfferID: mesos.OfferID{Value: id},
	}}
}

func OperationStatus(s mesos.OperationStatus) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE_OPERATION_STATUS, UpdateOperationStatus: &schedulerpb.Event_UpdateOperationStatus{Status: s}}
}

var ExecutorHeartbeat = &executor.Event{Type: executor.Event_HEARTBEAT}
