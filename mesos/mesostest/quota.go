package mesostest

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	"github.com/mesos/mesos-go/api/v1/lib/quota"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// shares are what operators decided on how roles share the cluster. They are part of
// the registry.
type shares struct {
	quotas  map[string]quota.QuotaConfig // by role
	weights map[string]float64           // by role; 1 unless it is here
}

func (s *shares) weight(role string) float64 {
	if w, ok := s.weights[role]; ok {
		return w
	}
	return 1
}

// amounts of scalar resources by name, in thousandths, as a quota has them.
func amounts(values map[string]mesos.Value_Scalar) map[string]int64 {
	out := map[string]int64{}
	for name, v := range values {
		out[name] = int64(math.Round(v.Value * 1000))
	}
	return out
}

// within says whether there is no more of anything limited than the limit. What is
// not in the limits is not limited.
func within(have, limits map[string]int64) bool {
	for name, amount := range have {
		if limit, ok := limits[name]; ok && amount > limit {
			return false
		}
	}
	return true
}

// covers says whether there is at least as much of everything.
func covers(have, want map[string]int64) bool {
	for name, amount := range want {
		if have[name] < amount {
			return false
		}
	}
	return true
}

func addAmounts(to, more map[string]int64) {
	for name, amount := range more {
		to[name] += amount
	}
}

// consumed is what a role and those below it use of their quota: what is allocated,
// and what is reserved, used or not. Offers count if they are asked for.
func (m *Master) consumed(role string, withOffers bool) map[string]int64 {
	sum := map[string]int64{}
	for _, f := range m.frameworks {
		for r, q := range f.allocated {
			if naming.IsWithin(r, role) {
				addAmounts(sum, q.Unreserved().Scalars)
			}
		}
		for _, o := range f.offers {
			if naming.IsWithin(o.role, role) && !withOffers {
				for name, amount := range o.resources.Unreserved().Scalars {
					sum[name] -= amount
				}
			}
		}
	}
	for _, a := range m.agents {
		if a.state == agentUnreachable {
			continue
		}
		for r, q := range a.total.ReservedByRole() {
			if naming.IsWithin(r, role) {
				addAmounts(sum, q)
			}
		}
	}
	maps.DeleteFunc(sum, func(_ string, amount int64) bool { return amount == 0 })
	return sum
}

// updateQuota is the operator's UPDATE_QUOTA.
func (m *Master) updateQuota(call *master.Call_UpdateQuota) error {
	for _, c := range call.QuotaConfigs {
		if strings.Contains(c.Role, "/") {
			return mesoserror.Errorf("Updating quota on nested role '%s' is not supported yet", c.Role)
		}
		if err := validateQuota(c); err != nil {
			return mesoserror.Errorf("Invalid QuotaConfig: %v", err)
		}
	}
	if !call.GetForce() {
		if err := m.validateQuotaAgainstUse(call.QuotaConfigs); err != nil {
			return mesoserror.Errorf("Invalid QuotaConfig: %v (use 'force' flag to bypass this check)", err)
		}
	}
	if m.quotas == nil {
		m.quotas = map[string]quota.QuotaConfig{}
	}
	for _, c := range call.QuotaConfigs {
		m.quotas[c.Role] = c
	}
	for _, c := range call.QuotaConfigs {
		m.rescindForQuota(c)
	}
	return nil
}

func validateQuota(c quota.QuotaConfig) error {
	if err := naming.ValidateRole(c.Role); err != nil {
		return mesoserror.Errorf("Invalid 'QuotaConfig.role': %v", err)
	}
	for _, part := range []struct {
		kind   string
		values map[string]mesos.Value_Scalar
	}{{"guarantee", c.Guarantees}, {"limit", c.Limits}} {
		for _, name := range slices.Sorted(maps.Keys(part.values)) {
			v := part.values[name].Value
			why := ""
			switch {
			case math.IsNaN(v) || math.IsInf(v, 0):
				why = "Infinite values not supported"
			case v < 0:
				why = "Negative values not supported"
			case v > 1e12:
				return mesoserror.Errorf("Invalid 'QuotaConfig.%ss': {'%s': %s} is invalid: values greater than 1 trillion (1000000000000) are not supported",
					part.kind, name, number(v))
			}
			if why != "" {
				return mesoserror.Errorf("Invalid %s configuration {'%s': %s}: %s", part.kind, name, number(v), why)
			}
		}
	}
	if !within(amounts(c.Guarantees), amounts(c.Limits)) {
		return mesoserror.Errorf("'QuotaConfig.guarantees' { %s } is not contained within the 'QuotaConfig.limits' { %s }",
			describeValues(c.Guarantees, ": ", ", "), describeValues(c.Limits, ": ", ", "))
	}
	return nil
}

// validateQuotaAgainstUse wants limits to hold already, and guarantees to be there.
func (m *Master) validateQuotaAgainstUse(configs []quota.QuotaConfig) error {
	planned := maps.Clone(m.quotas)
	if planned == nil {
		planned = map[string]quota.QuotaConfig{}
	}
	for _, c := range configs {
		planned[c.Role] = c
		if used := m.consumed(c.Role, false); !within(used, amounts(c.Limits)) {
			return mesoserror.Errorf("Role '%s' is already consuming '%s'; this is more than the requested limits '%s'",
				c.Role, describeAmounts(used), describeValues(c.Limits, ":", "; "))
		}
	}
	guaranteed := map[string]int64{}
	for _, c := range planned {
		addAmounts(guaranteed, amounts(c.Guarantees))
	}
	if capacity := m.total.ByName().Scalars; !covers(capacity, guaranteed) {
		return mesoserror.Errorf("total quota guarantees '%s' exceed cluster capacity '%s'",
			describeAmounts(guaranteed), describeAmounts(capacity))
	}
	return nil
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func describeAmounts(amounts map[string]int64) string {
	values := map[string]mesos.Value_Scalar{}
	for name, amount := range amounts {
		values[name] = mesos.Value_Scalar{Value: float64(amount) / 1000}
	}
	return describeValues(values, ":", "; ")
}

func describeValues(values map[string]mesos.Value_Scalar, is, then string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		parts = append(parts, name+is+number(values[name].Value))
	}
	return strings.Join(parts, then)
}

