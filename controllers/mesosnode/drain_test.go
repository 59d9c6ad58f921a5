package mesosnode

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

const poolUID = types.UID("pool-general")

// ownedByPool makes the node one of a pool, and creates the pool.
func (s *fixture) ownedByPool(drain v1alpha1.Drain) *fixture {
	s.t.Helper()
	pool := &v1alpha1.MesosNodePool{ObjectMeta: metav1.ObjectMeta{Name: "general", UID: poolUID}, Spec: v1alpha1.MesosNodePoolSpec{
		FrameworkRef: v1alpha1.FrameworkReference{Name: "default"}, Drain: drain,
	}}
	if err := s.client.Create(context.Background(), pool); err != nil {
		s.t.Fatal(err)
	}
	s.update(func(n *v1alpha1.MesosNode) {
		n.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(pool, v1alpha1.GroupVersion.WithKind("MesosNodePool"))}
	})
	return s
}

// setPoolDrain changes the drain of the pool.
func (s *fixture) setPoolDrain(drain v1alpha1.Drain) {
	s.t.Helper()
	pool := &v1alpha1.MesosNodePool{}
	if err := s.client.Get(context.Background(), client.ObjectKey{Name: "general"}, pool); err != nil {
		s.t.Fatal(err)
	}
	pool.Spec.Drain = drain
	if err := s.client.Update(context.Background(), pool); err != nil {
		s.t.Fatal(err)
	}
}

func minutes(n int) *metav1.Duration {
	return &metav1.Duration{Duration: time.Duration(n) * time.Minute}
}

// pods lists the names of the pods that are left.
func (s *fixture) pods() string {
	s.t.Helper()
	var list corev1.PodList
	if err := s.client.List(context.Background(), &list); err != nil {
		s.t.Fatal(err)
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return strings.Join(names, " ")
}

func TestAStuckDrainGetsADeadline(t *testing.T) {
	s := newFixture(t, podOn("web"))
	s.ownedByPool(v1alpha1.Drain{}).makeReady()
	s.evictions["web"] = errors.New("the budget web forbids it")
	s.deleteNode()
	s.reconcileAfter(2 * time.Hour)
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining)
	s.setPoolDrain(v1alpha1.Drain{Timeout: minutes(125)})
	s.reconcile()
	s.expectMessage(v1alpha1.ConditionDrained, "The node is removed at 2026-03-01T14:05:00Z at the latest.")
	s.reconcileAfter(5 * time.Minute)
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDrainTimedOut)
	if s.session.killed[firstID] != agentID {
		t.Fatalf("killed: %v", s.session.killed)
	}
}

func TestDrainSettingsAreThoseOfThePool(t *testing.T) {
	for name, test := range map[string]struct {
		pool, node *metav1.Duration
		uid        types.UID // of the pool that the node belongs to
		without    bool      // a pool
		want       bool      // that the drain is over after five minutes
	}{
		"the pool has a deadline that its node was created without":  {pool: minutes(5), want: true},
		"the pool has no deadline any more":                          {node: minutes(5)},
		"a node without a pool has its own":                          {node: minutes(5), without: true, want: true},
		"another pool of the same name has nothing to say to a node": {pool: minutes(5), uid: "another"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, podOn("web"))
			s.update(func(n *v1alpha1.MesosNode) { n.Spec.Drain.Timeout = test.node })
			if !test.without {
				s.ownedByPool(v1alpha1.Drain{Timeout: test.pool})
			}
			if test.uid != "" {
				s.update(func(n *v1alpha1.MesosNode) { n.OwnerReferences[0].UID = test.uid })
			}
			s.makeReady()
			s.evictions["web"] = errors.New("the budget web forbids it")
			s.deleteNode()
			s.reconcileAfter(5 * time.Minute)
			if over := len(s.session.killed) > 0; over != test.want {
				t.Errorf("the drain is over: %t, want %t", over, test.want)
			}
		})
	}
}

func TestAChangeOfThePoolReachesNodesThatAreRemovedBeforeTheyRegistered(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	s.setTaskState(scheduler.TaskStarting)
	s.sessions = false // the task cannot be killed
	s.deleteNode()
	pool := &v1alpha1.MesosNodePool{ObjectMeta: metav1.ObjectMeta{Name: "general"}}
	if got := s.reconciler.ofPool(context.Background(), pool); len(got) != 1 || got[0].Name != nodeName {
		t.Errorf("it concerns %v", got)
	}
}

