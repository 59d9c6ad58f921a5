package mesostest

import (
	"bytes"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// operation is one that a framework wants to hear of, and has not acknowledged yet.
type operation struct {
	framework string
	agent     *Agent
	info      mesos.Offer_Operation
	uuid      []byte
	status    mesos.OperationStatus
	retry     *time.Timer
	interval  time.Duration
}

// convertOffered executes an operation of an ACCEPT that reserves or makes volumes.
func (m *Master) convertOffered(a *acceptance, op *mesos.Offer_Operation) {
	c, ok := resource.ConversionOf(op)
	if !ok {
		return // others are taken, and nothing comes of them
	}
	for _, list := range [][]mesos.Resource{c.Consumed, c.Converted} {
		fillAllocation(list, a.role)
	}
	if err := m.validateConversion(a, op, c); err != nil {
		m.refuseOperation(a.framework, op, err.Error())
		return
	}
	c.Apply(a.left)
	m.convert(a.agent, c)
	if op.ID == nil {
		return
	}
	o := &operation{framework: a.framework.id, agent: a.agent, info: *op, uuid: newUUIDBytes(), interval: m.options.UpdateRetryInterval}
	o.status = mesos.OperationStatus{
		OperationID: op.ID,
		State:       mesos.OPERATION_FINISHED,
		UUID:        &mesos.UUID{Value: newUUIDBytes()},
		AgentID:     &mesos.AgentID{Value: a.agent.id},
	}
	a.agent.deliver(func() {
		a.agent.operations = append(a.agent.operations, o)
		m.forwardOperation(o)
	})
}

func newUUIDBytes() []byte {
	u := naming.NewUUID()
	return u[:]
}

// refuseOperation tells that an operation failed, if the framework wants to know.
func (m *Master) refuseOperation(f *framework, op *mesos.Offer_Operation, message string) {
	if op.ID != nil {
		m.send(f, operationEvent(mesos.OperationStatus{OperationID: op.ID, State: mesos.OPERATION_ERROR, Message: &message}))
	}
}

// forwardOperation sends the agent's update of an operation, and again until it is
// acknowledged.
func (m *Master) forwardOperation(o *operation) {
	o.agent.report(func() {
		if f, ok := m.frameworks[o.framework]; ok {
			m.send(f, operationEvent(o.status))
		}
	})
	o.stop()
	o.retry = m.after(o.interval, func() {
		o.interval = min(2*o.interval, maxRetryInterval)
		m.forwardOperation(o)
	})
}

// resendOperations sends what is not acknowledged again at once.
func (m *Master) resendOperations(a *Agent) {
	for _, o := range a.operations {
		o.interval = m.options.UpdateRetryInterval
		m.forwardOperation(o)
	}
}

func (o *operation) stop() {
	if o.retry != nil {
		o.retry.Stop()
	}
}

// acknowledgeOperation ends what is known of an operation.
func (m *Master) acknowledgeOperation(f *framework, call *schedulerpb.Call_AcknowledgeOperationStatus) {
	a, ok := m.agentsByID[call.GetAgentID().GetValue()]
	if !ok || a.state != agentActive {
		return
	}
	a.deliver(func() {
		a.forgetOperations(func(o *operation) bool {
			return o.framework == f.id && o.info.ID.Value == call.OperationID.Value && bytes.Equal(o.status.UUID.Value, call.UUID)
		})
	})
}

func (a *Agent) forgetOperations(which func(*operation) bool) {
	a.operations = slices.DeleteFunc(a.operations, func(o *operation) bool {
		if !which(o) {
			return false
		}
		o.stop()
		return true
	})
}

// reconcileOperations answers with the state of the operations, of all if none is
// named.
func (m *Master) reconcileOperations(f *framework, asked []schedulerpb.Call_ReconcileOperations_Operation) {
	for _, x := range asked {
		m.reconcileOperation(f, x.OperationID, x.AgentID)
	}
	if len(asked) > 0 {
		return
	}
	for _, a := range m.agents {
		for _, o := range a.operations {
			if o.framework == f.id {
				m.send(f, operationEvent(withoutUUID(o.status)))
			}
		}
	}
}

func (m *Master) reconcileOperation(f *framework, id mesos.OperationID, agentID *mesos.AgentID) {
	for _, a := range m.agents {
		for _, o := range a.operations {
			if o.framework == f.id && o.info.ID.Value == id.Value {
				m.send(f, operationEvent(withoutUUID(o.status)))
				return
			}
		}
	}
	state, message := m.stateOfUnknownOperation(agentID)
	m.send(f, operationEvent(mesos.OperationStatus{OperationID: &id, AgentID: agentID, State: state, Message: &message}))
}

func (m *Master) stateOfUnknownOperation(agentID *mesos.AgentID) (mesos.OperationState, string) {
	if agentID == nil {
		return mesos.OPERATION_UNKNOWN, "Reconciliation: Operation is unknown and no 'agent_id' was provided"
	}
	a, known := m.agentsByID[agentID.Value]
	switch {
	case known && a.state == agentRecovered:
		return mesos.OPERATION_RECOVERING, "Reconciliation: Agent is recovered but has not re-registered"
	case known && a.state == agentUnreachable:
		return mesos.OPERATION_UNREACHABLE, "Reconciliation: Agent is unreachable"
	case known:
		return mesos.OPERATION_UNKNOWN, "Reconciliation: Operation is unknown"
	case m.gone[agentID.Value]:
		return mesos.OPERATION_GONE_BY_OPERATOR, "Reconciliation: Agent marked gone by operator"
	}
	return mesos.OPERATION_UNKNOWN, "Reconciliation: Both operation and agent are unknown"
}

// withoutUUID is what the master answers itself: nobody acknowledges it.
func withoutUUID(s mesos.OperationStatus) mesos.OperationStatus {
	s.UUID = nil
	return s
}

func operationEvent(s mesos.OperationStatus) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_UPDATE_OPERATION_STATUS, UpdateOperationStatus: &schedulerpb.Event_UpdateOperationStatus{Status: s}}
}

func (m *Master) readOperations() *master.Response_GetOperations {
	out := &master.Response_GetOperations{}
	for _, a := range m.agents {
		for _, o := range a.operations {
			out.Operations = append(out.Operations, mesos.Operation{
				FrameworkID:  &mesos.FrameworkID{Value: o.framework},
				AgentID:      &mesos.AgentID{Value: a.id},
				Info:         o.info,
				LatestStatus: o.status,
				Statuses:     []mesos.OperationStatus{o.status},
				UUID:         mesos.UUID{Value: o.uuid},
			})
		}
	}
	return out
}
