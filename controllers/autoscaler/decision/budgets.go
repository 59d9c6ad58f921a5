package decision

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// budgets are PodDisruptionBudgets by namespace, with what the decision has spent of them.
type budgets map[string][]*budget

type budget struct {
	name     string
	selector labels.Selector
	left     int
	// free tells that pods that do not serve may go whatever is left, and spend nothing.
	free bool
}

func newBudgets(pdbs []*policyv1.PodDisruptionBudget) budgets {
	out := budgets{}
	for _, p := range pdbs {
		selector, err := metav1.LabelSelectorAsSelector(p.Spec.Selector)
		if err != nil {
			continue // the API server takes none that cannot be read
		}
		b := &budget{name: p.Name, selector: selector, left: int(p.Status.DisruptionsAllowed), free: sparesIdle(p)}
		if p.Status.ObservedGeneration < p.Generation {
			b.left = 0 // nobody has counted yet
		}
		out[p.Namespace] = append(out[p.Namespace], b)
	}
	return out
}

// sparesIdle tells whether a pod that does not serve may be evicted at any time: its budget
// says so, or enough others serve.
func sparesIdle(p *policyv1.PodDisruptionBudget) bool {
	policy := p.Spec.UnhealthyPodEvictionPolicy
	return policy != nil && *policy == policyv1.AlwaysAllow ||
		p.Status.DesiredHealthy > 0 && p.Status.CurrentHealthy >= p.Status.DesiredHealthy
}

// guards tells whether evicting a pod spends of the budget.
func (b *budget) guards(pod *corev1.Pod) bool {
	return !b.free || !slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status != corev1.ConditionTrue
	})
}

// of a pod: more than one, and it cannot be evicted at all. A pod that has not begun is under
// none.
func (bs budgets) of(pod *corev1.Pod) []*budget {
	if pod.Status.Phase == corev1.PodPending {
		return nil
	}
	var out []*budget
	for _, b := range bs[pod.Namespace] {
		if b.selector.Matches(labels.Set(pod.Labels)) {
			out = append(out, b)
		}
	}
	return out
}

// forbid tells why the pods may not be evicted together; empty if they may.
func (bs budgets) forbid(pods []*corev1.Pod) (reason, message string) {
	if len(bs) == 0 {
		return "", ""
	}
	asked := map[*budget]int{}
	for _, pod := range pods {
		mine := bs.of(pod)
		if len(mine) > 1 {
			return v1alpha1.ReasonDisruptionBudget, fmt.Sprintf(
				"Pod %s/%s has more than one PodDisruptionBudget, so that it cannot be evicted: %s and %s.", pod.Namespace, pod.Name, mine[0].name, mine[1].name)
		}
		for _, b := range mine {
			if !b.guards(pod) {
				continue
			}
			if asked[b]++; asked[b] > b.left {
				return v1alpha1.ReasonDisruptionBudget, fmt.Sprintf(
					"PodDisruptionBudget %s/%s lets %d pods go now, and with pod %s there would be more.", pod.Namespace, b.name, b.left, pod.Name)
			}
		}
	}
	return "", ""
}

func (bs budgets) spend(pods []*corev1.Pod) {
	if len(bs) == 0 {
		return
	}
	for _, pod := range pods {
		for _, b := range bs.of(pod) {
			if b.guards(pod) {
				b.left--
			}
		}
	}
}

// budgetOf is how many of so many nodes a budget is: what is neither a number nor a
// percentage is none.
func budgetOf(b intstr.IntOrString, nodes int) int {
	if b.Type == intstr.Int {
		return b.IntValue()
	}
	percent, err := strconv.Atoi(strings.TrimSuffix(b.StrVal, "%"))
	if err != nil {
		return 0
	}
	return int(math.Ceil(float64(nodes) * float64(percent) / 100))
}
