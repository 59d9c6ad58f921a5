package session

import (
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// maxCallsInFlight is the maximum number of calls of a stream that wait for an answer.
	maxCallsInFlight = 8
	// maxLookAhead is how far the queue is searched for a call that may be sent.
	maxLookAhead = 256
)

// callQueue decides in which order the calls of one stream are sent, and which at the same
// time. Calls that concern one agent keep their order. An exclusive call, such as RECONCILE,
// keeps its order with all calls: if it overtook an ACCEPT, the master would answer that the
// task does not exist.
//
// It is not safe for concurrent use.
type callQueue struct {
	waiting    []*scheduler.Call
	busyAgents map[string]bool // agents that a call in flight concerns
	// exclusiveInFlight: an exclusive call is in flight, and nothing else may be.
	exclusiveInFlight bool
}

// agentOfCall returns the ID of the agent that a call concerns. A call that concerns no
// single agent is exclusive.
func agentOfCall(c *scheduler.Call) (agentID string, isExclusive bool) {
	switch c.Type {
	case schedulerpb.Call_ACCEPT:
		ops := c.Accept.GetOperations()
		if len(ops) > 0 && len(ops[0].GetLaunch().GetTaskInfos()) > 0 {
			return ops[0].Launch.TaskInfos[0].AgentID.Value, false
		}
	case schedulerpb.Call_KILL:
		return c.Kill.GetAgentID().GetValue(), false
	case schedulerpb.Call_SHUTDOWN:
		return c.Shutdown.AgentID.Value, false
	case schedulerpb.Call_MESSAGE:
		return c.Message.AgentID.Value, false
	case schedulerpb.Call_ACKNOWLEDGE:
		return c.Acknowledge.AgentID.Value, false
	}
	return "", true
}

// add appends calls to the queue.
func (q *callQueue) add(calls []*scheduler.Call) { q.waiting = append(q.waiting, calls...) }

// start removes the calls that may be sent now, marks them as in flight and returns them.
// Each must be passed to finish afterwards.
func (q *callQueue) start() []*scheduler.Call {
	var started []*scheduler.Call
	overtaken := map[string]bool{} // agents of calls that stay in the queue
	for i := 0; i < len(q.waiting) && i < maxLookAhead; {
		if q.exclusiveInFlight || len(q.busyAgents) >= maxCallsInFlight {
			break
		}
		call := q.waiting[i]
		agent, isExclusive := agentOfCall(call)
		if isExclusive && (i > 0 || len(q.busyAgents) > 0) {
			break // calls before it are not finished
		}
		if !isExclusive && (q.busyAgents[agent] || overtaken[agent]) {
			overtaken[agent] = true
			i++
			continue
		}
		q.waiting = append(q.waiting[:i], q.waiting[i+1:]...)
		q.setInFlight(agent, isExclusive)
		started = append(started, call)
	}
	return started
}

func (q *callQueue) setInFlight(agent string, isExclusive bool) {
	if isExclusive {
		q.exclusiveInFlight = true
		return
	}
	if q.busyAgents == nil {
		q.busyAgents = map[string]bool{}
	}
	q.busyAgents[agent] = true
}

// finish marks a call as answered.
func (q *callQueue) finish(call *scheduler.Call) {
	agent, isExclusive := agentOfCall(call)
	if isExclusive {
		q.exclusiveInFlight = false
		return
	}
	delete(q.busyAgents, agent)
}
