package nodemodel

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/placement"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newNode is a MesosNode of the pool general.
func newNode() *v1alpha1.MesosNode {
	return &v1alpha1.MesosNode{
		ObjectMeta: metav1.ObjectMeta{Name: "general-x7k2p", UID: "0f1e2d3c-4b5a-6978", Labels: map[string]string{v1alpha1.LabelPool: "general"}},
		Spec:       v1alpha1.MesosNodeSpec{FrameworkRef: v1alpha1.FrameworkReference{Name: "default"}},
	}
}

func TestDemandOfANode(t *testing.T) {
	disk := resource.MustParse("10G")
	node := newNode()
	node.Status.Attempt = 3
	node.Spec.Template.Spec.Resources = v1alpha1.NodeResources{
		CPU: resource.MustParse("1500m"), Memory: resource.MustParse("4G"), EphemeralStorage: &disk,
	}
	node.Spec.Placement = v1alpha1.Placement{Role: "other", MaxNodesPerAgent: 2, Constraints: []v1alpha1.AgentConstraint{
		{Attribute: "rack", Operator: v1alpha1.ConstraintIn, Values: []string{"r1", "r2"}},
	}}
	node.Status.Failures = []v1alpha1.AgentFailure{
		{AgentID: "S1", Until: metav1.NewTime(noon.Add(time.Second))},
		{AgentID: "S2", Until: metav1.NewTime(noon)},
	}
	want := placement.Demand{
		ID: "general-x7k2p.0f1e2d3c.3", Group: "general", Role: "other", MaxPerAgent: 2,
		Resources:   placement.Resources{CPUs: 1.5, MemMiB: 3815, DiskMiB: 9537, Ports: 2}, // 4e9 and 10e9 bytes, rounded up
		Constraints: []placement.Constraint{{Attribute: "rack", Operator: placement.In, Values: []string{"r1", "r2"}}},
		Avoid:       []string{"S1"},
	}
	if diff := cmp.Diff(want, Demand(node, []string{"k8sm"}, noon)); diff != "" {
		t.Errorf("demand (-want +got):\n%s", diff)
	}
}
