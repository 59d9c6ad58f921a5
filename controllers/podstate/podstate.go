package podstate

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// HasEnded reports whether all containers of the pod have ended permanently: it takes no
// resources any more.
func HasEnded(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
}

// IsDaemon reports whether a DaemonSet of Kubernetes itself controls the pod: such a pod
// comes and goes with its node. A DaemonSet of another API group, as some operators bring
// one, may work otherwise, and is an owner like any other.
func IsDaemon(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOf(pod)
	if owner == nil || owner.Kind != "DaemonSet" {
		return false
	}
	version, err := schema.ParseGroupVersion(owner.APIVersion)
	return err == nil && version.Group == appsv1.GroupName
}

// IsStatic reports whether the pod is the mirror of a static pod, which belongs to the
// kubelet and goes with it.
func IsStatic(pod *corev1.Pod) bool {
	_, ok := pod.Annotations[corev1.MirrorPodAnnotationKey]
	return ok
}
