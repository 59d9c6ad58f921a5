package nodemodel

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Condition returns a condition of the node. One that was never set has its type, and
// neither status nor reason.
func Condition(node *v1alpha1.MesosNode, conditionType string) metav1.Condition {
	if c := meta.FindStatusCondition(node.Status.Conditions, conditionType); c != nil {
		return *c
	}
	return metav1.Condition{Type: conditionType}
}

// IsReady reports whether pods can run on the node now.
func IsReady(node *v1alpha1.MesosNode) bool {
	return meta.IsStatusConditionTrue(node.Status.Conditions, v1alpha1.ConditionReady)
}

// IsRegistered reports whether the node's Node exists.
func IsRegistered(node *v1alpha1.MesosNode) bool {
	return meta.IsStatusConditionTrue(node.Status.Conditions, v1alpha1.ConditionRegistered)
}

// WasReady reports whether the node has ever been ready: it is, or has ceased to be since it
// registered.
func WasReady(node *v1alpha1.MesosNode) bool {
	if IsReady(node) {
		return meta.FindStatusCondition(node.Status.Conditions, v1alpha1.ConditionRegistered) != nil
	}
	ready := meta.FindStatusCondition(node.Status.Conditions, v1alpha1.ConditionReady)
	return ready != nil && IsRegistered(node) &&
		ready.LastTransitionTime.After(Condition(node, v1alpha1.ConditionRegistered).LastTransitionTime.Time)
}

// WaitsWithoutOffer reports since when Mesos' offers were looked at for the node and none fitted,
// and false if that is not so. While nothing is known of a demand yet its condition is
// Unknown, and the node does not wait for an offer.
func WaitsWithoutOffer(node *v1alpha1.MesosNode) (since time.Time, waits bool) {
	c := Condition(node, v1alpha1.ConditionLaunched)
	if c.Status != metav1.ConditionFalse || c.Reason != v1alpha1.ReasonWaitingForOffer {
		return time.Time{}, false
	}
	return c.LastTransitionTime.Time, true
}

// KubeletReady returns the condition Ready of a Node, as its kubelet reports it. It is
// Unknown where there is no Node, or no report yet.
func KubeletReady(object *corev1.Node) corev1.NodeCondition {
	if object != nil {
		for _, c := range object.Status.Conditions {
			if c.Type == corev1.NodeReady {
				return c
			}
		}
	}
	return corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionUnknown, Message: "The kubelet has not reported the status of its Node."}
}
