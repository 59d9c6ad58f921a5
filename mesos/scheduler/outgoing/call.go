package outgoing

import (
	"fmt"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"

	"github.com/k8sm/k8sm/mesos/scheduler/offerconstraints"
)

// Call is a call of the scheduler API: mesos-go's message, and fields that mesos-go does
// not know.
type Call struct {
	*schedulerpb.Call
	// OfferConstraints of SUBSCRIBE and UPDATE_FRAMEWORK, encoded; empty for none.
	OfferConstraints string
}

// Numbers of fields of scheduler.Call, and of the messages in it.
const (
	subscribeField        = 3
	updateFrameworkField  = 19
	offerConstraintsField = 3 // in both
)

// Marshal encodes the call in protobuf.
func (c *Call) Marshal() ([]byte, error) {
	if c.OfferConstraints == "" {
		return c.Call.Marshal()
	}
	var body []byte
	var err error
	field, rest := uint64(subscribeField), *c.Call
	if rest.UpdateFramework != nil {
		field = updateFrameworkField
		body, err = rest.UpdateFramework.Marshal()
	} else {
		body, err = rest.Subscribe.Marshal()
	}
	if err != nil {
		return nil, fmt.Errorf("encoding the body of %s: %w", c.Type, err)
	}
	rest.Subscribe, rest.UpdateFramework = nil, nil
	out, err := rest.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", c.Type, err)
	}
	body = offerconstraints.AppendField(body, offerConstraintsField, c.OfferConstraints)
	return offerconstraints.AppendField(out, field, string(body)), nil
}

// Subscribe makes SUBSCRIBE. The framework's ID is in the message when it has one.
func Subscribe(info *mesos.FrameworkInfo, suppressedRoles []string, offerConstraints string) *Call {
	call := calls.Subscribe(info)
	if info.ID != nil {
		calls.SubscribeTo(info.ID.Value)(call)
	}
	call.Subscribe.SuppressedRoles = suppressedRoles
	return &Call{Call: call, OfferConstraints: offerConstraints}
}

// UpdateFramework makes UPDATE_FRAMEWORK. The master forgets what the call does not
// repeat: suppressed roles and offer constraints.
func UpdateFramework(info *mesos.FrameworkInfo, suppressedRoles []string, offerConstraints string) *Call {
	return &Call{
		Call: &schedulerpb.Call{Type: schedulerpb.Call_UPDATE_FRAMEWORK, UpdateFramework: &schedulerpb.Call_UpdateFramework{
			FrameworkInfo: *info, SuppressedRoles: suppressedRoles,
		}},
		OfferConstraints: offerConstraints,
	}
}

// Teardown makes TEARDOWN.
func Teardown() *schedulerpb.Call { return &schedulerpb.Call{Type: schedulerpb.Call_TEARDOWN} }

// Accept makes ACCEPT with one LAUNCH. The rest of the offers is not offered again
// before refuse has passed.
func Accept(offerIDs []string, infos []mesos.TaskInfo, refuse time.Duration) *schedulerpb.Call {
	// calls.Accept would take the order of the offers from a map.
	call := &schedulerpb.Call{Type: schedulerpb.Call_ACCEPT, Accept: &schedulerpb.Call_Accept{
		OfferIDs:   offerIDsOf(offerIDs),
		Operations: []mesos.Offer_Operation{calls.OpLaunch(infos...)},
	}}
	calls.RefuseSeconds(refuse)(call)
	return call
}

// Decline makes DECLINE. The resources are not offered again before refuse has passed.
func Decline(offerIDs []string, refuse time.Duration) *schedulerpb.Call {
	call := calls.Decline(offerIDsOf(offerIDs)...)
	calls.RefuseSeconds(refuse)(call)
	return call
}

// AcceptInverseOffers makes ACCEPT_INVERSE_OFFERS. The same agents are not announced again
// before refuse has passed.
func AcceptInverseOffers(ids []string, refuse time.Duration) *schedulerpb.Call {
	call := calls.AcceptInverseOffers(offerIDsOf(ids)...)
	calls.RefuseSeconds(refuse)(call)
	return call
}

func offerIDsOf(ids []string) []mesos.OfferID {
	out := make([]mesos.OfferID, len(ids))
	for i, id := range ids {
		out[i].Value = id
	}
	return out
}

// TaskRef names a task for RECONCILE. The agent may be empty when it is not known.
type TaskRef struct {
	TaskID, AgentID string
}

// Reconcile makes RECONCILE for tasks, in the order given. Without tasks it asks for all
// that the master knows.
func Reconcile(tasks []TaskRef) *schedulerpb.Call {
	// calls.ReconcileTasks would take the order from a map.
	r := &schedulerpb.Call_Reconcile{}
	for _, t := range tasks {
		ref := schedulerpb.Call_Reconcile_Task{TaskID: mesos.TaskID{Value: t.TaskID}}
		if t.AgentID != "" {
			ref.AgentID = &mesos.AgentID{Value: t.AgentID}
		}
		r.Tasks = append(r.Tasks, ref)
	}
	return &schedulerpb.Call{Type: schedulerpb.Call_RECONCILE, Reconcile: r}
}

// Acknowledge makes ACKNOWLEDGE for a status update.
func Acknowledge(taskID, agentID string, uuid []byte) *schedulerpb.Call {
	return &schedulerpb.Call{Type: schedulerpb.Call_ACKNOWLEDGE, Acknowledge: &schedulerpb.Call_Acknowledge{
		AgentID: mesos.AgentID{Value: agentID}, TaskID: mesos.TaskID{Value: taskID}, UUID: uuid,
	}}
}

// LaunchedTaskIDs returns the tasks that a call launches; none for other calls than ACCEPT.
func (c *Call) LaunchedTaskIDs() []string {
	var out []string
	for i := range c.GetAccept().GetOperations() {
		infos := c.Accept.Operations[i].GetLaunch().GetTaskInfos()
		for j := range infos {
			out = append(out, infos[j].TaskID.Value)
		}
	}
	return out
}
