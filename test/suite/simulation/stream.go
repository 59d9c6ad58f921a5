package simulation

import (
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// offerBound is how long an offer may be held, the longest way there and back
	// included.
	offerBound = 15 * time.Second
	// patience is how long launches must wait for tasks of which the master is silent.
	patience = 29 * time.Second
)

// conversation is what was said on the current stream, and is not settled.
type conversation struct {
	began   time.Time
	id      string                         // of the framework
	offers  map[string]time.Time           // since when they are out
	updates map[string]scheduler.TaskState // by UUID, on this stream and those before
	unheard map[string]bool                // tasks on record that were not told of yet
}

func newConversation() conversation {
	return conversation{offers: map[string]time.Time{}, updates: map[string]scheduler.TaskState{}, unheard: map[string]bool{}}
}

// told sees every event that is put on a stream.
func (c *checks) told(event *schedulerpb.Event) {
	c.world.server.mu.Lock()
	defer c.world.server.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch event.Type {
	case schedulerpb.Event_SUBSCRIBED:
		c.talk.began, c.talk.offers, c.talk.unheard = time.Now(), map[string]time.Time{}, c.recorded()
		c.talk.id = event.Subscribed.FrameworkID.GetValue()
	case schedulerpb.Event_OFFERS:
		for _, o := range event.Offers.Offers {
			// A first SUBSCRIBED that never arrived leaves a framework that nobody knows of.
			// What it is offered on a dead line comes back when the line is found out.
			if o.FrameworkID.Value == c.talk.id {
				c.talk.offers[o.ID.Value] = time.Now()
			}
		}
	case schedulerpb.Event_RESCIND:
		delete(c.talk.offers, event.Rescind.OfferID.Value)
	case schedulerpb.Event_UPDATE:
		status := event.Update.Status
		delete(c.talk.unheard, status.TaskID.Value)
		if len(status.UUID) > 0 {
			c.talk.updates[string(status.UUID)] = scheduler.TaskState(status.State.String())
		}
	case schedulerpb.Event_ERROR:
		c.world.trace.add("mesos", "ERROR %s", event.Error.Message)
	}
}

// recorded are the tasks on record that may be alive, but for mere intents.
func (c *checks) recorded() map[string]bool {
	out := map[string]bool{}
	for _, o := range c.world.server.tables[kindMesosNode] {
		if t := o.(*v1alpha1.MesosNode).Status.Task; t != nil && t.State != "" && !scheduler.TaskState(t.State).Terminal() {
			out[t.ID] = true
		}
	}
	return out
}

// answered holds I8, and that nothing is launched before task reconciliation.
func (c *checks) answered(call *schedulerpb.Call) {
	var ids []string
	for _, id := range call.GetAccept().GetOfferIDs() {
		ids = append(ids, id.Value)
	}
	for _, id := range call.GetDecline().GetOfferIDs() {
		ids = append(ids, id.Value)
	}
	for _, id := range ids {
		since, out := c.talk.offers[id]
		delete(c.talk.offers, id)
		if out && time.Since(since) > offerBound && time.Since(c.world.froze()) > 2*offerBound {
			c.world.fail("I8: offer %s was held for %s", id, time.Since(since))
		}
	}
	if call.Type != schedulerpb.Call_ACCEPT || time.Since(c.talk.began) > patience {
		return
	}
	for id := range c.talk.unheard {
		c.world.fail("I3: a launch %s after SUBSCRIBED, before the master told what became of %s", time.Since(c.talk.began), id)
		return
	}
}

// held are the offers that have been out for longer than they may be.
func (c *checks) held() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, since := range c.talk.offers {
		if time.Since(since) > offerBound {
			n++
		}
	}
	return n
}

// order of the states that an executor goes through.
var order = map[scheduler.TaskState]int{
	scheduler.TaskStaging: 1, scheduler.TaskStarting: 2, scheduler.TaskRunning: 3, scheduler.TaskKilling: 4,
}

// acknowledged holds that a status is on record before it is acknowledged.
func (c *checks) acknowledged(call *schedulerpb.Call_Acknowledge) {
	state, known := c.talk.updates[string(call.UUID)]
	n := c.record(call.TaskID.Value)
	if !known || n == nil || n.Status.Task == nil || n.Status.Task.ID != call.TaskID.Value {
		return // nobody's
	}
	on := scheduler.TaskState(n.Status.Task.State)
	if on == state || on.Terminal() || on != "" && order[on] == 0 || !state.Terminal() && order[on] >= order[state] {
		return
	}
	c.world.fail("%s of %s was acknowledged, and on record is %q", state, call.TaskID.Value, on)
}
