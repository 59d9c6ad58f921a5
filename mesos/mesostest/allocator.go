package mesostest

import (
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/allocation"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/quota"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// offerAllocator makes offers of what is free.
type offerAllocator struct {
	cluster *cluster
	wake    chan struct{} // has a value when a pass is wanted before its time
}

// claimant is a framework in one of its roles.
type claimant struct {
	framework *framework
	role      string
}

// run makes a pass at every interval, and when it is asked to, until the cluster closes.
func (al *offerAllocator) run() {
	ticker := time.NewTicker(al.cluster.options.AllocationInterval)
	defer ticker.Stop()
	for {
		select {
		case <-al.cluster.done:
			return
		case <-ticker.C:
		case <-al.wake:
		}
		al.cluster.mu.Lock()
		al.allocate()
		al.cluster.mu.Unlock()
	}
}

// runSoon asks for a pass before its time.
func (al *offerAllocator) runSoon() {
	select {
	case al.wake <- struct{}{}:
	default:
	}
}

// allocate makes offers of all that is free. As in Mesos, all that is free on an
// agent goes to one framework, to the one with the smallest dominant share that
// has not refused it; roles first, then frameworks in a role. What others' quotas or
// reservations keep from it goes to the next one.
func (al *offerAllocator) allocate() {
	defer al.makeInverseOffers()
	claimants := al.claimants()
	if len(claimants) == 0 {
		return
	}
	batches := map[*framework][]mesos.Offer{}
	p := al.cluster.quota.newPass()
	if p.IsAnyOwed() {
		al.offerTo(claimants, p, p.IsOwed, batches)
	}
	al.offerTo(claimants, p, func(string) bool { return true }, batches)
	for _, f := range al.cluster.sortedFrameworks() {
		if offers := batches[f]; len(offers) > 0 {
			f.send(events.Offers(offers))
		}
	}
}

// offerTo offers what is free to claimants in roles that are entitled to it.
func (al *offerAllocator) offerTo(claimants []claimant, p *quota.Pass, entitled func(role string) bool, batches map[*framework][]mesos.Offer) {
	now := al.cluster.options.Now()
	for _, a := range al.cluster.agents {
		if !a.record.isActive() || !allocation.IsWorthOffering(a.record.free) {
			continue
		}
		al.sortByShare(claimants)
		for _, c := range claimants {
			if a.record.free.IsEmpty() {
				break
			}
			if !entitled(c.role) || !c.canBeOffered(a) {
				continue
			}
			q := p.Limit(c.role, a.record.free.AllocatableTo(c.role))
			if allocation.IsWorthOffering(q) && !c.framework.filters[a].Refuse(c.role, q, now) {
				p.RecordOffer(c.role, q)
				o := c.framework.makeOffer(a, c.role, q)
				batches[c.framework] = append(batches[c.framework], o.forFramework())
			}
		}
	}
}

// claimants are all frameworks that are subscribed, once for each role that is not
// suppressed.
func (al *offerAllocator) claimants() []claimant {
	var out []claimant
	for _, f := range al.cluster.frameworks {
		if f.stream == nil {
			continue
		}
		for _, role := range f.roles() {
			if !f.suppressed[role] {
				out = append(out, claimant{f, role})
			}
		}
	}
	return out
}

// sortByShare puts the claimant first whose turn it is.
func (al *offerAllocator) sortByShare(claimants []claimant) {
	if len(claimants) == 1 {
		return
	}
	claims := make(map[claimant]allocation.Claim, len(claimants))
	for _, c := range claimants {
		role := resource.QuantitiesOf()
		for _, f := range al.cluster.frameworks {
			role.Add(f.allocated[c.role])
		}
		claims[c] = allocation.Claim{
			Role:            c.role,
			RoleShare:       allocation.DominantShare(role, al.cluster.total) / al.cluster.quota.weight(c.role),
			RoleOffers:      al.cluster.offersOfRole[c.role],
			FrameworkShare:  allocation.DominantShare(c.framework.allocated[c.role], al.cluster.total),
			FrameworkOffers: c.framework.offersOfRole[c.role],
			FrameworkNumber: c.framework.number,
		}
	}
	slices.SortFunc(claimants, func(a, b claimant) int { return allocation.Compare(claims[a], claims[b]) })
}

// canBeOffered reports whether the agent may be offered to the claimant: it is neither in a
// far region, nor would it waste GPUs, nor do the framework's constraints forbid it.
func (c claimant) canBeOffered(a *Agent) bool {
	if a.record.foreign && !c.framework.hasCapability(mesos.FrameworkInfo_Capability_REGION_AWARE) {
		return false
	}
	if a.record.total.Scalars["gpus"] > 0 && !c.framework.hasCapability(mesos.FrameworkInfo_Capability_GPU_RESOURCES) {
		return false
	}
	constraints := c.framework.constraints
	return len(constraints) == 0 || constraints.Admit(c.role, a.candidate())
}

// isActive reports whether what is free on the agent is offered.
func (r *agentRecord) isActive() bool { return r.state == agentActive && !r.deactivated }
