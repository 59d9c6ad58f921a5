package autoscaler

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/autoscaler/backoff"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

func TestPoolGrowsFromZeroAndShrinksToZero(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.reconcile()
	s.expectNodes("general", 0)
	for i := range 4 {
		s.addPendingPod(fmt.Sprint(i), "1900m") // two to a node
	}
	s.reconcile()
	s.expectNodes("general", 2)
	s.expectEvent("TriggeredScaleUp Pool general creates node general-1 for the pod.")
	if d := s.status("general").LastDecision; d == nil || d.Action != v1alpha1.AutoscalingGrow || d.Nodes != 2 || d.Inputs.PendingPods != 4 || d.Cause != "4 pods were unschedulable." {
		t.Errorf("the last decision is %+v", d)
	}

	s.advance(time.Minute)
	s.expectNodes("general", 2) // those in flight count
	s.makeReady("general-1")
	s.makeReady("general-2")
	s.advance(time.Second)
	s.expectNodes("general", 2) // the scheduler has yet to see them
	for i := range 4 {
		s.bindPod(fmt.Sprint(i), fmt.Sprintf("general-%d", 1+i/2))
	}
	s.advance(time.Hour)
	s.expectNodes("general", 2)

	for i := range 4 {
		s.deletePod(fmt.Sprint(i))
	}
	s.advance(time.Second)
	s.expectNodes("general", 2) // not before they have been empty for a second
	s.advance(2 * time.Second)
	s.expectNodes("general", 0)
	if d := s.status("general").LastDecision; d.Action != v1alpha1.AutoscalingShrink || d.Nodes != 2 || !strings.Contains(d.Cause, "empty") {
		t.Errorf("the last decision is %+v", d)
	}
}

func TestIdleAutoscalerMakesNoCalls(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.addPendingPod("a", "1")
	s.reconcile()
	s.makeReady("general-1")
	s.bindPod("a", "general-1")
	s.reconcile()
	asked, before := s.capacityCalls, s.status("general")
	s.advance(time.Hour)
	if s.capacityCalls != asked {
		t.Errorf("Mesos was asked %d times with nothing waiting", s.capacityCalls-asked)
	}
	if after := s.status("general"); after != before && *after.LastDecision != *before.LastDecision {
		t.Errorf("the status changed from %+v to %+v", before, after)
	}
}

func TestPoolsGrowWithinTheirBounds(t *testing.T) {
	tests := map[string]struct {
		how    func(*v1alpha1.MesosNodePool)
		nodes  int
		reason string
	}{
		"maxReplicas limits the number of nodes":            {func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.MaxReplicas = new(int32(2)) }, 2, "maxReplicas"},
		"minReplicas is created without pods for all nodes": {func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.MinReplicas = 6 }, 6, ""},
		"the limit of cpu includes the existing nodes":      {func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.Limits.CPU = new(resource.MustParse("11")) }, 2, "limit of 11 cpu"},
		"the limit of memory limits the number of nodes":    {func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.Limits.Memory = new(resource.MustParse("8Gi")) }, 1, "limit of 8Gi memory"},
		"a paused pool creates no node":                     {func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = true }, 0, "it is paused"},
		"a pool without conditions creates no node":         {func(p *v1alpha1.MesosNodePool) { p.Status.Conditions = nil }, 0, "its conditions are not set yet"},
		"a pool with an invalid template creates no node": {func(p *v1alpha1.MesosNodePool) {
			p.Status.Conditions[1].Status, p.Status.Conditions[1].Message = metav1.ConditionFalse, "No such field."
		}, 0, "No such field."},
		"a pool whose framework is not ready creates no node": {func(p *v1alpha1.MesosNodePool) {
			p.Status.Conditions[0].Status, p.Status.Conditions[0].Message = metav1.ConditionFalse, "No master."
		}, 0, "No master."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newTestCluster(t, newPool("general", test.how))
			for i := range 4 {
				s.addPendingPod(fmt.Sprint(i), "3")
			}
			s.reconcile()
			s.expectNodes("general", test.nodes)
			if test.reason != "" {
				s.expectEvent(test.reason)
			}
		})
	}
}

