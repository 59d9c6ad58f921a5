package mesosnode

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func TestTheNodeGetsLabelsAnnotationsAndTaints(t *testing.T) {
	s := begin(t).running()
	object := s.object()
	want := map[string]string{
		"team":                        "data",
		"k8sm.io/pool":                "general",
		"k8sm.io/framework":           "default",
		"k8sm.io/agent-id":            agentID,
		"k8sm.io/agent-hostname":      "agent-3.example",
		"topology.kubernetes.io/zone": "eu-1", "topology.kubernetes.io/region": "eu",
	}
	if diff := cmp.Diff(want, object.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"note": "x"}, object.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]corev1.Taint{{Key: "dedicated", Value: "data", Effect: corev1.TaintEffectNoSchedule}}, object.Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	if len(object.OwnerReferences) != 0 {
		t.Error("the garbage collector may delete the Node while its task runs")
	}
}

func TestChangesOthersMakeToTheNode(t *testing.T) {
	s := begin(t).running()
	object := s.object()
	delete(object.Labels, "team")
	object.Labels["mine"] = "stays"
	object.Spec.Taints = nil
	if err := s.client.Update(context.Background(), object); err != nil {
		t.Fatal(err)
	}
	s.look()
	object = s.object()
	if object.Labels["team"] != "data" {
		t.Error("a label of the template was not put back")
	}
	if object.Labels["mine"] != "stays" {
		t.Error("a person's label was taken away")
	}
	if len(object.Spec.Taints) != 0 {
		t.Error("a taint that was taken off was put back")
	}
}

func TestAStartupTaintThatIsOffWhenTheNodeIsFirstSeenStaysOff(t *testing.T) {
	s := begin(t).running()
	for _, taint := range s.object().Spec.Taints {
		if taint.Key == "example.com/agent-not-ready" {
			t.Error("it was put back")
		}
	}
}

func TestANodeIsReadyWithItsStartupTaints(t *testing.T) {
	s := begin(t).running()
	object := s.object()
	object.Spec.Taints = append(object.Spec.Taints, corev1.Taint{Key: "example.com/agent-not-ready", Effect: corev1.TaintEffectNoExecute})
	if err := s.client.Update(context.Background(), object); err != nil {
		t.Fatal(err)
	}
	s.look()
	s.is(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
}

func TestSomebodyDeletesTheNode(t *testing.T) {
	s := begin(t).running()
	if err := s.client.Delete(context.Background(), s.object()); err != nil {
		t.Fatal(err)
	}
	s.look()
	s.told(v1alpha1.ReasonNodeDeleted)
	s.is(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeDeleted)
	if s.node().DeletionTimestamp.IsZero() {
		t.Fatal("the MesosNode is not being replaced")
	}
	s.look()
	if s.session.killed[firstID] != agentID {
		t.Fatalf("killed: %v", s.session.killed)
	}
	s.mesos(scheduler.TaskKilled)
	s.gone()
}

func TestANodeOfAnotherIsLeftAlone(t *testing.T) {
	for name, id := range map[string]string{
		"of nobody":                             "",
		"of a cloud":                            "aws:///eu/i-1",
		"of another Mesos task":                 "mesos://S1/elsewhere.0f1e2d3c.1",
		"of a MesosNode that had the same name": "mesos://S1/general-x7k2p.99999999.1",
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, podOn("web"))
			s.look()
			s.mesos(scheduler.TaskStarting)
			object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}, Spec: corev1.NodeSpec{ProviderID: id}}
			if err := s.client.Create(context.Background(), object); err != nil {
				t.Fatal(err)
			}
			before := s.object()
			s.look()
			s.is(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeForeign)
			s.is(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeForeign)
			s.release()
			s.mesos(scheduler.TaskKilled)
			s.look()
			s.gone()
			if diff := cmp.Diff(before, s.object()); diff != "" {
				t.Errorf("the Node was touched (-before +after):\n%s", diff)
			}
			pod := &corev1.Pod{}
			if err := s.client.Get(context.Background(), clientKey("default", "web"), pod); err != nil {
				t.Errorf("a pod of the foreign Node was evicted: %v", err)
			}
		})
	}
}

func TestTheNodeOfAnEarlierAttemptIsRemoved(t *testing.T) {
	s := begin(t)
	s.look()
	s.session.WithdrawDemand(firstID)
	s.mesos(scheduler.TaskFailed)
	late := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, UID: "late"}, Spec: corev1.NodeSpec{ProviderID: nodemodel.ProviderID(agentID, firstID)}}
	if err := s.client.Create(context.Background(), late); err != nil {
		t.Fatal(err)
	}
	s.look()
	if s.object() != nil {
		t.Error("the Node of a task that ended is still there")
	}
	s.mesos(scheduler.TaskStarting)
	s.kubelet(corev1.ConditionTrue)
	s.is(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
}

func TestANodeThatTheRecordDoesNotShowYetIsNotDeleted(t *testing.T) {
	s := begin(t)
	s.look() // the record says attempt 1, without a task
	early := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, UID: "early"}, Spec: corev1.NodeSpec{ProviderID: nodemodel.ProviderID(agentID, firstID)}}
	if err := s.client.Create(context.Background(), early); err != nil {
		t.Fatal(err)
	}
	s.look()
	if s.object() == nil {
		t.Error("the Node of a task that may run was deleted")
	}
}
