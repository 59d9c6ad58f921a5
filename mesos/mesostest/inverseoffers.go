package mesostest

import (
	"fmt"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/allocator"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// inverseOffer asks a framework to be off an agent by a time.
type inverseOffer struct {
	id        string
	framework *framework
	agent     *Agent
	timeout   *time.Timer
}

// inversion is where a framework stands with the unavailability of an agent.
type inversion struct {
	outstanding *inverseOffer // nil once it is answered
	until       time.Time     // it is not asked again before
	answer      *allocator.InverseOfferStatus
}

// inverseAllocate makes inverse offers to all frameworks that have something to lose
// on an agent that will be unavailable.
func (m *Master) inverseAllocate() {
	if len(m.windows) == 0 {
		return
	}
	now := m.options.Now()
	batches := map[string][]mesos.InverseOffer{}
	for _, a := range m.agents {
		unavailability := m.unavailability(a)
		if unavailability == nil || !a.active() {
			continue
		}
		for _, f := range m.sortedFrameworks() {
			at := a.inversions[f.id]
			if f.stream == nil || !a.holds(f) || at != nil && (at.outstanding != nil || now.Before(at.until)) {
				continue
			}
			batches[f.id] = append(batches[f.id], m.makeInverseOffer(f, a, *unavailability))
		}
	}
	for _, f := range m.sortedFrameworks() {
		if offers := batches[f.id]; len(offers) > 0 {
			m.send(f, inverseOffersEvent(offers))
		}
	}
}

// holds says whether anything of the agent is offered to the framework, or used by it.
func (r *registration) holds(f *framework) bool {
	for _, o := range r.offers {
		if o.framework == f {
			return true
		}
	}
	for t := range r.tasks {
		if t.framework == f && !t.released {
			return true
		}
	}
	return len(r.executors[f.id]) > 0
}

func (m *Master) makeInverseOffer(f *framework, a *Agent, unavailability mesos.Unavailability) mesos.InverseOffer {
	o := &inverseOffer{id: fmt.Sprintf("%s-O%d", m.leader.id, m.nextOffer), framework: f, agent: a}
	m.nextOffer++
	if a.inversions == nil {
		a.inversions = map[string]*inversion{}
	}
	if a.inversions[f.id] == nil {
		a.inversions[f.id] = &inversion{}
	}
	a.inversions[f.id].outstanding = o
	if m.options.OfferTimeout > 0 {
		o.timeout = m.after(m.options.OfferTimeout, func() {
			if at := a.inversions[f.id]; at != nil && at.outstanding == o {
				m.takeInverse(o)
				m.send(f, rescindInverseOfferEvent(o.id))
			}
		})
	}
	return mesos.InverseOffer{
		OfferID:        mesos.OfferID{Value: o.id},
		URL:            a.url(),
		FrameworkID:    mesos.FrameworkID{Value: f.id},
		AgentID:        &mesos.AgentID{Value: a.id},
		Unavailability: unavailability,
	}
}

// takeInverse makes an inverse offer void.
func (m *Master) takeInverse(o *inverseOffer) *inversion {
	if o.timeout != nil {
		o.timeout.Stop()
	}
	at := o.agent.inversions[o.framework.id]
	at.outstanding = nil
	return at
}

// rescindInverse makes all inverse offers of the agent void, and says so.
func (m *Master) rescindInverse(a *Agent) {
	for _, at := range valuesByKey(a.inversions) {
		if o := at.outstanding; o != nil {
			m.takeInverse(o)
			m.send(o.framework, rescindInverseOfferEvent(o.id))
		}
	}
}

// recoverInverse makes all inverse offers to the framework void, silently.
func (m *Master) recoverInverse(f *framework) {
	for _, a := range m.agents {
		if at := a.inversions[f.id]; at != nil && at.outstanding != nil {
			m.takeInverse(at.outstanding)
		}
	}
}

// answerInverse takes a framework's answer. It binds nobody; operators can read it.
func (m *Master) answerInverse(ids []mesos.OfferID, filters *mesos.Filters, answer allocator.InverseOfferStatus_Status) {
	for _, id := range ids {
		o := m.findInverse(id.Value)
		if o == nil {
			continue
		}
		at := m.takeInverse(o)
		now := m.options.Now()
		at.until = now.Add(refuseDuration(filters))
		at.answer = &allocator.InverseOfferStatus{
			Status:      &answer,
			FrameworkID: mesos.FrameworkID{Value: o.framework.id},
			Timestamp:   mesos.TimeInfo{Nanoseconds: now.UnixNano()},
		}
	}
}

func (m *Master) findInverse(id string) *inverseOffer {
	for _, a := range m.agents {
		for _, at := range a.inversions {
			if o := at.outstanding; o != nil && o.id == id {
				return o
			}
		}
	}
	return nil
}

// inverseStatuses are the frameworks' latest answers for the agent.
func (m *Master) inverseStatuses(a *Agent) []allocator.InverseOfferStatus {
	var statuses []allocator.InverseOfferStatus
	for _, at := range valuesByKey(a.inversions) {
		if at.answer != nil {
			statuses = append(statuses, *at.answer)
		}
	}
	return statuses
}

func inverseOffersEvent(offers []mesos.InverseOffer) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_INVERSE_OFFERS, InverseOffers: &schedulerpb.Event_InverseOffers{InverseOffers: offers}}
}

func rescindInverseOfferEvent(id string) *schedulerpb.Event {
	return &schedulerpb.Event{Type: schedulerpb.Event_RESCIND_INVERSE_OFFER, RescindInverseOffer: &schedulerpb.Event_RescindInverseOffer{
		InverseOfferID: mesos.OfferID{Value: id},
	}}
}
