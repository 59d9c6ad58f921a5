package mesosnodepool

import (
	"context"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/placement"
)

// Artifacts knows what the operator supplies of what a node is made of.
type Artifacts interface {
	// Kubelet is the artifact that the kubelet of a node with this template is; nil if
	// there is none by itself.
	Kubelet(runtime v1alpha1.NodeRuntime) *v1alpha1.Artifact
}

// Agents knows the agents of the Mesos clusters.
type Agents interface {
	// Capacity is what could be had of the framework's cluster, as far as is known: that
	// may take a question to its master, who is asked seldom, and only while a node waits
	// in vain for an offer.
	Capacity(ctx context.Context, framework string) placement.Capacity
}
