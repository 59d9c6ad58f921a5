package nodemodel

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/placement"
)

// Size is the size of one node of a pool, and where it may be placed.
type Size struct {
	// Shape is the name of the template's shape; empty if the template has none.
	Shape string
	// Resources that the node takes from one agent.
	Resources v1alpha1.NodeResources
	// Region and Zone whose agents alone may hold the node; empty for any. A zone counts
	// within its region.
	Region, Zone string
	// Replaces is the name of the MesosNode that the node is to replace; empty for none.
	Replaces string
}

// NewNode returns a node made of the pool's template as it is now, in the given size. It has no
// owner yet.
func NewNode(pool *v1alpha1.MesosNodePool, name string, size Size) *v1alpha1.MesosNode {
	spec := pool.Spec.DeepCopy()
	spec.Template.Spec.Resources = *size.Resources.DeepCopy()
	spec.Template.Spec.Shapes = nil
	spec.Placement.Constraints = append(spec.Placement.Constraints, Domain{size.Region, size.Zone}.constraints()...)
	node := &v1alpha1.MesosNode{
		ObjectMeta: metav1.ObjectMeta{
			Name:       name,
			Finalizers: []string{v1alpha1.FinalizerRelease},
			Labels: map[string]string{
				v1alpha1.LabelPool:      pool.Name,
				v1alpha1.LabelFramework: spec.FrameworkRef.Name,
			},
		},
		Spec: v1alpha1.MesosNodeSpec{
			FrameworkRef: spec.FrameworkRef,
			Template:     spec.Template,
			Placement:    spec.Placement,
			Drain:        spec.Drain,
		},
	}
	if size.Shape != "" {
		node.Labels[v1alpha1.LabelShape] = size.Shape
	}
	if size.Replaces != "" {
		node.Annotations = map[string]string{v1alpha1.AnnotationReplaces: size.Replaces}
	}
	return node
}

// NodeName returns the name of a node of a pool. It has no dots: the node gets a serving certificate
// in this name, which must not be that of a host or of a Service elsewhere.
func NodeName(pool, suffix string) string {
	return strings.ReplaceAll(pool, ".", "-") + "-" + suffix
}

// constraints returns the constraints that keep a node in the domain.
func (d Domain) constraints() []v1alpha1.AgentConstraint {
	var out []v1alpha1.AgentConstraint
	for _, part := range []struct{ attribute, value string }{{placement.Region, d.Region}, {placement.Zone, d.Zone}} {
		if part.value != "" {
			out = append(out, v1alpha1.AgentConstraint{Attribute: part.attribute, Operator: v1alpha1.ConstraintIn, Values: []string{part.value}})
		}
	}
	return out
}
