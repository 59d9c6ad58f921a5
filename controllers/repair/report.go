package repair

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/patch"
	"github.com/k8sm/k8sm/controllers/repair/decision"
)

// maxNamed is the greatest number of nodes, scopes or rules that a message names.
const maxNamed = 3

// writeStatus writes the condition RepairPermitted, and records an event when too many nodes have
// become unhealthy.
func (r *Reconciler) writeStatus(ctx context.Context, o *observation, plan decision.Plan) error {
	setGauges(o.pool.Name, plan)
	before := meta.FindStatusCondition(o.pool.Status.Conditions, v1alpha1.ConditionRepairPermitted)
	condition := o.permitted(plan)
	if before == nil {
		// closedAt knows by it that the breaker has never been open, so that nothing waits for it.
		condition.LastTransitionTime = o.pool.CreationTimestamp
	}
	after := o.pool.DeepCopy()
	meta.SetStatusCondition(&after.Status.Conditions, condition)
	if equality.Semantic.DeepEqual(o.pool.Status, after.Status) {
		return nil
	}
	if err := patch.Status(ctx, r.Client, o.pool, after); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing status: %w", err)
	}
	if condition.Reason == v1alpha1.ReasonTooManyUnhealthy && (before == nil || before.Reason != condition.Reason) {
		r.Recorder.Eventf(after, nil, corev1.EventTypeWarning, v1alpha1.ReasonTooManyUnhealthy, "Repair", "%s", messages.Truncate(condition.Message, messages.MaxEvent))
	}
	return nil
}

// permitted returns the condition RepairPermitted.
func (o *observation) permitted(plan decision.Plan) metav1.Condition {
	c := metav1.Condition{
		Type: v1alpha1.ConditionRepairPermitted, Status: metav1.ConditionFalse,
		ObservedGeneration: o.pool.Generation, LastTransitionTime: metav1.NewTime(o.now),
	}
	most := ptr.Deref(o.pool.Spec.Repair.MaxUnhealthy, defaultMaxUnhealthy)
	names := ""
	if len(plan.Unhealthy) > 0 {
		names = fmt.Sprintf("%s unhealthy: %s.", messages.Count(len(plan.Unhealthy), "node is", "nodes are"), messages.List(plan.Unhealthy, ", ", maxNamed))
	}
	switch {
	case o.isDisabled():
		c.Reason, c.Message = v1alpha1.ReasonRepairDisabled, messages.Sentences("spec.repair.maxUnhealthy is 0, so that no node is replaced because it does not work", names)
	case len(plan.Open) > 0:
		c.Reason, c.Message = v1alpha1.ReasonTooManyUnhealthy, fmt.Sprintf(
			"%s, and spec.repair.maxUnhealthy is %s: none of them is replaced until fewer are. %s", describeScopes(plan.Open), most.String(), names)
	case len(o.senseless) > 0:
		c.Reason, c.Message = v1alpha1.ReasonRepairRuleInvalid, messages.Sentences(fmt.Sprintf(
			"spec.repair.rules has %s, which every node matches that works: it is not applied. The other rules are", describeRules(o.senseless)), names)
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.ReasonFewUnhealthy, "No node is unhealthy."
		if names != "" {
			c.Message = names
		}
	}
	c.Message = messages.Truncate(c.Message, messages.MaxCondition)
	return c
}

// describeScopes says where too many nodes are unhealthy: "4 of 10 nodes, and 3 of 3 nodes in zone
// a, are unhealthy (2 and 1 may be)".
func describeScopes(open []decision.Scope) string {
	var parts []string
	for _, s := range open {
		text := fmt.Sprintf("%d of %s", s.Unhealthy, messages.Count(s.Nodes, "node", "nodes"))
		if s.Zone != "" {
			text += " in zone " + s.Zone
		}
		parts = append(parts, fmt.Sprintf("%s (%d may be)", text, s.Allowed))
	}
	return messages.List(parts, ", ", maxNamed) + " are unhealthy"
}

// describeRules names rules by condition and status.
func describeRules(rules []rule) string {
	var names []string
	for _, r := range rules {
		names = append(names, r.String())
	}
	return strings.TrimSpace(messages.List(names, ", ", maxNamed))
}
