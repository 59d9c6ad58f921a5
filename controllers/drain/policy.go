package drain

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// Policy is how the pods of a node are to be drained: by which rules, and in which order. The
// zero value evicts all pods at once.
type Policy struct {
	bands []v1alpha1.PriorityBand // by minPriority, the lowest first
	rules []rule
}

// rule is a rule with its selectors parsed; a nil selector selects all.
type rule struct {
	name             string
	pods, namespaces labels.Selector
	behavior         v1alpha1.DrainBehavior
	order            int32
	// problem is why the rule cannot be used; empty if it can.
	problem string
}

// NewPolicy returns the policy that the settings of a pool describe.
func NewPolicy(d v1alpha1.Drain) Policy {
	p := Policy{bands: slices.Clone(d.PriorityBands)}
	slices.SortFunc(p.bands, func(a, b v1alpha1.PriorityBand) int { return int(int64(a.MinPriority) - int64(b.MinPriority)) })
	for _, r := range d.Rules {
		parsed := rule{name: r.Name, behavior: r.Behavior, order: r.Order}
		for _, s := range []struct {
			field string
			given *metav1.LabelSelector
			into  *labels.Selector
		}{{"podSelector", r.PodSelector, &parsed.pods}, {"namespaceSelector", r.NamespaceSelector, &parsed.namespaces}} {
			if s.given == nil {
				continue
			}
			selector, err := metav1.LabelSelectorAsSelector(s.given)
			if err != nil {
				parsed.problem = fmt.Sprintf("its %s is invalid: %v", s.field, err)
				break
			}
			*s.into = selector
		}
		p.rules = append(p.rules, parsed)
	}
	return p
}

// NeedsNamespaces reports whether a rule depends on the labels of a pod's namespace.
func (p Policy) NeedsNamespaces() bool {
	return slices.ContainsFunc(p.rules, func(r rule) bool { return r.namespaces != nil })
}

// isStaged reports whether some pods go before others.
func (p Policy) isStaged() bool {
	return len(p.bands) > 0 || slices.ContainsFunc(p.rules, func(r rule) bool { return r.order != 0 })
}

// match returns the first rule that is for the pod, nil for none. A rule that cannot be used is
// for every pod that no earlier rule matches: nobody knows which pods were meant.
func (p Policy) match(pod *corev1.Pod, namespaceLabels func(string) labels.Set) *rule {
	for i := range p.rules {
		r := &p.rules[i]
		if r.problem != "" {
			return r
		}
		if r.pods != nil && !r.pods.Matches(labels.Set(pod.Labels)) {
			continue
		}
		if r.namespaces == nil || namespaceLabels != nil && r.namespaces.Matches(namespaceLabels(pod.Namespace)) {
			return r
		}
	}
	return nil
}

// stageKey is the place of pods in a drain.
type stageKey struct{ order, minPriority int32 }

func (k stageKey) before(other stageKey) bool {
	return k.order < other.order || k.order == other.order && k.minPriority < other.minPriority
}

// place returns the place of a pod that the rule is for, which may be nil.
func (p Policy) place(pod *corev1.Pod, r *rule) (key stageKey) {
	if r != nil {
		key.order = r.order
	}
	priority := int32(0)
	if pod.Spec.Priority != nil {
		priority = *pod.Spec.Priority
	}
	for i, band := range p.bands {
		if i == 0 || band.MinPriority <= priority {
			key.minPriority = band.MinPriority
		}
	}
	return key
}
