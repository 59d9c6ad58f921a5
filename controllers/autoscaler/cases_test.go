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

// thrifty moves pods to empty nodes.
func thrifty(p *v1alpha1.MesosNodePool) {
	p.Spec.Autoscaling.ScaleDown.ConsolidationPolicy = v1alpha1.WhenEmptyOrUnderutilized
	p.Spec.Autoscaling.ScaleDown.UtilizationThreshold = new(int32(50))
}

// fill makes as many nodes as pods, each with one pod on it.
func (s *story) fill(pool string, count int) {
	s.t.Helper()
	for i := range count {
		s.waits(fmt.Sprintf("old-%d", i), "3", replica)
	}
	s.look()
	s.count(pool, count)
	for i, n := range s.nodes(pool) {
		s.comesUp(n.Name)
		s.bound(fmt.Sprintf("old-%d", i), n.Name)
	}
	s.after(time.Second)
}

// breaks lets the kubelet of a node fall silent.
func (s *story) breaks(name string) {
	s.t.Helper()
	object := &corev1.Node{}
	s.get(name, object)
	object.Spec.Taints = []corev1.Taint{{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoExecute}}
	s.must(s.client.Update(context.Background(), object))
	s.now = s.now.Add(time.Second)
	s.stands(name, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeNotReady)
}

// Whoever taints each new node has its pods evicted: each time there is another pod, of the
// same owner.
func TestPodsThatAreDrivenFromEachNewNode(t *testing.T) {
	for name, how := range map[string]func(*v1alpha1.MesosNodePool){"where empty nodes go": func(*v1alpha1.MesosNodePool) {}, "where nodes are consolidated": thrifty} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, newPool("general", how))
			most, pod := 0, 0
			s.waits("0", "1", replica)
			for range 300 { // five minutes
				s.after(time.Second)
				for _, n := range s.nodes("general") {
					if nodemodel.IsReady(n) {
						continue
					}
					s.comesUp(n.Name)
					s.bound(fmt.Sprint(pod), n.Name)
					s.after(time.Second)
					object := &corev1.Node{}
					s.get(n.Name, object)
					taintedWith(corev1.TaintEffectNoExecute)(object)
					s.must(s.client.Update(context.Background(), object))
					s.ends(fmt.Sprint(pod))
					pod++
					s.waits(fmt.Sprint(pod), "1", replica)
				}
				most = max(most, len(s.nodes("general")))
			}
			if s.made > enoughTries || most > enoughTries {
				t.Errorf("%d nodes were made, %d at once, want %d", s.made, most, enoughTries)
			}
			s.tells("3 nodes were made for such pods, and none stays on them: general-1, general-2, general-3")
			s.after(podBackOff)
			if s.made == enoughTries {
				t.Error("it is not tried again")
			}
		})
	}
}

func TestManyNodesThatDoNotHelpAreMadeOnce(t *testing.T) {
	s := begin(t, newPool("general"))
	for i := range 20 {
		s.waits(fmt.Sprint(i), "3", replica)
	}
	s.look()
	for range 5 {
		for _, n := range s.nodes("general") {
			if !nodemodel.IsReady(n) {
				s.comesUp(n.Name, taintedWith(corev1.TaintEffectNoSchedule))
			}
		}
		s.look()
	}
	if s.made != 20 {
		t.Errorf("%d nodes were made for 20 pods", s.made)
	}
}

// A taint that somebody takes off in time has held nobody up.
func TestNodesThatHelpAfterAllAreForgiven(t *testing.T) {
	s := begin(t, newPool("general", func(p *v1alpha1.MesosNodePool) {
		p.Spec.Autoscaling.ScaleDown.ConsolidateAfter = &metav1.Duration{Duration: time.Hour}
	}))
	for i := range 4 {
		s.waits(fmt.Sprint(i), "3", replica)
	}
	s.look()
	for _, n := range s.nodes("general") {
		s.comesUp(n.Name, taintedWith(corev1.TaintEffectNoSchedule))
	}
	s.look()
	s.count("general", 4)
	for i, n := range s.nodes("general") {
		object := &corev1.Node{}
		s.get(n.Name, object)
		object.Spec.Taints = nil
		s.must(s.client.Update(context.Background(), object))
		s.bound(fmt.Sprint(i), n.Name)
	}
	s.waits("more", "3", replica)
	s.after(time.Second)
	s.count("general", 5)
}

func TestABrokenNodeHindersNobody(t *testing.T) {
	s := begin(t, newPool("general"))
	s.fill("general", 3)
	s.breaks("general-1")
	s.waits("new", "500m", replica)
	s.waits("large", "3", replica)
	s.after(time.Second)
	s.count("general", 4)
	s.comesUp("general-4")
	s.bound("new", "general-2")
	s.bound("large", "general-4")
	for i := range 3 {
		s.ends(fmt.Sprintf("old-%d", i))
	}
	s.after(time.Second)
	s.after(2 * time.Second)
	for _, n := range s.nodes("general") {
		if n.Name == "general-3" {
			t.Error("a node that is empty stays because another is broken")
		}
	}
}

