package mesosnode

import (
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/launchretry"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// explainAfter is the time that a demand waits before its condition explains why: most
	// have a place by then.
	explainAfter = 5 * time.Second
	// explainEvery is the time between two explanations while the demand waits.
	explainEvery = 30 * time.Second
	// skewPollInterval is the time after which a kubelet that does not fit the API server is
	// looked at again: the API server may be of another release.
	skewPollInterval = 3 * time.Minute
)

// launch is responsible for the condition Launched. It hands the session a demand while there
// is no task, reports the last status of the task there is, and decides what follows when
// that has ended: another attempt before its kubelet could identify itself as the node, the
// deletion of the MesosNode after that. Whoever has the certificate of a failed attempt must
// not share a name with the next one.
func (r *Reconciler) launch(ctx context.Context, rc *reconcileContext) error {
	task := rc.node.Status.Task
	switch {
	case task == nil:
		return r.launchUnlessRetired(ctx, rc)
	case nodemodel.HasEnded(task) && (rc.hasRegistered() || nodemodel.HasIdentity(task)):
		r.endAttempt(rc, task)
	case nodemodel.HasEnded(task):
		return r.retryLaunch(ctx, rc)
	default:
		status, reason, message := describeTask(task)
		if rc.setCondition(v1alpha1.ConditionLaunched, status, reason, message) {
			r.recordLaunchedEvent(rc)
		}
	}
	return nil
}

// wantTask hands the session a demand for the current attempt, once the attempt is written
// down: the session launches nothing that the record does not ask for. If an obstacle has come
// up since, the demand is withdrawn.
func (r *Reconciler) wantTask(ctx context.Context, rc *reconcileContext) error {
	rc.node.Status.Attempt = max(rc.node.Status.Attempt, 1)
	obstacle, err := r.launchObstacle(ctx, rc)
	if err != nil {
		return err
	}
	if obstacle.Reason != "" {
		rc.setCondition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, obstacle.Reason, obstacle.Message)
		return r.withdrawDemand(ctx, rc)
	}
	demand := nodemodel.Demand(rc.node, rc.framework.Spec.Roles, rc.now)
	rc.addEffectWithoutError(func(context.Context) { rc.session.AddDemand(demand) })
	if !rc.session.Ready() {
		rc.setCondition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonWaitingForFramework, describeFrameworkNotReady(rc.framework))
		return nil
	}
	r.explainWaiting(rc, demand.ID)
	if expiry := launchretry.FirstExpiry(rc.node.Status.Failures, rc.now); !expiry.IsZero() {
		rc.requeueWithin(expiry.Sub(rc.now))
	}
	return nil
}

// launchObstacle returns what keeps the session from being asked for a task. It is zero if
// nothing does.
func (r *Reconciler) launchObstacle(ctx context.Context, rc *reconcileContext) (nodetemplate.Refusal, error) {
	obstacle := func(reason, message string) (nodetemplate.Refusal, error) {
		return nodetemplate.Refusal{Reason: reason, Message: message}, nil
	}
	if rc.hasForeignNode() {
		return obstacle(v1alpha1.ReasonNodeForeign, describeForeignNode(rc))
	}
	runtime, refusal, err := r.Runtimes.Resolve(ctx, rc.node.Spec.Template.Spec)
	if err != nil {
		return nodetemplate.Refusal{}, fmt.Errorf("checking the template: %w", err)
	}
	if refusal.Reason == v1alpha1.ReasonKubeletVersionSkew {
		rc.requeueWithin(skewPollInterval)
	}
	if refusal.Reason != "" {
		return refusal, nil
	}
	if missing := runtime.Missing(); len(missing) > 0 {
		return obstacle(v1alpha1.ReasonArtifactsMissing, fmt.Sprintf(
			"Neither the pool's template.spec.runtime nor the operator's --node-runtime file names: %s.", strings.Join(missing, ", ")))
	}
	if rc.framework == nil {
		return obstacle(v1alpha1.ReasonWaitingForFramework, fmt.Sprintf("There is no MesosFramework %q.", rc.node.Spec.FrameworkRef.Name))
	}
	if rc.session == nil {
		return obstacle(v1alpha1.ReasonWaitingForFramework, describeFrameworkNotReady(rc.framework))
	}
	return nodetemplate.Refusal{}, nil
}

// explainWaiting writes into the condition why a demand has no place yet, and why the attempt
// before it failed. The condition is Unknown while nothing is known, and False once Mesos'
// offers were looked at and none fitted.
func (r *Reconciler) explainWaiting(rc *reconcileContext, taskID string) {
	was := rc.condition(v1alpha1.ConditionLaunched)
	message, _ := rc.session.Explain(taskID)
	explain := func(status metav1.ConditionStatus, message string) {
		rc.setCondition(v1alpha1.ConditionLaunched, status, v1alpha1.ReasonWaitingForOffer, messages.Sentences(message, launchretry.LastMessage(rc.node.Status.Failures)))
	}
	switch {
	case was.Reason != v1alpha1.ReasonWaitingForOffer || was.Status == metav1.ConditionUnknown && (message == "" || rc.now.Sub(was.LastTransitionTime.Time) < explainAfter):
		explain(metav1.ConditionUnknown, "Waiting for an offer that fits.")
		rc.requeueWithin(explainAfter)
	case message != "":
		explain(metav1.ConditionFalse, message)
		rc.requeueWithin(explainEvery)
	default:
		rc.requeueWithin(explainEvery)
	}
}

