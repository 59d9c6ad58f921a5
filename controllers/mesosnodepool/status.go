package mesosnodepool

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/mesos/placement"
)

// maxMessage bounds the messages that are gathered from nodes.
const maxMessage = 1024

// observation is all that a pool's status is computed from.
type observation struct {
	pool *v1alpha1.MesosNodePool
	// framework is the MesosFramework that the pool names, nil when there is none.
	framework *v1alpha1.MesosFramework
	nodes     poolnodes.Inventory
	// kubelet is the artifact that the template's is; nil if there is none by itself.
	kubelet *v1alpha1.Artifact
	// capacity is what could be had of the cluster; nothing is known of it while no node
	// waits.
	capacity placement.Capacity
	// now is the time of conditions that change.
	now metav1.Time
}

// status computes the whole status. Equal observations give equal statuses.
func (o observation) status() v1alpha1.MesosNodePoolStatus {
	status := *o.pool.Status.DeepCopy()
	status.ObservedGeneration = o.pool.Generation
	status.Replicas = int32(len(o.nodes.Alive))
	status.ReadyReplicas = int32(o.ready())
	status.TerminatingReplicas = int32(len(o.nodes.Leaving))
	status.Selector = k8slabels.Set{v1alpha1.LabelPool: o.pool.Name}.String()

	framework := o.frameworkReady()
	valid := o.templateValid()
	capacity := o.capacityAvailable()
	conditions := []metav1.Condition{framework, valid, capacity, o.readyCondition(framework, valid, capacity)}
	if o.upgradesInPlace() {
		conditions = append(conditions, o.kubeletCurrent())
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionKubeletCurrent)
	}
	for _, c := range conditions {
		c.ObservedGeneration = o.pool.Generation
		c.LastTransitionTime = o.now
		meta.SetStatusCondition(&status.Conditions, c)
	}
	return status
}

// frameworkReady tells whether somebody is there to launch nodes.
func (o observation) frameworkReady() metav1.Condition {
	no := func(reason, format string, args ...any) metav1.Condition {
		return metav1.Condition{Type: v1alpha1.ConditionFrameworkReady, Status: metav1.ConditionFalse, Reason: reason, Message: fmt.Sprintf(format, args...)}
	}
	name := o.pool.Spec.FrameworkRef.Name
	if o.framework == nil {
		return no(v1alpha1.ReasonFrameworkNotFound, "There is no MesosFramework %q.", name)
	}
	role := o.pool.Spec.Placement.Role
	if role != "" && !slices.Contains(o.framework.Spec.Roles, role) {
		return no(v1alpha1.ReasonRoleNotSubscribed, "spec.placement.role is %q; the roles of MesosFramework %q are %s.",
			role, name, strings.Join(o.framework.Spec.Roles, ", "))
	}
	if !o.framework.DeletionTimestamp.IsZero() {
		return no(v1alpha1.ReasonFrameworkNotReady, "MesosFramework %q is being deleted.", name)
	}
	ready := meta.FindStatusCondition(o.framework.Status.Conditions, v1alpha1.ConditionReady)
	switch {
	case ready == nil:
		return no(v1alpha1.ReasonFrameworkNotReady, "MesosFramework %q is not connected yet.", name)
	case ready.Status != metav1.ConditionTrue:
		return no(v1alpha1.ReasonFrameworkNotReady, "MesosFramework %q is not ready (%s): %s", name, ready.Reason, ready.Message)
	}
	return metav1.Condition{Type: v1alpha1.ConditionFrameworkReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonFrameworkReady,
		Message: fmt.Sprintf("MesosFramework %q is ready.", name)}
}

// templateValid tells whether nodes can be made of the template at all.
func (o observation) templateValid() metav1.Condition {
	if reason, message := nodetemplate.Check(o.pool.Spec.Template.Spec); reason != "" {
		return metav1.Condition{Type: v1alpha1.ConditionTemplateValid, Status: metav1.ConditionFalse, Reason: reason, Message: message}
	}
	return metav1.Condition{Type: v1alpha1.ConditionTemplateValid, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonTemplateValid,
		Message: "Nodes can be made of the template."}
}

