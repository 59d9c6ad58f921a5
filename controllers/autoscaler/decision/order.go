package decision

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
)

// SortForPlacement orders pods for placing: a higher priority first, as the scheduler does,
// then larger pods, which are harder to place, then older ones.
func SortForPlacement(cluster *scheduling.Cluster, pods []*corev1.Pod) []*corev1.Pod {
	type sized struct {
		pod         *corev1.Pod
		priority    int32
		cpu, memory int64
	}
	all := make([]sized, 0, len(pods))
	for _, pod := range pods {
		cpu, memory := cluster.Requests(pod)
		all = append(all, sized{pod: pod, priority: priorityOf(pod), cpu: cpu, memory: memory})
	}
	slices.SortStableFunc(all, func(a, b sized) int {
		return cmp.Or(
			cmp.Compare(b.priority, a.priority),
			cmp.Compare(b.cpu, a.cpu),
			cmp.Compare(b.memory, a.memory),
			a.pod.CreationTimestamp.Compare(b.pod.CreationTimestamp.Time),
			strings.Compare(a.pod.Namespace, b.pod.Namespace),
			strings.Compare(a.pod.Name, b.pod.Name),
		)
	})
	ordered := make([]*corev1.Pod, 0, len(all))
	for _, s := range all {
		ordered = append(ordered, s.pod)
	}
	return ordered
}

func priorityOf(pod *corev1.Pod) int32 {
	if pod.Spec.Priority == nil {
		return 0
	}
	return *pod.Spec.Priority
}
