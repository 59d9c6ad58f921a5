package integration

import (
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// hostNetworkPod is a pod with the agent's network. Its terms of node affinity are those of a
// list, one requirement each.
func hostNetworkPod(namespace string, requirements ...corev1.NodeSelectorRequirement) *corev1.Pod {
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "host-network-", Namespace: namespace},
		Spec:       corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{Name: "main", Image: "example/main:1"}}},
	}
	var terms []corev1.NodeSelectorTerm
	for _, r := range requirements {
		terms = append(terms, corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{r}})
	}
	if len(terms) > 0 {
		pod.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{NodeSelectorTerms: terms}}}
	}
	return pod
}

var _ = Describe("Policies", func() {
	It("keep pods with the agent's network off our nodes", func() {
		applyAll(filepath.Join("..", "..", "..", "config", "policies", "host-network", "policy.yaml"))
		meta := metav1.ObjectMeta{Name: "k8sm-host-network"}
		DeferCleanup(func() {
			Expect(strict.Delete(ctx, &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: meta})).To(Succeed())
			Expect(strict.Delete(ctx, &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: meta})).To(Succeed())
		})
		elsewhere := corev1.NodeSelectorRequirement{Key: "k8sm.io/pool", Operator: corev1.NodeSelectorOpDoesNotExist}
		other := corev1.NodeSelectorRequirement{Key: "kubernetes.io/os", Operator: corev1.NodeSelectorOpIn, Values: []string{"linux"}}
		create := func(pod *corev1.Pod) error { return strict.Create(ctx, pod, client.DryRunAll) }

		By("refusing them")
		Eventually(func() bool { return apierrors.IsForbidden(create(hostNetworkPod("default"))) }).
			WithTimeout(30*time.Second).Should(BeTrue(), "a policy takes a moment to be in force")
		Expect(create(hostNetworkPod("default"))).To(MatchError(ContainSubstring("k8sm.io/allow-host-network=true")))
		Expect(apierrors.IsForbidden(create(hostNetworkPod("default", other)))).To(BeTrue())
		Expect(apierrors.IsForbidden(create(hostNetworkPod("default", elsewhere, other)))).To(BeTrue(), "one of the terms leads to our nodes")

		By("admitting what cannot reach an agent, and what may")
		pod := hostNetworkPod("default")
		pod.Spec.HostNetwork = false
		Expect(create(pod)).To(Succeed())
		Expect(create(hostNetworkPod("default", elsewhere))).To(Succeed())
		Expect(create(hostNetworkPod("kube-system"))).To(Succeed())
		allowed := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "may-have-host-network", Labels: map[string]string{"k8sm.io/allow-host-network": "true"}}}
		Expect(strict.Create(ctx, allowed)).To(Succeed())
		Expect(create(hostNetworkPod(allowed.Name))).To(Succeed())
	})
})
