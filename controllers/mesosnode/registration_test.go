package mesosnode

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func TestTheNodeGetsLabelsAnnotationsAndTaints(t *testing.T) {
	s := newFixture(t).makeReady()
	object := s.kubernetesNode()
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
	if object.Annotations["k8sm.io/applied-template"] == "" {
		t.Error("nothing is on record of what was applied")
	}
	delete(object.Annotations, "k8sm.io/applied-template")
	if diff := cmp.Diff(map[string]string{"note": "x", "k8sm.io/template-labels": "team"}, object.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]corev1.Taint{{Key: "dedicated", Value: "data", Effect: corev1.TaintEffectNoSchedule}}, object.Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	if len(object.OwnerReferences) != 0 {
		t.Error("the garbage collector may delete the Node while its task runs")
	}
}

func TestForeignChangesToTheNode(t *testing.T) {
	s := newFixture(t).makeReady()
	object := s.kubernetesNode()
	delete(object.Labels, "team")
	object.Labels["mine"] = "stays"
	object.Spec.Taints = nil
	if err := s.client.Update(context.Background(), object); err != nil {
		t.Fatal(err)
	}
	s.reconcile()
	object = s.kubernetesNode()
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

// register creates the Node as its kubelet registers it, and what the kubelet claims.
func (s *fixture) register(how func(*corev1.Node)) {
	s.t.Helper()
	s.reconcile()
	s.setTaskState(scheduler.TaskStarting)
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, UID: "node"}, Spec: corev1.NodeSpec{
		ProviderID: nodemodel.CurrentProviderID(s.mesosNode()),
		Taints:     []corev1.Taint{{Key: v1alpha1.TaintUnregistered, Effect: corev1.TaintEffectNoSchedule}},
	}}
	how(object)
	if err := s.client.Create(context.Background(), object); err != nil {
		s.t.Fatal(err)
	}
}

func TestTheRegistrationTaintIsRemovedInTheWriteThatSetsTheLabels(t *testing.T) {
	s := newFixture(t)
	s.register(func(n *corev1.Node) { n.Labels = map[string]string{"team": "payments", "k8sm.io/pool": "other"} })
	writes := s.writes
	s.reconcile()
	object := s.kubernetesNode()
	if object.Labels["team"] != "data" || object.Labels["k8sm.io/pool"] != "general" || len(object.Spec.Taints) != 1 || object.Spec.Taints[0].Key != "dedicated" {
		t.Errorf("labels %v and taints %v", object.Labels, object.Spec.Taints)
	}
	if got := s.writes - writes; got != 2 {
		t.Errorf("%d writes, want one of the Node and one of the status", got)
	}
	if events := s.takeEvents(); strings.Contains(events, v1alpha1.EventRegisteredWithoutTaint) {
		t.Errorf("events are %s", events)
	}
	writes = s.writes
	s.reconcile()
	if s.writes != writes {
		t.Error("something is written at rest")
	}
}

// takeEvents returns all events, and drops them.
func (s *fixture) takeEvents() (all string) {
	for len(s.recorder.Events) > 0 {
		all += <-s.recorder.Events + "\n"
	}
	return all
}

func TestAKubeletThatLeavesOutTheRegistrationTaintIsReported(t *testing.T) {
	s := newFixture(t)
	s.register(func(n *corev1.Node) { n.Spec.Taints, n.Labels = nil, map[string]string{"team": "payments"} })
	s.reconcile()
	s.expectEvent(v1alpha1.EventRegisteredWithoutTaint)
	if object := s.kubernetesNode(); object.Labels["team"] != "data" || len(object.Spec.Taints) != 1 {
		t.Errorf("labels %v and taints %v", object.Labels, object.Spec.Taints)
	}
}

func TestANodeWhoseLabelsAreRefusedKeepsTheRegistrationTaint(t *testing.T) {
	s := newFixture(t)
	s.register(func(*corev1.Node) {})
	refuse := true
	refusal := apierrors.NewForbidden(schema.GroupResource{Resource: "nodes"}, nodeName, errors.New("a policy of the cluster"))
	s.reconciler.Client = interceptor.NewClient(s.client, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if _, node := o.(*corev1.Node); node && refuse {
				return refusal
			}
			return c.Patch(ctx, o, p, opts...)
		},
	})
	if _, err := s.tryReconcile(); !apierrors.IsForbidden(err) {
		t.Fatalf("got %v, want the refusal", err)
	}
	s.expectCondition(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeUpdateRefused)
	s.expectMessage(v1alpha1.ConditionRegistered, "a policy of the cluster")
	s.expectMessage(v1alpha1.ConditionRegistered, "it takes no pods")
	if s.mesosNode().Status.ProviderID != "" {
		t.Error("it counts as registered")
	}
	refuse = false
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered)

	refuse = true
	object := s.kubernetesNode()
	object.Labels["team"] = "web"
	if err := s.client.Update(context.Background(), object); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tryReconcile(); !apierrors.IsForbidden(err) {
		t.Fatalf("got %v, want the refusal", err)
	}
	s.expectCondition(v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeUpdateRefused)
}

// newPool is the pool of the fixture's MesosNode, with its template.
func newPool(uid types.UID) *v1alpha1.MesosNodePool {
	return &v1alpha1.MesosNodePool{
		ObjectMeta: metav1.ObjectMeta{Name: "general", UID: uid},
		Spec:       v1alpha1.MesosNodePoolSpec{FrameworkRef: v1alpha1.FrameworkReference{Name: "default"}, Template: newNode().Spec.Template},
	}
}

