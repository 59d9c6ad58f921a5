package nodemodel

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func TestNewNodeFollowsThePoolTemplate(t *testing.T) {
	rack := v1alpha1.AgentConstraint{Attribute: "rack", Operator: v1alpha1.ConstraintIn, Values: []string{"r1"}}
	pool := &v1alpha1.MesosNodePool{ObjectMeta: metav1.ObjectMeta{Name: "general"}}
	pool.Spec.FrameworkRef.Name = "default"
	pool.Spec.Placement = v1alpha1.Placement{Role: "k8sm", Constraints: []v1alpha1.AgentConstraint{rack}}
	pool.Spec.Template.Metadata.Labels = map[string]string{"team": "a"}
	pool.Spec.Template.Spec.Shapes = make([]v1alpha1.NodeShape, 2)
	size := Size{Shape: "small", Zone: "eu-1", Resources: v1alpha1.NodeResources{CPU: resource.MustParse("2"), Memory: resource.MustParse("4Gi")}}

	node := NewNode(pool, "general-a", size)
	labels := map[string]string{v1alpha1.LabelPool: "general", v1alpha1.LabelFramework: "default", v1alpha1.LabelShape: "small"}
	if diff := cmp.Diff(labels, node.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{v1alpha1.FinalizerRelease}, node.Finalizers); diff != "" {
		t.Errorf("it could vanish before it is released (-want +got):\n%s", diff)
	}
	constraints := []v1alpha1.AgentConstraint{rack, {Attribute: "@zone", Operator: v1alpha1.ConstraintIn, Values: []string{"eu-1"}}}
	if diff := cmp.Diff(constraints, node.Spec.Placement.Constraints); diff != "" {
		t.Errorf("constraints (-want +got):\n%s", diff)
	}
	if got := node.Spec.Template.Spec; got.Resources.CPU.String() != "2" || got.Shapes != nil {
		t.Errorf("resources are %+v, and %d shapes are left to choose from", got.Resources, len(got.Shapes))
	}
	node.Spec.Template.Metadata.Labels["team"] = "b"
	if pool.Spec.Template.Metadata.Labels["team"] != "a" || len(pool.Spec.Placement.Constraints) != 1 || len(pool.Spec.Template.Spec.Shapes) != 2 {
		t.Error("the pool was changed with its node")
	}
}

func TestNewNodeWithoutShapeAndZone(t *testing.T) {
	pool := &v1alpha1.MesosNodePool{ObjectMeta: metav1.ObjectMeta{Name: "general"}}
	node := NewNode(pool, "general-a", Size{})
	if _, labelled := node.Labels[v1alpha1.LabelShape]; labelled || len(node.Spec.Placement.Constraints) > 0 {
		t.Errorf("labels %v and constraints %v: want neither shape nor zone", node.Labels, node.Spec.Placement.Constraints)
	}
}

func TestNodeNamesHaveNoDots(t *testing.T) {
	for pool, want := range map[string]string{"general": "general-x7k2p", "web.eu.example.com": "web-eu-example-com-x7k2p"} {
		if got := NodeName(pool, "x7k2p"); got != want {
			t.Errorf("a node of %s is called %q, want %q", pool, got, want)
		}
	}
}
