package integration

import (
	"fmt"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

var _ = Describe("A change of a pool's template", Ordered, func() {
	const agents = 4
	var (
		master *mesostest.Master
		pool   *v1alpha1.MesosNodePool
	)
	BeforeAll(func() {
		startOperator()
		master = newMaster(mesostest.MasterOptions{}, agents)
		mf := newFramework("rollout", master.Addr())
		pool = newPool("rollout", "rollout", edit{"spec replicas", "3"}, edit{"spec disruption", `{budgets: [{nodes: 1}]}`}, edit{"spec rollout", "{maxSurge: 1, maxUnavailable: 0}"})
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady", "3 of 3 nodes are ready")
		expectCondition(pool, v1alpha1.ConditionUpToDate, "True UpToDate", "3 of 3 nodes are up to date.")
	})

	names := func() (out []string) {
		for _, mn := range nodesOf("rollout") {
			out = append(out, mn.Name)
		}
		slices.Sort(out)
		return out
	}
	// change edits the pool; maxPods of its kubelets is changed unless it is 0.
	change := func(maxPods int, how func(*v1alpha1.MesosNodePoolSpec)) {
		GinkgoHelper()
		patchObject(pool, func() {
			if maxPods > 0 {
				pool.Spec.Template.Spec.Kubelet.Config = &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"maxPods": %d}`, maxPods)}
			}
			how(&pool.Spec)
		})
	}
	nothingElse := func(*v1alpha1.MesosNodePoolSpec) {}
	// watchReadiness returns a function that stops watching, and returns the fewest ready nodes and
	// the most containers that were seen.
	watchReadiness := func() func() (fewest, most int) {
		fewest, most := 3, 3
		stop, done := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Millisecond):
				}
				ready := 0
				for _, mn := range nodesOf("rollout") {
					if isReady(mn) && mn.DeletionTimestamp.IsZero() {
						ready++
					}
				}
				fewest, most = min(fewest, ready), max(most, containers(master)())
			}
		}()
		return func() (int, int) { close(stop); <-done; return fewest, most }
	}

	It("replaces the nodes one by one, the new one first", func() {
		before, stop := names(), watchReadiness()
		change(50, nothingElse)
		Eventually(func() []string { return intersect(before, names()) }).WithTimeout(2 * timeout).Should(BeEmpty())
		expectCondition(pool, v1alpha1.ConditionUpToDate, "True UpToDate", "3 of 3 nodes are up to date.")
		fewest, most := stop()
		Expect(fewest).To(Equal(3), "maxUnavailable is 0")
		Expect(most).To(BeNumerically("<=", agents), "maxSurge is 1")
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(pool), pool)).To(Succeed())
		Expect(pool.Status.UpdatedReplicas).To(BeEquivalentTo(3))
		Expect(pool.Status.OutdatedReplicas).To(BeEquivalentTo(0))
		for _, mn := range nodesOf("rollout") {
			Expect(mn.Labels).To(HaveKeyWithValue(v1alpha1.LabelRevision, pool.Status.CurrentRevision))
		}
	})

	It("replaces nothing while the rollout is paused, or a budget forbids it", func() {
		before := names()
		change(60, func(spec *v1alpha1.MesosNodePoolSpec) { spec.Rollout.Paused = true })
		expectCondition(pool, v1alpha1.ConditionUpToDate, "False RolloutPaused", "0 of 3 nodes are up to date, and 3 are to be replaced (3 Outdated)")
		for _, mn := range nodesOf("rollout") {
			expectCondition(&mn, v1alpha1.ConditionDisruptable, "False RolloutPaused", "To be replaced (Outdated)")
		}
		change(0, func(spec *v1alpha1.MesosNodePoolSpec) {
			spec.Rollout.Paused = false
			spec.Disruption.Budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt32(0), Reasons: []v1alpha1.DisruptionReason{v1alpha1.DisruptionOutdated}}}
		})
		expectCondition(pool, v1alpha1.ConditionUpToDate, "False WaitingForBudget", "The disruption budget of 0 allows 0 of 3 nodes at a time")
		for _, mn := range nodesOf("rollout") {
			expectCondition(&mn, v1alpha1.ConditionDisruptable, "False WaitingForBudget", "the disruption budget of 0 allows no further node now")
		}
		Consistently(names).Should(Equal(before))
	})

	It("is undone by the old template, without replacing the nodes that match it", func() {
		before := names()
		change(50, nothingElse)
		expectCondition(pool, v1alpha1.ConditionUpToDate, "True UpToDate", "3 of 3 nodes are up to date.")
		Expect(names()).To(Equal(before))
		Eventually(func() (waiting int) {
			for _, mn := range nodesOf("rollout") {
				if meta.FindStatusCondition(mn.Status.Conditions, v1alpha1.ConditionDisruptable) != nil {
					waiting++
				}
			}
			return waiting
		}).Should(BeZero())
	})
})

// intersect returns the elements of a that are in b.
func intersect(a, b []string) (out []string) {
	for _, x := range a {
		if slices.Contains(b, x) {
			out = append(out, x)
		}
	}
	return out
}
