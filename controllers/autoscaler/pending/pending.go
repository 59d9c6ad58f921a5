package pending

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/podstate"
)

// Why a pod that is unschedulable gets no node. Metrics have these values.
const (
	ExcludedDaemon     = "daemonset"
	ExcludedScheduler  = "other_scheduler"
	ExcludedExpendable = "expendable"
	ExcludedPreempting = "preempting"
)

// Find returns the pods that need a node, in the order in which they were created, and
// counts by reason the unschedulable pods that get none. Unseen are the pods that the scheduler
// has not looked at: they may find room. NominatedTo returns the node that the scheduler has
// nominated a pod to.
func Find(all []*corev1.Pod, nominatedTo func(*corev1.Pod) string) (pods, unseen []*corev1.Pod, excluded map[string]int) {
	excluded = map[string]int{}
	for _, pod := range all {
		if pod.Spec.NodeName != "" || !isWaiting(pod) {
			continue
		}
		reason := ExclusionReason(pod)
		if reason == "" && nominatedTo(pod) != "" {
			reason = ExcludedPreempting
		}
		switch marked := IsUnschedulable(pod); {
		case reason != "" && marked:
			excluded[reason]++
		case reason != "":
		case marked:
			pods = append(pods, pod)
		case len(pod.Spec.SchedulingGates) == 0:
			unseen = append(unseen, pod)
		}
	}
	slices.SortFunc(pods, func(a, b *corev1.Pod) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return pods, unseen, excluded
}

// isWaiting reports whether a pod is on no node and has not ended.
func isWaiting(pod *corev1.Pod) bool {
	return pod.Spec.NodeName == "" && pod.DeletionTimestamp == nil && !podstate.HasEnded(pod)
}

// IsUnschedulable reports whether the scheduler has looked for a place for a pod and found
// none.
func IsUnschedulable(pod *corev1.Pod) bool {
	if !isWaiting(pod) {
		return false
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable
		}
	}
	return false
}

// ExclusionReason returns why no node is created for a pod that waits, as far as the pod itself
// shows; empty if one may be.
func ExclusionReason(pod *corev1.Pod) string {
	switch {
	case podstate.IsDaemon(pod):
		return ExcludedDaemon
	case pod.Spec.SchedulerName != "" && pod.Spec.SchedulerName != corev1.DefaultSchedulerName:
		return ExcludedScheduler
	case decision.Expendable(pod):
		return ExcludedExpendable
	}
	return ""
}

// Nominations returns a function that returns the node that the scheduler has nominated a pod
// to, where the pod occupies room though it is not bound: its volumes are being provisioned, or
// the pods that it preempts are ending. A nomination to a node that is gone or leaving does not
// count.
func Nominations(nodes map[string]*corev1.Node, leaving map[string]bool) func(*corev1.Pod) string {
	return func(pod *corev1.Pod) string {
		name := pod.Status.NominatedNodeName
		if name == "" || !isWaiting(pod) || nodes[name] == nil || leaving[name] {
			return ""
		}
		return name
	}
}

// ByNode returns the pods for which nodeOf returns a node, by the name of the node.
func ByNode(pods []*corev1.Pod, nodeOf func(*corev1.Pod) string) map[string][]*corev1.Pod {
	out := map[string][]*corev1.Pod{}
	for _, pod := range pods {
		if node := nodeOf(pod); node != "" {
			out[node] = append(out[node], pod)
		}
	}
	return out
}

// NodeOf returns the node that a pod is on or, if it is a DaemonSet's, will be on; empty if
// it has none. The controller of DaemonSets names the node in the pod's affinity.
func NodeOf(pod *corev1.Pod) string {
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
