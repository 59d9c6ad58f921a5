package nodepool

import (
	"context"

	"github.com/k8sm/k8sm/mesos/placement"
)

// Agents knows the agents of the Mesos clusters.
type Agents interface {
	// LargestAgents returns the agents of the framework's cluster that no other agent
	// exceeds in everything, with all that they have, used or not: what none of them
	// holds, no agent could ever offer. None at all means that the cluster has no
	// agent. The error says that the cluster could not be asked. It is called at most
	// once a minute for a pool, and only while a node waits in vain for an offer.
	LargestAgents(ctx context.Context, framework string) ([]Agent, error)
}

// Agent is a machine of a Mesos cluster.
type Agent struct {
	Hostname  string
	Resources placement.Resources
}
