package mesostest

import (
	"fmt"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/allocation"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// offer is an offer that a framework holds.
type offer struct {
	id        string
	framework *framework
	agent     *Agent
	role      string
	resources resource.Quantities
	message   mesos.Offer
	timeout   *time.Timer
}

// makeOffer gives what is free on the agent, or a part of it, to the framework.
func (f *framework) makeOffer(a *Agent, role string, q resource.Quantities) *offer {
	o := &offer{
		id:        fmt.Sprintf("%s-O%d", f.cluster.leader.id, f.cluster.nextOffer),
		framework: f,
		agent:     a,
		role:      role,
		resources: q.Clone(),
	}
	f.cluster.nextOffer++
	a.record.free.Subtract(o.resources)
	o.message = mesos.Offer{
		ID:             mesos.OfferID{Value: o.id},
		FrameworkID:    mesos.FrameworkID{Value: f.id},
		AgentID:        mesos.AgentID{Value: a.record.id},
		Hostname:       a.options.Hostname,
		URL:            a.url(),
		Domain:         a.options.Domain.info(),
		Resources:      o.resources.Messages(role, false),
		Attributes:     a.attributes,
		ExecutorIDs:    a.record.executorIDs(f.id),
		AllocationInfo: &mesos.Resource_AllocationInfo{Role: &role},
		Unavailability: f.cluster.maintenance.unavailability(a),
	}
	if f.cluster.options.OfferTimeout > 0 {
		o.timeout = f.cluster.after(f.cluster.options.OfferTimeout, func() {
			if f.cluster.offers[o.id] == o {
				o.rescind()
			}
		})
	}
	f.cluster.offers[o.id], f.offers[o.id], a.record.offers[o.id] = o, o, o
	f.allocate(role, o.resources)
	f.offersOfRole[role]++
	f.cluster.offersOfRole[role]++
	return o
}

// forFramework is the offer in the format that its framework reads.
func (o *offer) forFramework() mesos.Offer {
	message := o.message
	if !o.framework.hasCapability(mesos.FrameworkInfo_Capability_RESERVATION_REFINEMENT) {
		message.Resources = o.resources.Messages(o.role, true)
		for i := range message.Resources {
			message.Resources[i].Reservations = nil // it reads the old fields
		}
	}
	return message
}

func (f *framework) allocate(role string, q resource.Quantities) {
	have, ok := f.allocated[role]
	if !ok {
		have = resource.QuantitiesOf()
		f.allocated[role] = have
	}
	have.Add(q)
}

func (f *framework) deallocate(role string, q resource.Quantities) {
	if have, ok := f.allocated[role]; ok {
		have.Subtract(q)
	}
}

// withdraw makes an offer void. What becomes of its resources is up to the caller.
func (o *offer) withdraw() {
	o.stopTimeout()
	delete(o.framework.cluster.offers, o.id)
	delete(o.framework.offers, o.id)
	delete(o.agent.record.offers, o.id)
	o.framework.deallocate(o.role, o.resources)
}

func (o *offer) stopTimeout() {
	if o.timeout != nil {
		o.timeout.Stop()
	}
}

// recover makes an offer void; its resources are free at the next pass.
func (o *offer) recover() {
	o.withdraw()
	o.agent.record.free.Add(o.resources)
}

func (f *framework) recoverOffers() {
	f.recoverInverseOffers()
	for _, o := range f.offers {
		o.recover()
	}
}

// rescind makes an offer invalid and sends RESCIND to its framework.
func (o *offer) rescind() {
	o.recover()
	o.framework.send(events.Rescind(o.id))
}

func (f *framework) decline(call *schedulerpb.Call_Decline) {
	for _, id := range call.OfferIDs {
		if o, ok := f.offers[id.Value]; ok {
			o.recover()
			f.addFilter(o.agent, o.role, o.resources, call.Filters)
		}
	}
}

// addFilter keeps resources from a framework for the time that the filters set.
func (f *framework) addFilter(a *Agent, role string, q resource.Quantities, filters *mesos.Filters) {
	d := allocation.RefusalTime(filters)
	if d <= 0 || q.IsEmpty() {
		return
	}
	if f.filters[a] == nil {
		f.filters[a] = allocation.Filters{}
	}
	d = max(d, f.cluster.options.AllocationInterval) // it outlives the next pass
	f.filters[a].Add(role, q, f.cluster.options.Now().Add(d))
}

// revive clears the filters of the roles, all if none is named, and allocates at once.
func (f *framework) revive(roles []string) {
	if !f.subscribedTo(roles) {
		return
	}
	if len(roles) == 0 {
		roles = f.roles()
	}
	for _, role := range roles {
		delete(f.suppressed, role)
		f.dropFilters(role)
	}
	f.cluster.allocator.runSoon()
}

// subscribedTo reports whether all roles are the framework's. A call that names another
// one is dropped whole.
func (f *framework) subscribedTo(roles []string) bool {
	return !slices.ContainsFunc(roles, func(role string) bool { return !slices.Contains(f.roles(), role) })
}

func (f *framework) suppress(roles []string) {
	if !f.subscribedTo(roles) {
		return
	}
	if len(roles) == 0 {
		roles = f.roles()
	}
	for _, role := range roles {
		f.suppressed[role] = true
	}
}