// barred tells whether creating nodes would be in vain.
func (o observation) barred() bool {
	switch o.frameworkReady().Reason {
	case v1alpha1.ReasonFrameworkNotFound, v1alpha1.ReasonRoleNotSubscribed:
		return true
	}
	if o.templateValid().Status != metav1.ConditionTrue {
		return true
	}
	return !o.framework.DeletionTimestamp.IsZero()
}

// capacityAvailable tells whether nodes wait for offers in vain, and whether they could
// ever be served.
func (o observation) capacityAvailable() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionCapacityAvailable, Status: metav1.ConditionTrue,
		Reason: v1alpha1.ReasonCapacityAvailable, Message: "No node waits in vain for an offer."}
	waiting := o.waiting()
	if len(waiting) == 0 {
		if scaling := o.pool.Status.Autoscaling; scaling != nil && scaling.Shortage != "" {
			c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonNoFittingOffer, cut(scaling.Shortage)
		}
		return c
	}
	c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonNoFittingOffer
	demand := nodemodel.Demand(waiting[0], o.roles(), o.now.Time)
	if ever := o.capacity.HeadroomWhenEmpty(demand); ever.Count == 0 && len(o.capacity.Totals) > 0 {
		c.Reason = v1alpha1.ReasonExceedsLargestAgent
		c.Message = cut(fmt.Sprintf("No agent could ever hold node %s: %s.", waiting[0].Name, ever.Reason))
		return c
	}
	c.Message = cut(fmt.Sprintf("%s for an offer that fits: %s%s", counted(len(waiting), "node waits", "nodes wait"),
		launched(waiting[0]).Message, account(o.capacity.Headroom(demand), demand.Role)))
	return c
}

// account is what the master tells of all agents, where offers tell only of those that
// came.
func account(room placement.Headroom, role string) string {
	switch {
	case room.Count > 0:
		return fmt.Sprintf("; by the master's account there is room for %d, which is not offered to role %s", room.Count, role)
	case room.Count == 0:
		return "; by the master's account: " + room.Reason
	}
	return ""
}

func (o observation) roles() []string {
	if o.framework == nil {
		return nil
	}
	return o.framework.Spec.Roles
}

// readyCondition sums up: what is in the way, or how far things are.
func (o observation) readyCondition(framework, valid, capacity metav1.Condition) metav1.Condition {
	no := func(reason, message string) metav1.Condition {
		return metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: cut(message)}
	}
	desired, alive, ready, leaving := o.replicas(), len(o.nodes.Alive), o.ready(), len(o.nodes.Leaving)
	obstacle := firstFalse(framework, capacity)
	progress := fmt.Sprintf("%d of %s ready", ready, counted(desired, "node is", "nodes are"))
	switch {
	case o.deleting():
		return no(v1alpha1.ReasonDeleting, fmt.Sprintf("Waiting for %s to be released: %s",
			counted(alive+leaving+o.nodes.Pending, "node", "nodes"), tally(slices.Concat(o.nodes.Leaving, o.nodes.Alive))))
	case valid.Status != metav1.ConditionTrue:
		return no(valid.Reason, progress+", and no node can be made of the template: "+valid.Message)
	case alive == desired && ready == desired && leaving == 0 && o.nodes.Pending == 0:
		reason := v1alpha1.ReasonAllNodesReady
		if o.pool.Spec.Paused {
			reason = v1alpha1.ReasonPaused
		}
		return metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: reason, Message: progress + "."}
	case o.pool.Spec.Paused:
		return no(v1alpha1.ReasonPaused, progress+", there are "+counted(alive, "node", "nodes")+", and spec.paused is true: none is created or removed.")
	case alive > desired || alive == desired && ready == desired:
		return no(v1alpha1.ReasonScalingDown, fmt.Sprintf("%s; %d to go: %s", progress, alive-desired+leaving, tally(o.nodes.Leaving)))
	case obstacle.Status != metav1.ConditionTrue:
		return no(obstacle.Reason, progress+". "+obstacle.Message)
	case alive == desired && o.registered() == desired:
		return no(v1alpha1.ReasonNodesNotReady, progress+": "+tally(o.unready()))
	}
	return no(v1alpha1.ReasonScalingUp, progress+": "+tally(o.unready()))
}

