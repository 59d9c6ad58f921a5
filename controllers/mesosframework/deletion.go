package mesosframework

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// teardownTimeout bounds one call to tear the framework down.
	teardownTimeout = 10 * time.Second
	// teardownRetry is when a teardown is tried again that no master took.
	teardownRetry = 15 * time.Second
	// maxNamed is how many of the objects that are waited for are named.
	maxNamed = 5
)

// release lets a MesosFramework go, once nothing refers to it and Mesos has torn it
// down. Mesos forgets its failover timeout when its own leader changes: without a
// teardown the registration could stay for ever.
func (r *Reconciler) release(ctx context.Context, p *pass) error {
	if !controllerutil.ContainsFinalizer(p.framework, v1alpha1.FinalizerTeardown) {
		p.gone = true
		return nil
	}
	if p.framework.Annotations[v1alpha1.AnnotationForceRelease] == "true" {
		return r.leave(ctx, p, v1alpha1.EventForceReleased)
	}
	users, err := r.users(ctx, p.framework.Name)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return r.stay(ctx, p, users)
	}
	return r.tearDown(ctx, p)
}

// stay keeps the session going for those that need it to be released themselves.
func (r *Reconciler) stay(ctx context.Context, p *pass, users []string) error {
	if err := r.serve(ctx, p); err != nil {
		return err
	}
	if running := r.Sessions.find(p.framework.Name); running != nil && running.State().Reason == v1alpha1.ReasonFrameworkRemoved {
		if err := r.bury(ctx, p.framework.Name); err != nil {
			return err
		}
	}
	p.set(conditionOf(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonInUse,
		fmt.Sprintf("Deletion waits for %s. Delete the pools first.", enumerate(users))))
	return nil
}

// bury records the end of all tasks of a framework that Mesos has removed: it has killed
// them, and tells nobody any more. It is done once a person has decided what follows, so
// that a removal by mistake costs no record.
func (r *Reconciler) bury(ctx context.Context, name string) error {
	tasks, err := r.tasks(ctx, name)
	if err != nil {
		return err
	}
	records := r.store(name)
	for _, task := range tasks {
		err := records.Record(ctx, scheduler.TaskStatus{
			TaskID: task.ID, AgentID: task.AgentID, State: scheduler.TaskGone, Source: scheduler.SourceK8sm, Reason: scheduler.ReasonFrameworkRemoved,
			Message: "Mesos has removed the framework and all its tasks.", Time: r.Now(),
		})
		if err != nil && !errors.Is(err, scheduler.ErrUnknownTask) {
			return err
		}
	}
	return nil
}

// tearDown ends the registration. Without a framework ID there is none, and none can
// come into being once the session has ended.
func (r *Reconciler) tearDown(ctx context.Context, p *pass) error {
	registered, err := r.registered(ctx, p)
	if err != nil {
		return err
	}
	if !registered {
		if !r.Sessions.end(p.framework.Name) {
			return nil // its end brings us back
		}
		if registered, err = r.registered(ctx, p); err != nil || registered {
			p.requeue = time.Millisecond
			return err
		}
		return r.leave(ctx, p, "")
	}
	if err := r.serve(ctx, p); err != nil {
		return err
	}
	running := r.Sessions.find(p.framework.Name)
	if running == nil || !running.State().Subscribed {
		return r.awaitMaster(ctx, p, running)
	}
	bounded, cancel := context.WithTimeout(ctx, teardownTimeout)
	defer cancel()
	if err := running.Teardown(bounded); err != nil {
		p.awaitTeardown(fmt.Sprintf("The master did not take TEARDOWN: %s.", err))
		return nil
	}
	return r.leave(ctx, p, v1alpha1.EventTornDown)
}

// awaitMaster tells what the teardown waits for. A framework that Mesos has removed
// needs none.
func (r *Reconciler) awaitMaster(ctx context.Context, p *pass, running *conversation) error {
	if running != nil && running.State().Reason == v1alpha1.ReasonFrameworkRemoved {
		return r.leave(ctx, p, v1alpha1.EventTornDown)
	}
	why := "The session is being renewed."
	for _, c := range p.framework.Status.Conditions {
		if c.Type == v1alpha1.ConditionSubscribed && c.Status != metav1.ConditionTrue {
			why = c.Message
		}
	}
	p.awaitTeardown("Waiting for a master to take TEARDOWN. " + why)
	return nil
}

func (p *pass) awaitTeardown(why string) {
	p.set(conditionOf(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTearingDown, fmt.Sprintf(
		"%s If that Mesos cluster is gone for good, annotate this MesosFramework with %s=true.", why, v1alpha1.AnnotationForceRelease)))
	p.requeue = teardownRetry
}

// registered tells whether Mesos ever gave the framework an ID.
func (r *Reconciler) registered(ctx context.Context, p *pass) (bool, error) {
	if running := r.Sessions.find(p.framework.Name); running != nil && running.State().FrameworkID != "" {
		return true, nil
	}
	object := &v1alpha1.MesosFramework{}
	if err := r.Live.Get(ctx, client.ObjectKeyFromObject(p.framework), object); err != nil {
		return false, fmt.Errorf("reading the framework ID: %w", err)
	}
	return object.Status.FrameworkID != "" || object.Annotations[v1alpha1.AnnotationFrameworkID] != "", nil
}

// leave removes the finalizer, and has the session end: not before, since it alone knows
// that the teardown is done, should the finalizer take a second try. It need not have
// ended when the MesosFramework goes: no other can begin under its name before.
func (r *Reconciler) leave(ctx context.Context, p *pass, event string) error {
	released := p.before.DeepCopy()
	controllerutil.RemoveFinalizer(released, v1alpha1.FinalizerTeardown)
	patch := client.MergeFromWithOptions(p.before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, released, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the finalizer: %w", err)
	}
	r.Sessions.end(p.framework.Name)
	p.gone = true
	r.toldReleased(p.framework, event)
	return nil
}

// users names the pools and nodes that refer to the framework, pools first: they are
// what a person deletes. That there is none is believed of the API server alone.
func (r *Reconciler) users(ctx context.Context, name string) ([]string, error) {
	users, err := usersBy(ctx, r.Client, name)
	if err != nil || len(users) > 0 {
		return users, err
	}
	return usersBy(ctx, r.Live, name)
}

func usersBy(ctx context.Context, reader client.Reader, name string) ([]string, error) {
	var pools v1alpha1.MesosNodePoolList
	if err := reader.List(ctx, &pools); err != nil {
		return nil, fmt.Errorf("listing MesosNodePools: %w", err)
	}
	var nodes v1alpha1.MesosNodeList
	if err := reader.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("listing MesosNodes: %w", err)
	}
	var ofPools, ofNodes []string
	for i := range pools.Items {
		if pools.Items[i].Spec.FrameworkRef.Name == name {
			ofPools = append(ofPools, "MesosNodePool "+pools.Items[i].Name)
		}
	}
	for i := range nodes.Items {
		if nodes.Items[i].Spec.FrameworkRef.Name == name {
			ofNodes = append(ofNodes, "MesosNode "+nodes.Items[i].Name)
		}
	}
	slices.Sort(ofPools)
	slices.Sort(ofNodes)
	return append(ofPools, ofNodes...), nil
}

func enumerate(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), more)
	}
	return strings.Join(names, ", ")
}
