package mesosframework

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// tell tells of a subscription that was won or lost by the pass.
func (r *Reconciler) tell(p *pass) {
	was := meta.IsStatusConditionTrue(p.before.Status.Conditions, v1alpha1.ConditionSubscribed)
	is := meta.FindStatusCondition(p.framework.Status.Conditions, v1alpha1.ConditionSubscribed)
	if is == nil || was == meta.IsStatusConditionTrue(p.framework.Status.Conditions, v1alpha1.ConditionSubscribed) {
		return
	}
	if was {
		r.Recorder.Eventf(p.framework, nil, corev1.EventTypeWarning, v1alpha1.EventDisconnected, "Subscribing", "%s: %s", is.Reason, is.Message)
		return
	}
	r.Recorder.Eventf(p.framework, nil, corev1.EventTypeNormal, v1alpha1.EventSubscribed, "Subscribing", "%s", is.Message)
}

// toldReleased tells how the framework went; one that never was in Mesos goes silently.
func (r *Reconciler) toldReleased(framework *v1alpha1.MesosFramework, event string) {
	switch event {
	case v1alpha1.EventTornDown:
		r.Recorder.Eventf(framework, nil, corev1.EventTypeNormal, event, "TearingDown", "Framework %s was removed from Mesos.", framework.Status.FrameworkID)
	case v1alpha1.EventForceReleased:
		r.Recorder.Eventf(framework, nil, corev1.EventTypeWarning, event, "TearingDown",
			"A person let it go without a teardown: Mesos may keep framework %s and its tasks until the failover timeout.", framework.Status.FrameworkID)
	}
}

// toldRecreated tells that a registration was given up for another.
func (r *Reconciler) toldRecreated(framework *v1alpha1.MesosFramework, removed string) {
	r.Recorder.Eventf(framework, nil, corev1.EventTypeWarning, v1alpha1.EventRecreated, "Subscribing",
		"Mesos had removed framework %s with all its tasks: another registration is made, and the nodes are replaced.", removed)
}
