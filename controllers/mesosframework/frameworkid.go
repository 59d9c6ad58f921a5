package mesosframework

import (
	"context"
	"fmt"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// The framework ID connects running tasks to the MesosNodes that record them. A subscription
// without the ID, where there was one, would leave the tasks behind and launch them a second
// time. The ID is therefore stored twice, in status and annotation, and live tasks on record
// are a third sign that there was one.

// decideFrameworkID returns the ID that a session is to subscribe with, "" for a first
// registration. LiveTasks is the number of tasks on record that are not known to have ended.
func decideFrameworkID(framework *v1alpha1.MesosFramework, liveTasks int) (string, *terminalError) {
	stored, annotated, wanted := framework.Status.FrameworkID, framework.Annotations[v1alpha1.AnnotationFrameworkID], framework.Spec.FrameworkID
	switch {
	case wanted == "" && stored != "":
		return stored, nil
	case wanted == "" && annotated != "":
		return "", lostID(fmt.Sprintf("its annotation %s says %s", v1alpha1.AnnotationFrameworkID, annotated), annotated)
	case wanted == "" && liveTasks > 0:
		return "", lostID(fmt.Sprintf("%d of its MesosNodes have tasks that may run", liveTasks), "the ID")
	case wanted == "" || wanted == stored || wanted == annotated || liveTasks == 0:
		return wanted, nil
	case stored == "" && annotated == "":
		return wanted, nil
	case stored != "":
		return "", conflictingID(wanted, stored, liveTasks)
	}
	return "", conflictingID(wanted, annotated, liveTasks)
}

func lostID(evidence, id string) *terminalError {
	return &terminalError{v1alpha1.ReasonFrameworkIDLost, fmt.Sprintf(
		"This framework was registered before (%s), but status.frameworkID is empty: a registration without the ID would leave its tasks behind. "+
			"Set spec.frameworkID to %s to go on with that registration, if no other cluster uses it; Mesos lists the frameworks that it knows under /frameworks.", evidence, id)}
}

func conflictingID(wanted, known string, liveTasks int) *terminalError {
	return &terminalError{v1alpha1.ReasonFrameworkIDConflict, fmt.Sprintf(
		"spec.frameworkID is %s, but %d tasks that may run belong to framework %s: they would be left behind. "+
			"Set spec.frameworkID to %s, or remove it; or scale the pools to 0 first, then the ID is exchanged.", wanted, liveTasks, known, known)}
}

// needsOtherID reports whether a session has to end because spec.frameworkID names another
// ID than the session's. The error is a *terminalError while tasks belong to the session's.
func (r *Reconciler) needsOtherID(ctx context.Context, rc *reconcileContext, running *sessionEntry) (bool, error) {
	wanted, current := rc.framework.Spec.FrameworkID, running.frameworkID()
	if wanted == "" || current == "" || wanted == current {
		return false, nil
	}
	tasks, err := r.recordOf(rc.framework.Name).LiveTasks(ctx)
	if err != nil {
		return false, err
	}
	if len(tasks) > 0 {
		return false, conflictingID(wanted, current, len(tasks))
	}
	return true, nil
}

// restoreFrameworkID stores the session's ID again if status or annotation have lost it.
func (r *Reconciler) restoreFrameworkID(ctx context.Context, rc *reconcileContext, running *sessionEntry) error {
	id, stored := running.frameworkID(), rc.framework.Status.FrameworkID
	switch {
	case id == "" || running.State().Final:
		return nil
	case stored == id && rc.framework.Annotations[v1alpha1.AnnotationFrameworkID] == id:
		return nil
	case stored != "" && stored != id && rc.framework.Spec.FrameworkID != id:
		return &terminalError{v1alpha1.ReasonFrameworkIDConflict, fmt.Sprintf(
			"status.frameworkID is %s, but the running session uses %s. Set spec.frameworkID to the ID that the nodes run under.", stored, id)}
	}
	return r.recordOf(rc.framework.Name).StoreFrameworkID(ctx, id)
}

// recreate gives up the registration that Mesos has removed. The operator may crash between
// any two steps: first the end of every task is recorded, then the ID is cleared in the
// annotation, then in the status. As long as the status has the ID, the next session learns
// of the removal again and gets here again.
func (r *Reconciler) recreate(ctx context.Context, rc *reconcileContext, running *sessionEntry) error {
	if !r.endSession(rc.framework.Name) {
		return nil // Until the session has ended, it may write. Its end is an event.
	}
	removed := running.frameworkID()
	record := r.recordOf(rc.framework.Name)
	if err := record.RecordTasksGone(ctx); err != nil {
		return err
	}
	if err := record.ClearFrameworkID(ctx, removed); err != nil {
		return err
	}
	r.recordRecreatedEvent(rc.framework, removed)
	return nil
}

// shouldRecreate reports whether a new registration is to follow the end of this session. It
// is not if the spec names the removed ID: only the person who named it takes it back.
func shouldRecreate(framework *v1alpha1.MesosFramework, running *sessionEntry) bool {
	state := running.State()
	return state.Final && state.Reason == scheduler.FrameworkRemoved && framework.DeletionTimestamp.IsZero() &&
		framework.Spec.OnFrameworkRemoved == v1alpha1.FrameworkRemovedRecreate && framework.Spec.FrameworkID != running.frameworkID()
}