func TestPoolWithoutAutoscalingIsLeftAlone(t *testing.T) {
	s := newTestCluster(t, newPool("fixed", func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling = nil }))
	s.addPendingPod("a", "1")
	s.reconcile()
	s.expectNodes("fixed", 0)
	if events := s.takeEvents(); len(events) > 0 {
		t.Errorf("pods got the events %q", events)
	}
}

func TestPoolBeingDeletedIsLeftAlone(t *testing.T) {
	s := newTestCluster(t, newPool("general", func(p *v1alpha1.MesosNodePool) {
		p.Finalizers, p.DeletionTimestamp = []string{v1alpha1.FinalizerNodes}, new(metav1.NewTime(noon))
		p.Spec.Autoscaling.MinReplicas = 3
	}))
	s.addPendingPod("a", "1")
	s.reconcile()
	s.expectNodes("general", 0)
}

func TestNoDecisionWhileTheCacheLags(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.addPendingPod("a", "1")
	s.unsettled = true
	s.reconcile()
	s.expectNodes("general", 0)
	s.unsettled = false
	s.reconcile()
	s.expectNodes("general", 1)
}

func TestUnchangedReasonIsRecordedOnce(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.addPendingPod("a", "64")
	for range 3 {
		s.advance(time.Minute)
	}
	if events := s.takeEvents(); len(events) != 1 || !strings.Contains(events[0], "NotTriggeredScaleUp No node is created for the pod. general: Insufficient cpu") {
		t.Errorf("the pod got the events %q", events)
	}
	s.expectNodes("general", 0)
}

func TestPoolsOfHigherWeightGrowFirst(t *testing.T) {
	s := newTestCluster(t, newPool("a"), newPool("b", func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.Weight = 1 }))
	s.addPendingPod("a", "1")
	s.reconcile()
	s.expectNodes("a", 0)
	s.expectNodes("b", 1)
}

func TestNodeNotReadyYetCountsAsRoom(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.addPendingPod("a", "1")
	s.reconcile()
	s.makeReady("general-1", func(n *corev1.Node) {
		n.Status.Allocatable = nil
		n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}}
	})
	s.setCondition("general-1", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeNotReady)
	s.setCondition("general-1", v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered)
	s.advance(time.Minute)
	s.expectNodes("general", 1)
}

// A Node is ready a moment before the last of what keeps pods away from it is taken off; the
// startup taints may be there for longer, but not for ever.
func TestNodeWithStartupTaintsCountsAsRoom(t *testing.T) {
	startup := corev1.Taint{Key: "example.com/warming", Effect: corev1.TaintEffectNoSchedule}
	tests := map[string]struct {
		taint corev1.Taint
		past  time.Duration // how long it has been ready
		nodes int
	}{
		"the taint of a Node that is not ready":                      {corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}, time.Minute, 1},
		"a startup taint":                                            {startup, time.Minute, 1},
		"the registration taint":                                     {corev1.Taint{Key: v1alpha1.TaintUnregistered, Effect: corev1.TaintEffectNoSchedule}, time.Minute, 1},
		"a startup taint that is never removed":                      {startup, backoff.StartTimeout, 2},
		"a taint from another component":                             {corev1.Taint{Key: "mine", Effect: corev1.TaintEffectNoSchedule}, time.Minute, 2},
		"a taint with the key of a startup taint and another effect": {corev1.Taint{Key: startup.Key, Effect: corev1.TaintEffectNoExecute}, time.Minute, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := newTestCluster(t, newPool("general", func(p *v1alpha1.MesosNodePool) {
				p.Spec.Template.Spec.StartupTaints = []v1alpha1.Taint{{Key: startup.Key, Effect: startup.Effect}}
				p.Spec.Autoscaling.ScaleDown.ConsolidateAfter = &metav1.Duration{Duration: time.Hour}
			}))
			s.addPendingPod("a", "1")
			s.reconcile()
			s.makeReady("general-1", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{test.taint} })
			s.advance(test.past)
			s.expectNodes("general", test.nodes)
		})
	}
}