func TestChangesOfThePoolsTemplateReachTheNode(t *testing.T) {
	for name, test := range map[string]struct {
		pool *v1alpha1.MesosNodePool
		want bool
	}{
		"of the pool that owns the node":           {newPool("pool-1"), true},
		"not of another pool that has its name":    {newPool("pool-2"), false},
		"of no pool, and it keeps what it has now": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			s.update(func(n *v1alpha1.MesosNode) {
				n.OwnerReferences = []metav1.OwnerReference{{APIVersion: v1alpha1.GroupVersion.String(), Kind: "MesosNodePool", Name: "general", UID: "pool-1", Controller: new(true)}}
			})
			s.makeReady()
			if test.pool != nil {
				test.pool.Spec.Template.Metadata.Labels = map[string]string{"tier": "2"}
				test.pool.Spec.Template.Spec.Taints[0].Value = "web"
				if err := s.client.Create(context.Background(), test.pool); err != nil {
					t.Fatal(err)
				}
			}
			writes := s.writes
			s.reconcile()
			if got := s.writes - writes; got != 1 && test.want || got != 0 && !test.want {
				t.Errorf("%d writes, want one of the Node at most", got)
			}
			object := s.kubernetesNode()
			labels := object.Labels["tier"] == "2" && object.Labels["team"] == ""
			if taint := object.Spec.Taints[0].Value == "web"; labels != test.want || taint != test.want {
				t.Errorf("labels %v and taints %v, want them changed: %t", object.Labels, object.Spec.Taints, test.want)
			}
			writes = s.writes
			s.reconcile()
			if s.writes != writes {
				t.Error("something is written at rest")
			}
		})
	}
}

func TestRemovedStartupTaintIsNotAddedAgain(t *testing.T) {
	s := newFixture(t).makeReady()
	for _, taint := range s.kubernetesNode().Spec.Taints {
		if taint.Key == "example.com/agent-not-ready" {
			t.Error("it was put back")
		}
	}
}

func TestANodeIsReadyWithItsStartupTaints(t *testing.T) {
	s := newFixture(t).makeReady()
	object := s.kubernetesNode()
	object.Spec.Taints = append(object.Spec.Taints, corev1.Taint{Key: "example.com/agent-not-ready", Effect: corev1.TaintEffectNoExecute})
	if err := s.client.Update(context.Background(), object); err != nil {
		t.Fatal(err)
	}
	s.reconcile()
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
}

func TestDeletedNodeIsRegisteredAgain(t *testing.T) {
	s := newFixture(t).makeReady()
	if err := s.client.Delete(context.Background(), s.kubernetesNode()); err != nil {
		t.Fatal(err)
	}
	s.reconcile()
	s.expectEvent(v1alpha1.ReasonNodeDeleted)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeDeleted)
	if s.mesosNode().DeletionTimestamp.IsZero() {
		t.Fatal("the MesosNode is not being replaced")
	}
	s.reconcile()
	if s.session.killed[firstID] != agentID {
		t.Fatalf("killed: %v", s.session.killed)
	}
	s.setTaskState(scheduler.TaskKilled)
	s.expectReleased()
}

func TestForeignNodeIsLeftAlone(t *testing.T) {
	for name, id := range map[string]string{
		"a Node without provider ID":                      "",
		"a Node of a cloud provider":                      "aws:///eu/i-1",
		"a Node of another Mesos task":                    "mesos://S1/elsewhere.0f1e2d3c.1",
		"a Node of an earlier MesosNode of the same name": "mesos://S1/general-x7k2p.99999999.1",
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, podOn("web"))
			s.reconcile()
			s.setTaskState(scheduler.TaskStarting)
			object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}, Spec: corev1.NodeSpec{ProviderID: id}}
			if err := s.client.Create(context.Background(), object); err != nil {
				t.Fatal(err)
			}
			before := s.kubernetesNode()
			s.reconcile()
			s.expectCondition(v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeForeign)
			s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeForeign)
			s.deleteNode()
			s.setTaskState(scheduler.TaskKilled)
			s.reconcile()
			s.expectReleased()
			if diff := cmp.Diff(before, s.kubernetesNode()); diff != "" {
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
	s := newFixture(t)
	s.reconcile()
	s.session.WithdrawDemand(firstID)
	s.setTaskState(scheduler.TaskFailed)
	late := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, UID: "late"}, Spec: corev1.NodeSpec{ProviderID: nodemodel.ProviderID(agentID, firstID)}}
	if err := s.client.Create(context.Background(), late); err != nil {
		t.Fatal(err)
	}
	s.reconcile()
	if s.kubernetesNode() != nil {
		t.Error("the Node of a task that ended is still there")
	}
	s.setTaskState(scheduler.TaskStarting)
	s.setNodeReady(corev1.ConditionTrue)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
}

func TestANodeThatTheRecordDoesNotShowYetIsNotDeleted(t *testing.T) {
	s := newFixture(t)
	s.reconcile() // the record says attempt 1, without a task
	early := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName, UID: "early"}, Spec: corev1.NodeSpec{ProviderID: nodemodel.ProviderID(agentID, firstID)}}
	if err := s.client.Create(context.Background(), early); err != nil {
		t.Fatal(err)
	}
	s.reconcile()
	if s.kubernetesNode() == nil {
		t.Error("the Node of a task that may run was deleted")
	}
}
