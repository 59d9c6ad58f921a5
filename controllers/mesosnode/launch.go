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
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const (
	// explainAfter is how long a demand waits before it is told why: most have a place
	// by then, and need no word.
	explainAfter = 5 * time.Second
	// explainEvery is how often the explanation is renewed while the demand waits.
	explainEvery = 30 * time.Second
)

// launch answers for the condition Launched. It hands the session a demand while there
// is no task, tells what Mesos says of the task there is, and decides what follows when
// that has ended: another attempt before the Node registered, the end of the MesosNode
// after it.
func (r *Reconciler) launch(ctx context.Context, p *pass) error {
	task := p.node.Status.Task
	switch {
	case task == nil:
		r.want(p)
	case nodemodel.HasEnded(task) && p.registered():
		r.giveUp(p, v1alpha1.ReasonTaskEnded, v1alpha1.ConditionLaunched, taskEnded(task))
	case nodemodel.HasEnded(task):
		return r.retry(ctx, p)
	default:
		status, reason, message := describe(task)
		if p.set(v1alpha1.ConditionLaunched, status, reason, message) {
			r.toldLaunched(p)
		}
	}
	return nil
}

// want hands the session a demand for the current attempt, once the attempt is written
// down: the session launches nothing that the record does not ask for.
func (r *Reconciler) want(p *pass) {
	p.node.Status.Attempt = max(p.node.Status.Attempt, 1)
	if reason, message := r.obstacle(p); reason != "" {
		p.set(v1alpha1.ConditionLaunched, metav1.ConditionFalse, reason, message)
		return
	}
	demand := nodemodel.Demand(p.node, p.framework.Spec.Roles, p.now)
	p.do(func(context.Context) { p.session.AddDemand(demand) })
	if !p.session.Ready() {
		p.set(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonWaitingForFramework, notReady(p.framework))
		return
	}
	r.explain(p, demand.ID)
	if expiry := firstExpiry(p.node.Status.Failures, p.now); !expiry.IsZero() {
		p.again(expiry.Sub(p.now))
	}
}

// obstacle tells what keeps the node from being asked for, "" if nothing does.
func (r *Reconciler) obstacle(p *pass) (reason, message string) {
	if p.foreign() {
		return v1alpha1.ReasonNodeForeign, foreignNode(p)
	}
	if reason, message := nodetemplate.Check(p.node.Spec.Template.Spec); reason != "" {
		return reason, message
	}
	if missing := r.Artifacts.Missing(p.node.Spec.Template.Spec.Runtime); len(missing) > 0 {
		return v1alpha1.ReasonArtifactsMissing, fmt.Sprintf(
			"Neither the pool's template.spec.runtime nor the operator's --node-runtime file names: %s.", strings.Join(missing, ", "))
	}
	if p.framework == nil {
		return v1alpha1.ReasonWaitingForFramework, fmt.Sprintf("There is no MesosFramework %q.", p.node.Spec.FrameworkRef.Name)
	}
	if p.session == nil {
		return v1alpha1.ReasonWaitingForFramework, notReady(p.framework)
	}
	return "", ""
}

// explain tells how a demand fares, and why the attempt before it failed. The condition is
// Unknown while nothing is known, and False once Mesos' offers were looked at and found
// wanting.
func (r *Reconciler) explain(p *pass, taskID string) {
	was := p.condition(v1alpha1.ConditionLaunched)
	message, _ := p.session.Explain(taskID)
	tell := func(status metav1.ConditionStatus, message string) {
		p.set(v1alpha1.ConditionLaunched, status, v1alpha1.ReasonWaitingForOffer, strings.TrimSpace(message+" "+lastFailure(p.node.Status.Failures)))
	}
	switch {
	case was.Reason != v1alpha1.ReasonWaitingForOffer || was.Status == metav1.ConditionUnknown && (message == "" || p.now.Sub(was.LastTransitionTime.Time) < explainAfter):
		tell(metav1.ConditionUnknown, "Waiting for an offer that fits.")
		p.again(explainAfter)
	case message != "":
		tell(metav1.ConditionFalse, message)
		p.again(explainEvery)
	default:
		p.again(explainEvery)
	}
}