// firstFalse is the first condition that is not True, or else the last.
func firstFalse(conditions ...metav1.Condition) metav1.Condition {
	for _, c := range conditions {
		if c.Status != metav1.ConditionTrue {
			return c
		}
	}
	return conditions[len(conditions)-1]
}

func (o observation) deleting() bool { return !o.pool.DeletionTimestamp.IsZero() }

// replicas is how many nodes are asked for; where pods ask, as many as there are.
func (o observation) replicas() int {
	if o.pool.Spec.Autoscaling != nil && !o.deleting() {
		return len(o.nodes.Alive) + o.nodes.Pending
	}
	if o.pool.Spec.Replicas == nil {
		return 0
	}
	return int(*o.pool.Spec.Replicas)
}

func (o observation) ready() int {
	return len(o.nodes.Alive) - len(o.unready())
}

// registered counts the nodes whose Node exists.
func (o observation) registered() int {
	n := 0
	for _, node := range o.nodes.Alive {
		if meta.IsStatusConditionTrue(node.Status.Conditions, v1alpha1.ConditionRegistered) {
			n++
		}
	}
	return n
}

// unready are the nodes that stay and are not ready.
func (o observation) unready() []*v1alpha1.MesosNode {
	var out []*v1alpha1.MesosNode
	for _, node := range o.nodes.Alive {
		if !available(node) {
			out = append(out, node)
		}
	}
	return out
}

// waiting are the nodes, by name, that offers were looked at for and found wanting.
func (o observation) waiting() []*v1alpha1.MesosNode {
	var out []*v1alpha1.MesosNode
	for _, node := range o.nodes.Alive {
		if c := launched(node); c.Status == metav1.ConditionFalse && c.Reason == v1alpha1.ReasonWaitingForOffer {
			out = append(out, node)
		}
	}
	slices.SortFunc(out, byName)
	return out
}

func launched(node *v1alpha1.MesosNode) metav1.Condition {
	return condition(node, v1alpha1.ConditionLaunched)
}

func condition(node *v1alpha1.MesosNode, kind string) metav1.Condition {
	if c := meta.FindStatusCondition(node.Status.Conditions, kind); c != nil {
		return *c
	}
	return metav1.Condition{Type: kind, Reason: "Created"}
}

// tally counts nodes by the reason that they are not ready for, and quotes one.
func tally(nodes []*v1alpha1.MesosNode) string {
	if len(nodes) == 0 {
		return "they are being created."
	}
	counts := map[string]int{}
	for _, node := range nodes {
		counts[standing(node).Reason]++
	}
	reasons := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	var parts []string
	for _, reason := range reasons {
		parts = append(parts, fmt.Sprintf("%d %s", counts[reason], reason))
	}
	return strings.Join(parts, ", ") + "." + quote(nodes, reasons)
}

// quote is what the first node that says anything says, in the order of the reasons.
func quote(nodes []*v1alpha1.MesosNode, reasons []string) string {
	nodes = slices.SortedFunc(slices.Values(nodes), byName)
	for _, reason := range reasons {
		for _, node := range nodes {
			if c := standing(node); c.Reason == reason && c.Message != "" {
				return " " + node.Name + ": " + c.Message
			}
		}
	}
	return ""
}

// standing is why a node is not ready; one that was told to go a moment ago may say still
// that it is.
func standing(node *v1alpha1.MesosNode) metav1.Condition {
	c := condition(node, v1alpha1.ConditionReady)
	if c.Status == metav1.ConditionTrue {
		return metav1.Condition{Reason: v1alpha1.ReasonDraining}
	}
	return c
}

func byName(a, b *v1alpha1.MesosNode) int { return cmp.Compare(a.Name, b.Name) }

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func cut(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	return strings.ToValidUTF8(s[:maxMessage], "") + "…"
}
