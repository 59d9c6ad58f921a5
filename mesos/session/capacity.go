package session

import "github.com/k8sm/k8sm/mesos/placement"

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
	// Largest are the agents that no other exceeds in everything, in order of memory,
	// cpus, host name, descending.
	Largest []AgentCapacity
}

// Holds says whether any one agent could hold the resources if it were empty.
func (c Capacity) Holds(want placement.Resources) bool { return false }
