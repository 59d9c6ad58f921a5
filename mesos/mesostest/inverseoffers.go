package mesostest

import (
	"fmt"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/allocator"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/allocation"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
)

// inverseOffer asks a framework to be off an agent by a time.
type inverseOffer struct {
	id        string
	framework *framework
	agent     *Agent
	timeout   *time.Timer
}

// inverseOfferState is what the master and a framework have agreed on about the
// unavailability of an agent.
type inverseOfferState struct {
	outstanding *inverseOffer // nil once it is answered
	silentUntil time.Time     // it is not asked again before
	answer      *allocator.InverseOfferStatus
}

// makeInverseOffers makes inverse offers to all frameworks that have something to lose
// on an agent that will be unavailable.
func (al *offerAllocator) makeInverseOffers() {
	if !al.cluster.maintenance.plan.HasWindows() {
		return
	}
	now := al.cluster.options.Now()
	batches := map[string][]mesos.InverseOffer{}
	for _, a := range al.cluster.agents {
		unavailability := al.cluster.maintenance.unavailability(a)
		if unavailability == nil || !a.record.isActive() {
			continue
		}
		for _, f := range al.cluster.sortedFrameworks() {
			at := a.record.inverseOffers[f.id]
			if f.stream == nil || !a.record.isUsedBy(f) || at != nil && (at.outstanding != nil || now.Before(at.silentUntil)) {
				continue
			}
			batches[f.id] = append(batches[f.id], a.record.makeInverseOffer(f, *unavailability))
		}
	}
	for _, f := range al.cluster.sortedFrameworks() {
		if offers := batches[f.id]; len(offers) > 0 {
			f.send(events.InverseOffers(offers))
		}
	}
}

// isUsedBy reports whether anything of the agent is offered to the framework, or used by it.
func (r *agentRecord) isUsedBy(f *framework) bool {
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

func (r *agentRecord) makeInverseOffer(f *framework, unavailability mesos.Unavailability) mesos.InverseOffer {
	o := &inverseOffer{id: fmt.Sprintf("%s-O%d", r.cluster.leader.id, r.cluster.nextOffer), framework: f, agent: r.agent}
	r.cluster.nextOffer++
	if r.inverseOffers == nil {
		r.inverseOffers = map[string]*inverseOfferState{}
	}
	if r.inverseOffers[f.id] == nil {
		r.inverseOffers[f.id] = &inverseOfferState{}
	}
	r.inverseOffers[f.id].outstanding = o
	if r.cluster.options.OfferTimeout > 0 {
		o.timeout = r.cluster.after(r.cluster.options.OfferTimeout, func() {
			if at := r.inverseOffers[f.id]; at != nil && at.outstanding == o {
				o.withdraw()
				f.send(events.RescindInverseOffer(o.id))
			}
		})
	}
	return mesos.InverseOffer{
		OfferID:        mesos.OfferID{Value: o.id},
		URL:            r.agent.url(),
		FrameworkID:    mesos.FrameworkID{Value: f.id},
		AgentID:        &mesos.AgentID{Value: r.id},
		Unavailability: unavailability,
	}
}

// withdraw makes an inverse offer void.
func (o *inverseOffer) withdraw() *inverseOfferState {
	if o.timeout != nil {
		o.timeout.Stop()
	}
	at := o.agent.record.inverseOffers[o.framework.id]
	at.outstanding = nil
	return at
}

// rescindInverseOffers rescinds all inverse offers of the agent.
func (r *agentRecord) rescindInverseOffers() {
	for _, at := range valuesByKey(r.inverseOffers) {
		if o := at.outstanding; o != nil {
			o.withdraw()
			o.framework.send(events.RescindInverseOffer(o.id))
		}
	}
}

// recoverInverseOffers makes all inverse offers to the framework void, silently.
func (f *framework) recoverInverseOffers() {
	for _, a := range f.cluster.agents {
		if at := a.record.inverseOffers[f.id]; at != nil && at.outstanding != nil {
			at.outstanding.withdraw()
		}
	}
}

// answerInverseOffers records a framework's answer for operators to read. It changes
// nothing else.
func (c *cluster) answerInverseOffers(ids []mesos.OfferID, filters *mesos.Filters, answer allocator.InverseOfferStatus_Status) {
	for _, id := range ids {
		o := c.findInverseOffer(id.Value)
		if o == nil {
			continue
		}
		at := o.withdraw()
		now := c.options.Now()
		at.silentUntil = now.Add(allocation.RefusalTime(filters))
		at.answer = &allocator.InverseOfferStatus{
			Status:      &answer,
			FrameworkID: mesos.FrameworkID{Value: o.framework.id},
			Timestamp:   mesos.TimeInfo{Nanoseconds: now.UnixNano()},
		}
	}
}

func (c *cluster) findInverseOffer(id string) *inverseOffer {
	for _, a := range c.agents {
		for _, at := range a.record.inverseOffers {
			if o := at.outstanding; o != nil && o.id == id {
				return o
			}
		}
	}
	return nil
}

// inverseOfferStatuses are the frameworks' latest answers for the agent.
func (r *agentRecord) inverseOfferStatuses() []allocator.InverseOfferStatus {
	var statuses []allocator.InverseOfferStatus
	for _, at := range valuesByKey(r.inverseOffers) {
		if at.answer != nil {
			statuses = append(statuses, *at.answer)
		}
	}
	return statuses
}
