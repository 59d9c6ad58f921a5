package integration

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

// There is no scheduler here: the specs mark pods as unschedulable and bind them, as it would.
var _ = Describe("An autoscaled pool", Ordered, func() {
	BeforeAll(startOperator)

	const (
		atOnce   = `{batch: {idle: 100ms, max: 1s}, scaleDown: {consolidationPolicy: WhenEmpty, consolidateAfter: 1s, minNodeLifetime: 0s, afterGrowth: 0s}`
		twoCores = `{cpu: 2, memory: 1Gi}`
	)
	var (
		master *mesostest.Master
		pool   *v1alpha1.MesosNodePool
	)
	newAutoscaledPool := func(name, autoscaling string, edits ...edit) *v1alpha1.MesosNodePool {
		GinkgoHelper()
		edits = append([]edit{{"spec replicas", ""}, {"spec template spec resources", twoCores}, {"spec autoscaling", autoscaling}, {"spec disruption", `{budgets: [{nodes: "100%"}]}`}}, edits...)
		return newPool(name, "autoscaled", edits...)
	}
	BeforeAll(func() {
		master = newMaster(mesostest.MasterOptions{}, 4)
		mf := newFramework("autoscaled", master.Addr())
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		pool = newAutoscaledPool("general", atOnce+", maxReplicas: 3}")
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady", "0 of 0 nodes are ready")
		DeferCleanup(func() { // before the pool is deleted: no kubelet would end evicted pods
			Expect(strict.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace("default"), client.GracePeriodSeconds(0))).To(Succeed())
		})
	})

	It("creates the nodes that pods need, and records events on the pods", func() {
		pods := []*corev1.Pod{createUnschedulablePod("a", "1500m"), createUnschedulablePod("b", "1500m"), createUnschedulablePod("c", "300m")}
		Eventually(func() []v1alpha1.MesosNode { return nodesOf("general") }).WithTimeout(timeout).Should(And(HaveLen(2), HaveEach(WithTransform(isReady, BeTrue()))))
		for _, pod := range pods {
			Eventually(eventsOf(pod)).WithTimeout(timeout).Should(ContainElement(ContainSubstring("TriggeredScaleUp: Pool general creates node general-")))
		}
		Consistently(func() []v1alpha1.MesosNode { return nodesOf("general") }).WithTimeout(2 * time.Second).Should(HaveLen(2))
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(pool), pool)).To(Succeed())
		decision := pool.Status.Autoscaling.LastDecision
		Expect(decision.Action).To(Equal(v1alpha1.AutoscalingGrow))
		Expect(decision.Inputs.PendingPods).To(BeEquivalentTo(3))
		Expect(pool.Spec.Replicas).To(BeNil(), "the spec is not written")
	})

	It("removes the nodes when the pods are gone", func() {
		nodes := nodesOf("general")
		bindPod("a", nodes[0].Name)
		bindPod("b", nodes[1].Name)
		bindPod("c", nodes[0].Name)
		Consistently(func() []v1alpha1.MesosNode { return nodesOf("general") }).WithTimeout(3 * time.Second).Should(HaveLen(2))
		for i := range nodes {
			expectCondition(&nodes[i], v1alpha1.ConditionDisruptable, "False Utilized", "of its pool only empty nodes are removed")
		}
		deletePod("b")
		Eventually(func() []v1alpha1.MesosNode { return nodesOf("general") }).WithTimeout(timeout).Should(ConsistOf(HaveField("Name", nodes[0].Name)))
		deletePod("a")
		deletePod("c")
		Eventually(func() []v1alpha1.MesosNode { return nodesOf("general") }).WithTimeout(timeout).Should(BeEmpty())
		Eventually(containers(master)).WithTimeout(timeout).Should(BeZero())
	})

	It("records why a pod fits no node, and creates none", func() {
		pod := createUnschedulablePod("huge", "64")
		Eventually(eventsOf(pod)).WithTimeout(timeout).Should(ContainElement(And(ContainSubstring("NotTriggeredScaleUp"), ContainSubstring("general: Insufficient cpu"))))
		Eventually(func() v1alpha1.AutoscalingAction {
			Expect(strict.Get(ctx, client.ObjectKeyFromObject(pool), pool)).To(Succeed())
			return pool.Status.Autoscaling.LastDecision.Action
		}).WithTimeout(timeout).Should(Equal(v1alpha1.AutoscalingHold))
		Expect(pool.Status.Autoscaling.LastDecision.Cause).To(ContainSubstring("Pod default/huge: Insufficient cpu"))
		Expect(nodesOf("general")).To(BeEmpty())
	})

	It("leaves pods to the next pool when Mesos has no room", func() {
		heavy := newAutoscaledPool("heavy", atOnce+", weight: 10}", edit{"spec placement constraints", "[{attribute: rack, operator: In, values: [gold]}]"})
		expectCondition(heavy, v1alpha1.ConditionReady, "True AllNodesReady")
		createUnschedulablePod("d", "1")
		Eventually(func() []v1alpha1.MesosNode { return nodesOf("general") }).WithTimeout(timeout).Should(HaveLen(1))
		expectCondition(heavy, v1alpha1.ConditionCapacityAvailable, "False NoFittingOffer", "rack")
		Expect(nodesOf("heavy")).To(BeEmpty())
	})
})

// createUnschedulablePod creates a pod and marks it unschedulable, as the scheduler would.
func createUnschedulablePod(name, cpu string) *corev1.Pod {
	GinkgoHelper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "main", Image: "none", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
		}}},
	}
	Expect(strict.Create(ctx, pod)).To(Succeed())
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	Expect(strict.Status().Update(ctx, pod)).To(Succeed())
	return pod
}

func bindPod(pod, node string) {
	GinkgoHelper()
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: node}}
	Expect(strict.SubResource("binding").Create(ctx, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: "default"}}, binding)).To(Succeed())
}

// deletePod deletes a pod without a grace period: there is no kubelet to end it.
func deletePod(name string) {
	GinkgoHelper()
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"}}
	Expect(client.IgnoreNotFound(strict.Delete(ctx, pod, client.GracePeriodSeconds(0)))).To(Succeed())
}

// eventsOf lists the events on a pod, as "reason: note".
func eventsOf(pod *corev1.Pod) func() []string {
	return func() []string {
		var list eventsv1.EventList
		Expect(strict.List(ctx, &list, client.InNamespace(pod.Namespace))).To(Succeed())
		var notes []string
		for _, e := range list.Items {
			if e.Regarding.UID == pod.UID {
				notes = append(notes, fmt.Sprintf("%s: %s", e.Reason, strings.TrimSpace(e.Note)))
			}
		}
		return notes
	}
}
