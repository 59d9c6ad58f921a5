package mesosnodepool

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// autoscaled leaves the number of a pool's nodes to the autoscaler.
func autoscaled(p *v1alpha1.MesosNodePool) {
	p.Spec.Replicas, p.Spec.Autoscaling = nil, &v1alpha1.Autoscaling{}
}

func TestAutoscaledPoolIsNotScaledByThePoolController(t *testing.T) {
	s := newFixture(t, 2, newReadyFramework())
	s.reconcile()
	s.update(autoscaled)
	s.reconcile()
	if got := len(s.alive()); got != 2 {
		t.Errorf("%d nodes are left, want 2", got)
	}
	for _, name := range s.alive() {
		s.setConditions(name, isRegistered, isReady)
	}
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAllNodesReady, "2 of 2 nodes are ready")
}

func TestChangesOfTheAutoscalerAreCountedAtOnce(t *testing.T) {
	s := newFixture(t, 0, newReadyFramework())
	s.update(autoscaled)
	s.reconcile()
	s.freezeCache()
	size := nodemodel.Size{Shape: "small", Resources: v1alpha1.NodeResources{CPU: resource.MustParse("1"), Memory: resource.MustParse("2Gi")}, Zone: "b"}
	names, err := s.store.Create(context.Background(), s.pool(), []nodemodel.Size{size, size})
	if err != nil || len(names) != 2 {
		t.Fatalf("created %v: %v", names, err)
	}
	if nodes, err := s.store.Inventory(context.Background(), s.pool()); err != nil || nodes.IsSettled() {
		t.Errorf("the lag of the cache is unknown: %+v, %v", nodes, err)
	}
	s.unfreezeCache()
	nodes, err := s.store.Inventory(context.Background(), s.pool())
	if err != nil || !nodes.IsSettled() || len(nodes.Alive) != 2 {
		t.Fatalf("the pool has %+v: %v", nodes, err)
	}
	spec := nodes.Alive[0].Spec
	if spec.Template.Spec.Resources.CPU.String() != "1" || nodes.Alive[0].Labels[v1alpha1.LabelShape] != "small" {
		t.Errorf("a node of %s, labelled %v", spec.Template.Spec.Resources.CPU.String(), nodes.Alive[0].Labels)
	}
	zone := []v1alpha1.AgentConstraint{{Attribute: "@zone", Operator: v1alpha1.ConstraintIn, Values: []string{"b"}}}
	if diff := cmp.Diff(zone, spec.Placement.Constraints); diff != "" {
		t.Errorf("constraints (-want +got):\n%s", diff)
	}
	s.freezeCache()
	if n, err := s.store.Remove(context.Background(), s.pool(), nodes.Alive[:1]); n != 1 || err != nil {
		t.Fatalf("removed %d: %v", n, err)
	}
	nodes, err = s.store.Inventory(context.Background(), s.pool())
	if err != nil || nodes.IsSettled() || len(nodes.Alive) != 1 || len(nodes.Leaving) != 1 {
		t.Errorf("the pool has %+v: %v", nodes, err)
	}
}

func TestDeletedAutoscaledPoolRemovesItsNodes(t *testing.T) {
	s := newFixture(t, 2, newReadyFramework())
	s.reconcile()
	s.update(autoscaled)
	if err := s.live.Delete(context.Background(), s.pool()); err != nil {
		t.Fatal(err)
	}
	s.reconcile()
	if got := s.alive(); len(got) > 0 {
		t.Errorf("%v are left", got)
	}
}

func TestShortageIsReportedAsACondition(t *testing.T) {
	s := newFixture(t, 0, newReadyFramework())
	s.update(autoscaled)
	s.reconcile()
	pool := s.pool()
	pool.Status.Autoscaling = &v1alpha1.AutoscalingStatus{Shortage: "needs 8 cpus on one agent"}
	if err := s.live.Status().Update(context.Background(), pool); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Second)
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionCapacityAvailable, metav1.ConditionFalse, v1alpha1.ReasonNoFittingOffer, "needs 8 cpus on one agent")
	if s.pool().Status.Autoscaling == nil {
		t.Error("the status of the autoscaler was lost")
	}
}

func TestPoolIsNotReadyWhileAutoscalingIsNotPermitted(t *testing.T) {
	s := newFixture(t, 0, newReadyFramework())
	s.update(autoscaled)
	pool := s.pool()
	pool.Status.Conditions = append(pool.Status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionAutoscalingPermitted, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonAutoscalingNotPermitted,
		Message: "The operator may not list pods.", LastTransitionTime: metav1.NewTime(noon),
	})
	if err := s.live.Status().Update(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonAutoscalingNotPermitted, "may not list pods")

	s.update(func(p *v1alpha1.MesosNodePool) { p.Spec.Replicas, p.Spec.Autoscaling = new(int32(0)), nil })
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonAllNodesReady, "")
	if c := meta.FindStatusCondition(s.pool().Status.Conditions, v1alpha1.ConditionAutoscalingPermitted); c != nil {
		t.Errorf("the pool without autoscaling has the condition %+v", c)
	}
}
