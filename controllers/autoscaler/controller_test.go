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
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

func TestFromZeroToWhatPodsNeedAndBack(t *testing.T) {
	s := begin(t, newPool("general"))
	s.look()
	s.count("general", 0)
	for i := range 4 {
		s.waits(fmt.Sprint(i), "1900m") // two to a node
	}
	s.look()
	s.count("general", 2)
	s.tells("TriggeredScaleUp Pool general makes node general-1 for the pod.")
	if d := s.status("general").LastDecision; d == nil || d.Action != v1alpha1.AutoscalingGrow || d.Nodes != 2 || d.Inputs.PendingPods != 4 || d.Cause != "4 pods found no place." {
		t.Errorf("the last decision is %+v", d)
	}

	s.after(time.Minute)
	s.count("general", 2) // those in flight count
	s.comesUp("general-1")
	s.comesUp("general-2")
	s.after(time.Second)
	s.count("general", 2) // the scheduler has yet to see them
	for i := range 4 {
		s.bound(fmt.Sprint(i), fmt.Sprintf("general-%d", 1+i/2))
	}
	s.after(time.Hour)
	s.count("general", 2)

	for i := range 4 {
		s.ends(fmt.Sprint(i))
	}
	s.after(time.Second)
	s.count("general", 2) // not before they have been empty for a second
	s.after(2 * time.Second)
	s.count("general", 0)
	if d := s.status("general").LastDecision; d.Action != v1alpha1.AutoscalingShrink || d.Nodes != 2 || !strings.Contains(d.Cause, "empty") {
		t.Errorf("the last decision is %+v", d)
	}
}

func TestAtRestNobodyIsAsked(t *testing.T) {
	s := begin(t, newPool("general"))
	s.waits("a", "1")
	s.look()
	s.comesUp("general-1")
	s.bound("a", "general-1")
	s.look()
	asked, before := s.asked, s.status("general")
	s.after(time.Hour)
	if s.asked != asked {
		t.Errorf("Mesos was asked %d times with nothing waiting", s.asked-asked)
	}
	if after := s.status("general"); after != before && *after.LastDecision != *before.LastDecision {
		t.Errorf("the status changed from %+v to %+v", before, after)
	}
}

func TestBounds(t *testing.T) {
	tests := map[string]struct {
		how    func(*v1alpha1.MesosNodePool)
		nodes  int
		reason string
	}{
		"a maximum":         {func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.MaxReplicas = new(int32(2)) }, 2, "maxReplicas"},
		"a minimum":         {func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.MinReplicas = 6 }, 6, ""},
		"a limit of cpu":    {func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.Limits.CPU = new(resource.MustParse("11")) }, 2, "limit of 11 cpu"},
		"a limit of memory": {func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.Limits.Memory = new(resource.MustParse("8Gi")) }, 1, "limit of 8Gi memory"},
		"a pause":           {func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = true }, 0, "it is paused"},
		"no framework":      {func(p *v1alpha1.MesosNodePool) { p.Status.Conditions = nil }, 0, "nobody has looked at the pool yet"},
		"a template that is none": {func(p *v1alpha1.MesosNodePool) {
			p.Status.Conditions[1].Status, p.Status.Conditions[1].Message = metav1.ConditionFalse, "No such field."
		}, 0, "No such field."},
		"a framework in need": {func(p *v1alpha1.MesosNodePool) {
			p.Status.Conditions[0].Status, p.Status.Conditions[0].Message = metav1.ConditionFalse, "No master."
		}, 0, "No master."},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := begin(t, newPool("general", test.how))
			for i := range 4 {
				s.waits(fmt.Sprint(i), "3")
			}
			s.look()
			s.count("general", test.nodes)
			if test.reason != "" {
				s.tells(test.reason)
			}
		})
	}
}

func TestAPoolWithoutAutoscalingIsLeftAlone(t *testing.T) {
	s := begin(t, newPool("fixed", func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling = nil }))
	s.waits("a", "1")
	s.look()
	s.count("fixed", 0)
	if said := s.said(); len(said) > 0 {
		t.Errorf("pods were told %q", said)
	}
}

func TestAPoolThatIsBeingDeletedIsLeftAlone(t *testing.T) {
	s := begin(t, newPool("general", func(p *v1alpha1.MesosNodePool) {
		p.Finalizers, p.DeletionTimestamp = []string{v1alpha1.FinalizerNodes}, new(metav1.NewTime(noon))
		p.Spec.Autoscaling.MinReplicas = 3
	}))
	s.waits("a", "1")
	s.look()
	s.count("general", 0)
}

func TestNothingIsDecidedWhileTheCacheLags(t *testing.T) {
	s := begin(t, newPool("general"))
	s.waits("a", "1")
	s.unsettled = true
	s.look()
	s.count("general", 0)
	s.unsettled = false
	s.look()
	s.count("general", 1)
}

func TestTheSameReasonIsToldOnce(t *testing.T) {
	s := begin(t, newPool("general"))
	s.waits("a", "64")
	for range 3 {
		s.after(time.Minute)
	}
	if said := s.said(); len(said) != 1 || !strings.Contains(said[0], "NotTriggeredScaleUp No node is made for the pod. general: Insufficient cpu") {
		t.Errorf("the pod was told %q", said)
	}
	s.count("general", 0)
}

