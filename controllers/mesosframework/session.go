package mesosframework

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// refusedRetry is the delay after which a subscription that the master refused is tried
// again. The master's access control may have changed, and nothing reports that.
const refusedRetry = 5 * time.Minute

// findSession returns the framework's session, nil if none was started.
func (r *Reconciler) findSession(name string) *sessionEntry {
	return r.entries.get(name, r.Sessions.Find(name))
}

// endSession ends the framework's session, and reports whether there is none any more. If one
// is still running, its end is an event that reconciles the framework again.
func (r *Reconciler) endSession(name string) bool {
	ended := r.Sessions.End(name)
	if ended {
		r.entries.remove(name)
		deleteMetrics(name)
	}
	return ended
}

// reconcileSession starts the session, updates it, or restarts it if an update is not
// enough. A session is replaced only after it has ended: two sessions with one framework ID
// would disconnect each other.
func (r *Reconciler) reconcileSession(ctx context.Context, rc *reconcileContext) error {
	running := r.findSession(rc.framework.Name)
	if running != nil {
		if err := r.restoreFrameworkID(ctx, rc, running); err != nil {
			return err
		}
	}
	wanted, err := r.wantedSpec(ctx, rc)
	if err != nil {
		if failed := (*terminalError)(nil); errors.As(err, &failed) && failed.reason == v1alpha1.ReasonDuplicateFramework {
			r.endSession(rc.framework.Name)
		}
		return err
	}
	if running == nil {
		return r.startSession(ctx, rc, wanted, 0)
	}
	if shouldRecreate(rc.framework, running) {
		return r.recreate(ctx, rc, running)
	}
	restart, err := r.shouldRestart(ctx, rc, running, wanted)
	switch {
	case err != nil:
		return err
	case !restart:
		return running.update(wanted)
	case !r.endSession(rc.framework.Name):
		return nil
	}
	return r.startSession(ctx, rc, wanted, running.failoverCount())
}

// wantedSpec returns the configuration that the framework's session should have.
func (r *Reconciler) wantedSpec(ctx context.Context, rc *reconcileContext) (sessionSpec, error) {
	var all v1alpha1.MesosFrameworkList
	if err := r.Client.List(ctx, &all); err != nil {
		return sessionSpec{}, fmt.Errorf("listing MesosFrameworks: %w", err)
	}
	if other := olderDuplicate(rc.framework, all.Items); other != nil {
		return sessionSpec{}, duplicateOf(other)
	}
	access, err := r.readAccess(ctx, rc)
	if err != nil {
		return sessionSpec{}, err
	}
	return newSessionSpec(rc.framework, access, r.Hostname), nil
}

// shouldRestart reports whether a session is to be replaced: it cannot be updated, it ended
// without a final state, or a final state is due to be tried again.
func (r *Reconciler) shouldRestart(ctx context.Context, rc *reconcileContext, running *sessionEntry, wanted sessionSpec) (bool, error) {
	if running.spec.needsRestart(wanted) {
		return true, nil
	}
	state := running.State()
	if !state.Final {
		otherID, err := r.needsOtherID(ctx, rc, running)
		return otherID || running.Ended(), err
	}
	switch state.Reason {
	case scheduler.Refused:
		return !running.spec.equal(wanted) || rc.isDue(running.startedAt.Add(refusedRetry)), nil
	case scheduler.FailedOver:
		at, again := running.reclaim(rc.now)
		return again && rc.isDue(at), nil
	}
	otherID, err := r.needsOtherID(ctx, rc, running)
	if failed := (*terminalError)(nil); errors.As(err, &failed) {
		return false, nil // The conditions report the removal, which is more important.
	}
	return otherID, err
}

// isDue reports whether the time has come, and otherwise reconciles again when it has.
func (rc *reconcileContext) isDue(at time.Time) bool {
	if rc.now.Before(at) {
		rc.requeue = at.Sub(rc.now)
		return false
	}
	return true
}
