package mesostest

import (
	"maps"
	"math"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	quotapb "github.com/mesos/mesos-go/api/v1/lib/quota"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/quota"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// quotaState holds the quotas and weights that operators gave to roles. It is part of the
// registry.
type quotaState struct {
	cluster *cluster
	quotas  map[string]quotapb.QuotaConfig // by role
	weights map[string]float64             // by role; 1 unless it is here
}

func (s *quotaState) weight(role string) float64 {
	if w, ok := s.weights[role]; ok {
		return w
	}
	return 1
}

// consumed is what a role and the roles below it use of a quota: what is allocated, and
// what is reserved, used or not. Offers are counted if withOffers is set.
func (s *quotaState) consumed(role string, withOffers bool) quota.Amounts {
	sum := quota.Amounts{}
	for _, f := range s.cluster.frameworks {
		for r, q := range f.allocated {
			if naming.IsWithin(r, role) {
				sum.Add(q.Unreserved().Scalars)
			}
		}
		for _, o := range f.offers {
			if naming.IsWithin(o.role, role) && !withOffers {
				sum.Subtract(o.resources.Unreserved().Scalars)
			}
		}
	}
	for _, a := range s.cluster.agents {
		if a.record.state == agentUnreachable {
			continue
		}
		for r, q := range a.record.total.ReservedByRole() {
			if naming.IsWithin(r, role) {
				sum.Add(q)
			}
		}
	}
	maps.DeleteFunc(sum, func(_ string, amount int64) bool { return amount == 0 })
	return sum
}

// update is the operator's UPDATE_QUOTA.
func (s *quotaState) update(call *master.Call_UpdateQuota) error {
	if err := quota.Validate(call.QuotaConfigs); err != nil {
		return err
	}
	if !call.GetForce() {
		err := quota.ValidateUsage(s.quotas, call.QuotaConfigs, quota.Usage{
			Consumed: func(role string) quota.Amounts { return s.consumed(role, false) },
			Capacity: s.cluster.total.ByName().Scalars,
		})
		if err != nil {
			return err
		}
	}
	if s.quotas == nil {
		s.quotas = map[string]quotapb.QuotaConfig{}
	}
	for _, c := range call.QuotaConfigs {
		s.quotas[c.Role] = c
	}
	for _, c := range call.QuotaConfigs {
		s.rescindFor(c)
	}
	return nil
}

// rescindFor takes back offers: the role's own until it is below its limits,
// others' until there is enough for its guarantees.
func (s *quotaState) rescindFor(c quotapb.QuotaConfig) {
	limits, guarantees := quota.AmountsOf(c.Limits), quota.AmountsOf(c.Guarantees)
	used := s.consumed(c.Role, true)
	for _, f := range s.cluster.sortedFrameworks() {
		for _, o := range valuesByKey(f.offers) {
			if naming.IsWithin(o.role, c.Role) && !used.IsWithin(limits) {
				used.Subtract(o.resources.ByName().Scalars)
				o.rescind()
			}
		}
	}
	for _, a := range s.cluster.agents {
		for _, o := range valuesByKey(a.record.offers) {
			if !naming.IsWithin(o.role, c.Role) && !used.Covers(guarantees) {
				used.Add(o.resources.ByName().Scalars)
				o.rescind()
			}
		}
	}
}

// updateWeights is the operator's UPDATE_WEIGHTS. All offers are taken back if there
// is a framework in one of the roles.
func (s *quotaState) updateWeights(infos []mesos.WeightInfo) error {
	for _, w := range infos {
		role := w.GetRole()
		if err := naming.ValidateRole(role); err != nil {
			return mesoserror.Errorf("Failed to validate update weights request JSON: Invalid role '%s': %v", role, err)
		}
		if math.IsNaN(w.Weight) || w.Weight <= 0 {
			return mesoserror.Errorf("Failed to validate update weights request JSON for role '%s': Invalid weight '%s': Weights must be positive",
				role, quota.FormatNumber(w.Weight))
		}
	}
	if s.weights == nil {
		s.weights = map[string]float64{}
	}
	concerned := false
	for _, w := range infos {
		s.weights[w.GetRole()] = w.Weight
		for _, f := range s.cluster.frameworks {
			concerned = concerned || slices.Contains(f.roles(), w.GetRole())
		}
	}
	for _, a := range s.cluster.agents {
		for _, o := range valuesByKey(a.record.offers) {
			if concerned {
				o.rescind()
			}
		}
	}
	return nil
}

func (s *quotaState) readQuota() *master.Response_GetQuota {
	out := &master.Response_GetQuota{}
	for _, role := range slices.Sorted(maps.Keys(s.quotas)) {
		c := s.quotas[role]
		info := quotapb.QuotaInfo{Role: &role}
		info.Guarantee = append(info.Guarantee, resource.Quantities{Scalars: quota.AmountsOf(c.Guarantees)}.Messages("", false)...)
		out.Status.Infos = append(out.Status.Infos, info)
		out.Status.Configs = append(out.Status.Configs, c)
	}
	return out
}

// readWeights is nil if there are none but the default.
func (s *quotaState) readWeights() *master.Response_GetWeights {
	if len(s.weights) == 0 {
		return nil
	}
	out := &master.Response_GetWeights{}
	for _, role := range slices.Sorted(maps.Keys(s.weights)) {
		out.WeightInfos = append(out.WeightInfos, mesos.WeightInfo{Role: &role, Weight: s.weights[role]})
	}
	return out
}

// newPass starts a pass of the allocator; nil if there are no quotas.
func (s *quotaState) newPass() *quota.Pass {
	if len(s.quotas) == 0 {
		return nil
	}
	headroom := quota.Amounts{}
	for _, a := range s.cluster.agents {
		if a.record.isActive() {
			headroom.Add(a.record.free.Unreserved().Scalars)
		}
	}
	return quota.NewPass(s.quotas, func(role string) quota.Amounts { return s.consumed(role, true) }, headroom)
}
