package nodepool

import (
	"context"

	"github.com/k8sm/k8sm/mesos/placement"
)

// Agents knows the agents of the Mesos clusters.
type Agents interface {
	// Capacity is what could be had of the framework's cluster, as far as is known: that
	// may take a question to its master, who is asked seldom, and only while a node waits
	// in vain for an offer.
	Capacity(ctx context.Context, framework string) placement.Capacity
}
