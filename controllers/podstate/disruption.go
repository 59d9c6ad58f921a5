package podstate

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Annotations of others by which people protect their pods. They mean the same here.
const (
	// AnnotationKarpenterDoNotDisrupt has the values of v1alpha1.AnnotationDoNotDisrupt.
	AnnotationKarpenterDoNotDisrupt = "karpenter.sh/do-not-disrupt"
	// AnnotationSafeToEvict with the value "false" is Cluster Autoscaler's protection of a pod.
	AnnotationSafeToEvict = "cluster-autoscaler.kubernetes.io/safe-to-evict"
)

// DisruptionAnnotations are the annotations that DoNotDisrupt reads. A cache must keep them.
var DisruptionAnnotations = []string{v1alpha1.AnnotationDoNotDisrupt, AnnotationKarpenterDoNotDisrupt, AnnotationSafeToEvict}

// DoNotDisrupt returns why a pod must not be disrupted now, in words that follow its name; empty
// if it may be. Until is the time when that ends; zero for never. As in Karpenter, the value of
// do-not-disrupt is "true", or a duration from the start of the pod; another value does not count.
func DoNotDisrupt(pod *corev1.Pod, now time.Time) (reason string, until time.Time) {
	for _, key := range []string{v1alpha1.AnnotationDoNotDisrupt, AnnotationKarpenterDoNotDisrupt} {
		value := pod.Annotations[key]
		if value == "true" {
			return fmt.Sprintf("is annotated %s=true", key), time.Time{}
		}
		protected, err := time.ParseDuration(value)
		if err != nil || protected <= 0 {
			continue
		}
		if pod.Status.StartTime == nil {
			return fmt.Sprintf("is annotated %s=%s, and has not started yet", key, value), time.Time{}
		}
		if end := pod.Status.StartTime.Add(protected); now.Before(end) && (reason == "" || end.After(until)) {
			reason, until = fmt.Sprintf("is annotated %s=%s, which is over at %s", key, value, end.UTC().Format(time.RFC3339)), end
		}
	}
	if pod.Annotations[AnnotationSafeToEvict] == "false" {
		return fmt.Sprintf("is annotated %s=false", AnnotationSafeToEvict), time.Time{}
	}
	return reason, until
}
