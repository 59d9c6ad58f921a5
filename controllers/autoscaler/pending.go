package autoscaler

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/podstate"
)

// Why a pod that is unschedulable gets no node, as metrics have it.
const (
	leftOutDaemon     = "daemonset"
	leftOutScheduler  = "other_scheduler"
	leftOutExpendable = "expendable"
	leftOutPreempting = "preempting"
)

// unschedulable tells whether the scheduler has looked for a place for a pod, and found
// none.
func unschedulable(pod *corev1.Pod) bool {
	if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil || podstate.HasEnded(pod) {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
		}
	}
	return false
}

// leftOut tells why no node is made for an unschedulable pod; empty if one may be.
func leftOut(pod *corev1.Pod) string {
	switch {
	case podstate.IsDaemon(pod):
		return leftOutDaemon
	case pod.Spec.SchedulerName != "" && pod.Spec.SchedulerName != corev1.DefaultSchedulerName:
		return leftOutScheduler
	case decision.Expendable(pod):
		return leftOutExpendable
	case pod.Status.NominatedNodeName != "":
		return leftOutPreempting
	}
	return ""
}

// placeOf is the node that a pod is on or, if it is a DaemonSet's, will be on; empty if it
// has none.
func placeOf(pod *corev1.Pod) string {
	if pod.Spec.NodeName != "" || !podstate.IsDaemon(pod) {
		return pod.Spec.NodeName
	}
	affinity := pod.Spec.Affinity
	if affinity == nil || affinity.NodeAffinity == nil || affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		return ""
	}
	for _, term := range affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms {
		for _, field := range term.MatchFields {
			if field.Key == metav1.ObjectNameField && field.Operator == corev1.NodeSelectorOpIn && len(field.Values) == 1 {
				return field.Values[0]
			}
		}
	}
	return ""
}
