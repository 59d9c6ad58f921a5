// Package quota says what the quotas that operators of Mesos gave to roles leave. A master cuts
// its offers to the headroom of the role's quota, so that an agent seems to lack what only the
// role lacks.
//
// It asks nobody: mesos/session passes in what the master answered. mesos/scheduler asks it when
// a demand has no place.
package quota

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	quotapb "github.com/mesos/mesos-go/api/v1/lib/quota"

	"github.com/k8sm/k8sm/mesos/placement"
)

// The resources that quotas are compared for, and their units for people.
var units = []struct{ resource, unit string }{{"cpus", "cpus"}, {"mem", "MiB of memory"}, {"disk", "MiB of disk"}}

// Headroom is the quota of a role, and what is used of it.
type Headroom struct {
	// Role is the one that has the quota: the first part of a nested role's name.
	Role string
	// Limit and Used are amounts by resource. A resource without a limit is not in Limit.
	Limit, Used map[string]float64
}

// Of returns the headroom of each role whose quota has a limit. The quota of a role counts for
// the roles below it, too. Reservations for a role count as used, whether something runs in them
// or not; offers do not, because they may go to the demands in question.
func Of(roles []string, configs []quotapb.QuotaConfig, agents []master.Response_GetAgents_Agent) map[string]Headroom {
	out := map[string]Headroom{}
	for _, role := range roles {
		top, _, _ := strings.Cut(role, "/")
		i := slices.IndexFunc(configs, func(c quotapb.QuotaConfig) bool { return c.Role == top && len(c.Limits) > 0 })
		if i < 0 {
			continue
		}
		h := Headroom{Role: top, Limit: map[string]float64{}, Used: map[string]float64{}}
		for name, amount := range configs[i].Limits {
			h.Limit[name] = amount.GetValue()
		}
		for a := range agents {
			h.use(&agents[a])
		}
		out[role] = h
	}
	return out
}

// use adds what the role uses of an agent.
func (h *Headroom) use(a *master.Response_GetAgents_Agent) {
	for i := range a.AllocatedResources {
		r := &a.AllocatedResources[i]
		if isWithin(r.AllocationInfo.GetRole(), h.Role) && len(r.Reservations) == 0 {
			h.Used[r.Name] += r.GetScalar().GetValue()
		}
	}
	for i := range a.TotalResources {
		r := &a.TotalResources[i]
		if isWithin(reservedTo(r), h.Role) {
			h.Used[r.Name] += r.GetScalar().GetValue()
		}
	}
}

// reservedTo returns the role that a resource is reserved to; empty for none.
func reservedTo(r *mesos.Resource) string {
	if n := len(r.Reservations); n > 0 {
		return r.Reservations[n-1].GetRole()
	}
	return ""
}

func isWithin(role, top string) bool { return role == top || strings.HasPrefix(role, top+"/") }

// Lacks says which part of a demand the quota does not leave; empty if it leaves all of it.
// The demand may be reserved to the role already, which the quota counts as used: then this is
// too strict, and the offers of those agents fit all the same.
func (h Headroom) Lacks(need placement.Resources) string {
	wanted := map[string]float64{"cpus": need.CPUs, "mem": need.MemMiB, "disk": need.DiskMiB}
	var left, lacking []string
	for _, u := range units {
		limit, limited := h.Limit[u.resource]
		if !limited || wanted[u.resource] == 0 {
			continue
		}
		rest := max(limit-h.Used[u.resource], 0)
		left = append(left, fmt.Sprintf("%s of %s %s", number(rest), number(limit), u.unit))
		if rest+tolerance < wanted[u.resource] {
			lacking = append(lacking, fmt.Sprintf("%s %s", number(wanted[u.resource]), u.unit))
		}
	}
	if len(lacking) == 0 {
		return ""
	}
	return fmt.Sprintf("the quota of role %s leaves %s, and the node needs %s: offers are cut to what is left. Raise the quota, or free some of it",
		h.Role, strings.Join(left, " and "), strings.Join(lacking, " and "))
}

// tolerance is half of the unit in which Mesos counts.
const tolerance = 0.0005

// number writes an amount with at most three decimals, as Mesos counts.
func number(x float64) string { return strconv.FormatFloat(math.Round(x*1000)/1000, 'f', -1, 64) }