// rescindForQuota takes back offers: the role's own until it is below its limits,
// others' until there is enough for its guarantees.
func (m *Master) rescindForQuota(c quota.QuotaConfig) {
	limits, guarantees := amounts(c.Limits), amounts(c.Guarantees)
	used := m.consumed(c.Role, true)
	for _, f := range m.sortedFrameworks() {
		for _, o := range valuesByKey(f.offers) {
			if naming.IsWithin(o.role, c.Role) && !within(used, limits) {
				for name, amount := range o.resources.ByName().Scalars {
					used[name] -= amount
				}
				m.rescind(o)
			}
		}
	}
	for _, a := range m.agents {
		for _, o := range valuesByKey(a.offers) {
			if !naming.IsWithin(o.role, c.Role) && !covers(used, guarantees) {
				addAmounts(used, o.resources.ByName().Scalars)
				m.rescind(o)
			}
		}
	}
}

// updateWeights is the operator's UPDATE_WEIGHTS. All offers are taken back if there
// is a framework in one of the roles.
func (m *Master) updateWeights(infos []mesos.WeightInfo) error {
	for _, w := range infos {
		role := w.GetRole()
		if err := naming.ValidateRole(role); err != nil {
			return mesoserror.Errorf("Failed to validate update weights request JSON: Invalid role '%s': %v", role, err)
		}
		if math.IsNaN(w.Weight) || w.Weight <= 0 {
			return mesoserror.Errorf("Failed to validate update weights request JSON for role '%s': Invalid weight '%s': Weights must be positive",
				role, number(w.Weight))
		}
	}
	if m.weights == nil {
		m.weights = map[string]float64{}
	}
	concerned := false
	for _, w := range infos {
		m.weights[w.GetRole()] = w.Weight
		for _, f := range m.frameworks {
			concerned = concerned || slices.Contains(f.roles(), w.GetRole())
		}
	}
	for _, a := range m.agents {
		for _, o := range valuesByKey(a.offers) {
			if concerned {
				m.rescind(o)
			}
		}
	}
	return nil
}

func (m *Master) readQuota() *master.Response_GetQuota {
	out := &master.Response_GetQuota{}
	for _, role := range slices.Sorted(maps.Keys(m.quotas)) {
		c := m.quotas[role]
		info := quota.QuotaInfo{Role: &role}
		info.Guarantee = append(info.Guarantee, resource.Quantities{Scalars: amounts(c.Guarantees)}.Messages("", false)...)
		out.Status.Infos = append(out.Status.Infos, info)
		out.Status.Configs = append(out.Status.Configs, c)
	}
	return out
}

// readWeights is nil if there are none but the default.
func (m *Master) readWeights() *master.Response_GetWeights {
	if len(m.weights) == 0 {
		return nil
	}
	out := &master.Response_GetWeights{}
	for _, role := range slices.Sorted(maps.Keys(m.weights)) {
		out.WeightInfos = append(out.WeightInfos, mesos.WeightInfo{Role: &role, Weight: m.weights[role]})
	}
	return out
}

// pass is one pass of the allocator, as far as quotas are concerned.
type pass struct {
	master   *Master
	consumed map[string]map[string]int64 // of roles with quota, offers included
	missing  map[string]map[string]int64 // of roles' guarantees
	headroom map[string]int64            // free on all agents, unreserved
}

func (m *Master) newPass() *pass {
	if len(m.quotas) == 0 {
		return nil
	}
	p := &pass{
		master:   m,
		consumed: map[string]map[string]int64{},
		missing:  map[string]map[string]int64{},
		headroom: map[string]int64{},
	}
	for role := range m.quotas {
		p.consumed[role] = m.consumed(role, true)
	}
	for _, a := range m.agents {
		if a.active() {
			addAmounts(p.headroom, a.free.Unreserved().Scalars)
		}
	}
	for role, c := range m.quotas {
		missing := amounts(c.Guarantees)
		for name, amount := range p.consumed[role] {
			missing[name] -= amount
		}
		maps.DeleteFunc(missing, func(_ string, amount int64) bool { return amount <= 0 })
		p.missing[role] = missing
	}
	return p
}

// guaranteed says whether the role has not yet what is guaranteed to it.
func (p *pass) guaranteed(role string) bool { return p != nil && len(p.missing[role]) > 0 }

// anyGuaranteed says whether the guarantees of any role are to be met first.
func (p *pass) anyGuaranteed() bool {
	for role := range p.missing {
		if len(p.missing[role]) > 0 {
			return true
		}
	}
	return false
}

// chop cuts what may be offered to a role: to its limits, and so that enough is left
// for the guarantees of others. Reserved resources and ranges stay whole.
func (p *pass) chop(role string, q resource.Quantities) resource.Quantities {
	if p == nil {
		return q
	}
	limits := map[string]int64{}
	if c, ok := p.master.quotas[role]; ok {
		for name, limit := range amounts(c.Limits) {
			limits[name] = max(0, limit-p.consumed[role][name])
		}
	}
	required := map[string]int64{}
	for other, missing := range p.missing {
		if other != role {
			addAmounts(required, missing)
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

// offered counts an offer to the role.
func (p *pass) offered(role string, q resource.Quantities) {
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
