package integration

import (
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

var _ = Describe("The operator's service account", Ordered, func() {
	var operator client.Client
	BeforeAll(func() {
		applyAll(filepath.Join("..", "..", "..", "config", "manager", "namespace.yaml"))
		applyAll(filepath.Join("..", "..", "..", "config", "rbac", "*.yaml"))
		applyAll(filepath.Join("..", "..", "..", "config", "rbac", "autoscaling", "*.yaml"))
		applyAll(filepath.Join("..", "..", "..", "config", "policies", "*.yaml"))
		var err error
		operator, err = client.New(operatorAccess(), client.Options{Scheme: scheme})
		Expect(err).NotTo(HaveOccurred())
	})

	secret := func(name string, change func(*corev1.Secret)) *corev1.Secret {
		s := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: "kube-system", Name: name, Labels: map[string]string{"app.kubernetes.io/managed-by": "k8sm"}},
			Type:       corev1.SecretTypeBootstrapToken,
			StringData: map[string]string{"token-id": name[len(name)-6:], "token-secret": "0123456789abcdef", "auth-extra-groups": v1alpha1.BootstrapGroup},
		}
		change(s)
		return s
	}
	unchanged := func(*corev1.Secret) {}

	It("creates and deletes only its own bootstrap tokens", func() {
		foreign := secret("bootstrap-token-aaaaaa", func(s *corev1.Secret) { s.Labels = nil })
		Expect(strict.Create(ctx, foreign)).To(Succeed())
		DeferCleanup(strict.Delete, ctx, foreign)
		// A new policy takes a moment until the API server applies it.
		Eventually(func() error { return operator.Delete(ctx, foreign, client.DryRunAll) }).WithTimeout(timeout).
			Should(MatchError(ContainSubstring("only its own bootstrap tokens")))
		for name, other := range map[string]*corev1.Secret{
			"of another type":   secret("bootstrap-token-bbbbbb", func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }),
			"without its label": secret("bootstrap-token-bbbbbb", func(s *corev1.Secret) { s.Labels = nil }),
			"with another group": secret("bootstrap-token-bbbbbb", func(s *corev1.Secret) {
				s.StringData["auth-extra-groups"] = "system:bootstrappers:kubeadm:default-node-token"
			}),
			"with two groups": secret("bootstrap-token-bbbbbb", func(s *corev1.Secret) {
				s.StringData["auth-extra-groups"] += ",system:bootstrappers:others"
			}),
			"that signs cluster-info": secret("bootstrap-token-bbbbbb", func(s *corev1.Secret) {
				s.StringData["usage-bootstrap-signing"] = "true"
			}),
		} {
			Expect(apierrors.IsForbidden(operator.Create(ctx, other))).To(BeTrue(), "a token %s", name)
		}
		own := secret("bootstrap-token-cccccc", unchanged)
		Expect(operator.Create(ctx, own)).To(Succeed())
		Expect(operator.Delete(ctx, own)).To(Succeed())
	})

	It("changes and deletes only the Nodes of k8sm", func() {
		for providerID, permitted := range map[string]bool{"mesos://S1/a.1": true, "aws:///eu/i-1": false, "": false} {
			node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{GenerateName: "policy-"}, Spec: corev1.NodeSpec{ProviderID: providerID}}
			Expect(strict.Create(ctx, node)).To(Succeed())
			DeferCleanup(func() { _ = strict.Delete(ctx, node) })
			attempt := func(change func() error) {
				GinkgoHelper()
				if permitted {
					Expect(change()).To(Succeed(), providerID)
					return
				}
				Eventually(change).WithTimeout(timeout).Should(MatchError(ContainSubstring("provider ID")), providerID)
			}
			cordoned := node.DeepCopy()
			cordoned.Spec.Unschedulable = true
			attempt(func() error { return operator.Patch(ctx, cordoned, client.MergeFrom(node), client.DryRunAll) })
			attempt(func() error { return operator.Delete(ctx, node, client.DryRunAll) })
		}
	})

	It("approves only the requests of nodes and of its own bootstrap tokens", func() {
		for user, groups := range map[string][]string{
			"system:bootstrap:aaaaaa": {"system:bootstrappers", "system:bootstrappers:kubeadm:default-node-token"},
			"system:anonymous":        {v1alpha1.BootstrapGroup},
		} {
			as := operatorAccess()
			as.Impersonate.UserName, as.Impersonate.Groups = user, append(groups, "system:masters")
			requestor, err := client.New(as, client.Options{Scheme: scheme})
			Expect(err).NotTo(HaveOccurred())
			request, err := certificateRequest("policy-"+strings.ReplaceAll(user, ":", "-"), "anybody")
			Expect(err).NotTo(HaveOccurred())
			Expect(requestor.Create(ctx, request)).To(Succeed())
			DeferCleanup(strict.Delete, ctx, request)
			request.Status.Conditions = append(request.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
				Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "Policy",
			})
			Eventually(func() error { return operator.SubResource("approval").Update(ctx, request, client.DryRunAll) }).WithTimeout(timeout).
				Should(MatchError(ContainSubstring("only requests of nodes")), user)
		}
	})
})
