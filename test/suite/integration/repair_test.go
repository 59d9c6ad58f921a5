package integration

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

var _ = Describe("A node that does not work", Ordered, func() {
	var pool *v1alpha1.MesosNodePool
	BeforeAll(func() {
		startOperator()
		mf := newFramework("repair", newMaster(mesostest.MasterOptions{}, 4).Addr())
		pool = newPool("repair", "repair", edit{"spec replicas", "3"}, edit{"spec repair", `{rules: [{condition: KernelDeadlock, status: "True", after: 1m}]}`})
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady", "3 of 3 nodes are ready")
		expectCondition(pool, v1alpha1.ConditionRepairPermitted, "True FewUnhealthy", "No node is unhealthy.")
	})

	names := func() (out []string) {
		for _, mn := range nodesOf("repair") {
			out = append(out, mn.Name)
		}
		slices.Sort(out)
		return out
	}
	// deadlock reports of a Node what node-problem-detector would, since some time ago.
	deadlock := func(name string, ago time.Duration) {
		GinkgoHelper()
		node := &corev1.Node{}
		Expect(strict.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
		before := client.MergeFrom(node.DeepCopy())
		at := metav1.NewTime(time.Now().Add(-ago))
		node.Status.Conditions = append(node.Status.Conditions, corev1.NodeCondition{
			Type: "KernelDeadlock", Status: corev1.ConditionTrue, LastHeartbeatTime: at, LastTransitionTime: at,
		})
		Expect(strict.Status().Patch(ctx, node, before)).To(Succeed())
	}

	It("is replaced", func() {
		before := names()
		deadlock(before[0], time.Hour)
		expectCondition(pool, v1alpha1.ConditionRepairPermitted, "True FewUnhealthy", "1 node is unhealthy: "+before[0])
		Eventually(names).WithTimeout(2 * timeout).ShouldNot(ContainElement(before[0]))
		Expect(names()).To(ContainElements(before[1], before[2]))
		Eventually(func() (ready int) { // the pool's condition may be that of before
			for _, mn := range nodesOf("repair") {
				if isReady(mn) && mn.DeletionTimestamp.IsZero() {
					ready++
				}
			}
			return ready
		}).WithTimeout(timeout).Should(Equal(3))
	})

	It("is not replaced while too many do not work at once", func() {
		before := names()
		for _, name := range before {
			deadlock(name, 50*time.Second)
		}
		expectCondition(pool, v1alpha1.ConditionRepairPermitted, "False TooManyUnhealthy", "3 of 3 nodes (1 may be), 3 of 3 nodes in zone eu-1 (1 may be) are unhealthy, and spec.repair.maxUnhealthy is 20%")
		Consistently(names).WithTimeout(20 * time.Second).Should(Equal(before))
	})
})