func TestPodsAreDeletedForTheTerminationGracePeriod(t *testing.T) {
	s := newFixture(t, podOn("web"))
	s.ownedByPool(v1alpha1.Drain{TerminationGracePeriod: minutes(10)}).makeReady()
	s.evictions["web"] = errors.New("the budget web forbids it")
	s.deleteNode()
	s.reconcileAfter(9*time.Minute + 29*time.Second)
	if s.pods() != "web" {
		t.Fatal("deleted too early")
	}
	if s.last.RequeueAfter != time.Second {
		t.Errorf("looks again after %s, want when the pod has just its grace period left", s.last.RequeueAfter)
	}
	s.reconcileAfter(time.Second)
	if s.pods() != "" {
		t.Error("not deleted in time for its grace period")
	}
	s.reconcileAfter(time.Second)
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionTrue, v1alpha1.ReasonDrained)
}

func TestHooksHoldTheRemoval(t *testing.T) {
	const preDrain, preTerminate = v1alpha1.AnnotationPreDrainHook + "backup", v1alpha1.AnnotationPreTerminateHook + "detach"
	s := newFixture(t, podOn("web"))
	s.makeReady()
	s.update(func(n *v1alpha1.MesosNode) { n.Annotations = map[string]string{preDrain: "velero", preTerminate: ""} })
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
	s.deleteNode()
	s.reconcileAfter(24 * time.Hour)
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonWaitingForHook)
	s.expectMessage(v1alpha1.ConditionReady, preDrain+" (velero)")
	if s.pods() != "web" || !s.kubernetesNode().Spec.Unschedulable {
		t.Errorf("pods %q; unschedulable is %t, want the node cordoned and not drained", s.pods(), s.kubernetesNode().Spec.Unschedulable)
	}

	s.update(func(n *v1alpha1.MesosNode) { delete(n.Annotations, preDrain) })
	s.reconcileAfter(time.Second)
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionTrue, v1alpha1.ReasonDrained)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForHook)
	s.expectMessage(v1alpha1.ConditionReady, preTerminate)
	if s.reconcileAfter(24 * time.Hour); len(s.session.killed) > 0 {
		t.Fatal("the task is killed while a hook holds it")
	}

	s.update(func(n *v1alpha1.MesosNode) { delete(n.Annotations, preTerminate) })
	if s.session.killed[firstID] != agentID {
		t.Fatalf("killed: %v", s.session.killed)
	}
	s.update(func(n *v1alpha1.MesosNode) { n.Annotations = map[string]string{preTerminate: "too late"} })
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonTerminating)
}

func TestHooksHoldNothingBeyondTheLimits(t *testing.T) {
	hooks := map[string]string{v1alpha1.AnnotationPreDrainHook + "a": "", v1alpha1.AnnotationPreTerminateHook + "a": ""}
	for name, test := range map[string]struct {
		given func(*fixture)
		after time.Duration
	}{
		"the timeout":     {func(s *fixture) { withDrainTimeout(s.t, s, 10*time.Minute) }, 10 * time.Minute},
		"the maintenance": {func(s *fixture) { s.planMaintenance(22*time.Minute, 0) }, 20 * time.Minute},
		"an end that Mesos sets": {func(s *fixture) {
			s.setTaskState(scheduler.TaskKilling)
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			s.makeReady()
			s.update(func(n *v1alpha1.MesosNode) { n.Annotations = hooks })
			test.given(s)
			if !s.isBeingDeleted() {
				s.deleteNode()
			}
			if test.after > 0 {
				s.reconcileAfter(test.after - time.Second)
				s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonWaitingForHook)
			}
			s.reconcileAfter(time.Second)
			if s.session.killed[firstID] != agentID {
				t.Errorf("killed: %v, conditions %+v", s.session.killed, s.mesosNode().Status.Conditions)
			}
		})
	}
	t.Run("a forced release", func(t *testing.T) {
		s := newFixture(t)
		s.makeReady()
		s.update(func(n *v1alpha1.MesosNode) { n.Annotations = hooks })
		s.deleteNode()
		s.update(func(n *v1alpha1.MesosNode) {
			n.Annotations = map[string]string{v1alpha1.AnnotationPreTerminateHook + "a": "", v1alpha1.AnnotationForceRelease: "true"}
		})
		s.reconcile()
		s.expectReleased()
	})
}

