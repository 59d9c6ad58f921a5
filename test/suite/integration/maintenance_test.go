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

	// startNode starts a cluster of two agents with one node. It returns the agent with the
	// node and the other one.
	startNode := func(name string, options mesostest.MasterOptions, edits ...edit) (master *mesostest.Master, pool *v1alpha1.MesosNodePool, used, free *mesostest.Agent) {
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
	expectGone := func(mn v1alpha1.MesosNode) {
		GinkgoHelper()
		Eventually(func() error { return strict.Get(ctx, client.ObjectKeyFromObject(&mn), &mn) }).WithTimeout(2 * timeout).
			Should(MatchError(ContainSubstring("not found")))
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(&mn), &corev1.Node{})).To(MatchError(ContainSubstring("not found")))
	}

	It("is replaced on another agent before its agent's maintenance", func() {
		master, pool, used, free := startNode("maintenance", mesostest.MasterOptions{})
		before := nodesOf("maintenance")[0]
		Expect(master.ScheduleMaintenance(mesostest.MaintenanceWindow{
			Start: time.Now().Add(10 * time.Minute), Duration: time.Hour, Agents: []*mesostest.Agent{used},
		})).To(Succeed())
		expectGone(before)
		Eventually(free.Containers).WithTimeout(timeout).Should(Equal(1))
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		Expect(used.Containers()).To(BeZero())
	})

	It("stays on an agent whose maintenance is a day away", func() {
		master, _, used, _ := startNode("far-off", mesostest.MasterOptions{})
		Expect(master.ScheduleMaintenance(mesostest.MaintenanceWindow{
			Start: time.Now().Add(24 * time.Hour), Duration: time.Hour, Agents: []*mesostest.Agent{used},
		})).To(Succeed())
		Consistently(func() []v1alpha1.MesosNode { return nodesOf("far-off") }).WithTimeout(3 * time.Second).
			Should(ConsistOf(HaveField("DeletionTimestamp", BeNil())))
	})

	It("is replaced on another agent when its agent is drained", func() {
		_, pool, used, free := startNode("drained", mesostest.MasterOptions{})
		before := nodesOf("drained")[0]
		used.Drain(mesostest.NoMaxGrace, false)
		expectGone(before)
		Eventually(free.Containers).WithTimeout(timeout).Should(Equal(1))
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		Eventually(used.Drained).WithTimeout(timeout).Should(BeTrue())
	})

	It("is replaced when its agent stays unreachable, and killed when the agent returns", func() {
		_, pool, used, free := startNode("away", mesostest.MasterOptions{}, edit{"spec unreachable", "{replaceAfter: 1m}"})
		before := nodesOf("away")[0]
		used.MarkUnreachable()
		expectCondition(&before, v1alpha1.ConditionLaunched, "Unknown TaskUnreachable", "the pool waits")
		unreachableSince := time.Now()
		Eventually(free.Containers).WithTimeout(2 * timeout).Should(Equal(1))
		Expect(time.Since(unreachableSince)).To(BeNumerically(">", timeout-2*time.Second))
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(&before), &corev1.Node{})).To(Succeed(), "the Node stays while its task may run")
		Expect(used.Containers()).To(Equal(1))

		used.Reconnect()
		expectGone(before)
		Eventually(used.Containers).WithTimeout(timeout).Should(BeZero())
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		Expect(nodesOf("away")).To(HaveLen(1))
	})
})
