package mesosnode

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// isOutOfService reports whether the Node has the taint by which the control plane detaches
// volumes by force.
func (s *fixture) isOutOfService() bool {
	s.t.Helper()
	for _, taint := range s.kubernetesNode().Spec.Taints {
		if taint.Key == corev1.TaintNodeOutOfService {
			return taint.Effect == corev1.TaintEffectNoExecute
		}
	}
	return false
}

func TestTaskIsKilledOnceVolumesAreDetached(t *testing.T) {
	s := newFixture(t).makeReady()
	s.volumes.attached, s.volumes.detaching = []string{"pv-agent", "pv-db"}, []string{"pv-db"}
	s.deleteNode()
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionTrue, v1alpha1.ReasonDrained)
	s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonDetachingVolumes)
	s.expectMessage(v1alpha1.ConditionReady, "1 volume to be detached: pv-db.")
	if len(s.session.killed) != 0 {
		t.Fatal("the task was killed while its kubelet unmounts a volume")
	}
	if s.last.RequeueAfter == 0 {
		t.Error("the volumes are not looked at again")
	}
	s.volumes.detaching = nil
	s.reconcileAfter(time.Second)
	if s.session.killed[firstID] != agentID {
		t.Fatal("the task was not killed")
	}
}

func TestWaitForVolumesIsBounded(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare func(*fixture)
		after   time.Duration
	}{
		"volumes that are not detached":                 {func(*fixture) {}, detachTimeout},
		"volumes that cannot be read":                   {func(s *fixture) { s.volumes.detaching = nil; s.volumes.err = errors.New("away") }, detachTimeout},
		"a drain that must end before maintenance does": {func(s *fixture) { s.windows = windowIn(3 * time.Minute) }, time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t).makeReady()
			s.volumes.attached, s.volumes.detaching = []string{"pv-db"}, []string{"pv-db"}
			tc.prepare(s)
			if err := s.client.Delete(t.Context(), s.mesosNode()); err != nil {
				t.Fatal(err)
			}
			_, _ = s.tryReconcile()
			s.now = s.now.Add(tc.after - time.Second)
			_, _ = s.tryReconcile()
			if len(s.session.killed) != 0 {
				t.Fatal("the task was killed before the time was up")
			}
			s.now = s.now.Add(time.Second)
			_, _ = s.tryReconcile()
			if len(s.session.killed) == 0 {
				t.Error("the task was not killed when the time was up")
			}
		})
	}
}

func windowIn(d time.Duration) map[string]scheduler.Window {
	return map[string]scheduler.Window{agentID: {Start: noon.Add(d), Duration: time.Hour}}
}

func TestSilentKubeletIsNotAwaited(t *testing.T) {
	s := newFixture(t).makeReady()
	s.volumes.attached, s.volumes.detaching = []string{"pv-db"}, []string{"pv-db"}
	s.setNodeReady(corev1.ConditionUnknown)
	s.deleteNode()
	if len(s.session.killed) == 0 {
		t.Error("the task is not killed although its kubelet unmounts nothing any more")
	}
}

func TestVolumesThatAreLeftAreReleasedAfterTheEndOfTheTask(t *testing.T) {
	s := newFixture(t).makeReady()
	s.volumes.attached = []string{"pv-a", "pv-b", "pv-c", "pv-d"} // of pods of DaemonSets
	s.deleteNode()
	if s.isOutOfService() {
		t.Fatal("the taint asserts that no process runs while the task may run")
	}
	s.setTaskState(scheduler.TaskKilled)
	if s.kubernetesNode() == nil || !s.isOutOfService() {
		t.Fatal("the Node is not tainted as out of service")
	}
	s.expectMessage(v1alpha1.ConditionReady, "The task has ended; waiting until 12:02:00 at the latest for 4 volumes to be detached: pv-a, pv-b, pv-c and 1 more.")
	writes := s.writes
	s.reconcileAfter(time.Second)
	if s.writes != writes {
		t.Errorf("%d writes for nothing new", s.writes-writes)
	}
	s.volumes.attached = nil
	s.reconcileAfter(time.Second)
	if s.kubernetesNode() != nil {
		t.Error("the Node is kept although no volume is attached")
	}
	s.reconcile()
	s.expectReleased()
}

func TestNodeIsDeletedWithVolumesThatNobodyDetaches(t *testing.T) {
	s := newFixture(t).makeReady()
	s.volumes.attached = []string{"pv-a"}
	s.deleteNode()
	s.setTaskState(scheduler.TaskKilled)
	s.reconcileAfter(detachTimeout - time.Second)
	if s.kubernetesNode() == nil {
		t.Fatal("the Node was deleted before the time was up")
	}
	s.reconcileAfter(time.Second)
	if s.kubernetesNode() != nil {
		t.Error("the Node is kept for ever")
	}
}

func TestTaskThatEndsByItselfReleasesItsVolumes(t *testing.T) {
	s := newFixture(t).makeReady()
	s.volumes.attached, s.volumes.detaching = []string{"pv-db"}, []string{"pv-db"}
	s.setTaskState(scheduler.TaskFailed)
	s.reconcile()
	if !s.isOutOfService() {
		t.Error("the pods of a node that failed wait for their volumes")
	}
}

func TestForcedReleaseAssertsNothing(t *testing.T) {
	s := newFixture(t).makeReady()
	s.volumes.attached = []string{"pv-a"}
	s.setTaskState(scheduler.TaskUnreachable)
	node := s.mesosNode()
	node.Annotations = map[string]string{v1alpha1.AnnotationForceRelease: "true"}
	if err := s.client.Update(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	s.deleteNode()
	if node := s.kubernetesNode(); node != nil {
		t.Errorf("the Node is still there, with the taints %v", node.Spec.Taints)
	}
}

func TestEndOfAnAttachmentReconcilesItsNode(t *testing.T) {
	attachment := &storagev1.VolumeAttachment{Spec: storagev1.VolumeAttachmentSpec{NodeName: nodeName}}
	requests := ofAttachment(t.Context(), attachment)
	if len(requests) != 1 || !strings.HasSuffix(requests[0].String(), nodeName) {
		t.Errorf("requests: %v", requests)
	}
	passes := deletions()
	if passes.Create(event.CreateEvent{Object: attachment}) || passes.Update(event.UpdateEvent{ObjectOld: attachment, ObjectNew: attachment}) {
		t.Error("a volume that is attached causes a reconcile")
	}
	if !passes.Delete(event.DeleteEvent{Object: attachment}) {
		t.Error("a volume that was detached causes no reconcile")
	}
}
