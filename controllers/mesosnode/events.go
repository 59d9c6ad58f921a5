package mesosnode

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/drain"
	"github.com/k8sm/k8sm/controllers/messages"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// The functions in this file record what happened, by event, log and metric, once the status
// that has it is written.

// Actions of events: what was being done.
const (
	actionLaunch    = "Launch"
	actionRegister  = "Register"
	actionTerminate = "Terminate"
	actionUpgrade   = "Upgrade"
)

// nodeEvent is what is recorded of one thing that happened to a node.
type nodeEvent struct {
	// eventType is corev1.EventTypeNormal or corev1.EventTypeWarning.
	eventType, reason, action string
	// log is the constant message under which the operator of the cluster finds it in the log.
	log string
	// note explains it to a person.
	note string
}

// recordEvent records an event on the node, and logs it.
func (r *Reconciler) recordEvent(ctx context.Context, rc *reconcileContext, e nodeEvent) {
	note := messages.Truncate(e.note, messages.MaxEvent)
	log.FromContext(ctx).Info(e.log, "reason", e.reason, "note", note)
	r.Recorder.Eventf(rc.node, nil, e.eventType, e.reason, e.action, "%s", note)
}

func (r *Reconciler) recordLaunchedEvent(rc *reconcileContext) {
	task := *rc.node.Status.Task
	rc.addEffectWithoutError(func(ctx context.Context) {
		observePhase(phaseLaunched, rc.now.Sub(task.IntentTime.Time))
		r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeNormal, v1alpha1.EventLaunched, actionLaunch, "Launched a node",
			fmt.Sprintf("The executor runs on agent %s.", nodemodel.AgentName(&task))})
	})
}

func (r *Reconciler) recordLaunchFailedEvent(rc *reconcileContext, task *v1alpha1.MesosTask) {
	attempt := rc.node.Status.Attempt
	rc.addEffectWithoutError(func(ctx context.Context) {
		failedAttempts.WithLabelValues(task.State).Inc()
		r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeWarning, v1alpha1.EventLaunchFailed, actionLaunch, "The launch of a node failed",
			fmt.Sprintf("Attempt %d: %s", attempt, nodemodel.DescribeEnd(task))})
	})
}

func (r *Reconciler) recordRegisteredEvent(rc *reconcileContext) {
	since := rc.node.Status.Task.IntentTime.Time
	rc.addEffectWithoutError(func(ctx context.Context) {
		observePhase(phaseRegistered, rc.now.Sub(since))
		r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeNormal, v1alpha1.EventRegistered, actionRegister, "A kubelet registered its Node",
			"The kubelet registered its Node."})
	})
}

func (r *Reconciler) recordWithoutTaintEvent(rc *reconcileContext) {
	rc.addEffectWithoutError(func(ctx context.Context) {
		r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeWarning, v1alpha1.EventRegisteredWithoutTaint, actionRegister, "A Node registered without the registration taint",
			fmt.Sprintf("The kubelet registered its Node without the taint %s, or somebody removed the taint before the labels were set. Until now, pods may have been scheduled by labels that the kubelet chose.", v1alpha1.TaintUnregistered)})
	})
}

func (r *Reconciler) recordReadyEvent(rc *reconcileContext) {
	since := rc.node.Status.Task.IntentTime.Time
	rc.addEffectWithoutError(func(ctx context.Context) {
		observePhase(phaseReady, rc.now.Sub(since))
		r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeNormal, v1alpha1.EventReady, actionRegister, "A node became ready",
			"The Node is ready."})
	})
}

func (r *Reconciler) recordKubeletUpgradedEvent(rc *reconcileContext, note string) {
	rc.addEffectWithoutError(func(ctx context.Context) {
		r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeNormal, v1alpha1.EventKubeletUpgraded, actionUpgrade, "Upgraded a kubelet in place", note})
	})
}

func (r *Reconciler) recordKubeletRefusedEvent(rc *reconcileContext, note string) {
	rc.addEffectWithoutError(func(ctx context.Context) {
		r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeWarning, v1alpha1.EventKubeletRefused, actionUpgrade, "An executor refused a kubelet", note})
	})
}

// recordGivenUpEvent records that a node is deleted and replaced. The reason is that of the
// condition which has the cause.
func (r *Reconciler) recordGivenUpEvent(rc *reconcileContext, reason, note string) {
	rc.addEffectWithoutError(func(ctx context.Context) {
		r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeWarning, reason, actionTerminate, "Deleting a node to have it replaced", note})
	})
}

func (r *Reconciler) recordDrainingEvent(rc *reconcileContext) {
	rc.addEffectWithoutError(func(ctx context.Context) {
		r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeNormal, v1alpha1.EventDraining, actionTerminate, "Draining a node",
			"The Node takes no new pods, and those that it has are evicted."})
	})
}

func (r *Reconciler) recordEvictionBlockedEvent(rc *reconcileContext, result drain.Result) {
	rc.addEffectWithoutError(func(ctx context.Context) {
		r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeWarning, v1alpha1.EventEvictionBlocked, actionTerminate, "The eviction of pods is blocked",
			result.String()})
	})
}

// recordUncontrolledEvent records which pods nobody will create again, before they are evicted.
func (r *Reconciler) recordUncontrolledEvent(ctx context.Context, rc *reconcileContext, pods []string) {
	r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeWarning, v1alpha1.EventPodWithoutController, actionTerminate, "Evicting pods without a controller",
		fmt.Sprintf("No controller will create %s again after the eviction: %s.", messages.Count(len(pods), "this pod", "of these pods any"), messages.List(pods, ", ", namedPods))})
}

func (r *Reconciler) observeDrained(rc *reconcileContext, took time.Duration) {
	rc.addEffectWithoutError(func(context.Context) { observePhase(phaseDrained, took) })
}

func (r *Reconciler) recordReleasedEvent(rc *reconcileContext) {
	took := rc.now.Sub(rc.node.DeletionTimestamp.Time)
	rc.addEffectWithoutError(func(ctx context.Context) {
		observePhase(phaseReleased, took)
		if rc.forcedRelease {
			r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeWarning, v1alpha1.EventForceReleased, actionTerminate, "Released a node by force",
				fmt.Sprintf("Released by force: Mesos has not confirmed that task %s on agent %s ended.", rc.node.Status.Task.ID, nodemodel.AgentName(rc.node.Status.Task))})
			return
		}
		r.recordEvent(ctx, rc, nodeEvent{corev1.EventTypeNormal, v1alpha1.EventReleased, actionTerminate, "Released a node",
			"The node is gone, and its resources are back with Mesos."})
	})
}
