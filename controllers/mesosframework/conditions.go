package mesosframework

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/session"
)

// subscribed tells how the session fares: True while a master streams events to us,
// Unknown while nothing is known to be wrong, False otherwise. Help is what a person can
// do.
func subscribed(state session.State, help string) metav1.Condition {
	switch {
	case state.Subscribed:
		return conditionOf(v1alpha1.ConditionSubscribed, metav1.ConditionTrue, v1alpha1.ReasonSubscribed, leader(state))
	case state.Reason == "" || state.Reason == v1alpha1.ReasonConnecting:
		return conditionOf(v1alpha1.ConditionSubscribed, metav1.ConditionUnknown, v1alpha1.ReasonConnecting, or(state.Message, "Looking for the leading master."))
	}
	return conditionOf(v1alpha1.ConditionSubscribed, metav1.ConditionFalse, string(state.Reason), state.Message+help)
}

// ready tells whether nodes can be launched.
func readyCondition(state session.State, help string) metav1.Condition {
	c := subscribed(state, help)
	c.Type = v1alpha1.ConditionReady
	switch {
	case state.Subscribed && !state.Reconciled:
		c.Status, c.Reason = metav1.ConditionFalse, v1alpha1.ReasonReconcilingTasks
		c.Message = or(state.Message, "Asking the master what became of the tasks that are known.")
	case c.Status == metav1.ConditionUnknown:
		c.Status = metav1.ConditionFalse
	}
	return c
}

// specApplied tells whether the master has the framework as the spec says.
func specApplied(state session.State) metav1.Condition {
	if state.Kept == "" {
		return conditionOf(v1alpha1.ConditionSpecApplied, metav1.ConditionTrue, v1alpha1.ReasonSpecApplied, "Mesos has the framework as the spec says.")
	}
	return conditionOf(v1alpha1.ConditionSpecApplied, metav1.ConditionFalse, v1alpha1.ReasonKeptByMaster, fmt.Sprintf(
		"The master keeps something else than the spec says: %s. To have it otherwise, another MesosFramework is needed, or a right in Mesos.", state.Kept))
}

// inTheWay is what is said of what keeps a session from being as it should: that there
// is none, or that it goes on with what it has.
func inTheWay(p *problem, running bool) []metav1.Condition {
	if running {
		return []metav1.Condition{conditionOf(v1alpha1.ConditionReady, metav1.ConditionFalse, p.reason,
			p.message+" The session that is on goes on with what it has.")}
	}
	return []metav1.Condition{
		conditionOf(v1alpha1.ConditionSubscribed, metav1.ConditionFalse, p.reason, p.message),
		conditionOf(v1alpha1.ConditionReady, metav1.ConditionFalse, p.reason, p.message),
	}
}

func leader(state session.State) string {
	if state.MasterVersion == "" {
		return fmt.Sprintf("Subscribed to the master at %s.", state.Master)
	}
	return fmt.Sprintf("Subscribed to the master at %s (Mesos %s).", state.Master, state.MasterVersion)
}

// remedy says what a person can do about a session that does not try again by itself.
func remedy(state session.State, spec v1alpha1.MesosFrameworkSpec, running *conversation) string {
	switch state.Reason {
	case v1alpha1.ReasonFrameworkRemoved:
		if spec.OnFrameworkRemoved == v1alpha1.FrameworkRemovedRecreate && spec.FrameworkID != "" {
			return " Mesos has killed its nodes. spec.frameworkID names the registration that was removed: take it away to have another made and the nodes replaced."
		}
		return " Mesos has killed its nodes, and nothing is done about their records until a person decides: " +
			"set spec.onFrameworkRemoved to Recreate to have it registered anew and the nodes replaced, or delete this MesosFramework and its pools."
	case v1alpha1.ReasonFailedOver:
		if running.rivals() <= maxRematches {
			return " Another scheduler uses this framework ID. It is taken back after a while."
		}
		return " Another scheduler uses this framework ID, and took it back each time: see to it that only one does, then restart the operator."
	case v1alpha1.ReasonRefused:
		return fmt.Sprintf(" It is tried again when the spec or a secret changes, and every %s.", refusedRetry)
	}
	return ""
}

func conditionOf(kind string, status metav1.ConditionStatus, reason, message string) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message}
}

// set sets conditions as of now.
func (p *pass) set(conditions ...metav1.Condition) {
	for _, c := range conditions {
		c.ObservedGeneration = p.framework.Generation
		c.LastTransitionTime = metav1.NewTime(p.now)
		meta.SetStatusCondition(&p.framework.Status.Conditions, c)
	}
}

func or(text, otherwise string) string {
	if text != "" {
		return text
	}
	return otherwise
}
