package autoscaler

import (
	"context"
	"time"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
)

// runCycle runs one cycle for the pools that have autoscaling. It returns the time after
// which to run the next one although nothing changes, 0 for never.
//
// Only the snapshot, apply and report change the state; the deciders change nothing. No node
// is removed in a cycle that creates nodes for pods: the next snapshot shows what they are
// needed for.
func (r *Reconciler) runCycle(ctx context.Context, pools []*pool) (recheck time.Duration, err error) {
	observed, err := r.observe(ctx, pools)
	if err != nil {
		return 0, err
	}
	snapshot, err := r.takeSnapshot(observed)
	if err != nil {
		return 0, err
	}
	r.observeCapacity(ctx, snapshot)

	growth := r.decideGrowth(snapshot)
	shrinkage, err := r.decideShrinkage(ctx, snapshot, growth)
	if err != nil {
		return 0, err
	}

	outcome, err := r.apply(ctx, snapshot, growth, shrinkage)
	if err != nil {
		return 0, err
	}
	if err := r.report(ctx, snapshot, growth, shrinkage, outcome); err != nil {
		return 0, err
	}
	return recheckAfter(snapshot, growth, shrinkage, outcome), nil
}

// recheckAfter returns the time after which something may have to be done although nothing
// changes, 0 for never.
func recheckAfter(s *Snapshot, growth decision.GrowPlan, shrinkage decision.ShrinkPlan, o *outcome) time.Duration {
	var earliest time.Duration
	within := func(d time.Duration) {
		if d > 0 && (earliest == 0 || d < earliest) {
			earliest = d
		}
	}
	for _, p := range s.pools {
		if !p.nextDeadline.IsZero() {
			within(p.nextDeadline.Sub(s.now))
		}
		if !p.backOffUntil.IsZero() {
			within(p.backOffUntil.Sub(s.now))
		}
	}
	if len(growth.Refused) > 0 || len(s.held) > 0 {
		within(capacityInterval)
	}
	if !shrinkage.RecheckAt.IsZero() {
		within(max(shrinkage.RecheckAt.Sub(s.now), cacheDelay))
	}
	if o.conditionsLeft {
		within(cacheDelay)
	}
	within(o.recheckIn)
	return earliest
}
