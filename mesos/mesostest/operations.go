package mesostest

import (
	"bytes"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// operation is one whose status a framework wants, and has not acknowledged yet.
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
func (a *offerAcceptance) convertOffered(op *mesos.Offer_Operation) {
	c, ok := resource.ConversionOf(op)
	if !ok {
		return // other operations are accepted and have no effect
	}
	for _, list := range [][]mesos.Resource{c.Consumed, c.Converted} {
		fillAllocation(list, a.role)
	}
	if err := a.validateConversion(op, c); err != nil {
		a.framework.refuseOperation(op, err.Error())
		return
	}
	c.Apply(a.left)
	a.agent.record.convert(c)
	if op.ID == nil {
		return
	}
	o := &operation{framework: a.framework.id, agent: a.agent, info: *op, uuid: newUUIDBytes(), interval: a.framework.cluster.options.UpdateRetryInterval}
	o.status = mesos.OperationStatus{
		OperationID: op.ID,
		State:       mesos.OPERATION_FINISHED,
		UUID:        &mesos.UUID{Value: newUUIDBytes()},
		AgentID:     &mesos.AgentID{Value: a.agent.record.id},
	}
	a.agent.deliver(func() {
		a.agent.operations = append(a.agent.operations, o)
		o.forward()
	})
}

func newUUIDBytes() []byte {
	u := naming.NewUUID()
	return u[:]
}

// refuseOperation sends the failure of an operation, if the framework gave it an ID.
func (f *framework) refuseOperation(op *mesos.Offer_Operation, message string) {
	if op.ID != nil {
		f.send(events.OperationStatus(mesos.OperationStatus{OperationID: op.ID, State: mesos.OPERATION_ERROR, Message: &message}))
	}
}

// forward sends the agent's update of an operation, and again until it is
// acknowledged.
func (o *operation) forward() {
	o.agent.report(func() {
		if f, ok := o.agent.cluster.frameworks[o.framework]; ok {
			f.send(events.OperationStatus(o.status))
		}
	})
	o.stop()
	o.retry = o.agent.cluster.after(o.interval, func() {
		o.interval = min(2*o.interval, maxRetryInterval)
		o.forward()
	})
}

// resendOperations sends what is not acknowledged again at once.
func (r *agentRecord) resendOperations() {
	for _, o := range r.agent.operations {
		o.interval = r.cluster.options.UpdateRetryInterval
		o.forward()
	}
}

func (o *operation) stop() {
	if o.retry != nil {
		o.retry.Stop()
	}
}

// acknowledgeOperation ends what is known of an operation.
func (f *framework) acknowledgeOperation(call *schedulerpb.Call_AcknowledgeOperationStatus) {
	a, ok := f.cluster.agentsByID[call.GetAgentID().GetValue()]
	if !ok || a.record.state != agentActive {
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
func (f *framework) reconcileOperations(asked []schedulerpb.Call_ReconcileOperations_Operation) {
	for _, x := range asked {
		f.reconcileOperation(x.OperationID, x.AgentID)
	}
	if len(asked) > 0 {
		return
	}
	for _, a := range f.cluster.agents {
		for _, o := range a.operations {
			if o.framework == f.id {
				f.send(events.OperationStatus(withoutUUID(o.status)))
			}
		}
	}
}

func (f *framework) reconcileOperation(id mesos.OperationID, agentID *mesos.AgentID) {
	for _, a := range f.cluster.agents {
		for _, o := range a.operations {
			if o.framework == f.id && o.info.ID.Value == id.Value {
				f.send(events.OperationStatus(withoutUUID(o.status)))
				return
			}
		}
	}
	state, message := f.cluster.stateOfUnknownOperation(agentID)
	f.send(events.OperationStatus(mesos.OperationStatus{OperationID: &id, AgentID: agentID, State: state, Message: &message}))
}

func (c *cluster) stateOfUnknownOperation(agentID *mesos.AgentID) (mesos.OperationState, string) {
	if agentID == nil {
		return mesos.OPERATION_UNKNOWN, "Reconciliation: Operation is unknown and no 'agent_id' was provided"
	}
	a, known := c.agentsByID[agentID.Value]
	switch {
	case known && a.record.state == agentRecovered:
		return mesos.OPERATION_RECOVERING, "Reconciliation: Agent is recovered but has not re-registered"
	case known && a.record.state == agentUnreachable:
		return mesos.OPERATION_UNREACHABLE, "Reconciliation: Agent is unreachable"
	case known:
		return mesos.OPERATION_UNKNOWN, "Reconciliation: Operation is unknown"
	case c.goneAgents[agentID.Value]:
		return mesos.OPERATION_GONE_BY_OPERATOR, "Reconciliation: Agent marked gone by operator"
	}
	return mesos.OPERATION_UNKNOWN, "Reconciliation: Both operation and agent are unknown"
}

// withoutUUID is the status as the master itself sends it: it needs no acknowledgement.
func withoutUUID(s mesos.OperationStatus) mesos.OperationStatus {
	s.UUID = nil
	return s
}

func (c *cluster) readOperations() *master.Response_GetOperations {
	out := &master.Response_GetOperations{}
	for _, a := range c.agents {
		for _, o := range a.operations {
			out.Operations = append(out.Operations, mesos.Operation{
				FrameworkID:  &mesos.FrameworkID{Value: o.framework},
				AgentID:      &mesos.AgentID{Value: a.record.id},
				Info:         o.info,
				LatestStatus: o.status,
				Statuses:     []mesos.OperationStatus{o.status},
				UUID:         mesos.UUID{Value: o.uuid},
			})
		}
	}
	return out
}