// retry waits until the next attempt is due, then begins it: its token is taken back,
// and the record says that there is no task, before anything is wanted under a new ID.
func (r *Reconciler) retry(ctx context.Context, p *pass) error {
	task := p.node.Status.Task
	plan := planRetry(p.node.Status)
	if told := p.condition(v1alpha1.ConditionLaunched).Reason; told != v1alpha1.ReasonBackingOff && told != v1alpha1.ReasonTaskRejected {
		r.toldLaunchFailed(p, task)
	}
	if wait := plan.At.Sub(p.now); wait > 0 {
		reason := v1alpha1.ReasonBackingOff
		if plan.Rejected {
			reason = v1alpha1.ReasonTaskRejected
		}
		p.set(v1alpha1.ConditionLaunched, metav1.ConditionFalse, reason, fmt.Sprintf("Attempt %d: %s The next attempt begins at %s.",
			p.node.Status.Attempt, taskEnded(task), plan.At.UTC().Format(time.TimeOnly+" MST")))
		p.again(wait)
		return nil
	}
	if err := r.Tokens.Revoke(ctx, p.node); err != nil {
		return fmt.Errorf("revoking the bootstrap token of attempt %d: %w", p.node.Status.Attempt, err)
	}
	p.node.Status.Attempt++
	p.node.Status.Task = nil
	p.node.Status.Failures = plan.Failures
	r.want(p)
	return nil
}

// giveUp ends a MesosNode whose Node is beyond help: deleted, it goes the way of all
// nodes, and the pool makes another.
func (r *Reconciler) giveUp(p *pass, reason, kind, message string) {
	if was := meta.FindStatusCondition(p.before.Status.Conditions, kind); was == nil || was.Reason != reason {
		r.toldGivenUp(p, reason, message)
	}
	p.set(kind, metav1.ConditionFalse, reason, message)
	p.then(func(ctx context.Context) error {
		err := r.Client.Delete(ctx, p.node, client.Preconditions{UID: &p.node.UID})
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("deleting the MesosNode: %w", err)
		}
		return nil
	})
}

// describe tells what the last status of a task that has not ended means.
func describe(task *v1alpha1.MesosTask) (status metav1.ConditionStatus, reason, message string) {
	where := nodemodel.AgentName(task)
	switch state := scheduler.TaskState(task.State); state {
	case "":
		return metav1.ConditionFalse, v1alpha1.ReasonIntentRecorded, fmt.Sprintf("Launching on agent %s.", where)
	case scheduler.TaskStaging:
		return metav1.ConditionFalse, v1alpha1.ReasonTaskStaging, fmt.Sprintf("Agent %s fetches and starts the executor.", where)
	case scheduler.TaskStarting:
		return metav1.ConditionTrue, v1alpha1.ReasonTaskStarting, fmt.Sprintf("The executor on agent %s brings up the kubelet.%s", where, said(task))
	case scheduler.TaskRunning:
		return metav1.ConditionTrue, v1alpha1.ReasonTaskRunning, fmt.Sprintf("The node runs on agent %s.%s", where, said(task))
	case scheduler.TaskKilling:
		return metav1.ConditionFalse, v1alpha1.ReasonTerminating, fmt.Sprintf("The task on agent %s is being ended.%s", where, said(task))
	default:
		return metav1.ConditionUnknown, v1alpha1.ReasonTaskUnreachable, fmt.Sprintf(
			"Agent %s is cut off from the Mesos master (%s): the task may run and may come back, so the pool waits before it replaces the node.%s", where, state, said(task))
	}
}

// taskEnded tells how a task ended.
func taskEnded(task *v1alpha1.MesosTask) string {
	why := task.State
	if task.Reason != "" {
		why += ", " + task.Reason
	}
	return fmt.Sprintf("The task on agent %s ended (%s).%s", nodemodel.AgentName(task), why, said(task))
}

// said is the message that came with a task's state, to be put behind a sentence.
func said(task *v1alpha1.MesosTask) string {
	message := strings.TrimSpace(task.Message)
	if message == "" {
		return ""
	}
	return " " + strings.TrimRight(message, ".") + "."
}

// notReady tells why a framework that exists launches nothing.
func notReady(framework *v1alpha1.MesosFramework) string {
	c := meta.FindStatusCondition(framework.Status.Conditions, v1alpha1.ConditionReady)
	if c == nil || c.Status == metav1.ConditionTrue {
		return fmt.Sprintf("MesosFramework %q is not connected yet.", framework.Name)
	}
	return fmt.Sprintf("MesosFramework %q is not ready (%s): %s", framework.Name, c.Reason, c.Message)
}
