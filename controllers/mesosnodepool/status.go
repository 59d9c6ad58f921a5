package mesosnodepool

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/controllers/poolnodes"
	"github.com/k8sm/k8sm/mesos/placement"
)

// observation is all that a pool's status is computed from.
type observation struct {
	pool *v1alpha1.MesosNodePool
	// framework is the MesosFramework that the pool names, nil when there is none.
	framework *v1alpha1.MesosFramework
	nodes     poolnodes.Inventory
	// runtime is what the template's nodes are made of, and refusal why none is made of it.
	runtime nodetemplate.Resolved
	refusal nodetemplate.Refusal
	// scaledIn is what became of the nodes that are one too many.
	scaledIn poolnodes.Disrupted
	// capacity is the room that the cluster has; it is unknown while no node waits.
	capacity placement.Capacity
	// now is the time of conditions that change.
	now metav1.Time
}

// status computes the whole status. Equal observations give equal statuses.
func (o observation) status() v1alpha1.MesosNodePoolStatus {
	status := *o.pool.Status.DeepCopy()
	status.ObservedGeneration = o.pool.Generation
	status.Replicas = int32(len(o.nodes.Alive))
	status.ReadyReplicas = int32(o.readyCount())
	status.TerminatingReplicas = int32(len(o.nodes.Leaving))
	status.Selector = k8slabels.Set{v1alpha1.LabelPool: o.pool.Name}.String()

	framework := o.frameworkReadyCondition()
	valid := o.templateValidCondition()
	capacity := o.capacityAvailableCondition()
	conditions := []metav1.Condition{framework, valid, capacity, o.denied(o.readyCondition(framework, valid, capacity))}
	if o.upgradesInPlace() {
		conditions = append(conditions, o.kubeletCurrentCondition())
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionKubeletCurrent)
	}
	if o.pool.Spec.Autoscaling == nil { // the autoscaler sets it, and looks at pools with autoscaling only
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionAutoscalingPermitted)
	}
	if invalid := o.placementInvalidCondition(); invalid != nil {
		conditions = append(conditions, *invalid)
	} else {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionPlacementValid)
	}
	for _, c := range conditions {
		c.ObservedGeneration = o.pool.Generation
		c.LastTransitionTime = o.now
		meta.SetStatusCondition(&status.Conditions, c)
	}
	return status
}

