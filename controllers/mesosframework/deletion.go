package mesosframework

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/patch"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// teardownTimeout is the maximum time that one TEARDOWN call takes.
	teardownTimeout = 10 * time.Second
	// teardownRetry is the delay after a teardown that no master accepted.
	teardownRetry = 15 * time.Second
	// maxNamed is the maximum number of dependents that a message names.
	maxNamed = 5
)

// reconcileDeletion removes the finalizer once nothing refers to the MesosFramework and Mesos
// has torn the framework down. Without a teardown the registration could stay for ever: Mesos
// forgets the failover timeout when its own leader changes.
func (r *Reconciler) reconcileDeletion(ctx context.Context, rc *reconcileContext) error {
	if !controllerutil.ContainsFinalizer(rc.framework, v1alpha1.FinalizerTeardown) {
		rc.released = true
		return nil
	}
	if rc.framework.Annotations[v1alpha1.AnnotationForceRelease] == "true" {
		return r.removeFinalizer(ctx, rc, v1alpha1.EventForceReleased)
	}
	dependents, err := r.findDependents(ctx, rc.framework.Name)
	if err != nil {
		return err
	}
	if len(dependents) > 0 {
		return r.awaitDependents(ctx, rc, dependents)
	}
	return r.tearDown(ctx, rc)
}

// awaitDependents keeps the session while pools and nodes need it to be released themselves.
// The tasks of a framework that Mesos has removed are recorded as gone only here: deleting
// the MesosFramework is the decision of a person, without which a removal by mistake costs no
// record.
func (r *Reconciler) awaitDependents(ctx context.Context, rc *reconcileContext, dependents []string) error {
	if err := r.reconcileFramework(ctx, rc); err != nil {
		return err
	}
	if wasRemoved(r.findSession(rc.framework.Name)) {
		if err := r.recordOf(rc.framework.Name).RecordTasksGone(ctx); err != nil {
			return err
		}
	}
	rc.setConditions(newCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonInUse,
		fmt.Sprintf("Deletion waits for %s. Delete the pools first.", messages.List(dependents, ", ", maxNamed))))
	return nil
}

// wasRemoved reports whether Mesos has removed the framework of this session, which may be
// nil.
func wasRemoved(running *sessionEntry) bool {
	return running != nil && running.State().Reason == scheduler.FrameworkRemoved
}

// tearDown ends the registration. Without a framework ID there is none, and once the session
// has ended, none can come into being.
func (r *Reconciler) tearDown(ctx context.Context, rc *reconcileContext) error {
	registered, err := r.isRegistered(ctx, rc)
	if err != nil {
		return err
	}
	if !registered {
		if !r.endSession(rc.framework.Name) {
			return nil // The session's end is an event, and reconciles again.
		}
		if registered, err = r.isRegistered(ctx, rc); err != nil || registered {
			rc.requeue = time.Millisecond
			return err
		}
		return r.removeFinalizer(ctx, rc, "")
	}
	if err := r.reconcileFramework(ctx, rc); err != nil {
		return err
	}
	running := r.findSession(rc.framework.Name)
	if running == nil || !running.State().Subscribed {
		return r.awaitMaster(ctx, rc, running)
	}
	bounded, cancel := context.WithTimeout(ctx, teardownTimeout)
	defer cancel()
	if err := running.Teardown(bounded); err != nil {
		rc.awaitTeardown(fmt.Sprintf("The master did not accept TEARDOWN: %s", err))
		return nil
	}
	return r.removeFinalizer(ctx, rc, v1alpha1.EventTornDown)
}

// awaitMaster reports what the teardown waits for. A framework that Mesos has removed needs
// no teardown.
func (r *Reconciler) awaitMaster(ctx context.Context, rc *reconcileContext, running *sessionEntry) error {
	if wasRemoved(running) {
		return r.removeFinalizer(ctx, rc, v1alpha1.EventTornDown)
	}
	why := "The session is being renewed."
	for _, c := range rc.framework.Status.Conditions {
		if c.Type == v1alpha1.ConditionSubscribed && c.Status != metav1.ConditionTrue {
			why = c.Message
		}
	}
	rc.awaitTeardown("Waiting for a master to accept TEARDOWN. " + why)
	return nil
}

func (rc *reconcileContext) awaitTeardown(why string) {
	rc.setConditions(newCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTearingDown, messages.Sentences(why, fmt.Sprintf(
		"If that Mesos cluster no longer exists, annotate this MesosFramework with %s=true.", v1alpha1.AnnotationForceRelease))))
	rc.requeue = teardownRetry
}

// isRegistered reports whether Mesos ever gave the framework an ID.
func (r *Reconciler) isRegistered(ctx context.Context, rc *reconcileContext) (bool, error) {
	if running := r.findSession(rc.framework.Name); running != nil && running.State().FrameworkID != "" {
		return true, nil
	}
	object := &v1alpha1.MesosFramework{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(rc.framework), object); err != nil {
		return false, fmt.Errorf("reading the framework ID: %w", err)
	}
	return object.Status.FrameworkID != "" || object.Annotations[v1alpha1.AnnotationFrameworkID] != "", nil
}

// removeFinalizer removes the finalizer, and then ends the session. It does not end the
// session before, because only the session knows that the teardown is done, should the
// finalizer need a second try. The session need not have ended when the MesosFramework goes:
// no other session can begin under its name before it has. EventReason is the reason of the
// event to record, "" for none.
func (r *Reconciler) removeFinalizer(ctx context.Context, rc *reconcileContext, eventReason string) error {
	if err := patch.RemoveFinalizer(ctx, r.Client, rc.before, v1alpha1.FinalizerTeardown); client.IgnoreNotFound(err) != nil {
		return err
	}
	r.endSession(rc.framework.Name)
	rc.released = true
	r.recordReleasedEvent(rc.framework, eventReason)
	return nil
}

// findDependents names the pools and nodes that refer to the framework, pools first, because
// pools are what a person deletes. An empty result comes from the API server, never from the
// cache.
func (r *Reconciler) findDependents(ctx context.Context, name string) ([]string, error) {
	dependents, err := listDependents(ctx, r.Client, name)
	if err != nil || len(dependents) > 0 {
		return dependents, err
	}
	return listDependents(ctx, r.Live, name)
}

func listDependents(ctx context.Context, reader client.Reader, name string) ([]string, error) {
	var pools v1alpha1.MesosNodePoolList
	if err := reader.List(ctx, &pools); err != nil {
		return nil, fmt.Errorf("listing MesosNodePools: %w", err)
	}
	var nodes v1alpha1.MesosNodeList
	if err := reader.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("listing MesosNodes: %w", err)
	}
	var poolNames, nodeNames []string
	for i := range pools.Items {
		if pools.Items[i].Spec.FrameworkRef.Name == name {
			poolNames = append(poolNames, "MesosNodePool "+pools.Items[i].Name)
		}
	}
	for i := range nodes.Items {
		if nodes.Items[i].Spec.FrameworkRef.Name == name {
			nodeNames = append(nodeNames, "MesosNode "+nodes.Items[i].Name)
		}
	}
	slices.Sort(poolNames)
	slices.Sort(nodeNames)
	return append(poolNames, nodeNames...), nil
}
