package nodemodel

import (
	"math"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/placement"
)

// PortsPerNode is the number of ports that each node takes from its offer: one for the
// kubelet, one for the streams of its container runtime. Several nodes may share an agent's
// network.
const PortsPerNode = 2

const mebi = 1 << 20

// Demand is what a node asks of Mesos for its current attempt. Agents on which an
// attempt failed lately are left out. The role is the first of the framework's roles unless
// the node's placement names one.
func Demand(node *v1alpha1.MesosNode, roles []string, now time.Time) placement.Demand {
	return placement.Demand{
		ID:          TaskID(node, node.Status.Attempt),
		Group:       Group(node),
		Role:        role(node.Spec.Placement, roles),
		Resources:   Resources(node.Spec.Template.Spec.Resources),
		Constraints: constraints(node.Spec.Placement.Constraints),
		MaxPerAgent: int(node.Spec.Placement.MaxNodesPerAgent),
		Avoid:       avoid(node.Status.Failures, now),
	}
}

// Resources are a node's resources in the units of Mesos: cpus, and MiB of memory and disk,
// of which fractions are rounded up.
func Resources(r v1alpha1.NodeResources) placement.Resources {
	out := placement.Resources{
		CPUs:   float64(r.CPU.MilliValue()) / 1000,
		MemMiB: inMiB(r.Memory),
		Ports:  PortsPerNode,
	}
	if r.EphemeralStorage != nil {
		out.DiskMiB = inMiB(*r.EphemeralStorage)
	}
	return out
}

func inMiB(q resource.Quantity) float64 {
	return math.Ceil(float64(q.Value()) / mebi)
}

// Group is what maxNodesPerAgent counts by: the pool, or the node alone if it has none.
func Group(node *v1alpha1.MesosNode) string {
	if pool := node.Labels[v1alpha1.LabelPool]; pool != "" {
		return pool
	}
	return node.Name
}

func role(p v1alpha1.Placement, roles []string) string {
	if p.Role == "" && len(roles) > 0 {
		return roles[0]
	}
	return p.Role
}

func constraints(in []v1alpha1.AgentConstraint) []placement.Constraint {
	var out []placement.Constraint
	for _, c := range in {
		out = append(out, placement.Constraint{
			Attribute: c.Attribute,
			Operator:  placement.Operator(c.Operator),
			Values:    c.Values,
		})
	}
	return out
}

// avoid lists the IDs of the agents whose back-off has not ended.
func avoid(failures []v1alpha1.AgentFailure, now time.Time) []string {
	var out []string
	for _, f := range failures {
		if now.Before(f.Until.Time) {
			out = append(out, f.AgentID)
		}
	}
	return out
}
