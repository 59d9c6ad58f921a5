package decision

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// disruptionBudgets are PodDisruptionBudgets by namespace, with what the decision has spent of
// them.
type disruptionBudgets map[string][]*disruptionBudget

type disruptionBudget struct {
	name      string
	selector  labels.Selector
	remaining int
	// sparesUnready: pods that are not ready may be evicted whatever remains, and spend
	// nothing.
	sparesUnready bool
}

func newBudgets(pdbs []*policyv1.PodDisruptionBudget) disruptionBudgets {
	out := disruptionBudgets{}
	for _, p := range pdbs {
		selector, err := metav1.LabelSelectorAsSelector(p.Spec.Selector)
		if err != nil {
			continue // the API server takes none that cannot be read
		}
		b := &disruptionBudget{name: p.Name, selector: selector, remaining: int(p.Status.DisruptionsAllowed), sparesUnready: allowsUnreadyEviction(p)}
		if p.Status.ObservedGeneration < p.Generation {
			b.remaining = 0 // nobody has counted yet
		}
		out[p.Namespace] = append(out[p.Namespace], b)
	}
	return out
}

// allowsUnreadyEviction reports whether a pod that is not ready may be evicted at any time:
// the budget's policy allows it, or enough other pods are ready.
func allowsUnreadyEviction(p *policyv1.PodDisruptionBudget) bool {
	policy := p.Spec.UnhealthyPodEvictionPolicy
	return policy != nil && *policy == policyv1.AlwaysAllow ||
		p.Status.DesiredHealthy > 0 && p.Status.CurrentHealthy >= p.Status.DesiredHealthy
}

// isSpentBy reports whether evicting a pod spends of the budget.
func (b *disruptionBudget) isSpentBy(pod *corev1.Pod) bool {
	return !b.sparesUnready || !slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status != corev1.ConditionTrue
	})
}

// covering returns the budgets that select a pod. A pod under more than one cannot be evicted
// at all. A pod that has not started is under none.
func (bs disruptionBudgets) covering(pod *corev1.Pod) []*disruptionBudget {
	if pod.Status.Phase == corev1.PodPending {
		return nil
	}
	var out []*disruptionBudget
	for _, b := range bs[pod.Namespace] {
		if b.selector.Matches(labels.Set(pod.Labels)) {
			out = append(out, b)
		}
	}
	return out
}

// violation returns why the pods may not be evicted together; empty if they may.
func (bs disruptionBudgets) violation(pods []*corev1.Pod) (reason, message string) {
	if len(bs) == 0 {
		return "", ""
	}
	asked := map[*disruptionBudget]int{}
	for _, pod := range pods {
		mine := bs.covering(pod)
		if len(mine) > 1 {
			return v1alpha1.ReasonDisruptionBudget, fmt.Sprintf(
				"Pod %s/%s has more than one PodDisruptionBudget, so that it cannot be evicted: %s and %s.", pod.Namespace, pod.Name, mine[0].name, mine[1].name)
		}
		for _, b := range mine {
			if !b.isSpentBy(pod) {
				continue
			}
			if asked[b]++; asked[b] > b.remaining {
				return v1alpha1.ReasonDisruptionBudget, fmt.Sprintf(
					"PodDisruptionBudget %s/%s allows %d evictions now, and the eviction of pod %s would exceed this number.", pod.Namespace, b.name, b.remaining, pod.Name)
			}
		}
	}
	return "", ""
}

// spend takes the eviction of the pods out of the budgets.
func (bs disruptionBudgets) spend(pods []*corev1.Pod) {
	if len(bs) == 0 {
		return
	}
	for _, pod := range pods {
		for _, b := range bs.covering(pod) {
			if b.isSpentBy(pod) {
				b.remaining--
			}
		}
	}
}
