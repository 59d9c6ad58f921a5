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
		Expect(names.SetLive(ctx, "short-1", time.Now().Add(time.Hour), false)).To(Succeed())
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
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{
				Name: "labels-1",
				Labels: map[string]string{
					v1alpha1.LabelPool: "general", "gpu.k8sm.io/model": "a", "team": "data", "mine": "a",
					"topology.kubernetes.io/zone": "eu-1", "node.kubernetes.io/instance-type": "large",
				},
				Annotations: map[string]string{v1alpha1.AnnotationTemplateLabels: "team,tier,node.kubernetes.io/instance-type", v1alpha1.AnnotationAppliedTemplate: "{}"},
			},
			Spec: corev1.NodeSpec{ProviderID: "mesos://S1/labels-1.0f1e2d3c.1"},
		}
		other := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "labels-2"}}
		Expect(strict.Create(ctx, node)).To(Succeed())
		Expect(strict.Create(ctx, other)).To(Succeed())
		DeferCleanup(func() { _, _ = strict.Delete(ctx, node), strict.Delete(ctx, other) })
		patch := func(who client.Client, what *corev1.Node, change string) error {
			return who.Patch(ctx, what.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata": `+change+`}`)), client.DryRunAll)
		}
		kubelet := kubeletClient("labels-1")
		Eventually(func() error { return patch(kubelet, node, `{"labels": {"k8sm.io/pool": null}}`) }).WithTimeout(timeout).
			Should(MatchError(ContainSubstring("must not change or remove labels")))
		for _, change := range []string{
			`{"labels": {"k8sm.io/pool": "other"}}`, `{"labels": {"k8sm.io/shape": "large"}}`, `{"labels": {"gpu.k8sm.io/model": null}}`,
			`{"labels": {"team": "web"}}`, `{"labels": {"team": null}}`, `{"labels": {"tier": "2"}}`,
			`{"labels": {"topology.kubernetes.io/zone": "eu-2"}}`, `{"labels": {"topology.kubernetes.io/region": "eu"}}`,
			`{"annotations": {"k8sm.io/template-labels": ""}}`, `{"annotations": {"k8sm.io/template-labels": null}, "labels": {"team": "web"}}`,
			`{"annotations": {"k8sm.io/applied-template": "{\"labels\": {\"mine\": \"a\"}}"}}`, `{"annotations": {"k8sm.io/other": "x"}}`,
		} {
			Expect(patch(kubelet, node, change)).To(MatchError(apierrors.IsForbidden, "forbidden"), change)
			Expect(patch(strict, node, change)).To(Succeed(), "an administrator: "+change)
		}
		for _, change := range []string{
			`{"labels": {"mine": "b"}}`, `{"labels": {"feature.example.com/x": "y", "k8sm.io.example.com/x": "y"}}`, `{"annotations": {"a": "b"}}`,
			`{"labels": {"node.kubernetes.io/instance-type": "small"}}`,
		} {
			Expect(patch(kubelet, node, change)).To(Succeed(), change)
		}
		By("leaving the zones of other nodes alone")
		Expect(patch(kubeletClient("labels-2"), other, `{"labels": {"topology.kubernetes.io/zone": "eu-2"}}`)).To(Succeed())
	})

	It("let a kubelet register only with the registration taint and without labels of k8sm", func() {
		for _, name := range []string{"tainted-1", "earlier-1"} {
			record := &v1alpha1.MesosNode{ObjectMeta: metav1.ObjectMeta{Name: name}}
			record.Spec.FrameworkRef.Name = "none"
			record.Spec.Template.Spec.Resources = v1alpha1.NodeResources{CPU: resource.MustParse("1"), Memory: resource.MustParse("1Gi")}
			Expect(strict.Create(ctx, record)).To(Succeed())
			DeferCleanup(func() { deleteAndWait(record) })
		}
		Expect(names.SetLive(ctx, "tainted-1", time.Now().Add(time.Hour), true)).To(Succeed())
		Expect(names.SetLive(ctx, "earlier-1", time.Now().Add(time.Hour), false)).To(Succeed())
		register := func(name string, change func(*corev1.Node)) error {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"kubernetes.io/os": "linux", "mine": "a"}}, Spec: corev1.NodeSpec{
				ProviderID: "mesos://S1/" + name + ".0f1e2d3c.1",
				Taints:     []corev1.Taint{{Key: v1alpha1.TaintUnregistered, Effect: corev1.TaintEffectNoSchedule}},
			}}
			change(node)
			return kubeletClient(name).Create(ctx, node, client.DryRunAll)
		}
		asTold := func(*corev1.Node) {}
		forbidden := map[string]func(*corev1.Node){
			"no taint":                              func(n *corev1.Node) { n.Spec.Taints = nil },
			"neither taint nor provider ID":         func(n *corev1.Node) { n.Spec.Taints, n.Spec.ProviderID = nil, "" },
			"a taint that prevents nothing":         func(n *corev1.Node) { n.Spec.Taints[0].Effect = corev1.TaintEffectPreferNoSchedule },
			"the label of another pool":             func(n *corev1.Node) { n.Labels[v1alpha1.LabelPool] = "payments" },
			"a label of a subdomain":                func(n *corev1.Node) { n.Labels["gpu.k8sm.io/model"] = "a" },
			"a zone":                                func(n *corev1.Node) { n.Labels["topology.kubernetes.io/zone"] = "eu-1" },
			"what the operator is said to have set": func(n *corev1.Node) { n.Annotations = map[string]string{v1alpha1.AnnotationAppliedTemplate: "{}"} },
		}
		Eventually(func() error { return register("tainted-1", forbidden["no taint"]) }).WithTimeout(timeout).
			Should(MatchError(ContainSubstring("must register its Node with the taint")))
		for what, change := range forbidden {
			Expect(register("tainted-1", change)).To(MatchError(apierrors.IsForbidden, "forbidden"), what)
		}
		Expect(register("tainted-1", asTold)).To(Succeed())
		By("letting kubelets of an earlier release, and others, register as before")
		for _, name := range []string{"earlier-1", "other-1"} {
			Expect(register(name, func(n *corev1.Node) { n.Spec.Taints, n.Labels[v1alpha1.LabelPool] = nil, "general" })).To(Succeed(), name)
		}
	})
})
