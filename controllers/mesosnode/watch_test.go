package mesosnode

import (
	"context"
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

func TestChangesOfANodeThatCauseAReconcile(t *testing.T) {
	ready := func(status corev1.ConditionStatus, message string) []corev1.NodeCondition {
		return []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status, Message: message}}
	}
	for name, test := range map[string]struct {
		change func(*corev1.Node)
		want   bool
	}{
		"no change": {func(*corev1.Node) {}, false},
		"a heartbeat": {func(n *corev1.Node) {
			n.ResourceVersion = "2"
			n.Status.Conditions[0].LastHeartbeatTime = metav1.NewTime(noon)
		}, false},
		"images":              {func(n *corev1.Node) { n.Status.Images = []corev1.ContainerImage{{Names: []string{"a"}}} }, false},
		"readiness":           {func(n *corev1.Node) { n.Status.Conditions = ready(corev1.ConditionFalse, "posting") }, true},
		"a readiness message": {func(n *corev1.Node) { n.Status.Conditions = ready(corev1.ConditionTrue, "other") }, true},
		"a provider ID":       {func(n *corev1.Node) { n.Spec.ProviderID = "mesos://S1/other" }, true},
		"a cordon":            {func(n *corev1.Node) { n.Spec.Unschedulable = true }, true},
		"a deletion":          {func(n *corev1.Node) { n.DeletionTimestamp = &metav1.Time{Time: noon} }, true},
		"a label":             {func(n *corev1.Node) { n.Labels = map[string]string{"a": "b"} }, true},
		"an annotation":       {func(n *corev1.Node) { n.Annotations = map[string]string{"a": "b"} }, true},
		"anything while it has the registration taint": {func(n *corev1.Node) {
			n.Spec.Taints = []corev1.Taint{{Key: v1alpha1.TaintUnregistered}}
		}, true},
		"another taint": {func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "a"}} }, false},
	} {
		t.Run(name, func(t *testing.T) {
			before := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}, Status: corev1.NodeStatus{Conditions: ready(corev1.ConditionTrue, "posting")}}
			after := before.DeepCopy()
			test.change(after)
			if got := relevantChanges().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != test.want {
				t.Errorf("it causes a reconcile: %t, want %t", got, test.want)
			}
		})
	}
	if requests := sameName(t.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: nodeName}}); len(requests) != 1 || requests[0].Name != nodeName {
		t.Errorf("the Node is mapped to %v", requests)
	}
}

func TestChangesOfAPoolThatCauseReconciles(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*v1alpha1.MesosNodePool)
		want   bool
	}{
		"a label":                      {func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Metadata.Labels["a"] = "b" }, true},
		"an annotation":                {func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Metadata.Annotations["a"] = "b" }, true},
		"a taint":                      {func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.Taints = nil }, true},
		"a startup taint":              {func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.StartupTaints = nil }, false},
		"how its nodes are drained":    {func(p *v1alpha1.MesosNodePool) { p.Spec.Drain.Timeout = minutes(5) }, true},
		"its size":                     {func(p *v1alpha1.MesosNodePool) { p.Spec.Replicas = new(int32(5)) }, false},
		"its status, and nothing else": {func(p *v1alpha1.MesosNodePool) { p.Generation--; p.Status.Replicas = 5 }, false},
	} {
		before := newPool("pool-1")
		after := before.DeepCopy()
		after.Generation++
		test.change(after)
		if got := inPlaceChanges().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != test.want {
			t.Errorf("%s causes reconciles: %t, want %t", name, got, test.want)
		}
	}
	if inPlaceChanges().Create(event.CreateEvent{Object: newPool("pool-1")}) || inPlaceChanges().Delete(event.DeleteEvent{Object: newPool("pool-1")}) {
		t.Error("the pool's beginning or end causes reconciles")
	}
	s := newFixture(t)
	if got := s.reconciler.ofPool(t.Context(), newPool("pool-1")); len(got) != 0 {
		t.Errorf("a node that has not registered is reconciled: %v", got)
	}
	s.makeReady()
	if got := s.reconciler.ofPool(t.Context(), newPool("pool-1")); len(got) != 1 || got[0].Name != nodeName {
		t.Errorf("reconciled are %v, want the pool's node", got)
	}
	other := newPool("pool-3")
	other.Name = "other"
	if got := s.reconciler.ofPool(t.Context(), other); len(got) != 0 {
		t.Errorf("nodes of another pool are reconciled: %v", got)
	}
}

