package scheduler

import (
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// sending is the part of the core that keeps us from being the noisy one: masters do
// not limit frameworks that speak HTTP.
type sending struct {
	queue  []*Call
	tokens float64
	filled time.Time
}

// enqueue puts a call in line.
func (c *Core) enqueue(call *schedulerpb.Call) { c.enqueueCall(&Call{Call: call}) }

func (c *Core) enqueueCall(call *Call) {
	call.FrameworkID = &mesos.FrameworkID{Value: c.info.ID}
	c.sending.queue = append(c.sending.queue, call)
}

// flush lets go as many calls as may go now.
func (c *Core) flush(now time.Time) {
	if c.phase != up || len(c.sending.queue) == 0 {
		return
	}
	if !c.filled.IsZero() {
		earned := now.Sub(c.filled).Seconds() * c.timing.CallsPerSecond
		c.tokens = min(c.tokens+earned, float64(c.timing.CallBurst))
	}
	c.filled = now
	n := min(len(c.sending.queue), int(c.tokens))
	c.tokens -= float64(n)
	c.out.Calls = append(c.out.Calls, c.sending.queue[:n]...)
	c.sending.queue = c.sending.queue[n:]
	if len(c.sending.queue) > 0 {
		wait := (1 - c.tokens) / c.timing.CallsPerSecond
		c.agenda.set(dutyCalls, "", now.Add(max(time.Duration(wait*float64(time.Second)), time.Millisecond)))
	}
}

// acknowledge goes at once: what is not acknowledged blocks what comes after.
func (c *Core) acknowledge(st *TaskStatus) {
	if len(st.UUID) == 0 || c.phase != up {
		return // without a stream the agent tells us again
	}
	c.out.Calls = append(c.out.Calls, &Call{Call: &schedulerpb.Call{
		Type:        schedulerpb.Call_ACKNOWLEDGE,
		FrameworkID: &mesos.FrameworkID{Value: c.info.ID},
		Acknowledge: &schedulerpb.Call_Acknowledge{
			AgentID: mesos.AgentID{Value: st.AgentID},
			TaskID:  mesos.TaskID{Value: st.TaskID},
			UUID:    st.UUID,
		},
	}})
}

// dropUnsent drops what has not gone out on a stream that ended. The launches in it
// never were.
func (c *Core) dropUnsent() {
	unsent := append(c.out.Calls, c.sending.queue...)
	c.out.Calls, c.sending.queue = nil, nil
	for _, call := range unsent {
		c.settleLaunches(call, TaskDropped, ReasonInvalidOffers, "the master was lost before the launch was sent")
	}
}

// CallRefused says that the master turned one call down for what it says, while the
// stream lives on. What is refused once is refused again: nothing is sent again at once.
func (c *Core) CallRefused(now time.Time, call *Call, message string) {
	if c.phase == ended {
		return
	}
	if call == c.update {
		c.disagreed(now, message)
	}
	c.settleLaunches(call, TaskError, ReasonCallRefused, message)
	c.settle(now)
}

// settleLaunches records an end for tasks of whose launch we know that it did not happen.
func (c *Core) settleLaunches(call *Call, s TaskState, reason, message string) {
	for i := range call.GetAccept().GetOperations() {
		infos := call.Accept.Operations[i].GetLaunch().GetTaskInfos()
		for j := range infos {
			if t := c.tasks.known[infos[j].TaskID.Value]; t != nil {
				c.counts.Dropped++
				c.agenda.clear(dutyAsk, t.id)
				c.lineUp(t, TaskStatus{TaskID: t.id, AgentID: t.agentID, State: s, Source: SourceK8sm, Reason: reason, Message: message})
			}
		}
	}
}
