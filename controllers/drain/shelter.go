package drain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// What Cluster Autoscaler reads on pods, people have written on theirs: it means the same
// here.
const (
	safeToEvict        = "cluster-autoscaler.kubernetes.io/safe-to-evict"
	safeToEvictVolumes = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
)

// Annotations are those of pods that this package looks at.
var Annotations = []string{v1alpha1.AnnotationDoNotDisrupt, safeToEvict, safeToEvictVolumes, corev1.MirrorPodAnnotationKey}

// sheltered pods are not disturbed to save a node: somebody said so, or they would lose
// what nobody gives back to them.
func sheltered(pod *corev1.Pod, c Circumstances) (Verdict, string) {
	if !c.Optional {
		return "", ""
	}
	switch {
	case pod.Annotations[v1alpha1.AnnotationDoNotDisrupt] == "true":
		return Keep, fmt.Sprintf("is annotated %s=true", v1alpha1.AnnotationDoNotDisrupt)
	case pod.Annotations[safeToEvict] == "false":
		return Keep, fmt.Sprintf("is annotated %s=false", safeToEvict)
	case pod.Annotations[safeToEvict] == "true":
		return "", ""
	}
	if metav1.GetControllerOf(pod) == nil {
		return Keep, "belongs to no controller, so that nobody would make another"
	}
	if volume := localVolume(pod); volume != "" {
		return Keep, fmt.Sprintf("keeps data on the node, in volume %s", volume)
	}
	return "", ""
}

// localVolume names a volume that stays behind when the pod goes; empty for none. What is
// in memory is lost with every container that ends, so that nobody counts on it.
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
