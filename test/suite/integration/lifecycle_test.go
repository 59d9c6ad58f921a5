package integration

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

var _ = Describe("The operator", Ordered, func() {
	BeforeAll(startOperator)

	Context("with a Mesos cluster", Ordered, func() {
		var (
			master *mesostest.Master
			mf     *v1alpha1.MesosFramework
			pool   *v1alpha1.MesosNodePool
		)
		BeforeAll(func() {
			master = newMaster(mesostest.MasterOptions{}, 5)
			mf = newFramework("default", master.Addr())
			pool = newPool("general", "default")
		})

		It("registers the framework", func() {
			expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed", master.Addr(), "Mesos 1.11.1")
			Eventually(func() string {
				Expect(strict.Get(ctx, client.ObjectKeyFromObject(mf), mf)).To(Succeed())
				return mf.Status.FrameworkID
			}).Should(Equal(master.ID() + "-0000"))
			Expect(mf.Status.ObservedGeneration).To(Equal(mf.Generation))
		})

		It("creates the nodes of a pool", func() {
			expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
			Expect(pool.Status.ReadyReplicas).To(BeEquivalentTo(3))
			Expect(containers(master)()).To(Equal(3))
			for _, mn := range nodesOf("general") {
				var node corev1.Node
				Expect(strict.Get(ctx, client.ObjectKey{Name: mn.Name}, &node)).To(Succeed())
				Expect(node.Spec.ProviderID).To(Equal("mesos://" + mn.Status.Task.AgentID + "/" + mn.Status.Task.ID))
				Expect(node.Labels).To(HaveKeyWithValue(v1alpha1.LabelPool, "general"))
				Expect(node.Labels).To(HaveKeyWithValue(corev1.LabelTopologyZone, "eu-1"))
			}
			Eventually(func() int32 {
				Expect(strict.Get(ctx, client.ObjectKeyFromObject(mf), mf)).To(Succeed())
				return mf.Status.Nodes
			}).WithTimeout(timeout).Should(BeEquivalentTo(3))
		})

		It("approves each node's first certificate, once", func() {
			for _, mn := range nodesOf("general") {
				Expect(mn.Status.Task.CertificateRequest).To(Equal(mn.Status.Task.ID))
				Expect(mn.Status.Task.BootstrapTokenID).To(BeEmpty())
				var csr certificatesv1.CertificateSigningRequest
				Expect(strict.Get(ctx, client.ObjectKey{Name: mn.Status.Task.ID}, &csr)).To(Succeed())
				Expect(csr.Status.Conditions).To(HaveLen(1))
				Expect(csr.Status.Conditions[0].Reason).To(Equal(v1alpha1.ReasonMatchesRecord))
			}
		})

		It("denies another request with a used token", func() {
			mn := nodesOf("general")[0]
			var tokens corev1.SecretList
			Expect(strict.List(ctx, &tokens, client.InNamespace("kube-system"))).To(Succeed())
			for _, secret := range tokens.Items {
				token := string(secret.Data["token-id"]) + "." + string(secret.Data["token-secret"])
				if secret.Type != corev1.SecretTypeBootstrapToken {
					continue
				}
				attacker, err := client.New(tokenConfig(token), client.Options{Scheme: scheme})
				Expect(err).NotTo(HaveOccurred())
				csr, err := certificateRequest("attacker-"+string(secret.Data["token-id"]), mn.Name)
				Expect(err).NotTo(HaveOccurred())
				Expect(attacker.Create(ctx, csr)).To(Succeed())
				Eventually(func() []certificatesv1.CertificateSigningRequestCondition {
					Expect(strict.Get(ctx, client.ObjectKeyFromObject(csr), csr)).To(Succeed())
					return csr.Status.Conditions
				}).WithTimeout(timeout).Should(ConsistOf(HaveField("Type", certificatesv1.CertificateDenied)))
			}
		})

		It("ignores other certificate requests", func() {
			csr, err := certificateRequest("other", "control-plane-1")
			Expect(err).NotTo(HaveOccurred())
			Expect(strict.Create(ctx, csr)).To(Succeed())
			Consistently(func() []certificatesv1.CertificateSigningRequestCondition {
				Expect(strict.Get(ctx, client.ObjectKeyFromObject(csr), csr)).To(Succeed())
				return csr.Status.Conditions
			}).Should(BeEmpty())
		})

		It("replaces a MesosNode that is deleted by hand", func() {
			deleted := nodesOf("general")[0]
			Expect(strict.Delete(ctx, &deleted)).To(Succeed())
			Eventually(func() bool {
				return apierrors.IsNotFound(strict.Get(ctx, client.ObjectKeyFromObject(&deleted), &v1alpha1.MesosNode{}))
			}).WithTimeout(timeout).Should(BeTrue())
			Eventually(func() []v1alpha1.MesosNode { return nodesOf("general") }).WithTimeout(timeout).Should(And(
				HaveLen(3), HaveEach(WithTransform(isReady, BeTrue()))))
			Expect(apierrors.IsNotFound(strict.Get(ctx, client.ObjectKey{Name: deleted.Name}, &corev1.Node{}))).To(BeTrue())
			Expect(containers(master)()).To(Equal(3))
		})

		It("reports why a framework in use is not deleted", func() {
			Expect(strict.Delete(ctx, mf)).To(Succeed())
			expectCondition(mf, v1alpha1.ConditionReady, "False InUse", "MesosNodePool general", "Delete the pools first")
		})

		It("keeps the record of nodes while no master can confirm the end of their tasks", func() {
			master.Inject(func(f *mesostest.Faults) { f.NoLeader = true })
			master.CloseStreams()
			expectCondition(mf, v1alpha1.ConditionSubscribed, "False NoLeader")
			Expect(strict.Delete(ctx, pool)).To(Succeed())
			mn := nodesOf("general")[0]
			expectCondition(&mn, v1alpha1.ConditionReady, "False WaitingForFramework", "confirm that task", v1alpha1.AnnotationForceRelease)
			expectCondition(pool, v1alpha1.ConditionReady, "False Deleting")
			Consistently(func() []v1alpha1.MesosNode { return nodesOf("general") }).Should(HaveLen(3))
		})

		It("releases everything once a master leads again", func() {
			master.Inject(func(f *mesostest.Faults) { f.NoLeader = false })
			deleteAndWait(pool)
			deleteAndWait(mf)
			Expect(containers(master)()).To(BeZero())
			var nodes corev1.NodeList
			Expect(strict.List(ctx, &nodes)).To(Succeed())
			Expect(nodes.Items).To(BeEmpty())
			Expect(master.RemoveFramework(mf.Status.FrameworkID)).NotTo(Succeed(), "Mesos has removed it already")
		})
	})
})

func isReady(node v1alpha1.MesosNode) bool {
	return meta.IsStatusConditionTrue(node.Status.Conditions, v1alpha1.ConditionReady)
}