func TestHeavierPoolsFirst(t *testing.T) {
	s := begin(t, newPool("a"), newPool("b", func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling.Weight = 1 }))
	s.waits("a", "1")
	s.look()
	s.count("a", 0)
	s.count("b", 1)
}

func TestANodeThatIsNotReadyYetTakesPods(t *testing.T) {
	s := begin(t, newPool("general"))
	s.waits("a", "1")
	s.look()
	s.comesUp("general-1", func(n *corev1.Node) {
		n.Status.Allocatable = nil
		n.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}}
	})
	s.stands("general-1", v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeNotReady)
	s.stands("general-1", v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered)
	s.after(time.Minute)
	s.count("general", 1)
}

// A Node is ready a moment before the last of what keeps pods away from it is taken off; the
// startup taints may be there for longer, but not for ever.
func TestANodeThatIsReadyButNotOpenYetTakesPods(t *testing.T) {
	startup := corev1.Taint{Key: "example.com/warming", Effect: corev1.TaintEffectNoSchedule}
	tests := map[string]struct {
		taint corev1.Taint
		past  time.Duration // how long it has been ready
		nodes int
	}{
		"the taint of a Node that is not ready":               {corev1.Taint{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}, time.Minute, 1},
		"a startup taint":                                     {startup, time.Minute, 1},
		"a startup taint that nobody takes off":               {startup, startPatience, 2},
		"a taint that somebody else put on":                   {corev1.Taint{Key: "mine", Effect: corev1.TaintEffectNoSchedule}, time.Minute, 2},
		"a taint of the startup ones' key, of another effect": {corev1.Taint{Key: startup.Key, Effect: corev1.TaintEffectNoExecute}, time.Minute, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			s := begin(t, newPool("general", func(p *v1alpha1.MesosNodePool) {
				p.Spec.Template.Spec.StartupTaints = []v1alpha1.Taint{{Key: startup.Key, Effect: startup.Effect}}
				p.Spec.Autoscaling.ScaleDown.ConsolidateAfter = &metav1.Duration{Duration: time.Hour}
			}))
			s.waits("a", "1")
			s.look()
			s.comesUp("general-1", func(n *corev1.Node) { n.Spec.Taints = []corev1.Taint{test.taint} })
			s.after(test.past)
			s.count("general", test.nodes)
		})
	}
}

func TestNodesThatDoNotHelpAreNotMadeForEver(t *testing.T) {
	s := begin(t, newPool("general"))
	s.waits("a", "1")
	adversary := func(n *corev1.Node) {
		n.Spec.Taints = []corev1.Taint{{Key: "mine", Effect: corev1.TaintEffectNoSchedule}}
	}
	for range 20 {
		s.look()
		for _, n := range s.nodes("general") {
			if !nodemodel.IsReady(n) {
				s.comesUp(n.Name, adversary)
			}
		}
		s.now = s.now.Add(500 * time.Millisecond)
	}
	if s.made != enoughTries {
		t.Errorf("%d nodes were made for one pod, want %d", s.made, enoughTries)
	}
	s.tells("3 nodes were made for such pods, and none stays on them: general-1, general-2, general-3")
}

func TestNodesThatDoNotComeUp(t *testing.T) {
	s := begin(t, newPool("general"))
	for i := range 5 {
		s.waits(fmt.Sprint(i), "3")
	}
	s.look()
	s.count("general", 5)
	s.after(startPatience)
	s.count("general", 0)
	status := s.status("general")
	if status.BackOffUntil == nil || !strings.Contains(status.Shortage, "5 of its nodes did not come up") {
		t.Errorf("the pool says %+v", status)
	}
	s.after(firstBackOff)
	s.count("general", 1) // one is tried
	s.comesUp(s.nodes("general")[0].Name)
	s.after(time.Second)
	s.count("general", 5)
	if status := s.status("general"); status.BackOffUntil != nil || status.Shortage != "" {
		t.Errorf("the pool still says %+v", status)
	}
}

func TestAPoolThatWaitsInVainForOffersIsPassedBy(t *testing.T) {
	s := begin(t, newPool("a"), newPool("b"))
	s.waits("a", "1")
	s.look()
	s.count("a", 1)
	s.stands("a-1", v1alpha1.ConditionLaunched, metav1.ConditionFalse, v1alpha1.ReasonWaitingForOffer)
	s.after(offerPatience - time.Second)
	s.count("a", 1)
	s.after(time.Second)
	s.count("a", 0)
	s.count("b", 1)
}

// What DaemonSets will have on a node is not there for others, from the moment on that the
// node is wanted.
func TestDaemonSetsHaveTheirPartOfANewNode(t *testing.T) {
	set := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "logs", UID: "logs"}}
	onPort := func(p *corev1.Pod) { p.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80}} }
	set.Spec.Template.Spec = newPod("logs", "1", onPort).Spec
	s := begin(t, newPool("general"), set)
	s.waits("a", "1500m")
	s.waits("b", "1500m")
	s.look()
	s.count("general", 2) // of 3.9 cpus each
	s.waits("c", "1500m")
	s.look()
	s.count("general", 3) // those in flight are no larger
	s.said()

	s.waits("on-its-port", "100m", onPort)
	s.look()
	s.count("general", 3)
	s.tells("didn't have free ports")
}