func TestStartingNodesGetTheTaintsThatTheirPoolHasNow(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.addPendingPod("a", "1")
	s.reconcile()
	s.expectNodes("general", 1)
	pool := &v1alpha1.MesosNodePool{}
	s.get("general", pool)
	pool.Spec.Template.Metadata.Labels = map[string]string{"team": "data"}
	s.must(s.client.Update(t.Context(), pool))
	s.addPendingPod("b", "1", func(p *corev1.Pod) { p.Spec.NodeSelector = map[string]string{"team": "data"} })
	s.advance(time.Second)
	s.expectNodes("general", 1)
}

func TestPodsAreHeldWhenNewNodesDoNotHelp(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	s.addPendingPod("a", "1")
	adversary := func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: "mine", Effect: corev1.TaintEffectNoSchedule}}
	}
	for range 20 {
		s.reconcile()
		for _, n := range s.nodes("general") {
			if !nodemodel.IsReady(n) {
				s.makeReady(n.Name, adversary)
			}
		}
		s.now = s.now.Add(500 * time.Millisecond)
	}
	if s.created != backoff.MaxAttempts {
		t.Errorf("%d nodes were made for one pod, want %d", s.created, backoff.MaxAttempts)
	}
	s.expectEvent("3 nodes were created for pods of the same owner, and no such pod stays on them: general-1, general-2, general-3")
}

func TestNodesThatDoNotBecomeReadyAreRemovedAndThePoolBacksOff(t *testing.T) {
	s := newTestCluster(t, newPool("general"))
	for i := range 5 {
		s.addPendingPod(fmt.Sprint(i), "3")
	}
	s.reconcile()
	s.expectNodes("general", 5)
	s.advance(backoff.StartTimeout)
	s.expectNodes("general", 0)
	status := s.status("general")
	if status.BackOffUntil == nil || !strings.Contains(status.Shortage, "5 of its nodes did not become ready") {
		t.Errorf("the status is %+v", status)
	}
	s.advance(backoff.FirstDelay)
	s.expectNodes("general", 1) // one is tried
	s.makeReady(s.nodes("general")[0].Name)
	s.advance(time.Second)
	s.expectNodes("general", 5)
	if status := s.status("general"); status.BackOffUntil != nil || status.Shortage != "" {
		t.Errorf("the status is still %+v", status)
	}
}

func TestPoolWithoutFittingOffersIsSkipped(t *testing.T) {
	s := newTestCluster(t, newPool("a"), newPool("b"))
	s.addPendingPod("a", "1")
	s.reconcile()
	s.expectNodes("a", 1)
	s.setCondition("a-1", v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonWaitingForOffer)
	s.advance(backoff.OfferTimeout - time.Second)
	s.expectNodes("a", 1)
	s.advance(time.Second)
	s.expectNodes("a", 0)
	s.expectNodes("b", 1)
}

// What DaemonSets will have on a node is not there for others, from the moment on that the
// node is wanted.
func TestNewNodesReserveRoomForDaemonSets(t *testing.T) {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "logs", UID: "logs"}}
	onPort := func(p *corev1.Pod) { p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80}} }
	set.Spec.Template.Spec = newPod("logs", "1", onPort).Spec
	s := newTestCluster(t, newPool("general"), set)
	s.addPendingPod("a", "1500m")
	s.addPendingPod("b", "1500m")
	s.reconcile()
	s.expectNodes("general", 2) // of 3.9 cpus each
	s.addPendingPod("c", "1500m")
	s.reconcile()
	s.expectNodes("general", 3) // those in flight are no larger
	s.takeEvents()

	s.addPendingPod("on-its-port", "100m", onPort)
	s.reconcile()
	s.expectNodes("general", 3)
	s.expectEvent("didn't have free ports")
}
