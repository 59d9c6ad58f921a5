package nodemetadata

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// merge brings what is on a Node to what the template has.
type merge struct {
	// registering is true if nobody but the kubelet has put anything on the Node.
	registering bool
	// value is what is recorded of a value.
	value func(string) string
}

// values changes live, the labels or annotations of a Node. Last are those that were applied,
// and want those of the template. It returns live, which is not nil, and those that count as applied
// from now on, nil if there are none.
func (m merge) values(live, last, want map[string]string) (out, applied map[string]string) {
	if live == nil {
		live = map[string]string{}
	}
	for key, recorded := range last {
		value, has := live[key]
		if _, wanted := want[key]; !wanted && has && m.value(value) == recorded {
			delete(live, key)
		}
	}
	for key, value := range want {
		was, has := live[key]
		if _, ours := last[key]; has && was == value && !ours && !m.registering {
			continue // It is somebody else's as well.
		}
		live[key] = value
		if applied == nil {
			applied = map[string]string{}
		}
		applied[key] = m.value(value)
	}
	return live, applied
}

// taints returns the taints of a Node without the registration taint and as the template wants
// them, and those that count as applied from now on, sorted. Live are the taints that the Node
// has, in whose place the result may be.
func (m merge) taints(live []corev1.Taint, last, want []v1alpha1.Taint) (out []corev1.Taint, applied []v1alpha1.Taint) {
	want = slices.DeleteFunc(slices.Clone(want), func(t v1alpha1.Taint) bool { return t.Key == v1alpha1.TaintUnregistered })
	out = slices.DeleteFunc(live, func(t corev1.Taint) bool {
		was := indexOf(last, t)
		return isRegistrationTaint(t) || was >= 0 && indexOf(want, t) < 0 && last[was].Value == t.Value
	})
	for _, t := range want {
		taint := corev1.Taint{Key: t.Key, Value: t.Value, Effect: t.Effect}
		was := indexOf(last, taint)
		at := slices.IndexFunc(out, func(other corev1.Taint) bool { return other.MatchTaint(&taint) })
		switch {
		case was >= 0 && last[was].Value == t.Value && !m.registering:
			// It was put on the Node before, and what became of it is somebody's decision.
		case was < 0 && at >= 0 && out[at].Value == t.Value && !m.registering:
			continue // It is somebody else's as well.
		case at >= 0:
			out[at].Value = t.Value
		default:
			out = append(out, taint)
		}
		applied = append(applied, t)
	}
	return out, sorted(applied)
}

// indexOf returns where a taint of this key and effect is, -1 if there is none.
func indexOf(taints []v1alpha1.Taint, taint corev1.Taint) int {
	return slices.IndexFunc(taints, func(t v1alpha1.Taint) bool { return t.Key == taint.Key && t.Effect == taint.Effect })
}