func TestBandsSurviveARestartOfTheOperator(t *testing.T) {
	low, high := podOn("low"), podOn("high")
	high.Spec.Priority = new(int32(1000))
	s := newFixture(t, low, high)
	s.ownedByPool(v1alpha1.Drain{PriorityBands: []v1alpha1.PriorityBand{{MinPriority: 0, Timeout: *minutes(10)}, {MinPriority: 1000, Timeout: *minutes(10)}}}).makeReady()
	s.evictions["low"] = errors.New("the budget low forbids it")
	s.deleteNode()
	s.expectMessage(v1alpha1.ConditionDrained, "1 waiting for their turn (default/high)")
	began := s.now
	if diff := cmp.Diff(&v1alpha1.DrainStage{StartTime: metav1.NewTime(began)}, s.mesosNode().Status.DrainStage, cmp.Comparer(func(a, b metav1.Time) bool { return a.Equal(&b) })); diff != "" {
		t.Errorf("stage (-want +got):\n%s", diff)
	}
	s.now = s.now.Add(9*time.Minute + 59*time.Second)
	s.reconciler = NewReconciler(s.reconciler.Options)
	s.reconcile()
	if s.pods() != "high low" {
		t.Fatal("the next band begins too early")
	}
	if s.last.RequeueAfter != time.Second {
		t.Errorf("looks again after %s, want when the band is over", s.last.RequeueAfter)
	}
	s.reconcileAfter(time.Second)
	if s.pods() != "low" {
		t.Errorf("pods left: %s; the next band does not begin", s.pods())
	}
}

func TestPodsWithoutAControllerAreNamedBeforeTheyGo(t *testing.T) {
	s := newFixture(t, podOn("bare"))
	s.makeReady()
	s.evictions["bare"] = errors.New("not yet")
	s.deleteNode()
	s.expectEvent(v1alpha1.EventPodWithoutController)
	s.reconcileAfter(time.Minute)
	for len(s.recorder.Events) > 0 {
		if e := <-s.recorder.Events; strings.Contains(e, v1alpha1.EventPodWithoutController) {
			t.Errorf("recorded again: %s", e)
		}
	}
}

func TestAProtectedPodHoldsItsNode(t *testing.T) {
	db := podOn("db")
	db.Annotations = map[string]string{"karpenter.sh/do-not-disrupt": "true"}
	s := newFixture(t, db)
	s.makeReady()
	s.deleteNode()
	s.reconcileAfter(24 * time.Hour)
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining)
	s.expectMessage(v1alpha1.ConditionReady, "default/db: is annotated karpenter.sh/do-not-disrupt=true")
	if s.pods() != "db" || len(s.session.killed) > 0 {
		t.Fatal("it does not stay")
	}
	s.setTaskState(scheduler.TaskKilling, func(task *v1alpha1.MesosTask) { task.Reason = "REASON_AGENT_DRAINING" })
	if s.pods() != "" {
		t.Error("Mesos ends the task, and the pod is not told")
	}
}

func TestABlockedEvictionIsRecordedOnce(t *testing.T) {
	other := podOn("other")
	other.Finalizers = []string{"test/slow"}
	s := newFixture(t, podOn("web"), other)
	s.makeReady()
	s.evictions["web"] = errors.New("the budget web forbids it")
	s.deleteNode()
	s.expectEvent(v1alpha1.EventEvictionBlocked)
	ended := &corev1.Pod{}
	if err := s.client.Get(context.Background(), client.ObjectKeyFromObject(other), ended); err != nil {
		t.Fatal(err)
	}
	ended.Finalizers = nil
	if err := s.client.Update(context.Background(), ended); err != nil {
		t.Fatal(err)
	}
	s.reconcileAfter(time.Minute)
	s.expectMessage(v1alpha1.ConditionDrained, "1 pod left")
	if len(s.recorder.Events) > 0 {
		t.Errorf("recorded again because another pod has ended: %s", <-s.recorder.Events)
	}
}
