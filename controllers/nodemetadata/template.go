package nodemetadata

import (
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// CurrentTemplate returns the template of a MesosNode, with the labels, annotations and taints
// that its pool has now. Without a pool it is the template that the MesosNode was created with.
// The result shares memory with the arguments.
func CurrentTemplate(node *v1alpha1.MesosNode, pool *v1alpha1.MesosNodePool) v1alpha1.NodeTemplate {
	out := node.Spec.Template
	if pool != nil {
		out.Metadata = pool.Spec.Template.Metadata
		out.Spec.Taints = pool.Spec.Template.Spec.Taints
	}
	return out
}

// IsSame reports whether two templates have the same labels, annotations and taints.
func IsSame(a, b *v1alpha1.NodeTemplate) bool {
	return equality.Semantic.DeepEqual(a.Metadata, b.Metadata) && equality.Semantic.DeepEqual(a.Spec.Taints, b.Spec.Taints)
}