func TestWhereMostNodesHaveCeasedToBeReadyNothingIsDone(t *testing.T) {
	s := begin(t, newPool("general"))
	s.fill("general", 8)
	for i := range 4 {
		s.breaks(fmt.Sprintf("general-%d", i+1))
	}
	s.waits("new", "3", replica)
	s.after(time.Second)
	s.tells("general: 4 of 8 nodes have ceased to be ready")
	if d := s.status("general").LastDecision; d.Action != v1alpha1.AutoscalingHold || !strings.Contains(d.Cause, "4 of 8 nodes have ceased to be ready") {
		t.Errorf("the last decision is %+v", d)
	}
	s.ends("new")
	s.ends("old-7")
	s.after(time.Minute)
	s.after(time.Minute)
	s.count("general", 8)
	s.stands("general-1", v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady)
	s.after(time.Second)
	s.count("general", 7)
}

func TestNodesOfPoolsWithoutAutoscalingAreUsedAndKept(t *testing.T) {
	s := begin(t, newPool("general"), newPool("fixed", func(p *v1alpha1.MesosNodePool) { p.Spec.Autoscaling = nil }))
	fixed := &v1alpha1.MesosNodePool{}
	s.get("fixed", fixed)
	s.must(s.client.Create(context.Background(), mesosNodeOf(fixed, "fixed-1")))
	s.comesUp("fixed-1")
	s.waits("a", "3", replica)
	s.waits("b", "3", replica)
	s.look()
	s.count("general", 1) // the other fits on what is there
	s.comesUp("general-1")
	s.ends("a")
	s.ends("b")
	s.after(time.Second)
	s.after(2 * time.Second)
	s.count("general", 0)
	s.count("fixed", 1)
}

// A DaemonSet's pod that finds no room on its node would find none on another.
func TestPodsOfDaemonSetsThatWaitAreNoDemand(t *testing.T) {
	s := begin(t, newPool("general"))
	s.fill("general", 1)
	s.said()
	s.waits("agent", "3", func(p *corev1.Pod) {
		replica(p)
		p.OwnerReferences[0].Kind = "DaemonSet"
	})
	s.after(time.Minute)
	s.count("general", 1)
	if said := s.said(); len(said) > 0 {
		t.Errorf("the pod is told %q", said)
	}
}

// Pods are gathered before anything is done for them: what comes and goes within a moment
// leaves no trace.
func TestAThousandPodsThatComeAndGoWithinASecond(t *testing.T) {
	t.Parallel()
	s := begin(t, newPool("general", func(p *v1alpha1.MesosNodePool) {
		p.Spec.Autoscaling.Batch = v1alpha1.AutoscalingBatch{Idle: &metav1.Duration{Duration: 500 * time.Millisecond}, Max: &metav1.Duration{Duration: 5 * time.Second}}
	}))
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer queue.ShutDown()
	handler := s.reconciler.pods()
	var pods []*corev1.Pod
	for i := range 1000 {
		pod := s.waits(fmt.Sprint(i), "1", replica)
		handler.Create(t.Context(), event.CreateEvent{Object: pod}, queue)
		pods = append(pods, pod)
		if i%100 == 0 {
			s.after(40 * time.Millisecond)
		}
	}
	for _, pod := range pods {
		s.must(s.client.Delete(context.Background(), pod))
		handler.Delete(t.Context(), event.DeleteEvent{Object: pod}, queue)
	}
	for range 20 {
		s.after(time.Second)
	}
	if s.made > 0 {
		t.Errorf("%d nodes were made", s.made)
	}
	if said := s.said(); len(said) > 0 {
		t.Errorf("pods were told %q", said[0])
	}
	if status := s.status("general"); status.LastDecision != nil {
		t.Errorf("the last decision is %+v", status.LastDecision)
	}
}

// What is to take the place of a larger node has to be there first.
func TestANodeStaysWhenWhatIsToReplaceItDoesNotComeUp(t *testing.T) {
	small := v1alpha1.NodeResources{CPU: resource.MustParse("2"), Memory: resource.MustParse("4Gi")}
	s := begin(t, newPool("general", thrifty, func(p *v1alpha1.MesosNodePool) {
		spec := &p.Spec.Template.Spec
		spec.Shapes = []v1alpha1.NodeShape{{Name: "large", Resources: spec.Resources}, {Name: "small", Resources: small}}
		spec.Resources = v1alpha1.NodeResources{}
	}))
	s.waits("a", "3", replica)
	s.waits("b", "500m", replica)
	s.look()
	s.count("general", 1)
	s.comesUp("general-1")
	s.bound("a", "general-1")
	s.bound("b", "general-1")
	s.after(time.Second)
	s.ends("a")
	s.after(2 * time.Second)
	s.after(2 * time.Second)
	s.count("general", 2) // the small one is on its way
	s.after(startPatience)
	s.count("general", 1)
	if left := s.nodes("general"); len(left) != 1 || left[0].Name != "general-1" {
		t.Errorf("left are %v, want general-1", left)
	}
	if status := s.status("general"); status.BackOffUntil == nil {
		t.Error("it does not back off")
	}
}
