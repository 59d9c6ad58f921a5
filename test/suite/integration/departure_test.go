package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

var _ = Describe("A node", Ordered, func() {
	BeforeAll(startOperator)

	// ready starts a cluster of two agents with one node, and returns the agent that has it
	// and the one that has not.
	ready := func(name string, options mesostest.MasterOptions, edits ...edit) (master *mesostest.Master, pool *v1alpha1.MesosNodePool, used, free *mesostest.Agent) {
		GinkgoHelper()
		master = newMaster(options, 2)
		newFramework(name, master.Addr())
		pool = newPool(name, name, append([]edit{{"spec replicas", "1"}}, edits...)...)
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		used, free = master.Agents()[0], master.Agents()[1]
		if used.Containers() == 0 {
			used, free = free, used
		}
		return master, pool, used, free
	}
	gone := func(mn v1alpha1.MesosNode) {
		GinkgoHelper()
		Eventually(func() error { return strict.Get(ctx, client.ObjectKeyFromObject(&mn), &mn) }).WithTimeout(2 * minute).
			Should(MatchError(ContainSubstring("not found")))
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(&mn), &corev1.Node{})).To(MatchError(ContainSubstring("not found")))
	}

	It("leaves its agent before the maintenance, and is replaced on another", func() {
		master, pool, used, free := ready("maintenance", mesostest.MasterOptions{})
		before := nodesOf("maintenance")[0]
		Expect(master.ScheduleMaintenance(mesostest.MaintenanceWindow{
			Start: time.Now().Add(10 * time.Minute), Duration: time.Hour, Agents: []*mesostest.Agent{used},
		})).To(Succeed())
		gone(before)
		Eventually(free.Containers).WithTimeout(minute).Should(Equal(1))
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		Expect(used.Containers()).To(BeZero())
	})

	It("stays on an agent whose maintenance is far off", func() {
		master, _, used, _ := ready("far-off", mesostest.MasterOptions{})
		Expect(master.ScheduleMaintenance(mesostest.MaintenanceWindow{
			Start: time.Now().Add(24 * time.Hour), Duration: time.Hour, Agents: []*mesostest.Agent{used},
		})).To(Succeed())
		Consistently(func() []v1alpha1.MesosNode { return nodesOf("far-off") }).WithTimeout(3 * time.Second).
			Should(ConsistOf(HaveField("DeletionTimestamp", BeNil())))
	})

	It("goes with an agent that is drained, and is replaced on another", func() {
		_, pool, used, free := ready("drained", mesostest.MasterOptions{})
		before := nodesOf("drained")[0]
		used.Drain(mesostest.NoMaxGrace, false)
		gone(before)
		Eventually(free.Containers).WithTimeout(minute).Should(Equal(1))
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		Eventually(used.Drained).WithTimeout(minute).Should(BeTrue())
	})

	It("is replaced when its agent stays away, and killed when that returns", func() {
		_, pool, used, free := ready("away", mesostest.MasterOptions{}, edit{"spec unreachable", "{replaceAfter: 1m}"})
		before := nodesOf("away")[0]
		used.MarkUnreachable()
		expectCondition(&before, v1alpha1.ConditionLaunched, "Unknown TaskUnreachable", "the pool waits")
		cutOff := time.Now()
		Eventually(free.Containers).WithTimeout(2 * minute).Should(Equal(1))
		Expect(time.Since(cutOff)).To(BeNumerically(">", minute-2*time.Second))
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(&before), &corev1.Node{})).To(Succeed(), "the Node stays while its task may run")
		Expect(used.Containers()).To(Equal(1))

		used.Reconnect()
		gone(before)
		Eventually(used.Containers).WithTimeout(minute).Should(BeZero())
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		Expect(nodesOf("away")).To(HaveLen(1))
	})
})