// retryLaunch waits until the next attempt is due, then begins it. The token of the attempt
// before is revoked, and the record has no task any more, before the session is asked for a
// task of a new ID.
func (r *Reconciler) retryLaunch(ctx context.Context, rc *reconcileContext) error {
	task := rc.node.Status.Task
	plan := launchretry.Decide(rc.node.Status)
	if before := rc.condition(v1alpha1.ConditionLaunched).Reason; before != v1alpha1.ReasonBackingOff && before != v1alpha1.ReasonTaskRejected {
		r.recordLaunchFailedEvent(rc, task)
	}
	if wait := plan.At.Sub(rc.now); wait > 0 {
		reason := v1alpha1.ReasonBackingOff
		if plan.Rejected {
			reason = v1alpha1.ReasonTaskRejected
		}
		rc.setCondition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, reason, messages.Sentences(fmt.Sprintf("Attempt %d: %s", rc.node.Status.Attempt, nodemodel.DescribeEnd(task)),
			fmt.Sprintf("The next attempt begins at %s.", plan.At.UTC().Format(time.TimeOnly+" MST"))))
		rc.requeueWithin(wait)
		return nil
	}
	if err := r.Tokens.Revoke(ctx, rc.node); err != nil {
		return fmt.Errorf("revoking the bootstrap token of attempt %d: %w", rc.node.Status.Attempt, err)
	}
	rc.node.Status.Attempt++
	rc.node.Status.Task = nil
	rc.node.Status.Failures = plan.Failures
	return r.wantTask(ctx, rc)
}

// endAttempt deletes the MesosNode of a task that has ended. If the task never became a Node, the
// attempt counts as failed.
func (r *Reconciler) endAttempt(rc *reconcileContext, task *v1alpha1.MesosTask) {
	message := nodemodel.DescribeEnd(task)
	if !rc.hasRegistered() {
		message += " Its kubelet may have a certificate in the node's name, so this MesosNode ends with it."
		if rc.condition(v1alpha1.ConditionLaunched).Reason != v1alpha1.ReasonTaskEnded {
			r.recordLaunchFailedEvent(rc, task)
		}
	}
	r.deleteMesosNode(rc, v1alpha1.ReasonTaskEnded, v1alpha1.ConditionLaunched, message)
}

// deleteMesosNode deletes a MesosNode that cannot be repaired. The deletion drains and releases
// it as any other, and the pool makes another.
func (r *Reconciler) deleteMesosNode(rc *reconcileContext, reason, kind, message string) {
	if was := meta.FindStatusCondition(rc.before.Status.Conditions, kind); was == nil || was.Reason != reason {
		r.recordGivenUpEvent(rc, reason, message)
	}
	rc.setCondition(kind, metav1.ConditionFalse, reason, message)
	rc.addEffect(func(ctx context.Context) error {
		err := r.Client.Delete(ctx, rc.node, client.Preconditions{UID: &rc.node.UID})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting the MesosNode: %w", err)
		}
		return nil
	})
}

// describeTask returns the condition Launched of a task that has not ended.
func describeTask(task *v1alpha1.MesosTask) (status metav1.ConditionStatus, reason, message string) {
	where := nodemodel.AgentName(task)
	switch state := scheduler.TaskState(task.State); state {
	case "":
		return metav1.ConditionFalse, v1alpha1.ReasonIntentRecorded, fmt.Sprintf("Launching on agent %s.", where)
	case scheduler.TaskStaging:
		return metav1.ConditionFalse, v1alpha1.ReasonTaskStaging, fmt.Sprintf("Agent %s fetches and starts the executor.", where)
	case scheduler.TaskStarting:
		return metav1.ConditionTrue, v1alpha1.ReasonTaskStarting, fmt.Sprintf("The executor on agent %s starts the kubelet.%s", where, nodemodel.TaskMessage(task))
	case scheduler.TaskRunning:
		return metav1.ConditionTrue, v1alpha1.ReasonTaskRunning, fmt.Sprintf("The node runs on agent %s.%s", where, nodemodel.TaskMessage(task))
	case scheduler.TaskKilling:
		return metav1.ConditionFalse, v1alpha1.ReasonTerminating, fmt.Sprintf("The task on agent %s is being ended.%s", where, nodemodel.TaskMessage(task))
	default:
		return metav1.ConditionUnknown, v1alpha1.ReasonTaskUnreachable, fmt.Sprintf(
			"Agent %s is cut off from the Mesos master (%s): the task may run and may come back, so the pool waits before it replaces the node.%s", where, state, nodemodel.TaskMessage(task))
	}
}

// describeFrameworkNotReady returns why a framework that exists launches nothing.
func describeFrameworkNotReady(framework *v1alpha1.MesosFramework) string {
	c := meta.FindStatusCondition(framework.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil || c.Status == metav1.ConditionTrue {
		return fmt.Sprintf("MesosFramework %q is not connected yet.", framework.Name)
	}
	return fmt.Sprintf("MesosFramework %q is not ready (%s): %s", framework.Name, c.Reason, c.Message)
}
