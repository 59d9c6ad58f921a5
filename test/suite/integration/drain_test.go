package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	policyv1 "k8s.io/api/policy/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

// There is no kubelet and no kube-controller-manager here: pods with a grace period of 0 are gone
// when they are evicted, others stay until a spec ends them, and specs write the status of
// PodDisruptionBudgets.
var _ = Describe("The drain of a node", Ordered, func() {
	BeforeAll(startOperator)
	BeforeAll(func() {
		master := newMaster(mesostest.MasterOptions{}, 12)
		newFramework("draining", master.Addr())
	})

	// startNode starts a pool of one node, and returns that.
	startNode := func(name, drain string) *v1alpha1.MesosNode {
		GinkgoHelper()
		pool := newPool(name, "draining", edit{"spec replicas", "1"}, edit{"spec drain", drain})
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		return &nodesOf(name)[0]
	}
	setDrain := func(pool, drain string) {
		GinkgoHelper()
		object := sample("mesosnodepool.yaml", edit{"metadata name", pool})
		patchObject(object, func() { edit{"spec drain", drain}.apply(object) })
	}
	exists := func(pod *corev1.Pod) func() bool {
		return func() bool {
			err := strict.Get(ctx, client.ObjectKeyFromObject(pod), pod)
			Expect(client.IgnoreNotFound(err)).To(Succeed())
			return err == nil && pod.DeletionTimestamp.IsZero()
		}
	}
	expectGone := func(mn *v1alpha1.MesosNode) {
		GinkgoHelper()
		Eventually(func() error { return strict.Get(ctx, client.ObjectKeyFromObject(mn), mn) }).WithTimeout(timeout).
			Should(MatchError(ContainSubstring("not found")))
	}
	atOnce := func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = new(int64(0)) }

	It("names the PodDisruptionBudget that blocks it, and is given a deadline while it is stuck", func() {
		mn := startNode("stuck", "")
		createPodOn(mn.Name, "cart")
		createBudget("cart")
		Expect(strict.Delete(ctx, mn)).To(Succeed())
		for _, condition := range []string{v1alpha1.ConditionDrained, v1alpha1.ConditionReady} {
			expectCondition(mn, condition, "False Draining", "default/cart: waiting for PDB default/cart: 0 disruptions allowed, because it needs 1 healthy pods and has 1")
		}
		setDrain("stuck", "{timeout: 5s}")
		expectGone(mn)
	})

	It("deletes pods in time for the terminationGracePeriod, whatever protects them", func() {
		mn := startNode("bounded", "{terminationGracePeriod: 8s}")
		grace := func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = new(int64(4)) }
		held := createPodOn(mn.Name, "held", grace, func(p *corev1.Pod) { p.Annotations = map[string]string{"karpenter.sh/do-not-disrupt": "true"} })
		blocked := createPodOn(mn.Name, "blocked", grace)
		createBudget("blocked")
		began := time.Now()
		Expect(strict.Delete(ctx, mn)).To(Succeed())
		expectCondition(mn, v1alpha1.ConditionDrained, "False Draining", "default/held: is annotated karpenter.sh/do-not-disrupt=true", "waiting for PDB default/blocked", "The node is removed at")
		for _, pod := range []*corev1.Pod{held, blocked} {
			Eventually(exists(pod)).WithTimeout(timeout).Should(BeFalse())
			Expect(time.Since(began)).To(BeNumerically(">", 3*time.Second), "not before it has just its grace period left")
			Expect(*pod.DeletionGracePeriodSeconds).To(BeNumerically("<=", 4))
		}
		expectGone(mn)
	})

	It("waits for a pod that must not be disrupted", func() {
		mn := startNode("protected", "")
		pod := createPodOn(mn.Name, "database", atOnce, func(p *corev1.Pod) { p.Annotations = map[string]string{v1alpha1.AnnotationDoNotDisrupt: "true"} })
		Expect(strict.Delete(ctx, mn)).To(Succeed())
		expectCondition(mn, v1alpha1.ConditionReady, "False Draining", "default/database: is annotated k8sm.io/do-not-disrupt=true")
		Consistently(exists(pod)).WithTimeout(3 * time.Second).Should(BeTrue())
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(pod), pod)).To(Succeed())
		pod.Annotations = nil
		Expect(strict.Update(ctx, pod)).To(Succeed())
		expectGone(mn)
	})

	It("evicts pods of a lower priority first", func() {
		for name, value := range map[string]int32{"low": 0, "high": 1000} {
			class := priorityClass(name, value)
			Expect(strict.Create(ctx, class)).To(Succeed())
			DeferCleanup(func() { Expect(strict.Delete(ctx, class)).To(Succeed()) })
		}
		mn := startNode("banded", "{priorityBands: [{minPriority: 1000, timeout: 1h}, {minPriority: 0, timeout: 1h}]}")
		low := createPodOn(mn.Name, "low", func(p *corev1.Pod) { p.Spec.PriorityClassName = "low" })
		high := createPodOn(mn.Name, "high", atOnce, func(p *corev1.Pod) { p.Spec.PriorityClassName = "high" })
		Expect(strict.Delete(ctx, mn)).To(Succeed())
		Eventually(exists(low)).WithTimeout(timeout).Should(BeFalse())
		expectCondition(mn, v1alpha1.ConditionDrained, "False Draining", "1 ending (default/low)", "1 waiting for their turn (default/high)")
		Consistently(exists(high)).WithTimeout(3 * time.Second).Should(BeTrue())
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(mn), mn)).To(Succeed())
		Expect(mn.Status.DrainStage).To(HaveValue(HaveField("MinPriority", BeEquivalentTo(0))))
		deletePod("low")
		expectGone(mn)
		Expect(exists(high)()).To(BeFalse())
	})

	It("treats pods by the rules of the pool", func() {
		storage := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "storage", Labels: map[string]string{"team": "storage"}}}
		Expect(strict.Create(ctx, storage)).To(Succeed())
		mn := startNode("ruled", `{rules: [
			{name: batch, podSelector: {matchLabels: {kind: job}}, behavior: WaitCompleted},
			{name: agents, podSelector: {matchLabels: {kind: agent}}, behavior: Skip},
			{name: storage, namespaceSelector: {matchLabels: {team: storage}}, order: 1}]}`)
		kind := func(kind string) func(*corev1.Pod) {
			return func(p *corev1.Pod) { p.Labels["kind"] = kind }
		}
		job := createPodOn(mn.Name, "job", atOnce, kind("job"))
		agent := createPodOn(mn.Name, "agent", atOnce, kind("agent"))
		web := createPodOn(mn.Name, "web", atOnce)
		disk := createPodOn(mn.Name, "disk", atOnce, func(p *corev1.Pod) { p.Namespace = "storage" })
		Expect(strict.Delete(ctx, mn)).To(Succeed())
		Eventually(exists(web)).WithTimeout(timeout).Should(BeFalse())
		expectCondition(mn, v1alpha1.ConditionDrained, "False Draining", `default/job: has not completed, as the rule "batch" requires`, "1 waiting for their turn (storage/disk)")
		Consistently(exists(disk)).WithTimeout(3 * time.Second).Should(BeTrue())
		Expect(exists(job)()).To(BeTrue())
		job.Status.Phase = corev1.PodSucceeded
		Expect(strict.Status().Update(ctx, job)).To(Succeed())
		expectGone(mn)
		Expect(exists(disk)()).To(BeFalse())
		Expect(exists(agent)()).To(BeTrue(), "it ends with the node")
	})

	It("waits for hooks before it begins, and before the task ends", func() {
		mn := startNode("hooked", "")
		pod := createPodOn(mn.Name, "web-hooked", atOnce)
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(mn), mn)).To(Succeed())
		mn.Annotations = map[string]string{"pre-drain.k8sm.io/backup": "velero", "pre-terminate.k8sm.io/report": ""}
		Expect(strict.Update(ctx, mn)).To(Succeed())
		Expect(strict.Delete(ctx, mn)).To(Succeed())
		expectCondition(mn, v1alpha1.ConditionDrained, "False WaitingForHook", "pre-drain.k8sm.io/backup (velero)")
		Consistently(exists(pod)).WithTimeout(3 * time.Second).Should(BeTrue())
		removeHook := func(name string) {
			GinkgoHelper()
			before := client.MergeFrom(mn.DeepCopy())
			delete(mn.Annotations, name)
			Expect(strict.Patch(ctx, mn, before)).To(Succeed())
		}
		removeHook("pre-drain.k8sm.io/backup")
		Eventually(exists(pod)).WithTimeout(timeout).Should(BeFalse())
		expectCondition(mn, v1alpha1.ConditionReady, "False WaitingForHook", "pre-terminate.k8sm.io/report")
		expectCondition(mn, v1alpha1.ConditionDrained, "True Drained")
		removeHook("pre-terminate.k8sm.io/report")
		expectGone(mn)
	})

	It("records which pods nobody will create again, before they go", func() {
		mn := startNode("bare", "")
		createPodOn(mn.Name, "pet", atOnce)
		Expect(strict.Delete(ctx, mn)).To(Succeed())
		Eventually(func() []string {
			var list eventsv1.EventList
			Expect(strict.List(ctx, &list)).To(Succeed())
			var notes []string
			for _, e := range list.Items {
				if e.Regarding.UID == mn.UID && e.Reason == v1alpha1.EventPodWithoutController {
					notes = append(notes, e.Note)
				}
			}
			return notes
		}).WithTimeout(timeout).Should(ContainElement(ContainSubstring("default/pet")))
		expectGone(mn)
	})
})

