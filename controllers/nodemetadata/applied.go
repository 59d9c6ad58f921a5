package nodemetadata

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// applied is what the operator has put on a Node because the template had it. It is the value of
// the annotation AnnotationAppliedTemplate.
type applied struct {
	// Labels have their values.
	Labels map[string]string `json:"labels,omitempty"`
	// Annotations have digests of their values: all annotations of an object together may have
	// 256 KiB, and a value may need half of that.
	Annotations map[string]string `json:"annotations,omitempty"`
	// Taints are sorted by key and effect.
	Taints []v1alpha1.Taint `json:"taints,omitempty"`
}

// ofTemplate returns what is applied to a Node on which a template was put as a whole.
func ofTemplate(template *v1alpha1.NodeTemplate) applied {
	out := applied{Labels: template.Metadata.Labels, Taints: sorted(template.Spec.Taints)}
	for key, value := range template.Metadata.Annotations {
		if out.Annotations == nil {
			out.Annotations = map[string]string{}
		}
		out.Annotations[key] = digest(value)
	}
	return out
}

// lastApplied returns what was applied to a Node that has registered. A Node of a release
// without the annotation has what its MesosNode was created with.
func lastApplied(object *corev1.Node, record *v1alpha1.MesosNode) applied {
	var out applied
	if text := object.Annotations[v1alpha1.AnnotationAppliedTemplate]; text == "" || json.Unmarshal([]byte(text), &out) != nil {
		return ofTemplate(&record.Spec.Template)
	}
	return out
}

// String returns the value of the annotation.
func (a applied) String() string {
	text, err := json.Marshal(a)
	if err != nil { // Strings can always be written.
		return ""
	}
	return string(text)
}

// digest identifies the value of an annotation.
func digest(value string) string {
	sum := sha256.Sum256([]byte(value))
	return hex.EncodeToString(sum[:8])
}

func sorted(taints []v1alpha1.Taint) []v1alpha1.Taint {
	return slices.SortedFunc(slices.Values(taints), func(a, b v1alpha1.Taint) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Effect, b.Effect))
	})
}
