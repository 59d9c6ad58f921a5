package framework

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/session"
)

// subscribed tells how the session fares: True while a master streams events to us,
// Unknown while nothing is known to be wrong, False otherwise.
func subscribed(state session.State) metav1.Condition {
	switch {
	case state.Subscribed:
		return conditionOf(v1alpha1.ConditionSubscribed, metav1.ConditionTrue, v1alpha1.ReasonSubscribed, leader(state))
	case state.Reason == "" || state.Reason == v1alpha1.ReasonConnecting:
		return conditionOf(v1alpha1.ConditionSubscribed, metav1.ConditionUnknown, v1alpha1.ReasonConnecting, or(state.Message, "Looking for the leading master."))
	}
	return conditionOf(v1alpha1.ConditionSubscribed, metav1.ConditionFalse, state.Reason, state.Message+remedy(state))
}

// ready tells whether nodes can be launched.
func readyCondition(state session.State) metav1.Condition {
	c := subscribed(state)
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

// notBegun is what is said of a session that cannot begin.
func notBegun(p *problem) []metav1.Condition {
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
func remedy(state session.State) string {
	switch state.Reason {
	case v1alpha1.ReasonFrameworkRemoved:
		return " Mesos has killed its nodes, and nothing is done about their records until a person decides: delete this MesosFramework and its pools, then create them again."
	case v1alpha1.ReasonFailedOver:
		return " Another scheduler uses this framework ID: see to it that only one does, then restart the operator."
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
