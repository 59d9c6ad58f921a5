package mesostest

import (
	"fmt"
	"math"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

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
func (m *Master) makeOffer(f *framework, a *Agent, role string, q resource.Quantities) *offer {
	o := &offer{
		id:        fmt.Sprintf("%s-O%d", m.leader.id, m.nextOffer),
		framework: f,
		agent:     a,
		role:      role,
		resources: q.Clone(),
	}
	m.nextOffer++
	a.free.Subtract(o.resources)
	o.message = mesos.Offer{
		ID:             mesos.OfferID{Value: o.id},
		FrameworkID:    mesos.FrameworkID{Value: f.id},
		AgentID:        mesos.AgentID{Value: a.id},
		Hostname:       a.options.Hostname,
		URL:            a.url(),
		Domain:         a.options.Domain.info(),
		Resources:      o.resources.Messages(role, false),
		Attributes:     a.attributes,
		ExecutorIDs:    a.executorIDs(f.id),
		AllocationInfo: &mesos.Resource_AllocationInfo{Role: &role},
		Unavailability: m.unavailability(a),
	}
	if m.options.OfferTimeout > 0 {
		o.timeout = m.after(m.options.OfferTimeout, func() {
			if m.offers[o.id] == o {
				m.rescind(o)
			}
		})
	}
	m.offers[o.id], f.offers[o.id], a.offers[o.id] = o, o, o
	f.allocate(role, o.resources)
	f.offersOfRole[role]++
	m.offersOfRole[role]++
	return o
}

// forFramework is the offer in the format that its framework reads.
func (o *offer) forFramework() mesos.Offer {
	message := o.message
	if !o.framework.capable(mesos.FrameworkInfo_Capability_RESERVATION_REFINEMENT) {
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

// takeOffer makes an offer void. Its resources are the caller's to give on.
func (m *Master) takeOffer(o *offer) {
	o.stopTimeout()
	delete(m.offers, o.id)
	delete(o.framework.offers, o.id)
	delete(o.agent.offers, o.id)
	o.framework.deallocate(o.role, o.resources)
}

func (o *offer) stopTimeout() {
	if o.timeout != nil {
		o.timeout.Stop()
	}
}

// recoverOffer makes an offer void; its resources are free at the next pass.
func (m *Master) recoverOffer(o *offer) {
	m.takeOffer(o)
	o.agent.free.Add(o.resources)
}

func (m *Master) recoverOffers(f *framework) {
	m.recoverInverse(f)
	for _, o := range f.offers {
		m.recoverOffer(o)
	}
}

// rescind makes an offer void and tells the framework.
func (m *Master) rescind(o *offer) {
	m.recoverOffer(o)
	m.send(o.framework, rescindEvent(o.id))
}

func (m *Master) decline(f *framework, call *schedulerpb.Call_Decline) {
	for _, id := range call.OfferIDs {
		if o, ok := f.offers[id.Value]; ok {
			m.recoverOffer(o)
			m.refuse(f, o.agent, o.role, o.resources, call.Filters)
		}
	}
}

// refuse keeps resources from a framework for the time that its filters say.
func (m *Master) refuse(f *framework, a *Agent, role string, q resource.Quantities, filters *mesos.Filters) {
	d := refuseDuration(filters)
	if d <= 0 || q.IsEmpty() {
		return
	}
	if f.filters[a] == nil {
		f.filters[a] = map[string][]filter{}
	}
	d = max(d, m.options.AllocationInterval) // it outlives the next pass
	f.filters[a][role] = append(f.filters[a][role], filter{refused: q.Clone(), until: m.options.Now().Add(d)})
}

// refuseDuration is 5 s by default, and for nonsense; a year at most.
func refuseDuration(filters *mesos.Filters) time.Duration {
	const year = 365 * 24 * time.Hour
	if filters == nil || filters.RefuseSeconds == nil {
		return defaultRefuse
	}
	seconds := *filters.RefuseSeconds
	switch {
	case math.IsNaN(seconds) || seconds < 0:
		return defaultRefuse
	case seconds > year.Seconds():
		return year
	}
	return time.Duration(seconds * float64(time.Second))
}

// revive clears the filters of the roles, all if none is named, and allocates at once.
func (m *Master) revive(f *framework, roles []string) {
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
	m.allocateSoon()
}

// subscribedTo says whether all roles are the framework's. A call that names another
// one is dropped whole.
func (f *framework) subscribedTo(roles []string) bool {
	return !slices.ContainsFunc(roles, func(role string) bool { return !slices.Contains(f.roles(), role) })
}

func (m *Master) suppress(f *framework, roles []string) {
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
