package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodenames"
)

// kubeletClient returns a client with the name and groups of a node's kubelet.
func kubeletClient(node string, groups ...string) client.Client {
	GinkgoHelper()
	access := rest.CopyConfig(config)
	access.Impersonate = rest.ImpersonationConfig{UserName: "system:node:" + node, Groups: append(groups, "system:nodes", "system:authenticated")}
	c, err := client.New(access, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	return c
}

// allowKubelets gives kubelets the rights that the Node authorizer would.
func allowKubelets() {
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "test-kubelets"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:node"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "system:nodes"}},
	}
	Expect(client.IgnoreAlreadyExists(strict.Create(ctx, binding))).To(Succeed())
}

var _ = Describe("The admission policies", Ordered, func() {
	var names *nodenames.Store
	BeforeAll(func() {
		startOperator()
		allowKubelets()
		names = &nodenames.Store{Client: strict, Live: strict, Namespace: namespace}
	})

	It("refuse a removed node that registers or asks for a certificate, until its certificate has expired", func() {
		Expect(names.SetRemoved(ctx, "gone-1", time.Now().Add(time.Hour))).To(Succeed())
		gone := kubeletClient("gone-1")
		refused := And(MatchError(apierrors.IsForbidden, "forbidden"), MatchError(ContainSubstring("removed by k8sm")))
		Eventually(func() error {
			return gone.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "gone-1"}}, client.DryRunAll)
		}).WithTimeout(timeout).Should(refused)
		csr, err := certificateRequest("gone-1-renewal", "gone-1")
		Expect(err).NotTo(HaveOccurred())
		Expect(gone.Create(ctx, csr)).To(refused)

		By("leaving other kubelets alone")
		other := kubeletClient("other-1")
		Expect(other.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "other-1"}}, client.DryRunAll)).To(Succeed())

		By("forgetting the name")
		Expect(names.SetRemoved(ctx, "gone-1", time.Now().Add(-time.Second))).To(Succeed())
		Eventually(func() error {
			return gone.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "gone-1"}}, client.DryRunAll)
		}).WithTimeout(timeout).Should(Succeed())
	})

	It("are backed by the operator, which deletes and reports a removed node that came back", func() {
		Expect(names.SetRemoved(ctx, "gone-2", time.Now().Add(time.Hour))).To(Succeed())
		Expect(strict.Create(ctx, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "gone-2"}, Spec: corev1.NodeSpec{ProviderID: "mesos://S1/gone-2.0f1e2d3c.1"}})).To(Succeed())
		Eventually(func() error {
			return strict.Get(ctx, client.ObjectKey{Name: "gone-2"}, &corev1.Node{})
		}).WithTimeout(timeout).Should(MatchError(apierrors.IsNotFound, "not found"))
		Eventually(func() []string {
			var found corev1.EventList
			Expect(strict.List(ctx, &found)).To(Succeed())
			var reasons []string
			for _, e := range found.Items {
				if e.InvolvedObject.Name == "gone-2" {
					reasons = append(reasons, e.Reason)
				}
			}
			return reasons
		}).WithTimeout(timeout).Should(ContainElement(v1alpha1.EventRemovedNodeReturned))
	})

	It("limit the lifetime of our nodes' certificates to 14 days", func() {
		const fortnight = 14 * 24 * 60 * 60
		record := &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{Name: "short-1"}}
		record.Spec.FrameworkRef.Name = "none"
		record.Spec.Template.Spec.Resources = v1alpha1.NodeResources{CPU: resource.MustParse("1"), Memory: resource.MustParse("1Gi")}
		Expect(strict.Create(ctx, record)).To(Succeed())
		DeferCleanup(func() { deleteAndWait(record) })
		Expect(names.SetLive(ctx, "short-1", time.Now().Add(time.Hour))).To(Succeed())
		lifetime := func(who client.Client, node string, change func(*certificatesv1.CertificateSigningRequest)) func() *int32 {
			return func() *int32 {
				csr, err := certificateRequest("lifetime-of-"+node, node)
				Expect(err).NotTo(HaveOccurred())
				change(csr)
				Expect(who.Create(ctx, csr, client.DryRunAll)).To(Succeed())
				return csr.Spec.ExpirationSeconds
			}
		}
		asIs := func(*certificatesv1.CertificateSigningRequest) {}
		asking := func(seconds int32) func(*certificatesv1.CertificateSigningRequest) {
			return func(csr *certificatesv1.CertificateSigningRequest) { csr.Spec.ExpirationSeconds = &seconds }
		}
		By("for renewals")
		Eventually(lifetime(kubeletClient("short-1"), "short-1", asIs)).WithTimeout(timeout).Should(HaveValue(BeEquivalentTo(fortnight)))
		Expect(lifetime(kubeletClient("short-1"), "short-1", asking(2*fortnight))()).To(HaveValue(BeEquivalentTo(fortnight)))
		Expect(lifetime(kubeletClient("short-1"), "short-1", asking(3600))()).To(HaveValue(BeEquivalentTo(3600)))
		By("for serving certificates")
		Expect(lifetime(kubeletClient("short-1"), "short-1", func(csr *certificatesv1.CertificateSigningRequest) {
			csr.Spec.SignerName = certificatesv1.KubeletServingSignerName
			csr.Spec.Usages = []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth}
		})()).To(HaveValue(BeEquivalentTo(fortnight)))
		By("for first certificates")
		Expect(lifetime(kubeletClient("short-2", v1alpha1.BootstrapGroup), "short-2", asIs)()).To(HaveValue(BeEquivalentTo(fortnight)))
		By("leaving other nodes alone")
		Expect(lifetime(kubeletClient("other-1"), "other-1", asIs)()).To(BeNil())
	})

	It("let no kubelet add, change or remove labels of k8sm and of its pool's template", func() {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{
			Name:        "labels-1",
			Labels:      map[string]string{v1alpha1.LabelPool: "general", "gpu.k8sm.io/model": "a", "team": "data", "mine": "a"},
			Annotations: map[string]string{v1alpha1.AnnotationTemplateLabels: "team,zone"},
		}}
		Expect(strict.Create(ctx, node)).To(Succeed())
		DeferCleanup(func() { _ = strict.Delete(ctx, node) })
		patch := func(who client.Client, change string) error {
			return who.Patch(ctx, node.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata": `+change+`}`)), client.DryRunAll)
		}
		kubelet := kubeletClient("labels-1")
		Eventually(func() error { return patch(kubelet, `{"labels": {"k8sm.io/pool": null}}`) }).WithTimeout(timeout).
			Should(MatchError(ContainSubstring("must not change or remove labels")))
		for _, change := range []string{
			`{"labels": {"k8sm.io/pool": "other"}}`, `{"labels": {"k8sm.io/shape": "large"}}`, `{"labels": {"gpu.k8sm.io/model": null}}`,
			`{"labels": {"team": "web"}}`, `{"labels": {"team": null}}`, `{"labels": {"zone": "z1"}}`,
			`{"annotations": {"k8sm.io/template-labels": ""}}`, `{"annotations": {"k8sm.io/template-labels": null}, "labels": {"team": "web"}}`,
		} {
			Expect(patch(kubelet, change)).To(MatchError(apierrors.IsForbidden, "forbidden"), change)
			Expect(patch(strict, change)).To(Succeed(), "an administrator: "+change)
		}
		for _, change := range []string{`{"labels": {"mine": "b"}}`, `{"labels": {"feature.example.com/x": "y", "k8sm.io.example.com/x": "y"}}`, `{"annotations": {"a": "b"}}`} {
			Expect(patch(kubelet, change)).To(Succeed(), change)
		}
	})
})
