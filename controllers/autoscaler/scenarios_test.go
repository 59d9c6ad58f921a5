package autoscaler

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/backoff"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// What others' autoscalers are tested for end to end, and needs more than a decision to be
// seen; docs/autoscaling.md lists whose test each is.

func replica(p *corev1.Pod) {
	p.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "web", Controller: new(true)}}
}

func taintedWith(effect corev1.TaintEffect) func(*corev1.Node) {
	return func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{{Key: "test", Effect: effect}} }
}

// consolidating moves pods to empty nodes.
func consolidating(p *v1alpha1.MesosNodePool) {
	p.Spec.Autoscaling.ScaleDown.ConsolidationPolicy = v1alpha1.WhenEmptyOrUnderutilized
	p.Spec.Autoscaling.ScaleDown.UtilizationThreshold = new(int32(50))
}

// fill makes as many nodes as pods, each with one pod on it.
func (s *testCluster) fillNodes(pool string, count int) {
	s.t.Helper()
	for i := range count {
		s.addPendingPod(fmt.Sprintf("old-%d", i), "3", replica)
	}
	s.reconcile()
	s.expectNodes(pool, count)
	for i, n := range s.nodes(pool) {
		s.makeReady(n.Name)
		s.bindPod(fmt.Sprintf("old-%d", i), n.Name)
	}
	s.advance(time.Second)
}

// breaks lets the kubelet of a node fall silent.
func (s *testCluster) breakNode(name string) {
	s.t.Helper()
	object := &corev1.Node{}
	s.get(name, object)
	object.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}}
	s.must(s.client.Update(context.Background(), object))
	s.now = s.now.Add(time.Second)
	s.setCondition(name, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeNotReady)
}

// A component that taints each new node has its pods evicted: each time there is another pod, of the
// same owner.
func TestPodsEvictedFromEachNewNodeAreHeld(t *testing.T) {
	for name, how := range map[string]func(*v1alpha1.MesosNodePool){"with policy WhenEmpty": func(*v1alpha1.MesosNodePool) {}, "with policy WhenEmptyOrUnderutilized": consolidating} {
		t.Run(name, func(t *testing.T) {
			s := newTestCluster(t, newPool("general", how))
			most, pod := 0, 0
			s.addPendingPod("0", "1", replica)
			for range 300 { // five minutes
				s.advance(time.Second)
				for _, n := range s.nodes("general") {
					if nodemodel.IsReady(n) {
						continue
					}
					s.makeReady(n.Name)
					s.bindPod(fmt.Sprint(pod), n.Name)
					s.advance(time.Second)
					object := &corev1.Node{}
					s.get(n.Name, object)
					taintedWith(corev1.TaintEffectNoExecute)(object)
					s.must(s.client.Update(context.Background(), object))
					s.deletePod(fmt.Sprint(pod))
					pod++
					s.addPendingPod(fmt.Sprint(pod), "1", replica)
				}
				most = max(most, len(s.nodes("general")))
			}
			if s.created > backoff.MaxAttempts || most > backoff.MaxAttempts {
				t.Errorf("%d nodes were made, %d at once, want %d", s.created, most, backoff.MaxAttempts)
			}
			s.expectEvent("3 nodes were created for pods of the same owner, and no such pod stays on them: general-1, general-2, general-3")
			s.advance(backoff.HoldTime)
			if s.created == backoff.MaxAttempts {
				t.Error("it is not tried again")
			}
		})
	}
}

func TestManyNodesThatDoNotHelpAreCreatedOnce(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	for i := range 20 {
		s.addPendingPod(fmt.Sprint(i), "3", replica)
	}
	s.reconcile()
	for range 5 {
		for _, n := range s.nodes("general") {
			if !nodemodel.IsReady(n) {
				s.makeReady(n.Name, taintedWith(corev1.TaintEffectNoSchedule))
			}
		}
		s.reconcile()
	}
	if s.created != 20 {
		t.Errorf("%d nodes were made for 20 pods", s.created)
	}
}

// A taint that is removed in time has no effect on the back-off.
func TestNodesThatTakePodsLaterEndTheHold(t *testing.T) {
	s := newTestCluster(t, newPool("general", func(p *v1alpha1.MesosNodePool) {
		p.Spec.Autoscaling.ScaleDown.ConsolidateAfter = &metav1.Duration{Duration: time.Hour}
	}))
	for i := range 4 {
		s.addPendingPod(fmt.Sprint(i), "3", replica)
	}
	s.reconcile()
	for _, n := range s.nodes("general") {
		s.makeReady(n.Name, taintedWith(corev1.TaintEffectNoSchedule))
	}
	s.reconcile()
	s.expectNodes("general", 4)
	for i, n := range s.nodes("general") {
		object := &corev1.Node{}
		s.get(n.Name, object)
		object.Spec.Taints = nil
		s.must(s.client.Update(context.Background(), object))
		s.bindPod(fmt.Sprint(i), n.Name)
	}
	s.addPendingPod("more", "3", replica)
	s.advance(time.Second)
	s.expectNodes("general", 5)
}

func TestBrokenNodeDoesNotBlockScaling(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.fillNodes("general", 3)
	s.breakNode("general-1")
	s.addPendingPod("new", "500m", replica)
	s.addPendingPod("large", "3", replica)
	s.advance(time.Second)
	s.expectNodes("general", 4)
	s.makeReady("general-4")
	s.bindPod("new", "general-2")
	s.bindPod("large", "general-4")
	for i := range 3 {
		s.deletePod(fmt.Sprintf("old-%d", i))
	}
	s.advance(time.Second)
	s.advance(2 * time.Second)
	for _, n := range s.nodes("general") {
		if n.Name == "general-3" {
			t.Error("a node that is empty stays because another is broken")
		}
	}
}

