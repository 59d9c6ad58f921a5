package autoscaler

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/patch"
)

// report records events on the pods for which nothing is done, sets metrics, and writes the
// status of the pools.
func (r *Reconciler) report(ctx context.Context, s *Snapshot, growth decision.GrowPlan, shrinkage decision.ShrinkPlan, o *outcome) error {
	r.recordRefusals(s, growth)
	measurePods(s, growth)
	wanted := len(growth.Launches)+len(growth.Refused)+len(shrinkage.Launches) > 0
	for _, p := range s.pools {
		decided := o.decisions[p.Name]
		if reason := refusalOf(p.Name, growth); decided == nil && reason != "" {
			decided = &v1alpha1.AutoscalingDecision{Action: v1alpha1.AutoscalingHold, Cause: reason}
		}
		if err := r.patchStatus(ctx, p, s.statusOf(p, decided, wanted)); err != nil {
			return err
		}
	}
	return nil
}

// patchStatus writes status.autoscaling of a pool if it changed, and counts a decision that
// is new in it. No other controller writes this part of the status.
func (r *Reconciler) patchStatus(ctx context.Context, p *pool, status *v1alpha1.AutoscalingStatus) error {
	before := p.Status.Autoscaling
	if equality.Semantic.DeepEqual(before, status) {
		return nil
	}
	after := p.MesosNodePool.DeepCopy()
	after.Status.Autoscaling = status
	if err := patch.StatusUnlocked(ctx, r.Client, p.MesosNodePool, after); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of pool %s: %w", p.Name, err)
	}
	if status.LastDecision != nil && (before == nil || before.LastDecision != status.LastDecision) {
		countDecision(p.Name, status.LastDecision)
	}
	return nil
}

// statusOf returns the status of a pool, with what was decided, nil for nothing. A decision
// to hold is only in it if its cause differs from the last one's. Wanted: pods or larger nodes
// were to have new nodes.
func (s *Snapshot) statusOf(p *pool, decided *v1alpha1.AutoscalingDecision, wanted bool) *v1alpha1.AutoscalingStatus {
	out := &v1alpha1.AutoscalingStatus{Shortage: p.shortage(wanted)}
	if f := p.failure; !f.IsZero() {
		until := metav1.NewTime(f.Until.Truncate(time.Second))
		out.BackOffUntil, out.Failures = &until, int32(f.Count)
	}
	if before := p.Status.Autoscaling; before != nil {
		out.LastDecision = before.LastDecision
	}
	if decided == nil {
		return out
	}
	if last := out.LastDecision; decided.Action == v1alpha1.AutoscalingHold && last != nil && last.Action == decided.Action && last.Cause == decided.Cause {
		return out
	}
	decided.Time = metav1.NewTime(s.now)
	decided.Inputs = v1alpha1.AutoscalingInputs{
		PendingPods: int32(len(s.pending) + len(s.held)), Nodes: int32(len(p.alive)), InFlight: int32(p.countNotReadyYet()),
	}
	out.LastDecision = decided
	return out
}

// shortage returns why the pool cannot have what it could be asked for; empty if it can.
func (p *pool) shortage(wanted bool) string {
	switch {
	case p.noRoom != "" && wanted:
		return p.noRoom
	case !p.backOffUntil.IsZero():
		return p.blockReason
	}
	return ""
}

// refusalOf returns why a pool did not help the first of the pods that no pool helped; empty
// if there is no such pod.
func refusalOf(pool string, growth decision.GrowPlan) string {
	for _, refused := range growth.Refused {
		for _, refusal := range refused.Pools {
			if refusal.Pool == pool {
				return fmt.Sprintf("Pod %s/%s: %s.", refused.Pod.Namespace, refused.Pod.Name, refusal.Reason)
			}
		}
	}
	return ""
}

// recordRefusals records on pods why no node is created for them, unless the reason is the
// one that they were given last.
func (r *Reconciler) recordRefusals(s *Snapshot, growth decision.GrowPlan) {
	given := eventDeduper{}
	record := func(pod *corev1.Pod, reason string) {
		given[pod.UID] = reason
		if r.state.events.isNew(pod.UID, reason) {
			r.recordNotTriggeredEvent(pod, reason)
		}
	}
	for _, refused := range growth.Refused {
		var reasons []string
		for _, refusal := range refused.Pools {
			reasons = append(reasons, fmt.Sprintf("%s: %s", refusal.Pool, refusal.Reason))
		}
		record(refused.Pod, strings.Join(reasons, "; "))
	}
	for _, pod := range s.held {
		names := r.state.owners.RefusedNodes(pod)
		record(pod, fmt.Sprintf("%d nodes were created for pods of the same owner, and no such pod stays on them: %s", len(names), strings.Join(names, ", ")))
	}
	r.state.events = given
}

func (r *Reconciler) recordTriggeredEvent(pod *corev1.Pod, pool, node string) {
	created := &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{Name: node}}
	r.Recorder.Eventf(pod, created, corev1.EventTypeNormal, v1alpha1.EventTriggeredScaleUp, "ScaleUp",
		"Pool %s creates node %s for the pod.", pool, node)
}

func (r *Reconciler) recordNotTriggeredEvent(pod *corev1.Pod, reason string) {
	r.Recorder.Eventf(pod, nil, corev1.EventTypeNormal, v1alpha1.EventNotTriggeredScaleUp, "ScaleUp", "%s",
		messages.Truncate("No node is created for the pod. "+reason, messages.MaxEvent))
}