// createPodOn creates a pod that runs on a node, and has the label app with its name.
func createPodOn(node, name string, change ...func(*corev1.Pod)) *corev1.Pod {
	GinkgoHelper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{Name: "main", Image: "none"}}},
	}
	for _, c := range change {
		c(pod)
	}
	Expect(strict.Create(ctx, pod)).To(Succeed())
	DeferCleanup(func() {
		Expect(client.IgnoreNotFound(strict.Delete(ctx, pod, client.GracePeriodSeconds(0)))).To(Succeed())
	})
	pod.Status.Phase = corev1.PodRunning
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	Expect(strict.Status().Update(ctx, pod)).To(Succeed())
	return pod
}

// createBudget creates a PodDisruptionBudget for the pods of an app, which allows no disruption.
func createBudget(app string) {
	GinkgoHelper()
	one := intstr.FromInt32(1)
	budget := &policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: app},
		Spec:       policyv1.PodDisruptionBudgetSpec{MinAvailable: &one, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}}},
	}
	Expect(strict.Create(ctx, budget)).To(Succeed())
	DeferCleanup(func() { Expect(strict.Delete(ctx, budget)).To(Succeed()) })
	budget.Status = policyv1.PodDisruptionBudgetStatus{ObservedGeneration: budget.Generation, CurrentHealthy: 1, DesiredHealthy: 1, ExpectedPods: 1}
	Expect(strict.Status().Update(ctx, budget)).To(Succeed())
}

func priorityClass(name string, value int32) *schedulingv1.PriorityClass {
	return &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Value: value}
}
