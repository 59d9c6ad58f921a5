package repair

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/repair/decision"
)

const (
	// defaultAfter is the time for which a Node must not have been Ready if the pool sets no
	// rules, or a rule no time.
	defaultAfter = 15 * time.Minute
	// startGrace is the time after its registration for which a node that has never been Ready
	// does not count as unhealthy: it is starting. A rule with a shorter time counts it earlier.
	startGrace = 5 * time.Minute
	// maxQuote is the greatest number of bytes of a Node's condition that an event quotes.
	maxQuote = 200
)

// defaultMaxUnhealthy is the share of a pool's nodes that may be unhealthy if the pool sets none.
var defaultMaxUnhealthy = intstr.FromString("20%")

// rule is a rule of a pool, with defaults filled in.
type rule struct {
	condition corev1.NodeConditionType
	status    corev1.ConditionStatus
	after     time.Duration
}

func (r rule) String() string { return fmt.Sprintf("%s=%s", r.condition, r.status) }

// defaultRules hold for pools that set no rules.
var defaultRules = []rule{
	{corev1.NodeReady, corev1.ConditionFalse, defaultAfter},
	{corev1.NodeReady, corev1.ConditionUnknown, defaultAfter},
}

// healthy are the statuses that kubelets report of nodes that work.
var healthy = map[corev1.NodeConditionType]corev1.ConditionStatus{
	corev1.NodeReady:              corev1.ConditionTrue,
	corev1.NodeMemoryPressure:     corev1.ConditionFalse,
	corev1.NodeDiskPressure:       corev1.ConditionFalse,
	corev1.NodePIDPressure:        corev1.ConditionFalse,
	corev1.NodeNetworkUnavailable: corev1.ConditionFalse,
}

// rulesOf returns the rules of a pool, and those of them that are not applied, because they match
// every node that works.
func rulesOf(pool *v1alpha1.MesosNodePool) (applied, senseless []rule) {
	if len(pool.Spec.Repair.Rules) == 0 {
		return defaultRules, nil
	}
	for _, given := range pool.Spec.Repair.Rules {
		r := rule{corev1.NodeConditionType(given.Condition), given.Status, ptr.Deref(given.After, metav1.Duration{Duration: defaultAfter}).Duration}
		if healthy[r.condition] == r.status {
			senseless = append(senseless, r)
			continue
		}
		applied = append(applied, r)
	}
	return applied, senseless
}

// finding is what is wrong with a node.
type finding struct {
	// from is when the node begins to count as unhealthy, and due when it is to be replaced; zero
	// for never.
	from, due time.Time
	// cause is why it is replaced, in a sentence.
	cause string
}

// assess returns what is wrong with a node, and false if nothing is. Object is its Node, nil if
// its task has none.
func assess(pool *v1alpha1.MesosNodePool, rules []rule, n *v1alpha1.MesosNode, object *corev1.Node, now time.Time) (f finding, unhealthy bool) {
	if since, cutOff := unreachableSince(n); cutOff {
		f.from = since
		if limit := ptr.Deref(pool.Spec.Unreachable.ReplaceAfter, metav1.Duration{}).Duration; limit > 0 {
			f.due = since.Add(limit)
			f.cause = fmt.Sprintf("Agent %s of node %s was cut off for longer than %s: the node is replaced.", nodemodel.AgentName(n.Status.Task), n.Name, limit)
		}
		return f, true
	}
	if object == nil || !nodemodel.MayRun(n) || !nodemodel.IsRegistered(n) {
		return finding{}, false
	}
	for _, r := range rules {
		c, since, matches := r.match(n, object, now)
		if !matches {
			continue
		}
		from := since
		if !nodemodel.WasReady(n) {
			from = since.Add(min(r.after, startGrace))
		}
		if !unhealthy || from.Before(f.from) {
			f.from = from
		}
		if due := since.Add(r.after); !unhealthy || due.Before(f.due) {
			f.due = due
			f.cause = fmt.Sprintf("Condition %s of node %s was %s for longer than %s%s: the node is replaced.", r.condition, n.Name, r.status, r.after, quote(c))
		}
		unhealthy = true
	}
	return f, unhealthy
}

// match returns the condition of a Node that the rule matches, and since when it does. Whoever
// reports a condition dates it by a clock of his own, and conditions of an earlier Node may have
// been kept: no time before the registration counts. A Ready condition that is dated in the future
// is dated by what the operator saw.
func (r rule) match(n *v1alpha1.MesosNode, object *corev1.Node, now time.Time) (c corev1.NodeCondition, since time.Time, matches bool) {
	i := slices.IndexFunc(object.Status.Conditions, func(c corev1.NodeCondition) bool { return c.Type == r.condition })
	if i < 0 || object.Status.Conditions[i].Status != r.status {
		return c, time.Time{}, false
	}
	c = object.Status.Conditions[i]
	since = c.LastTransitionTime.Time
	ready := nodemodel.Condition(n, v1alpha1.ConditionReady)
	if r.condition == corev1.NodeReady && ready.Status == metav1.ConditionFalse && since.After(now) {
		since = ready.LastTransitionTime.Time
	}
	if registered := nodemodel.Condition(n, v1alpha1.ConditionRegistered).LastTransitionTime.Time; since.Before(registered) {
		since = registered
	}
	return c, since, true
}

// unreachableSince is the time since when Mesos has not been able to report the state of a node's
// task, and false when it can.
func unreachableSince(n *v1alpha1.MesosNode) (since time.Time, cutOff bool) {
	c := nodemodel.Condition(n, v1alpha1.ConditionLaunched)
	if n.Status.Task == nil || c.Status != metav1.ConditionUnknown || c.Reason != v1alpha1.ReasonTaskUnreachable {
		return time.Time{}, false
	}
	if intended := n.Status.Task.IntentTime.Time; intended.After(c.LastTransitionTime.Time) {
		return intended, true
	}
	return c.LastTransitionTime.Time, true
}

// quote returns what was reported with a condition, in parentheses after a space; empty if nothing
// was.
func quote(c corev1.NodeCondition) string {
	if c.Message == "" {
		return ""
	}
	return " (" + strings.TrimRight(messages.Truncate(c.Message, maxQuote), ".") + ")"
}

// describe describes a node to decision.Decide.
func (f finding) describe(n *v1alpha1.MesosNode) decision.Node {
	out := decision.Node{Name: n.Name, UnhealthyFrom: f.from, Due: f.due}
	if nodemodel.MayRun(n) {
		out.Zone = n.Status.Task.Zone
	}
	return out
}
