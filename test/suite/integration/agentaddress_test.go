package integration

import (
	"context"
	"net/netip"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

var _ = Describe("An agent with the address of somebody else", Ordered, func() {
	const balancer, service, worker, own = "198.51.100.1", "10.0.0.77", "198.51.100.3", "198.51.100.4"

	It("gets no node, and other agents do", func() {
		startOperatorWith(func(o *controllers.Options) {
			o.NodeDefaults.APIServer = "https://kubernetes.example:6443"
			o.LookupHost = func(context.Context, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr(balancer)}, nil
			}
		})
		other := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "worker-3"}}
		Expect(strict.Create(ctx, other)).To(Succeed())
		DeferCleanup(func() { _ = strict.Delete(ctx, other) })
		other.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: worker}}
		Expect(strict.Status().Update(ctx, other)).To(Succeed())

		master := newMaster(mesostest.MasterOptions{}, 0)
		for _, ip := range []string{balancer, service, worker, own} {
			_, err := master.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(fakeKubelet), IP: ip})
			Expect(err).NotTo(HaveOccurred())
		}
		mf := newFramework("addresses", master.Addr())
		newPool("addresses", "addresses", edit{"spec replicas", "4"})
		Eventually(func() (refused []string) {
			Expect(strict.Get(ctx, client.ObjectKeyFromObject(mf), mf)).To(Succeed())
			for _, f := range mf.Status.AgentFailures {
				refused = append(refused, f.AgentHostname+": "+f.Message)
			}
			return refused
		}).WithTimeout(timeout).Should(ConsistOf(
			And(HavePrefix("agent-1.example"), ContainSubstring(balancer+" is that of the API server")),
			And(HavePrefix("agent-2.example"), ContainSubstring(service)),
			And(HavePrefix("agent-3.example"), ContainSubstring("worker-3")),
		))
		Eventually(func() (ready []string) {
			for _, mn := range nodesOf("addresses") {
				if isReady(mn) {
					ready = append(ready, mn.Status.Task.AgentAddress)
				}
			}
			return ready
		}).WithTimeout(timeout).Should(ConsistOf(own))
		Expect(containers(master)()).To(Equal(1))
		expectCondition(mf, v1alpha1.ConditionAgentsUsable, "False AgentsBackingOff", "3 agents are left alone")
	})
})
