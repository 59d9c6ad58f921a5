package mesosnode

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// podOn is a pod that runs on the node.
func podOn(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid-of-" + name)},
		Spec:       corev1.PodSpec{NodeName: nodeName},
		Status:     corev1.PodStatus{Phase: corev1.PodRunning},
	}
}

func TestNodeIsDrainedKilledAndReleased(t *testing.T) {
	s := newFixture(t, podOn("web"))
	s.makeReady()
	s.evictions["web"] = errors.New("the budget web forbids it")
	s.deleteNode()
	if !s.kubernetesNode().Spec.Unschedulable {
		t.Error("the Node takes new pods")
	}
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining)
	s.expectMessage(v1alpha1.ConditionReady, "default/web: the budget web forbids it")
	s.expectEvent(v1alpha1.EventEvictionBlocked)
	s.reconcileAfter(24 * time.Hour)
	if len(s.session.killed) != 0 {
		t.Fatal("killed before it was drained")
	}
	if len(s.recorder.Events) != 0 {
		t.Errorf("the same event was recorded again: %s", <-s.recorder.Events)
	}

	delete(s.evictions, "web")
	s.reconcileAfter(time.Minute) // evicted
	s.reconcileAfter(time.Minute) // gone
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionTrue, v1alpha1.ReasonDrained)
	s.expectCondition(v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonTerminating)
	if s.session.killed[firstID] != agentID {
		t.Fatalf("killed: %v", s.session.killed)
	}
	if s.kubernetesNode() == nil {
		t.Fatal("the Node was deleted while its task may run")
	}
	if s.last.RequeueAfter != 0 {
		t.Errorf("polls every %s for what Mesos will tell", s.last.RequeueAfter)
	}

	s.setTaskState(scheduler.TaskKilled)
	if s.kubernetesNode() != nil {
		t.Error("the Node is still there")
	}
	s.reconcile()
	s.expectReleased()
	s.expectEvent(v1alpha1.EventReleased)
	if diff := cmp.Diff([]string{firstID}, s.tokens.revoked); diff != "" {
		t.Errorf("revoked tokens (-want +got):\n%s", diff)
	}
}

func TestANodeThatRegistersAfterItWasDrainedIsDrainedAgain(t *testing.T) {
	s := newFixture(t, podOn("web"))
	s.reconcile()
	s.setTaskState(scheduler.TaskStarting)
	s.sessions = false // nobody can be told to end the task
	pod := podOn("web")
	if err := s.client.Delete(context.Background(), pod); err != nil {
		t.Fatal(err)
	}
	s.deleteNode()
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionTrue, v1alpha1.ReasonDrained)

	pod.ResourceVersion = ""
	if err := s.client.Create(context.Background(), pod); err != nil {
		t.Fatal(err)
	}
	s.evictions["web"] = errors.New("the budget web forbids it")
	s.sessions = true
	s.setNodeReady(corev1.ConditionTrue)
	s.reconcileAfter(time.Minute)
	if len(s.session.killed) != 0 {
		t.Fatal("killed under a pod that came since")
	}
	if !s.kubernetesNode().Spec.Unschedulable {
		t.Error("the Node takes new pods")
	}
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining)

	delete(s.evictions, "web")
	s.reconcileAfter(time.Minute) // evicted
	s.reconcileAfter(time.Minute) // gone
	if s.session.killed[firstID] != agentID {
		t.Fatalf("killed: %v", s.session.killed)
	}
}

func TestDrainTimesOut(t *testing.T) {
	s := newFixture(t, podOn("web"))
	s.client = withDrainTimeout(t, s, time.Minute)
	s.makeReady()
	s.evictions["web"] = errors.New("the budget web forbids it")
	s.deleteNode()
	s.reconcileAfter(59 * time.Second)
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining)
	if s.last.RequeueAfter != time.Second {
		t.Errorf("looks again after %s, want when the time is up", s.last.RequeueAfter)
	}
	s.reconcileAfter(time.Second)
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDrainTimedOut)
	s.expectMessage(v1alpha1.ConditionDrained, "default/web")
	if s.session.killed[firstID] != agentID {
		t.Fatalf("killed: %v", s.session.killed)
	}
}

// withDrainTimeout gives the node's spec a timeout.
func withDrainTimeout(t *testing.T, s *fixture, timeout time.Duration) client.WithWatch {
	t.Helper()
	node := s.mesosNode()
	node.Spec.Drain.Timeout = &metav1.Duration{Duration: timeout}
	if err := s.client.Update(context.Background(), node); err != nil {
		t.Fatal(err)
	}
	return s.client
}

func TestNodeWithoutTaskIsReleasedAtOnce(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	s.expectDemands(firstID)
	s.deleteNode()
	s.expectDemands()
	s.expectReleased()
	s.expectEvent(v1alpha1.EventReleased)
}

func TestAnIntentWrittenMeanwhileIsNotReleased(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	stale := s.mesosNode()
	s.setTaskState("") // the session writes its intent
	stale.DeletionTimestamp = &metav1.Time{Time: s.now}
	rc, err := s.reconciler.observe(context.Background(), stale)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.reconciler.removeFinalizer(context.Background(), rc); !apierrors.IsConflict(err) {
		t.Errorf("releasing by a record that has changed: %v, want a conflict", err)
	}
	if s.mesosNode() == nil {
		t.Error("the record of a task that may run is gone")
	}
}

