package simulation

import (
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// maxOfferAge is the maximum time that an offer may be held, including the slowest messages
	// in both directions.
	maxOfferAge = 15 * time.Second
	// reconciliationDelay is the time after SUBSCRIBED for which launches must wait for answers
	// to task reconciliation.
	reconciliationDelay = 29 * time.Second
)

// streamState is what was sent on the current stream and is not yet answered.
type streamState struct {
	began      time.Time
	id         string                         // the framework's ID
	offers     map[string]time.Time           // when each was sent
	updates    map[string]scheduler.TaskState // by UUID, also of earlier streams
	unreported map[string]bool                // tasks on record without an update on this stream
}

func newStreamState() streamState {
	return streamState{offers: map[string]time.Time{}, updates: map[string]scheduler.TaskState{}, unreported: map[string]bool{}}
}

// eventSent is called for every event that is written to a stream.
func (c *checks) eventSent(event *schedulerpb.Event) {
	c.world.server.mu.Lock()
	defer c.world.server.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch event.Type {
	case schedulerpb.Event_SUBSCRIBED:
		c.stream.began, c.stream.offers, c.stream.unreported = time.Now(), map[string]time.Time{}, c.tasksOnRecord()
		c.stream.id = event.Subscribed.FrameworkID.GetValue()
	case schedulerpb.Event_OFFERS:
		for _, o := range event.Offers.Offers {
			// A first SUBSCRIBED that never arrived leaves a framework that the operator does not
			// know. Its offers return when the master detects the dead connection.
			if o.FrameworkID.Value == c.stream.id {
				c.stream.offers[o.ID.Value] = time.Now()
			}
		}
	case schedulerpb.Event_RESCIND:
		delete(c.stream.offers, event.Rescind.OfferID.Value)
	case schedulerpb.Event_UPDATE:
		status := event.Update.Status
		delete(c.stream.unreported, status.TaskID.Value)
		if len(status.UUID) > 0 {
			c.stream.updates[string(status.UUID)] = scheduler.TaskState(status.State.String())
		}
	case schedulerpb.Event_ERROR:
		c.world.trace.add("mesos", "ERROR %s", event.Error.Message)
	}
}

// tasksOnRecord returns the tasks on record that may run, without those that were only intended.
func (c *checks) tasksOnRecord() map[string]bool {
	out := map[string]bool{}
	for _, o := range c.world.server.tables[kindMesosNode] {
		if t := o.(*v1alpha1.MesosNode).Status.Task; t != nil && t.State != "" && !scheduler.TaskState(t.State).Terminal() {
			out[t.ID] = true
		}
	}
	return out
}

// checkOfferAnswers checks I8, and that nothing is launched before task reconciliation.
func (c *checks) checkOfferAnswers(call *schedulerpb.Call) {
	var ids []string
	for _, id := range call.GetAccept().GetOfferIDs() {
		ids = append(ids, id.Value)
	}
	for _, id := range call.GetDecline().GetOfferIDs() {
		ids = append(ids, id.Value)
	}
	for _, id := range ids {
		since, out := c.stream.offers[id]
		delete(c.stream.offers, id)
		if out && time.Since(since) > maxOfferAge && time.Since(c.world.lastFreeze()) > 2*maxOfferAge {
			c.world.fail("I8: offer %s was held for %s", id, time.Since(since))
		}
	}
	if call.Type != schedulerpb.Call_ACCEPT || time.Since(c.stream.began) > reconciliationDelay {
		return
	}
	for id := range c.stream.unreported {
		c.world.fail("I3: a launch %s after SUBSCRIBED, before the master answered about %s", time.Since(c.stream.began), id)
		return
	}
}

// heldOffers counts the offers that are held for too long.
func (c *checks) heldOffers() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, since := range c.stream.offers {
		if time.Since(since) > maxOfferAge {
			n++
		}
	}
	return n
}

// stateOrder is the order of the states that an executor goes through.
var stateOrder = map[scheduler.TaskState]int{
	scheduler.TaskStaging: 1, scheduler.TaskStarting: 2, scheduler.TaskRunning: 3, scheduler.TaskKilling: 4,
}

// checkAcknowledgement checks that a status is on record before it is acknowledged.
func (c *checks) checkAcknowledgement(call *schedulerpb.Call_Acknowledge) {
	state, known := c.stream.updates[string(call.UUID)]
	n := c.record(call.TaskID.Value)
	if !known || n == nil || n.Status.Task == nil || n.Status.Task.ID != call.TaskID.Value {
		return // the task has no record
	}
	on := scheduler.TaskState(n.Status.Task.State)
	if on == state || on.Terminal() || on != "" && stateOrder[on] == 0 || !state.Terminal() && stateOrder[on] >= stateOrder[state] {
		return
	}
	c.world.fail("%s of %s was acknowledged, and on record is %q", state, call.TaskID.Value, on)
}