func TestPoolIsLeftAloneWhenMostNodesAreUnready(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.fillNodes("general", 8)
	for i := range 4 {
		s.breakNode(fmt.Sprintf("general-%d", i+1))
	}
	s.addPendingPod("new", "3", replica)
	s.advance(time.Second)
	s.expectEvent("general: 4 of 8 nodes have ceased to be ready")
	if d := s.status("general").LastDecision; d.Action != v1alpha1.AutoscalingHold || !strings.Contains(d.Cause, "4 of 8 nodes have ceased to be ready") {
		t.Errorf("the last decision is %+v", d)
	}
	s.deletePod("new")
	s.deletePod("old-7")
	s.advance(time.Minute)
	s.advance(time.Minute)
	s.expectNodes("general", 8)
	s.setCondition("general-1", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
	s.advance(time.Second)
	s.expectNodes("general", 7)
}

func TestNodesOfOtherPoolsTakePodsAndAreKept(t *testing.T) {
	s := newTestCluster(t, newPool("general"), newPool("fixed", func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling = nil }))
	fixed := &v1alpha1.MesosNodePool{}
	s.get("fixed", fixed)
	s.must(s.client.Create(context.Background(), mesosNodeOf(fixed, "fixed-1")))
	s.makeReady("fixed-1")
	s.addPendingPod("a", "3", replica)
	s.addPendingPod("b", "3", replica)
	s.reconcile()
	s.expectNodes("general", 1) // the other fits on what is there
	s.makeReady("general-1")
	s.deletePod("a")
	s.deletePod("b")
	s.advance(time.Second)
	s.advance(2 * time.Second)
	s.expectNodes("general", 0)
	s.expectNodes("fixed", 1)
}

// A DaemonSet's pod that finds no room on its node would find none on another.
func TestPendingDaemonSetPodsAreNoDemand(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.fillNodes("general", 1)
	s.takeEvents()
	s.addPendingPod("agent", "3", func(p *corev1.Pod) {
		replica(p)
		p.OwnerReferences[0].Kind = "DaemonSet"
	})
	s.advance(time.Minute)
	s.expectNodes("general", 1)
	if events := s.takeEvents(); len(events) > 0 {
		t.Errorf("the pod got the events %q", events)
	}
}

// Pods are gathered before anything is done for them: what comes and goes within a moment
// leaves no trace.
func TestShortLivedPodsCreateNoNodes(t *testing.T) {
	t.Parallel()
	s := newTestCluster(t, newPool("general", func(p *v1alpha1.MesosNodePool) {
		p.Spec.Autoscaling.Batch = v1alpha1.AutoscalingBatch{Idle: &metav1.Duration{Duration: 500 * time.Millisecond}, Max: &metav1.Duration{Duration: 5 * time.Second}}
	}))
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	handler := s.reconciler.podHandler()
	var pods []*corev1.Pod
	for i := range 1000 {
		pod := s.addPendingPod(fmt.Sprint(i), "1", replica)
		handler.Create(t.Context(), event.CreateEvent{Object: pod}, queue)
		pods = append(pods, pod)
		if i%100 == 0 {
			s.advance(40 * time.Millisecond)
		}
	}
	for _, pod := range pods {
		s.must(s.client.Delete(context.Background(), pod))
		handler.Delete(t.Context(), event.DeleteEvent{Object: pod}, queue)
	}
	for range 20 {
		s.advance(time.Second)
	}
	if s.created > 0 {
		t.Errorf("%d nodes were made", s.created)
	}
	if events := s.takeEvents(); len(events) > 0 {
		t.Errorf("pods got the events %q", events[0])
	}
	if status := s.status("general"); status.LastDecision != nil {
		t.Errorf("the last decision is %+v", status.LastDecision)
	}
}

// What is to take the place of a larger node has to be there first.
func TestNodeStaysWhenItsReplacementDoesNotBecomeReady(t *testing.T) {
	small := v1alpha1.NodeResources{CPU: resource.MustParse("2"), Memory: resource.MustParse("4Gi")}
	s := newTestCluster(t, newPool("general", consolidating, func(p *v1alpha1.MesosNodePool) {
		spec := &p.Spec.Template.Spec
		spec.Shapes = []v1alpha1.NodeShape{{Name: "large", Resources: spec.Resources}, {Name: "small", Resources: small}}
		spec.Resources = v1alpha1.NodeResources{}
	}))
	s.addPendingPod("a", "3", replica)
	s.addPendingPod("b", "500m", replica)
	s.reconcile()
	s.expectNodes("general", 1)
	s.makeReady("general-1")
	s.bindPod("a", "general-1")
	s.bindPod("b", "general-1")
	s.advance(time.Second)
	s.deletePod("a")
	s.advance(2 * time.Second)
	s.advance(2 * time.Second)
	s.expectNodes("general", 2) // the small one is on its way
	large := &v1alpha1.MesosNode{}
	s.get("general-1", large)
	if c := nodemodel.Condition(large, v1alpha1.ConditionDisruptable); !strings.Contains(c.Message, "It can be removed when a node of shape small is ready, which has room for its pods.") {
		t.Errorf("the message of the large node is %q", c.Message)
	}
	s.advance(backoff.StartTimeout)
	s.expectNodes("general", 1)
	if left := s.nodes("general"); len(left) != 1 || left[0].Name != "general-1" {
		t.Errorf("left are %v, want general-1", left)
	}
	if status := s.status("general"); status.BackOffUntil == nil {
		t.Error("it does not back off")
	}
}