func TestADeletedNodeWithdrawsItsDemand(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	s.setTaskState(scheduler.TaskStaging)
	s.deleteNode()
	if s.session.killed[firstID] != agentID {
		t.Fatalf("killed: %v", s.session.killed)
	}
	s.setTaskState(scheduler.TaskKilled)
	s.expectReleased()
}

// The session may not know that the launch, which came to nothing, is on record: the answer of the
// API server was lost. It would try the launch again for ever.
func TestADeletedNodeWithdrawsTheDemandOfALaunchThatWasDropped(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	if _, wanted := s.session.demands[firstID]; !wanted {
		t.Fatal("there is no demand")
	}
	s.setTaskState(scheduler.TaskStaging)
	s.deleteNode()
	s.setTaskState(scheduler.TaskDropped)
	s.expectReleased()
	if _, wanted := s.session.demands[firstID]; wanted {
		t.Error("the session still has the demand")
	}
}

func TestNodeIsNotReleasedWhileTheTaskEndIsUnconfirmed(t *testing.T) {
	for name, test := range map[string]struct {
		given  func(*fixture)
		status metav1.ConditionStatus
		reason string
		says   string
	}{
		"the framework is not connected": {
			given:  func(s *fixture) { s.session.ready = false },
			status: metav1.ConditionUnknown, reason: v1alpha1.ReasonWaitingForFramework, says: "not connected yet",
		},
		"the framework has no session": {
			given:  func(s *fixture) { s.sessions = false },
			status: metav1.ConditionUnknown, reason: v1alpha1.ReasonWaitingForFramework, says: "not connected yet",
		},
		"the framework does not exist": {
			given: func(s *fixture) {
				s.sessions = false
				if err := s.client.Delete(context.Background(), newFramework()); err != nil {
					s.t.Fatal(err)
				}
			},
			status: metav1.ConditionUnknown, reason: v1alpha1.ReasonWaitingForFramework, says: `no MesosFramework "default"`,
		},
		"the agent is unreachable": {
			given:  func(s *fixture) { s.setTaskState(scheduler.TaskUnreachable) },
			status: metav1.ConditionUnknown, reason: v1alpha1.ReasonTaskUnreachable, says: "cut off",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t).makeReady()
			test.given(s)
			s.deleteNode()
			s.reconcileAfter(24 * time.Hour)
			s.expectCondition(v1alpha1.ConditionLaunched, test.status, test.reason)
			s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, test.reason)
			s.expectMessage(v1alpha1.ConditionReady, test.says)
			s.expectMessage(v1alpha1.ConditionReady, v1alpha1.AnnotationForceRelease+"=true")
			if s.kubernetesNode() == nil {
				t.Fatal("the Node was deleted while its task may run")
			}

			s.update(func(n *v1alpha1.MesosNode) {
				n.Annotations = map[string]string{v1alpha1.AnnotationForceRelease: "true"}
			})
			s.reconcile()
			s.expectReleased()
			s.expectEvent(v1alpha1.EventForceReleased)
			if s.kubernetesNode() != nil {
				t.Error("the Node is still there")
			}
		})
	}
}

func TestForceReleaseWithoutDeletionDoesNothing(t *testing.T) {
	s := newFixture(t).makeReady()
	s.update(func(n *v1alpha1.MesosNode) {
		n.Annotations = map[string]string{v1alpha1.AnnotationForceRelease: "true"}
	})
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
	if len(s.session.killed) != 0 || s.kubernetesNode() == nil {
		t.Error("a node that was not deleted is being killed")
	}
}

func TestATaskThatAnOperatorMarkedGoneHasEnded(t *testing.T) {
	s := newFixture(t).makeReady()
	s.setTaskState(scheduler.TaskUnreachable)
	s.deleteNode()
	s.setTaskState(scheduler.TaskGoneByOperator)
	s.reconcile()
	s.expectReleased()
	s.expectEvent(v1alpha1.EventReleased)
}

func TestUnreachableNodeIsNotDrained(t *testing.T) {
	s := newFixture(t, podOn("web"))
	s.makeReady()
	s.evictions["web"] = errors.New("the budget web forbids it")
	s.setTaskState(scheduler.TaskGone)
	s.reconcile()
	s.reconcile()
	s.expectReleased()
}

func TestTokenIsRevokedBeforeTheNodeIsReleased(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	s.setTaskState(scheduler.TaskStaging)
	s.deleteNode()
	s.tokens.err = errBroken
	node := s.mesosNode()
	node.Status.Task.State = string(scheduler.TaskKilled)
	if err := s.client.Status().Update(context.Background(), node); err != nil {
		t.Fatal(err)
	}
	if _, err := s.tryReconcile(); !errors.Is(err, errBroken) {
		t.Errorf("got error %v, want %v", err, errBroken)
	}
	s.tokens.err = nil
	s.reconcile()
	s.expectReleased()
}

func TestForeignFinalizersAreKept(t *testing.T) {
	s := newFixture(t)
	s.update(func(n *v1alpha1.MesosNode) { n.Finalizers = append(n.Finalizers, "example.com/backup") })
	s.deleteNode()
	s.writes = 0
	s.reconcile()
	if s.writes != 0 {
		t.Errorf("%d writes to a record that is released", s.writes)
	}
	if diff := cmp.Diff([]string{"example.com/backup"}, s.mesosNode().Finalizers); diff != "" {
		t.Errorf("finalizers (-want +got):\n%s", diff)
	}
}
