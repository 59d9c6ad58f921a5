package quota

import (
	"maps"

	quotapb "github.com/mesos/mesos-go/api/v1/lib/quota"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// Pass is one pass of the allocator, as far as quotas are concerned. A nil Pass is one
// without quotas: it limits nothing.
type Pass struct {
	configs  map[string]quotapb.QuotaConfig // by role
	consumed map[string]Amounts             // of roles with a quota, offers included
	missing  map[string]Amounts             // of roles' guarantees
	headroom Amounts                        // free on all agents, unreserved
}

// NewPass starts a pass. The function returns what a role and the roles below it consume,
// offers included; the headroom is what is free on all active agents and unreserved.
func NewPass(configs map[string]quotapb.QuotaConfig, consumed func(role string) Amounts, headroom Amounts) *Pass {
	if len(configs) == 0 {
		return nil
	}
	p := &Pass{
		configs:  configs,
		consumed: map[string]Amounts{},
		missing:  map[string]Amounts{},
		headroom: maps.Clone(headroom),
	}
	for role, c := range configs {
		p.consumed[role] = consumed(role)
		missing := AmountsOf(c.Guarantees)
		missing.Subtract(p.consumed[role])
		maps.DeleteFunc(missing, func(_ string, amount int64) bool { return amount <= 0 })
		p.missing[role] = missing
	}
	return p
}

// IsOwed reports whether the role does not yet have what is guaranteed to it.
func (p *Pass) IsOwed(role string) bool { return p != nil && len(p.missing[role]) > 0 }

// IsAnyOwed reports whether the guarantees of any role are to be met before others get
// anything.
func (p *Pass) IsAnyOwed() bool {
	if p == nil {
		return false
	}
	for role := range p.missing {
		if p.IsOwed(role) {
			return true
		}
	}
	return false
}

// Limit cuts what may be offered to a role: to its limits, and so that enough is left
// for the guarantees of others. Reserved resources and ranges stay whole.
func (p *Pass) Limit(role string, q resource.Quantities) resource.Quantities {
	if p == nil {
		return q
	}
	limits := Amounts{}
	if c, ok := p.configs[role]; ok {
		for name, limit := range AmountsOf(c.Limits) {
			limits[name] = max(0, limit-p.consumed[role][name])
		}
	}
	required := Amounts{}
	for other, missing := range p.missing {
		if other != role {
			required.Add(missing)
		}
	}
	out := q.Clone()
	for name, amount := range q.Unreserved().Scalars {
		if limit, ok := limits[name]; ok {
			amount = min(amount, limit)
		}
		if required[name] > 0 {
			amount = min(amount, max(0, p.headroom[name]-required[name]))
		}
		if out.Scalars[name] = amount; amount == 0 {
			delete(out.Scalars, name)
		}
	}
	return out
}

// RecordOffer counts an offer to the role.
func (p *Pass) RecordOffer(role string, q resource.Quantities) {
	if p == nil {
		return
	}
	for name, amount := range q.Unreserved().Scalars {
		p.headroom[name] -= amount
		for quotaRole := range p.consumed {
			if naming.IsWithin(role, quotaRole) {
				p.consumed[quotaRole][name] += amount
			}
		}
		if missing := p.missing[role]; missing[name] > 0 {
			if missing[name] -= amount; missing[name] <= 0 {
				delete(missing, name)
			}
		}
	}
}