func TestMesosNodesThatNeedTheirSession(t *testing.T) {
	task := &v1alpha1.MesosTask{ID: firstID, AgentID: agentID, State: string(scheduler.TaskRunning)}
	const current = "mesos://" + agentID + "/" + firstID
	for name, test := range map[string]struct {
		change func(*v1alpha1.MesosNode)
		want   bool
	}{
		"a node without a task":          {func(*v1alpha1.MesosNode) {}, true},
		"a node that has not registered": {func(n *v1alpha1.MesosNode) { n.Status.Task = task }, true},
		"a node that has registered":     {func(n *v1alpha1.MesosNode) { n.Status.Task, n.Status.ProviderID = task, current }, false},
		"a node of an earlier attempt":   {func(n *v1alpha1.MesosNode) { n.Status.Task, n.Status.ProviderID = task, "mesos://S1/earlier" }, true},
		"a registered node that is being deleted": {func(n *v1alpha1.MesosNode) {
			n.Status.Task, n.Status.ProviderID, n.DeletionTimestamp = task, current, &metav1.Time{Time: noon}
		}, true},
	} {
		node := newNode()
		test.change(node)
		if got := needsSession(node); (len(got) == 1 && got[0] == "default") != test.want {
			t.Errorf("%s: indexed under %v, want it: %t", name, got, test.want)
		}
	}
	if got := needsSession(&corev1.Node{}); got != nil {
		t.Errorf("another kind is indexed under %v", got)
	}
}

// failReads makes reads of Nodes from the cache or from the API server fail.
func (s *fixture) failReads() client.Client {
	return interceptor.NewClient(s.client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, opts ...client.GetOption) error {
			if _, ok := object.(*corev1.Node); ok {
				return errBroken
			}
			return c.Get(ctx, key, object, opts...)
		},
	})
}

// An error of a read must not be taken for a Node that was deleted.
func TestANodeThatCannotBeReadIsNotReplaced(t *testing.T) {
	for name, prepare := range map[string]func(*fixture){
		"the cache fails": func(s *fixture) { s.reconciler.Client = s.failReads() },
		"the cache has no Node, and the API server fails": func(s *fixture) {
			if err := s.client.Delete(context.Background(), s.kubernetesNode()); err != nil {
				s.t.Fatal(err)
			}
			s.reconciler.Live = s.failReads()
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t).makeReady()
			prepare(s)
			if _, err := s.tryReconcile(); !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "reading Node "+nodeName) {
				t.Errorf("got %v", err)
			}
			if !s.mesosNode().DeletionTimestamp.IsZero() || len(s.session.killed) > 0 {
				t.Errorf("the MesosNode is being deleted: %t, killed are %v", !s.mesosNode().DeletionTimestamp.IsZero(), s.session.killed)
			}
		})
	}
}

func TestReasonsOfAFrameworkThatIsNotReadyAreQuoted(t *testing.T) {
	s := newFixture(t)
	s.session.ready = false
	framework := newFramework()
	if err := s.client.Get(t.Context(), client.ObjectKeyFromObject(framework), framework); err != nil {
		t.Fatal(err)
	}
	framework.Status.Conditions = []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUnauthorized, Message: "401", LastTransitionTime: metav1.NewTime(noon),
	}}
	if err := s.client.Status().Update(t.Context(), framework); err != nil {
		t.Fatal(err)
	}
	s.reconcile()
	s.expectMessage(v1alpha1.ConditionLaunched, `MesosFramework "default" is not ready (Unauthorized): 401`)
}
