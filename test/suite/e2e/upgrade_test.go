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

func (c *cluster) specKubeletUpgrade() {
	It("upgrades its kubelet within the minor release, and restarts no pod", func(ctx SpecContext) {
		before, node := c.awaitWebPods(ctx), c.AwaitNode(ctx, "large")
		kubelet, started := c.kubelet(node.Name), time.Now()
		// Bytes after the end of a program change its digest and nothing else.
		program, err := os.ReadFile(filepath.Join(c.nodeFolder(node.Name), "bin", "kubelet"))
		Expect(err).NotTo(HaveOccurred())
		digest := c.offerKubelet(ctx, "patched", append(program, "patched"...))
		Eventually(ctx, func(g Gomega) {
			now := c.mesosNode(ctx, g, node.Name)
			g.Expect(now.Status.Task.Kubelet.SHA256).To(Equal(digest), "%+v", now.Status.Conditions)
			g.Expect(meta.IsStatusConditionTrue(now.Status.Conditions, v1alpha1.ConditionKubeletCurrent)).To(BeTrue())
		}).WithTimeout(2 * time.Minute).WithPolling(250 * time.Millisecond).Should(Succeed())
		AddReportEntry("upgraded", time.Since(started).String())
		Expect(c.kubelet(node.Name)).NotTo(Equal(kubelet))
		c.expectUndisturbed(ctx, before)
		c.expectExec(ctx, before["large"].Name)
		c.awaitPoolKubeletCondition(ctx, v1alpha1.ReasonKubeletCurrent, "1 of 1")
	}, SpecTimeout(4*time.Minute))

	It("keeps its kubelet when the new one is of another minor release", func(ctx SpecContext) {
		before, kubelet := c.awaitWebPods(ctx), c.kubelet(c.AwaitNode(ctx, "large").Name)
		c.offerKubelet(ctx, "next", []byte("#!/bin/sh\necho Kubernetes v1.99.0\n"))
		c.awaitPoolKubeletCondition(ctx, v1alpha1.ReasonKubeletRefused, "v1.99.0 is not of the minor release")
		Expect(c.kubelet(c.AwaitNode(ctx, "large").Name)).To(Equal(kubelet))
		c.expectUndisturbed(ctx, before)
	}, SpecTimeout(2*time.Minute))

	It("restores its old kubelet when the new one does not come up", func(ctx SpecContext) {
		before, node := c.awaitWebPods(ctx), c.AwaitNode(ctx, "large")
		version := c.MustKubectl(ctx, "get", "node", node.Name, "-o", "jsonpath={.status.nodeInfo.kubeletVersion}")
		c.offerKubelet(ctx, "broken", fmt.Appendf(nil, "#!/bin/sh\n[ \"$1\" = --version ] && exec echo Kubernetes %s\necho no such flag; exit 1\n", version))
		c.awaitPoolKubeletCondition(ctx, v1alpha1.ReasonKubeletRefused, "no such flag")
		Eventually(ctx, func() int { return c.kubelet(node.Name) }).WithTimeout(10 * time.Second).ShouldNot(BeZero())
		c.expectUndisturbed(ctx, before)
		c.expectExec(ctx, before["large"].Name)
	}, SpecTimeout(3*time.Minute))
}

// offerKubelet makes this program the kubelet of the large pool, to be upgraded in place, until
// the end of the spec: nodes that are created later need a kubelet that works.
func (c *cluster) offerKubelet(ctx context.Context, name string, program []byte) (digest string) {
	GinkgoHelper()
	file := filepath.Join(filepath.Dir(c.Logs()), "tmp", "kubelet-"+name)
	Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
	Expect(os.WriteFile(file, program, 0o755)).To(Succeed())
	sum := sha256.Sum256(program)
	digest = hex.EncodeToString(sum[:])
	c.MustKubectl(ctx, "patch", "mesosnodepool", "large", "--type=merge", "-p", fmt.Sprintf(
		`{"spec": {"rollout": {"kubelet": "InPlace"}, "template": {"spec": {"runtime": {"artifacts": [{"name": "kubelet", "uri": "file://%s", "sha256": "%s"}]}}}}}`, file, digest))
	DeferCleanup(func(ctx context.Context) {
		// After the last spec of a run the API server may be gone.
		_, _ = c.Kubectl(ctx, "patch", "mesosnodepool", "large", "--type=merge", "-p", `{"spec": {"rollout": null, "template": {"spec": {"runtime": null}}}}`)
	})
	return digest
}

func (c *cluster) mesosNode(ctx context.Context, g Gomega, name string) *v1alpha1.MesosNode {
	node := &v1alpha1.MesosNode{}
	g.Expect(c.Client.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
	return node
}

// awaitPoolKubeletCondition waits for the condition KubeletCurrent of the large pool.
func (c *cluster) awaitPoolKubeletCondition(ctx context.Context, reason, message string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		pool := &v1alpha1.MesosNodePool{}
		g.Expect(c.Client.Get(ctx, client.ObjectKey{Name: "large"}, pool)).To(Succeed())
		current := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.ConditionKubeletCurrent)
		g.Expect(current).NotTo(BeNil())
		g.Expect(current.Reason).To(Equal(reason), current.Message)
		g.Expect(current.Message).To(ContainSubstring(message))
	}).WithTimeout(2 * time.Minute).WithPolling(500 * time.Millisecond).Should(Succeed())
}
