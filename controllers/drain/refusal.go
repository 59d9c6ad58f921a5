package drain

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// The API server's words about a PodDisruptionBudget that forbids an eviction, in Kubernetes
// since 1.22. It gives the name of the budget in words alone.
var (
	exhausted  = regexp.MustCompile(`^The disruption budget (\S+) needs (\d+) healthy pods and has (\d+) currently\.?$`)
	anyRefusal = regexp.MustCompile(`^The disruption budget (\S+) (.+?)\.?$`)
)

// describeRefusal returns why a pod cannot be evicted, and the PodDisruptionBudget that forbids it
// if others that it holds need not be tried meanwhile, as <namespace>/<name>.
func describeRefusal(err error, pod *corev1.Pod) (reason, budget string) {
	cause, ok := apierrors.StatusCause(err, policyv1.DisruptionBudgetCause)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "the API server postponed the eviction, as it does until it has counted the pods of a new PodDisruptionBudget", ""
	case !ok:
		return err.Error(), ""
	}
	if m := exhausted.FindStringSubmatch(cause.Message); m != nil {
		budget = pod.Namespace + "/" + m[1]
		reason = fmt.Sprintf("waiting for PDB %s: 0 disruptions allowed, because it needs %s healthy pods and has %s", budget, m[2], m[3])
	} else if m := anyRefusal.FindStringSubmatch(cause.Message); m != nil {
		budget = pod.Namespace + "/" + m[1]
		reason = fmt.Sprintf("waiting for PDB %s: it %s", budget, m[2])
	} else {
		return cause.Message, ""
	}
	if !isReady(pod) {
		// By its unhealthyPodEvictionPolicy, a budget can allow what it forbids for pods that are ready.
		return reason + "; the pod is not ready, and unhealthyPodEvictionPolicy: AlwaysAllow of the PDB would let it go", ""
	}
	return reason, budget
}

func isReady(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
