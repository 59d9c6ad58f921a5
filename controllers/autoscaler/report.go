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
)

// decided notes what was done about a pool, for its status.
func (p *pool) decided(action v1alpha1.AutoscalingAction, nodes int, cause string) {
	p.decision = &v1alpha1.AutoscalingDecision{Action: action, Nodes: int32(nodes), Cause: cause}
}

// report tells pods why nothing is done for them, and pools what was decided.
func (r *Reconciler) report(ctx context.Context, p *pass) error {
	r.remark(p)
	measurePods(p)
	for _, pool := range p.pools {
		if err := r.writeStatus(ctx, p, pool); err != nil {
			return err
		}
	}
	return nil
}

// writeStatus patches status.autoscaling if it changed. Nobody else writes it.
func (r *Reconciler) writeStatus(ctx context.Context, p *pass, pool *pool) error {
	status := p.status(pool)
	if equality.Semantic.DeepEqual(pool.Status.Autoscaling, status) {
		return nil
	}
	after := pool.MesosNodePool.DeepCopy()
	after.Status.Autoscaling = status
	if err := r.Client.Status().Patch(ctx, after, client.MergeFrom(pool.MesosNodePool)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of pool %s: %w", pool.Name, err)
	}
	if pool.decision != nil {
		countDecision(pool.Name, pool.decision)
	}
	return nil
}

// status is what is to be told of a pool. A decision that changes nothing is told when its
// cause is another than that of the last.
func (p *pass) status(pool *pool) *v1alpha1.AutoscalingStatus {
	out := &v1alpha1.AutoscalingStatus{Shortage: p.shortage(pool)}
	if t := pool.trouble; t != nil {
		at := metav1.NewTime(t.until.Truncate(time.Second))
		out.BackOffUntil, out.Failures = &at, int32(t.failures)
	}
	before := pool.Status.Autoscaling
	if before != nil {
		out.LastDecision = before.LastDecision
	}
	if pool.decision == nil {
		if why := p.refusedBy(pool); why != "" {
			pool.decided(v1alpha1.AutoscalingHold, 0, why)
		}
	}
	if d := pool.decision; d != nil {
		if last := out.LastDecision; d.Action == v1alpha1.AutoscalingHold && last != nil && last.Action == d.Action && last.Cause == d.Cause {
			pool.decision = nil
			return out
		}
		d.Time = metav1.NewTime(p.now)
		d.Inputs = v1alpha1.AutoscalingInputs{
			PendingPods: int32(len(p.pending) + len(p.held)), Nodes: int32(len(pool.fleet.Alive)), InFlight: int32(pool.inFlight()),
		}
		out.LastDecision = d
	}
	return out
}

// shortage is why the pool cannot have what it could be asked for.
func (p *pass) shortage(pool *pool) string {
	switch {
	case pool.full != "" && len(p.plan.Launches)+len(p.plan.Refused) > 0:
		return pool.full
	case !pool.backOff.IsZero():
		return pool.barred
	}
	return ""
}

// refusedBy is why the pool did not help the first of the pods that nobody helped.
func (p *pass) refusedBy(pool *pool) string {
	for _, refused := range p.plan.Refused {
		for _, why := range refused.Pools {
			if why.Pool == pool.Name {
				return fmt.Sprintf("Pod %s/%s: %s.", refused.Pod.Namespace, refused.Pod.Name, why.Reason)
			}
		}
	}
	return ""
}

// remarks are what pods were told last: the same is not told twice.
type remarks map[string]string

// remark tells pods why no node is made for them.
func (r *Reconciler) remark(p *pass) {
	said := remarks{}
	for _, refused := range p.plan.Refused {
		var reasons []string
		for _, why := range refused.Pools {
			reasons = append(reasons, fmt.Sprintf("%s: %s", why.Pool, why.Reason))
		}
		r.say(said, refused.Pod, strings.Join(reasons, "; "))
	}
	for _, pod := range p.held {
		names := r.guard.makers[maker(pod)].vain()
		r.say(said, pod, fmt.Sprintf("%d nodes were made for such pods, and none stays on them: %s", len(names), strings.Join(names, ", ")))
	}
	r.remarks = said
}

func (r *Reconciler) say(said remarks, pod *corev1.Pod, reason string) {
	uid := string(pod.UID)
	said[uid] = reason
	if r.remarks[uid] != reason {
		r.toldNotTriggered(pod, reason)
	}
}
