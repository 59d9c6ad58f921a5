package session

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/mesos/mesos-go/api/v1/lib/master"

	"github.com/k8sm/k8sm/mesos/placement"
)

// AgentCapacity is what one agent has in all, used or not.
type AgentCapacity struct {
	AgentID   string
	Hostname  string
	Resources placement.Resources
}

// Capacity is what a cluster's agents have, as far as the framework's roles may use it.
type Capacity struct {
	// Agents counts the agents that are registered.
	Agents int
	// Largest are the agents that no other equals or exceeds in everything, in order of
	// memory, cpus, disk, host name.
	Largest []AgentCapacity
}

// Holds says whether any one agent could hold the resources if it were empty.
func (c Capacity) Holds(want placement.Resources) bool {
	return slices.ContainsFunc(c.Largest, func(a AgentCapacity) bool { return holds(a.Resources, want) })
}

func holds(a, b placement.Resources) bool {
	return a.CPUs >= b.CPUs && a.MemMiB >= b.MemMiB && a.DiskMiB >= b.DiskMiB && a.Ports >= b.Ports
}

// LargestAgent asks the master what the agents of the cluster have in all.
func (s *Session) LargestAgent(ctx context.Context) (Capacity, error) {
	r, err := s.ask(ctx, master.Call_GET_AGENTS)
	if err != nil {
		return Capacity{}, fmt.Errorf("asking the master for its agents: %w", err)
	}
	return capacityOf(r.GetGetAgents().GetAgents(), s.registration().Roles), nil
}

func capacityOf(agents []master.Response_GetAgents_Agent, roles []string) Capacity {
	c := Capacity{Agents: len(agents)}
	all := make([]AgentCapacity, 0, len(agents))
	for i := range agents {
		r, err := placement.Usable(agents[i].TotalResources, roles)
		if err != nil {
			continue // an agent with nonsense for resources holds nothing
		}
		info := &agents[i].AgentInfo
		all = append(all, AgentCapacity{AgentID: info.GetID().GetValue(), Hostname: info.Hostname, Resources: r})
	}
	slices.SortFunc(all, func(a, b AgentCapacity) int {
		return cmp.Or(
			cmp.Compare(b.Resources.MemMiB, a.Resources.MemMiB), cmp.Compare(b.Resources.CPUs, a.Resources.CPUs),
			cmp.Compare(b.Resources.DiskMiB, a.Resources.DiskMiB), cmp.Compare(b.Resources.Ports, a.Resources.Ports),
			cmp.Compare(a.Hostname, b.Hostname), cmp.Compare(a.AgentID, b.AgentID))
	})
	for _, a := range all {
		if !c.Holds(a.Resources) { // whoever exceeds it came before
			c.Largest = append(c.Largest, a)
		}
	}
	return c
}
