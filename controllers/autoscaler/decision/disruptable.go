package decision

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/controllers/podstate"
)

// safeToEvictVolumes is Cluster Autoscaler's annotation with the volumes that do not keep a pod.
// People have written it on their pods: it means the same here.
const safeToEvictVolumes = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"

// PodAnnotations are the annotations of pods that decisions depend on. A cache must keep
// them.
var PodAnnotations = append(slices.Clone(podstate.DisruptionAnnotations), safeToEvictVolumes)

// notDisruptable returns why a pod must not be evicted to save a node, empty if it may be:
// an annotation forbids it, or the pod would lose data, or would not be created again. A drain,
// which others may have asked for, goes by the annotations alone.
func notDisruptable(pod *corev1.Pod, now time.Time) (reason string) {
	if reason, _ := podstate.DoNotDisrupt(pod, now); reason != "" {
		return reason
	}
	if pod.Annotations[podstate.AnnotationSafeToEvict] == "true" {
		return ""
	}
	if metav1.GetControllerOf(pod) == nil {
		return "belongs to no controller that would create another"
	}
	if volume := localVolume(pod); volume != "" {
		return fmt.Sprintf("keeps data on the node, in volume %s", volume)
	}
	return ""
}

// localVolume names a volume that stays behind when the pod goes; empty for none. A volume
// in memory does not count: its data is lost when the pod ends in any case, so that no
// application relies on it.
func localVolume(pod *corev1.Pod) string {
	spared := strings.Split(pod.Annotations[safeToEvictVolumes], ",")
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		local := v.HostPath != nil || v.EmptyDir != nil && v.EmptyDir.Medium != corev1.StorageMediumMemory
		if local && !slices.Contains(spared, v.Name) {
			return v.Name
		}
	}
	return ""
}
