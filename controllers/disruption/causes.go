package disruption

import (
	"fmt"
	"strings"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/revision"
)

// maintenanceHorizon is the time before the maintenance of an agent at which its node is to be
// replaced. Mesos' offers of the agent are not used from then on either. Shortly before the window
// the node is drained whatever the budgets are: the controller of MesosNodes does that.
const maintenanceHorizon = time.Hour

// cause is why a node should not stay.
type cause struct {
	reason v1alpha1.DisruptionReason // empty if it may stay
	text   string
}

// causeOf returns why a node should not stay, the most pressing cause first, and when the next one
// comes with the time; zero for never. Window is the begin of its agent's maintenance.
func causeOf(o *observation, n *v1alpha1.MesosNode, window time.Time) (c cause, due time.Time) {
	if !window.IsZero() {
		begin := window.Add(-maintenanceHorizon)
		if !o.now.Before(begin) {
			return cause{v1alpha1.DisruptionMaintenance, fmt.Sprintf("the maintenance of agent %s begins at %s",
				nodemodel.AgentName(n.Status.Task), window.UTC().Format(time.RFC3339))}, time.Time{}
		}
		due = begin
	}
	onDelete := o.pool.Spec.Rollout.Strategy == v1alpha1.OnDelete
	if text := drift(o.pool, n); text != "" && !onDelete {
		return cause{v1alpha1.DisruptionDrifted, text}, due
	}
	if o.isOutdated(n) && !onDelete {
		return cause{v1alpha1.DisruptionOutdated, fmt.Sprintf("it is of revision %s, and the pool's is %s", n.Labels[v1alpha1.LabelRevision], o.revision)}, due
	}
	if at := nodemodel.ExpiresAt(o.pool, n); !at.IsZero() {
		if !o.now.Before(at) {
			return cause{v1alpha1.DisruptionExpired, fmt.Sprintf("it is older than %s, less its jitter", o.pool.Spec.Disruption.ExpireAfter.Duration)}, due
		}
		if due.IsZero() || at.Before(due) {
			due = at
		}
	}
	return cause{}, due
}

// drift returns what of a node is not as the pool asks for, in words; empty if nothing. The
// template's revision does not cover it.
func drift(pool *v1alpha1.MesosNodePool, n *v1alpha1.MesosNode) string {
	if asked, has := pool.Spec.Placement.Role, n.Spec.Placement.Role; asked != has {
		return fmt.Sprintf("its resources are of role %q, and the pool's role is %q", has, asked)
	}
	shape := n.Labels[v1alpha1.LabelShape]
	if len(pool.Spec.Template.Spec.Shapes) == 0 || shape == "" {
		return ""
	}
	for _, s := range pool.Spec.Template.Spec.Shapes {
		if s.Name != shape {
			continue
		}
		if nodemodel.Resources(s.Resources) != nodemodel.Resources(n.Spec.Template.Spec.Resources) {
			return fmt.Sprintf("shape %s has other resources now", shape)
		}
		return ""
	}
	return fmt.Sprintf("the template has no shape %s any more", shape)
}

// isOutdated reports whether a node must be replaced to be of the current revision. A node without
// a revision was made by an operator that knew none: it is adopted.
func (o *observation) isOutdated(n *v1alpha1.MesosNode) bool {
	has, known := revision.Parse(n.Labels[v1alpha1.LabelRevision])
	if o.revision == "" || !known || has == o.revision {
		return false
	}
	return o.pool.Spec.Rollout.Kubelet != v1alpha1.KubeletInPlace || has.NeedsNode(o.revision) || o.hasOtherRelease(n)
}

// hasOtherRelease reports whether the node's kubelet is of another minor release than the pool's, so
// that it cannot be exchanged in place.
func (o *observation) hasOtherRelease(n *v1alpha1.MesosNode) bool {
	object := o.objects[n.Name]
	return object != nil && o.release != "" && !strings.HasPrefix(object.Status.NodeInfo.KubeletVersion, o.release+".")
}
