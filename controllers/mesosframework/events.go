package mesosframework

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Actions of events: what the operator was doing.
const (
	actionLaunching   = "Launching"
	actionSubscribing = "Subscribing"
	actionTearingDown = "TearingDown"
)

// recordSubscriptionEvent records that the reconciliation found a subscription won or lost.
func (r *Reconciler) recordSubscriptionEvent(rc *reconcileContext) {
	wasSubscribed := meta.IsStatusConditionTrue(rc.before.Status.Conditions, v1alpha1.ConditionSubscribed)
	subscribed := meta.FindStatusCondition(rc.framework.Status.Conditions, v1alpha1.ConditionSubscribed)
	if subscribed == nil || wasSubscribed == meta.IsStatusConditionTrue(rc.framework.Status.Conditions, v1alpha1.ConditionSubscribed) {
		return
	}
	if wasSubscribed {
		r.Recorder.Eventf(rc.framework, nil, corev1.EventTypeWarning, v1alpha1.EventDisconnected, actionSubscribing, "%s: %s", subscribed.Reason, subscribed.Message)
		return
	}
	r.Recorder.Eventf(rc.framework, nil, corev1.EventTypeNormal, v1alpha1.EventSubscribed, actionSubscribing, "%s", subscribed.Message)
}

// recordReleasedEvent records how the framework was released. A framework that never
// registered with Mesos has no event.
func (r *Reconciler) recordReleasedEvent(framework *v1alpha1.MesosFramework, reason string) {
	switch reason {
	case v1alpha1.EventTornDown:
		r.Recorder.Eventf(framework, nil, corev1.EventTypeNormal, reason, actionTearingDown, "Framework %s was removed from Mesos.", framework.Status.FrameworkID)
	case v1alpha1.EventForceReleased:
		r.Recorder.Eventf(framework, nil, corev1.EventTypeWarning, reason, actionTearingDown,
			"The MesosFramework was released without a teardown, as its annotation asks: Mesos may keep framework %s and its tasks until the failover timeout.", framework.Status.FrameworkID)
	}
}

// recordRecreatedEvent records that a registration was given up for a new one.
func (r *Reconciler) recordRecreatedEvent(framework *v1alpha1.MesosFramework, removedID string) {
	r.Recorder.Eventf(framework, nil, corev1.EventTypeWarning, v1alpha1.EventRecreated, actionSubscribing,
		"Mesos had removed framework %s with all its tasks: it is registered anew, and the nodes are replaced.", removedID)
}