// frameworkReadyCondition reports whether there is a framework that launches nodes.
func (o observation) frameworkReadyCondition() metav1.Condition {
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

// templateValidCondition reports whether nodes can be made of the template at all.
func (o observation) templateValidCondition() metav1.Condition {
	if o.refusal.Reason != "" {
		return metav1.Condition{Type: v1alpha1.ConditionTemplateValid, Status: metav1.ConditionFalse, Reason: o.refusal.Reason, Message: o.refusal.Message}
	}
	c := metav1.Condition{Type: v1alpha1.ConditionTemplateValid, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonTemplateValid,
		Message: "Nodes can be made of the template."}
	if names := nodetemplate.LoginsIn(o.pool.Spec.Template.Spec.Runtime); len(names) > 0 {
		c.Reason = v1alpha1.ReasonPasswordInURI
		c.Message = fmt.Sprintf("Nodes can be made of the template. The URIs of the artifacts %s hold a user name or a password, which everybody reads who may see this pool: "+
			"have the operator's --node-runtime file name a mirror and its mirrorCredentials, and remove them from the URIs.", messages.List(names, ", ", maxNamedConstraints))
	}
	return c
}

// placementInvalidCondition warns of constraints with a name that does not exist; nil if there are
// none. The schema refuses new ones, but not those that were stored before it did.
func (o observation) placementInvalidCondition() *metav1.Condition {
	var unknown []string
	for _, c := range o.pool.Spec.Placement.Constraints {
		if strings.HasPrefix(c.Attribute, "@") && !slices.Contains([]string{"@hostname", "@region", "@zone"}, c.Attribute) {
			unknown = append(unknown, fmt.Sprintf("%s %s", c.Attribute, c.Operator))
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	return &metav1.Condition{Type: v1alpha1.ConditionPlacementValid, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnknownAttribute, Message: truncate(fmt.Sprintf(
		"spec.placement.constraints has %s: an attribute that begins with @ is @hostname, @region or @zone. No agent has another one, so that In and Exists match no agent, and NotIn and DoesNotExist match all. "+
			"The pool goes on as it is. Remove the constraint, or write the name of an attribute.", messages.List(unknown, ", ", maxNamedConstraints)))}
}

// maxNamedConstraints is the number of constraints that a message names.
const maxNamedConstraints = 5

// isCreationBlocked reports whether created nodes could not be launched.
func (o observation) isCreationBlocked() bool {
	switch o.frameworkReadyCondition().Reason {
	case v1alpha1.ReasonFrameworkNotFound, v1alpha1.ReasonRoleNotSubscribed:
		return true
	}
	if o.templateValidCondition().Status != metav1.ConditionTrue {
		return true
	}
	return !o.framework.DeletionTimestamp.IsZero()
}

// capacityAvailableCondition reports whether nodes wait for an offer that fits, and whether any agent
// could ever hold them.
func (o observation) capacityAvailableCondition() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionCapacityAvailable, Status: metav1.ConditionTrue,
		Reason: v1alpha1.ReasonCapacityAvailable, Message: "No node waits for an offer."}
	waiting := o.waitingNodes()
	if len(waiting) == 0 {
		if scaling := o.pool.Status.Autoscaling; scaling != nil && scaling.Shortage != "" {
			c.Status, c.Reason, c.Message = metav1.ConditionFalse, v1alpha1.ReasonNoFittingOffer, truncate(scaling.Shortage)
		}
		return c
	}
	c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonNoFittingOffer
	demand := nodemodel.Demand(waiting[0], o.roles(), o.now.Time)
	if ever := o.capacity.HeadroomWhenEmpty(demand); ever.Count == 0 && len(o.capacity.Totals) > 0 {
		c.Reason = v1alpha1.ReasonExceedsLargestAgent
		c.Message = truncate(fmt.Sprintf("No agent could ever hold node %s: %s.", waiting[0].Name, ever.Reason))
		return c
	}
	c.Message = truncate(fmt.Sprintf("%s for an offer that fits: %s%s", messages.Count(len(waiting), "node waits", "nodes wait"),
		nodemodel.Condition(waiting[0], v1alpha1.ConditionLaunched).Message, describeHeadroom(o.capacity.Headroom(demand), demand.Role)))
	return c
}

// describeHeadroom reports the room on all agents by the master's account: offers show only the
// agents that sent one.
func describeHeadroom(room placement.Headroom, role string) string {
	switch {
	case room.Count > 0:
		return fmt.Sprintf("; according to the master there is room for %d, which is not offered to role %s", room.Count, role)
	case room.Count == 0:
		return "; according to the master: " + room.Reason
	}
	return ""
}

func (o observation) roles() []string {
	if o.framework == nil {
		return nil
	}
	return o.framework.Spec.Roles
}

// readyCondition sums up: it has the first obstacle, or how many nodes are ready.
func (o observation) readyCondition(framework, valid, capacity metav1.Condition) metav1.Condition {
	no := func(reason, message string) metav1.Condition {
		return metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: reason, Message: truncate(message)}
	}
	desired, alive, ready, leaving := o.desiredReplicas(), len(o.nodes.Alive), o.readyCount(), len(o.nodes.Leaving)
	obstacle := firstFalse(framework, capacity)
	progress := fmt.Sprintf("%d of %s ready", ready, messages.Count(desired, "node is", "nodes are"))
	switch {
	case o.isDeleting():
		return no(v1alpha1.ReasonDeleting, fmt.Sprintf("Waiting for %s to be released: %s",
			messages.Count(alive+leaving+o.nodes.Pending, "node", "nodes"), summarizeReasons(slices.Concat(o.nodes.Leaving, o.nodes.Alive))))
	case valid.Status != metav1.ConditionTrue:
		return no(valid.Reason, progress+", and no node can be made of the template: "+valid.Message)
	case alive == desired && ready == desired && leaving == 0 && o.nodes.Pending == 0:
		reason := v1alpha1.ReasonAllNodesReady
		if o.pool.Spec.Paused {
			reason = v1alpha1.ReasonPaused
		}
		return metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: reason, Message: progress + "."}
	case o.pool.Spec.Paused:
		return no(v1alpha1.ReasonPaused, progress+", there are "+messages.Count(alive, "node", "nodes")+", and spec.paused is true: none is created or removed.")
	}
	return no(o.describeChange(desired, progress, obstacle))
}

