package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func (h *house) upgradesItsKubelet() {
	It("exchanges its kubelet for another of the same minor release, and restarts no pod", func(ctx SpecContext) {
		before, node := h.awaitLodgers(ctx), h.AwaitNode(ctx, "large")
		kubelet, started := h.kubelet(node.Name), time.Now()
		// What follows a program's own bytes is nothing to it, but gives it another digest.
		program, err := os.ReadFile(filepath.Join(h.nodeFolder(node.Name), "bin", "kubelet"))
		Expect(err).NotTo(HaveOccurred())
		digest := h.offerKubelet(ctx, "patched", append(program, "patched"...))
		Eventually(ctx, func(g Gomega) {
			now := h.mesosNode(ctx, g, node.Name)
			g.Expect(now.Status.Task.Kubelet.SHA256).To(Equal(digest), "%+v", now.Status.Conditions)
			g.Expect(meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionKubeletCurrent)).To(BeTrue())
		}).WithTimeout(2 * time.Minute).WithPolling(250 * time.Millisecond).Should(Succeed())
		AddReportEntry("upgraded", time.Since(started).String())
		Expect(h.kubelet(node.Name)).NotTo(Equal(kubelet))
		h.undisturbed(ctx, before)
		h.answers(ctx, before["large"].Name)
		h.poolSays(ctx, v1alpha1.ReasonKubeletCurrent, "1 of 1")
	}, SpecTimeout(4*time.Minute))

	It("keeps its kubelet when the other is of another minor release", func(ctx SpecContext) {
		before, kubelet := h.awaitLodgers(ctx), h.kubelet(h.AwaitNode(ctx, "large").Name)
		h.offerKubelet(ctx, "next", []byte("#!/bin/sh\necho Kubernetes v1.99.0\n"))
		h.poolSays(ctx, v1alpha1.ReasonKubeletRefused, "v1.99.0 is not of the minor release")
		Expect(h.kubelet(h.AwaitNode(ctx, "large").Name)).To(Equal(kubelet))
		h.undisturbed(ctx, before)
	}, SpecTimeout(2*time.Minute))

	It("takes its kubelet back when the other does not come up", func(ctx SpecContext) {
		before, node := h.awaitLodgers(ctx), h.AwaitNode(ctx, "large")
		version := h.MustKubectl(ctx, "get", "node", node.Name, "-o", "jsonpath={.status.nodeInfo.kubeletVersion}")
		h.offerKubelet(ctx, "broken", fmt.Appendf(nil, "#!/bin/sh\n[ \"$1\" = --version ] && exec echo Kubernetes %s\necho no such flag; exit 1\n", version))
		h.poolSays(ctx, v1alpha1.ReasonKubeletRefused, "no such flag")
		Eventually(ctx, func() int { return h.kubelet(node.Name) }).WithTimeout(10 * time.Second).ShouldNot(BeZero())
		h.undisturbed(ctx, before)
		h.answers(ctx, before["large"].Name)
	}, SpecTimeout(3*time.Minute))
}

// offerKubelet has the large pool want this program as its kubelet, in place, until the
// end of the spec: nodes that are made later are to have a kubelet that works.
func (h *house) offerKubelet(ctx context.Context, name string, program []byte) (digest string) {
	GinkgoHelper()
	file := filepath.Join(filepath.Dir(h.Logs()), "tmp", "kubelet-"+name)
	Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
	Expect(os.WriteFile(file, program, 0o755)).To(Succeed())
	sum := sha256.Sum256(program)
	digest = hex.EncodeToString(sum[:])
	h.MustKubectl(ctx, "patch", "mesosnodepool", "large", "--type=merge", "-p", fmt.Sprintf(
		`{"spec": {"rollout": {"kubelet": "InPlace"}, "template": {"spec": {"runtime": {"artifacts": [{"name": "kubelet", "uri": "file://%s", "sha256": "%s"}]}}}}}`, file, digest))
	DeferCleanup(func(ctx context.Context) {
		// After the last spec of a run there is nobody who could be asked.
		_, _ = h.Kubectl(ctx, "patch", "mesosnodepool", "large", "--type=merge", "-p", `{"spec": {"rollout": null, "template": {"spec": {"runtime": null}}}}`)
	})
	return digest
}

func (h *house) mesosNode(ctx context.Context, g Gomega, name string) *v1alpha1.MesosNode {
	node := &v1alpha1.MesosNode{}
	g.Expect(h.Client.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
	return node
}

// poolSays waits for what the large pool says of its kubelets.
func (h *house) poolSays(ctx context.Context, reason, message string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		pool := &v1alpha1.MesosNodePool{}
		g.Expect(h.Client.Get(ctx, client.ObjectKey{Name: "large"}, pool)).To(Succeed())
		current := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.ConditionKubeletCurrent)
		g.Expect(current).NotTo(BeNil())
		g.Expect(current.Reason).To(Equal(reason), current.Message)
		g.Expect(current.Message).To(ContainSubstring(message))
	}).WithTimeout(2 * time.Minute).WithPolling(500 * time.Millisecond).Should(Succeed())
}
