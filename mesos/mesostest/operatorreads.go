package mesostest

import (
	"encoding/binary"
	"maps"
	"net"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/master"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// info of the master, as frameworks and operators get it.
func (m *Master) info() *mesos.MasterInfo {
	port := uint32(m.port)
	pid := "master@" + m.Addr()
	info := &mesos.MasterInfo{
		ID:       m.id,
		Port:     &port,
		PID:      &pid,
		Hostname: &m.options.Hostname,
		Version:  &m.options.Version,
		Address:  &mesos.Address{Hostname: &m.options.Hostname, IP: &m.ip, Port: int32(m.port)},
		Domain:   m.options.Domain.info(),
		Capabilities: []mesos.MasterInfo_Capability{
			{Type: mesos.MasterInfo_Capability_AGENT_UPDATE},
			{Type: mesos.MasterInfo_Capability_AGENT_DRAINING},
		},
	}
	if ip := net.ParseIP(m.ip).To4(); ip != nil {
		info.IP = binary.LittleEndian.Uint32(ip)
	}
	return info
}

// agentCapabilities of a 1.11 agent.
var agentCapabilities = []mesos.AgentInfo_Capability{
	{Type: mesos.AgentInfo_Capability_MULTI_ROLE},
	{Type: mesos.AgentInfo_Capability_HIERARCHICAL_ROLE},
	{Type: mesos.AgentInfo_Capability_RESERVATION_REFINEMENT},
	{Type: mesos.AgentInfo_Capability_RESOURCE_PROVIDER},
	{Type: mesos.AgentInfo_Capability_RESIZE_VOLUME},
	{Type: mesos.AgentInfo_Capability_AGENT_OPERATION_FEEDBACK},
	{Type: mesos.AgentInfo_Capability_AGENT_DRAINING},
	{Type: mesos.AgentInfo_Capability_TASK_RESOURCE_LIMITS},
}

func timeInfo(t time.Time) *mesos.TimeInfo {
	if t.IsZero() {
		return nil
	}
	return &mesos.TimeInfo{Nanoseconds: t.UnixNano()}
}

func (c *cluster) readAgents() *master.Response_GetAgents {
	out := &master.Response_GetAgents{Agents: []master.Response_GetAgents_Agent{}, RecoveredAgents: []mesos.AgentInfo{}}
	for _, a := range c.recovered {
		out.RecoveredAgents = append(out.RecoveredAgents, a.info())
	}
	for _, a := range c.agents {
		if a.record.state == agentUnreachable {
			continue
		}
		pid := a.pid()
		deactivated := a.record.deactivated
		out.Agents = append(out.Agents, master.Response_GetAgents_Agent{
			AgentInfo:               a.info(),
			Active:                  a.record.isActive(),
			Deactivated:             &deactivated,
			DrainInfo:               a.record.draining,
			EstimatedDrainStartTime: timeInfo(a.record.drainStarted),
			Version:                 c.options.Version,
			PID:                     &pid,
			RegisteredTime:          timeInfo(a.record.registered),
			ReregisteredTime:        timeInfo(a.record.reregistered),
			TotalResources:          a.record.total.Messages("", true),
			AllocatedResources:      byRole(a.record.used()),
			OfferedResources:        byRole(a.record.offered()),
			Capabilities:            agentCapabilities,
		})
	}
	return out
}

// used resources of the agent by role: of its tasks and executors.
func (r *agentRecord) used() map[string]resource.Quantities {
	sums := map[string]resource.Quantities{}
	for t := range r.tasks {
		if !t.released {
			addTo(sums, t.role, t.resources)
		}
	}
	for _, executors := range r.executors {
		for _, x := range executors {
			addTo(sums, x.role, x.resources)
		}
	}
	return sums
}

func (r *agentRecord) offered() map[string]resource.Quantities {
	sums := map[string]resource.Quantities{}
	for _, o := range r.offers {
		addTo(sums, o.role, o.resources)
	}
	return sums
}

func addTo(sums map[string]resource.Quantities, role string, q resource.Quantities) {
	if _, ok := sums[role]; !ok {
		sums[role] = resource.QuantitiesOf()
	}
	sums[role].Add(q)
}

func byRole(sums map[string]resource.Quantities) []mesos.Resource {
	var out []mesos.Resource
	for _, role := range slices.Sorted(maps.Keys(sums)) {
		out = append(out, sums[role].Messages(role, true)...)
	}
	return out
}

// sortedFrameworks by when they came: their IDs differ in chance once masters have.
func (c *cluster) sortedFrameworks() []*framework {
	return slices.SortedFunc(maps.Values(c.frameworks), func(a, b *framework) int { return a.number - b.number })
}

func (c *cluster) readFrameworks() *master.Response_GetFrameworks {
	out := &master.Response_GetFrameworks{
		Frameworks:          []master.Response_GetFrameworks_Framework{},
		CompletedFrameworks: []master.Response_GetFrameworks_Framework{},
	}
	for _, f := range c.sortedFrameworks() {
		out.Frameworks = append(out.Frameworks, f.read())
	}
	for _, f := range c.completed {
		out.CompletedFrameworks = append(out.CompletedFrameworks, f.read())
	}
	return out
}

func (f *framework) read() master.Response_GetFrameworks_Framework {
	offered := map[string]resource.Quantities{}
	var offers []mesos.Offer
	for _, id := range slices.Sorted(maps.Keys(f.offers)) {
		o := f.offers[id]
		offers = append(offers, o.message)
		addTo(offered, o.role, o.resources)
	}
	used := map[string]resource.Quantities{}
	for role, q := range f.allocated {
		rest := q.Clone()
		rest.Subtract(offered[role])
		used[role] = rest
	}
	return master.Response_GetFrameworks_Framework{
		FrameworkInfo:      f.info,
		Active:             f.stream != nil,
		Connected:          f.stream != nil,
		Recovered:          f.recovered,
		RegisteredTime:     timeInfo(f.registered),
		ReregisteredTime:   timeInfo(f.reregistered),
		UnregisteredTime:   timeInfo(f.unregistered),
		Offers:             offers,
		AllocatedResources: byRole(used),
		OfferedResources:   byRole(offered),
	}
}

func (c *cluster) readTasks() *master.Response_GetTasks {
	out := &master.Response_GetTasks{
		Tasks:            []mesos.Task{},
		UnreachableTasks: []mesos.Task{},
		CompletedTasks:   []mesos.Task{},
	}
	for _, f := range append(c.sortedFrameworks(), c.completed...) {
		for _, id := range slices.Sorted(maps.Keys(f.tasks)) {
			out.Tasks = append(out.Tasks, f.tasks[id].read())
		}
		for _, id := range slices.Sorted(maps.Keys(f.unreachable)) {
			out.UnreachableTasks = append(out.UnreachableTasks, f.unreachable[id].read())
		}
		for _, t := range f.finished {
			out.CompletedTasks = append(out.CompletedTasks, t.read())
		}
	}
	return out
}

// read is the task without its data, which is not for operators.
func (t *task) read() mesos.Task {
	state, updateState := t.state, t.updateState
	return mesos.Task{
		Name:              t.info.Name,
		TaskID:            t.info.TaskID,
		FrameworkID:       mesos.FrameworkID{Value: t.framework.id},
		ExecutorID:        t.executorID(),
		AgentID:           mesos.AgentID{Value: t.agent.record.id},
		State:             &state,
		Resources:         t.info.Resources,
		Statuses:          slices.Clone(t.statuses),
		StatusUpdateState: &updateState,
		StatusUpdateUUID:  t.uuid,
		Labels:            t.info.Labels,
		Discovery:         t.info.Discovery,
		Container:         t.info.Container,
		KillPolicy:        t.info.KillPolicy,
	}
}

func (c *cluster) readExecutors() *master.Response_GetExecutors {
	out := &master.Response_GetExecutors{Executors: []master.Response_GetExecutors_Executor{}}
	for _, a := range c.agents {
		for _, frameworkID := range slices.Sorted(maps.Keys(a.record.executors)) {
			for _, id := range slices.Sorted(maps.Keys(a.record.executors[frameworkID])) {
				out.Executors = append(out.Executors, master.Response_GetExecutors_Executor{
					ExecutorInfo: *a.record.executors[frameworkID][id].info,
					AgentID:      mesos.AgentID{Value: a.record.id},
				})
			}
		}
	}
	return out
}

// readRoles lists the roles of frameworks, and the roles with a quota or a weight.
func (c *cluster) readRoles() *master.Response_GetRoles {
	sums := map[string]resource.Quantities{}
	frameworks := map[string][]mesos.FrameworkID{}
	for _, f := range c.sortedFrameworks() {
		for _, role := range f.roles() {
			frameworks[role] = append(frameworks[role], mesos.FrameworkID{Value: f.id})
			addTo(sums, role, f.allocated[role])
		}
	}
	for role := range c.quota.quotas {
		addTo(sums, role, resource.QuantitiesOf())
	}
	for role := range c.quota.weights {
		addTo(sums, role, resource.QuantitiesOf())
	}
	out := &master.Response_GetRoles{Roles: []mesos.Role{}}
	for _, role := range slices.Sorted(maps.Keys(sums)) {
		out.Roles = append(out.Roles, mesos.Role{
			Name:       role,
			Weight:     c.quota.weight(role),
			Frameworks: frameworks[role],
			Resources:  resource.Quantities{Scalars: sums[role].ByName().Scalars}.Messages("", false),
		})
	}
	return out
}
