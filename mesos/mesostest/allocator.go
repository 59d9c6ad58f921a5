package mesostest

import (
	"cmp"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// What an agent must have free to be offered: 0.01 cpus or 32 MB.
const (
	minCPUs = 10
	minMem  = 32_000
)

// defaultRefuse is how long a declined offer is not made again, unless said otherwise.
const defaultRefuse = 5 * time.Second

// filter keeps from a framework what it refused, and anything less.
type filter struct {
	refused resource.Quantities
	until   time.Time
}

// claimant is a framework in one of its roles.
type claimant struct {
	framework *framework
	role      string
}

// allocateForEver runs the allocator, at every interval and when it is asked to.
func (m *Master) allocateForEver() {
	ticker := time.NewTicker(m.options.AllocationInterval)
	defer ticker.Stop()
	for {
		select {
		case <-m.done:
			return
		case <-ticker.C:
		case <-m.allocateNow:
		}
		m.mu.Lock()
		m.allocate()
		m.mu.Unlock()
	}
}

func (m *Master) allocateSoon() {
	select {
	case m.allocateNow <- struct{}{}:
	default:
	}
}

// allocate makes offers of all that is free. As in Mesos, all that is free on an
// agent goes to one framework, to the one with the smallest dominant share that
// has not refused it; roles first, then frameworks in a role. What others' quotas or
// reservations keep from it goes to the next one.
func (m *Master) allocate() {
	defer m.inverseAllocate()
	claimants := m.claimants()
	if len(claimants) == 0 {
		return
	}
	batches := map[*framework][]mesos.Offer{}
	p := m.newPass()
	if p != nil && p.anyGuaranteed() {
		m.allocateTo(claimants, p, p.guaranteed, batches)
	}
	m.allocateTo(claimants, p, func(string) bool { return true }, batches)
	for _, f := range m.sortedFrameworks() {
		if offers := batches[f]; len(offers) > 0 {
			m.send(f, offersEvent(offers))
		}
	}
}

// allocateTo offers what is free to claimants in roles that are entitled to it.
func (m *Master) allocateTo(claimants []claimant, p *pass, entitled func(role string) bool, batches map[*framework][]mesos.Offer) {
	now := m.options.Now()
	for _, a := range m.agents {
		if !a.active() || !worthOffering(a.free) {
			continue
		}
		m.sortByShare(claimants)
		for _, c := range claimants {
			if a.free.IsEmpty() {
				break
			}
			if !entitled(c.role) || !c.mayHave(a) {
				continue
			}
			q := p.chop(c.role, a.free.AllocatableTo(c.role))
			if worthOffering(q) && !c.refuses(a, q, now) {
				p.offered(c.role, q)
				o := m.makeOffer(c.framework, a, c.role, q)
				batches[c.framework] = append(batches[c.framework], o.forFramework())
			}
		}
	}
}

func (m *Master) claimants() []claimant {
	var out []claimant
	for _, f := range m.frameworks {
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

func (m *Master) sortByShare(claimants []claimant) {
	if len(claimants) == 1 {
		return
	}
	type share struct {
		role, framework           float64
		roleCount, frameworkCount int // of offers so far: among equals who had fewer goes first
	}
	shares := make(map[claimant]share, len(claimants))
	for _, c := range claimants {
		role := resource.QuantitiesOf()
		for _, f := range m.frameworks {
			role.Add(f.allocated[c.role])
		}
		shares[c] = share{
			m.dominantShare(role) / m.weight(c.role), m.dominantShare(c.framework.allocated[c.role]),
			m.offersOfRole[c.role], c.framework.offersOfRole[c.role],
		}
	}
	slices.SortFunc(claimants, func(a, b claimant) int {
		x, y := shares[a], shares[b]
		return cmp.Or(
			cmp.Compare(x.role, y.role), cmp.Compare(x.roleCount, y.roleCount), cmp.Compare(a.role, b.role),
			cmp.Compare(x.framework, y.framework), cmp.Compare(x.frameworkCount, y.frameworkCount),
			cmp.Compare(a.framework.number, b.framework.number),
		)
	})
}

// dominantShare is the largest share of any resource of the cluster.
func (m *Master) dominantShare(q resource.Quantities) float64 {
	share := 0.0
	all := m.total.ByName().Scalars
	for name, amount := range q.ByName().Scalars {
		if total := all[name]; total > 0 {
			share = max(share, float64(amount)/float64(total))
		}
	}
	return share
}

// mayHave says whether the agent may be offered to the claimant: it is neither in a
// far region, nor would it waste GPUs, nor do the framework's constraints forbid it.
func (c claimant) mayHave(a *Agent) bool {
	if a.foreign && !c.framework.capable(mesos.FrameworkInfo_Capability_REGION_AWARE) {
		return false
	}
	if a.total.Scalars["gpus"] > 0 && !c.framework.capable(mesos.FrameworkInfo_Capability_GPU_RESOURCES) {
		return false
	}
	return c.framework.constraints.Admit(c.role, a.candidate())
}

// refuses says whether the claimant has lately declined as much of the agent.
func (c claimant) refuses(a *Agent, q resource.Quantities, now time.Time) bool {
	filters := c.framework.filters[a]
	if len(filters[c.role]) == 0 {
		return false
	}
	filters[c.role] = slices.DeleteFunc(filters[c.role], func(x filter) bool { return !now.Before(x.until) })
	return slices.ContainsFunc(filters[c.role], func(x filter) bool { return x.refused.Contains(q) })
}

// active agents are those of which there are offers.
func (a *Agent) active() bool { return a.state == agentActive && !a.deactivated }

// worthOffering says whether there is enough for an offer.
func worthOffering(q resource.Quantities) bool {
	scalars := q.ByName().Scalars
	return scalars["cpus"] >= minCPUs || scalars["mem"] >= minMem
}
