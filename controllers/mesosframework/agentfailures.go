package mesosframework

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/patch"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// maxStoredFailures is the number of agents that status.agentFailures holds, and
	// maxNamedFailures the number that a condition or the events of one change name.
	maxStoredFailures = 64
	maxNamedFailures  = 5
)

// reportAgentFailures writes which agents are left alone into the status. A session of a
// later operator begins with that.
func (rc *reconcileContext) reportAgentFailures(failures []scheduler.AgentFailure) {
	measureAgentFailures(rc.framework.Name, failures, rc.now)
	rc.framework.Status.AgentFailures = storedFailures(failures)
	rc.setConditions(agentsUsableCondition(failures, rc.now))
}

// forgetAgentFailures has all agents used again if a person asks for it. The annotation is removed
// afterwards: an operator that dies in between does it again.
func (r *Reconciler) forgetAgentFailures(ctx context.Context, rc *reconcileContext, running *sessionEntry) error {
	if _, asked := rc.framework.Annotations[v1alpha1.AnnotationForgetAgentFailures]; !asked {
		return nil
	}
	running.ForgetAgentFailures()
	status := rc.framework.Status.DeepCopy()
	rc.framework.Status = rc.before.Status
	delete(rc.framework.Annotations, v1alpha1.AnnotationForgetAgentFailures)
	if err := patch.Object(ctx, r.Client, rc.before, rc.framework); err != nil {
		return fmt.Errorf("removing the annotation %s: %w", v1alpha1.AnnotationForgetAgentFailures, err)
	}
	rc.before = rc.framework.DeepCopy()
	rc.framework.Status = *status
	return nil
}

// storedFailures returns failures as the status has them. Of too many it has those that
// count longest. Times are in seconds, as they are stored: a status that differs by less
// would be written again and again.
func storedFailures(failures []scheduler.AgentFailure) []v1alpha1.AgentFailure {
	failures = slices.Clone(failures)
	if len(failures) > maxStoredFailures {
		slices.SortStableFunc(failures, func(a, b scheduler.AgentFailure) int { return b.Until.Compare(a.Until) })
		failures = failures[:maxStoredFailures]
		slices.SortFunc(failures, func(a, b scheduler.AgentFailure) int { return cmp.Compare(a.AgentID, b.AgentID) })
	}
	var out []v1alpha1.AgentFailure
	for i := range failures {
		f := &failures[i]
		out = append(out, v1alpha1.AgentFailure{
			AgentID: f.AgentID, AgentHostname: f.Hostname, Count: int32(f.Count), Until: metav1.NewTime(f.Until.Truncate(time.Second)),
			Pools: f.Groups, WentAway: f.WentAway, Reason: f.Reason, Message: f.Message,
		})
	}
	return out
}

// restoredFailures is the inverse of storedFailures.
func restoredFailures(stored []v1alpha1.AgentFailure) []scheduler.AgentFailure {
	var out []scheduler.AgentFailure
	for i := range stored {
		f := &stored[i]
		out = append(out, scheduler.AgentFailure{
			AgentID: f.AgentID, Hostname: f.AgentHostname, Count: int(f.Count), Until: f.Until.Time,
			Groups: f.Pools, WentAway: f.WentAway, Reason: f.Reason, Message: f.Message,
		})
	}
	return out
}

// agentsUsableCondition is False while agents are left alone after failures.
func agentsUsableCondition(failures []scheduler.AgentFailure, now time.Time) metav1.Condition {
	var texts []string
	for i := range failures {
		if now.Before(failures[i].Until) {
			texts = append(texts, describeFailure(&failures[i]))
		}
	}
	count := len(texts)
	if count == 0 {
		return newCondition(v1alpha1.ConditionAgentsUsable, metav1.ConditionTrue, v1alpha1.ReasonAgentsUsable, "No agent is left alone because of failures.")
	}
	if count > maxNamedFailures {
		texts = append(texts[:maxNamedFailures], fmt.Sprintf("%d more, see status.agentFailures", count-maxNamedFailures))
	}
	noun := "agents are"
	if count == 1 {
		noun = "agent is"
	}
	return newCondition(v1alpha1.ConditionAgentsUsable, metav1.ConditionFalse, v1alpha1.ReasonAgentsBackingOff,
		fmt.Sprintf("%d %s left alone after failures of nodes: %s.", count, noun, strings.Join(texts, "; ")))
}

// describeFailure says until when an agent is left alone, by whom and why.
func describeFailure(f *scheduler.AgentFailure) string {
	by := "all pools"
	if f.OnlyGroup != "" {
		by = "pool " + f.OnlyGroup + " alone, which fails on other agents too"
	}
	return fmt.Sprintf("%s until %s by %s (%s)", f.Name(), f.Until.UTC().Format(time.TimeOnly+" MST"), by, f)
}

// recordAgentFailures records an event for each agent with a new failure.
func (r *Reconciler) recordAgentFailures(rc *reconcileContext) {
	counts := map[string]int32{}
	for _, f := range rc.before.Status.AgentFailures {
		counts[f.AgentID] = f.Count
	}
	recorded := 0
	for _, f := range restoredFailures(rc.framework.Status.AgentFailures) {
		if int32(f.Count) == counts[f.AgentID] || !rc.now.Before(f.Until) || recorded == maxNamedFailures {
			continue
		}
		recorded++
		r.Recorder.Eventf(rc.framework, nil, corev1.EventTypeWarning, v1alpha1.EventAgentBackingOff, actionLaunching,
			"Agent %s is left alone until %s, %s.", f.Name(), f.Until.UTC().Format(time.TimeOnly+" MST"), &f)
	}
}