// describeChange returns why a pool that is not paused has not as many ready nodes as it is to have,
// and no others. The message begins with the progress.
func (o observation) describeChange(desired int, progress string, obstacle metav1.Condition) (reason, message string) {
	alive, ready, leaving, replaced := len(o.nodes.Alive), o.readyCount(), len(o.nodes.Leaving), len(o.nodes.Replaced())
	switch {
	case replaced > 0:
		return v1alpha1.ReasonReplacing, progress + "; " + messages.Count(replaced, "node is being replaced", "nodes are being replaced") + "."
	case alive > desired && leaving == 0 && o.scaledIn.Limit != "":
		return v1alpha1.ReasonScalingDown, fmt.Sprintf("%s; %s for now: %s.", progress, messages.Count(alive-desired, "node too many stays", "nodes too many stay"), o.scaledIn.Limit)
	case alive > desired || alive == desired && ready == desired:
		return v1alpha1.ReasonScalingDown, fmt.Sprintf("%s; %s: %s", progress, messages.Count(alive-desired+leaving, "node is being removed", "nodes are being removed"), summarizeReasons(o.nodes.Leaving))
	case obstacle.Status != metav1.ConditionTrue:
		return obstacle.Reason, messages.Sentences(progress, obstacle.Message)
	case alive == desired && o.registeredCount() == desired:
		return v1alpha1.ReasonNodesNotReady, progress + ": " + summarizeReasons(o.unreadyNodes())
	}
	return v1alpha1.ReasonScalingUp, progress + ": " + summarizeReasons(o.unreadyNodes())
}

// denied returns Ready of a pool for which the autoscaler lacks rights. Otherwise, and for a pool
// that has another obstacle, it is as given.
func (o observation) denied(ready metav1.Condition) metav1.Condition {
	c := meta.FindStatusCondition(o.pool.Status.Conditions, v1alpha1.ConditionAutoscalingPermitted)
	if c == nil || c.Status != metav1.ConditionFalse || o.pool.Spec.Autoscaling == nil || ready.Status != metav1.ConditionTrue {
		return ready
	}
	ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, c.Reason, truncate(messages.Sentences(ready.Message, c.Message))
	return ready
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

func (o observation) isDeleting() bool { return !o.pool.DeletionTimestamp.IsZero() }

// desiredReplicas is the number of nodes that the spec asks for or, with autoscaling, the number
// that there are.
func (o observation) desiredReplicas() int {
	if o.pool.Spec.Autoscaling != nil && !o.isDeleting() {
		return len(o.nodes.Alive) + o.nodes.Pending
	}
	if o.pool.Spec.Replicas == nil {
		return 0
	}
	return int(*o.pool.Spec.Replicas)
}

func (o observation) readyCount() int {
	return len(o.nodes.Alive) - len(o.unreadyNodes())
}

// registeredCount counts the nodes whose Node exists.
func (o observation) registeredCount() int {
	n := 0
	for _, node := range o.nodes.Alive {
		if nodemodel.IsRegistered(node) {
			n++
		}
	}
	return n
}

// unreadyNodes are the nodes that are not being deleted and are not ready.
func (o observation) unreadyNodes() []*v1alpha1.MesosNode {
	var out []*v1alpha1.MesosNode
	for _, node := range o.nodes.Alive {
		if !nodemodel.IsReady(node) {
			out = append(out, node)
		}
	}
	return out
}

// waitingNodes are the nodes, by name, that wait for an offer although offers were looked at.
func (o observation) waitingNodes() []*v1alpha1.MesosNode {
	var out []*v1alpha1.MesosNode
	for _, node := range o.nodes.Alive {
		if _, waits := nodemodel.WaitsWithoutOffer(node); waits {
			out = append(out, node)
		}
	}
	slices.SortFunc(out, byName)
	return out
}

// truncate shortens a message that quotes others.
func truncate(message string) string { return messages.Truncate(message, messages.MaxCondition) }
