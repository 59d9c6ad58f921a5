// Package household is a playground as those see it who live on its nodes: they apply
// manifests, and wait for nodes and pods; where these do not come, the spec fails. It does
// not know what nodes are made of, nor where they run. The specs of test/e2e and test/vm
// live in it.
package household

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/onsi/ginkgo/v2"
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/playground"
)

// Pools with a node each, which share an agent: each node has a neighbour. What the large
// one's pods do, those of the small one must not feel.
const Pools = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: large}
spec:
  frameworkRef: {name: default}
  replicas: 1
  template:
    metadata: {labels: {size: large}}
    spec:
      resources: {cpu: "1", memory: 1Gi, ephemeral-storage: 2Gi}
      kubelet: {config: {evictionPressureTransitionPeriod: 5s}}
---
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: small}
spec:
  frameworkRef: {name: default}
  replicas: 1
  template:
    metadata: {labels: {size: small}}
    spec:
      resources: {cpu: 500m, memory: 768Mi}
`

// House is one playground, shared by all specs of a container.
type House struct {
	*playground.Playground
	Client client.Client
	// Patience with nodes and pods, which take seconds on a machine with nothing else to do.
	Patience time.Duration
}

// Found takes a playground, and starts nothing yet.
func (h *House) Found(options playground.Options) {
	ginkgo.GinkgoHelper()
	options.Say = func(line string) { ginkgo.GinkgoWriter.Println(line) }
	var err error
	h.Playground, err = playground.New(options)
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
}

// Register the framework of the samples, so that pools may be applied. The playground has
// been started.
func (h *House) Register(ctx context.Context) {
	ginkgo.GinkgoHelper()
	scheme := runtime.NewScheme()
	gomega.Expect(clientgoscheme.AddToScheme(scheme)).To(gomega.Succeed())
	gomega.Expect(v1alpha1.AddToScheme(scheme)).To(gomega.Succeed())
	var err error
	h.Client, err = client.New(h.Config, client.Options{Scheme: scheme})
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	framework, err := h.Sample("mesosframework.yaml")
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	h.MustApply(ctx, framework)
}

// TearDown fails where something is left.
func (h *House) TearDown() {
	if h.Playground != nil {
		gomega.Expect(h.Stop()).To(gomega.Succeed())
	}
}

// KeepLogsOnFailure is for after each spec. It says whether they are kept.
func (h *House) KeepLogsOnFailure() bool {
	failed := h.Playground != nil && ginkgo.CurrentSpecReport().Failed()
	if failed {
		h.Failed()
	}
	return failed
}

// MustApply a manifest, in which $IMAGE stands for busybox.
func (h *House) MustApply(ctx context.Context, manifest string) {
	ginkgo.GinkgoHelper()
	_, err := h.Apply(ctx, strings.ReplaceAll(manifest, "$IMAGE", playground.ImageBusybox))
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
}

// MustKubectl returns what a command says that succeeds.
func (h *House) MustKubectl(ctx context.Context, args ...string) string {
	ginkgo.GinkgoHelper()
	out, err := h.Kubectl(ctx, args...)
	gomega.Expect(err).NotTo(gomega.HaveOccurred())
	return out
}

// AwaitNode waits for the pool's node to be Ready.
func (h *House) AwaitNode(ctx context.Context, pool string) *v1alpha1.MesosNode {
	ginkgo.GinkgoHelper()
	var found *v1alpha1.MesosNode
	gomega.Eventually(ctx, func(g gomega.Gomega) {
		found = nil
		var nodes v1alpha1.MesosNodeList
		g.Expect(h.Client.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: pool})).To(gomega.Succeed())
		for i := range nodes.Items {
			for _, c := range nodes.Items[i].Status.Conditions {
				if c.Type == v1alpha1.ConditionReady && c.Status == "True" && nodes.Items[i].DeletionTimestamp.IsZero() {
					found = &nodes.Items[i]
				}
			}
		}
		g.Expect(found).NotTo(gomega.BeNil(), "%v", nodes.Items)
	}).WithTimeout(h.Patience).WithPolling(time.Second).Should(gomega.Succeed())
	return found
}

// RunPod applies a pod of one container, for the node of that size. The rest of the
// container is in spec. It goes with the spec that runs it.
func (h *House) RunPod(ctx context.Context, name, size, spec string) {
	ginkgo.GinkgoHelper()
	h.MustApply(ctx, Pod(name, size, spec))
	ginkgo.DeferCleanup(func(ctx context.Context) {
		_, _ = h.Kubectl(ctx, "delete", "pod", name, "--grace-period=0", "--force", "--ignore-not-found", "--wait=false")
	})
}

// Pod is the manifest of such a pod.
func Pod(name, size, spec string) string {
	return fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default, labels: {app: %[1]s}}
spec:
  nodeSelector: {size: %s}
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: $IMAGE
    imagePullPolicy: IfNotPresent
%s`, name, size, spec)
}

// AwaitPod waits for a pod to be as it is wanted.
func (h *House) AwaitPod(ctx context.Context, name string, matches func(g gomega.Gomega, p corev1.Pod)) {
	ginkgo.GinkgoHelper()
	gomega.Eventually(ctx, func(g gomega.Gomega) {
		var p corev1.Pod
		g.Expect(h.Client.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, &p)).To(gomega.Succeed())
		matches(g, p)
	}).WithTimeout(h.Patience).WithPolling(500 * time.Millisecond).Should(gomega.Succeed())
}

// AwaitRelief waits for a node to take all kinds of pods again, after one that took too much.
func (h *House) AwaitRelief(ctx context.Context, size string) {
	ginkgo.GinkgoHelper()
	node := h.AwaitNode(ctx, size).Name
	gomega.Eventually(ctx, func(g gomega.Gomega) {
		var n corev1.Node
		g.Expect(h.Client.Get(ctx, client.ObjectKey{Name: node}, &n)).To(gomega.Succeed())
		for _, c := range n.Status.Conditions {
			g.Expect(c.Status == corev1.ConditionTrue).To(gomega.Equal(c.Type == corev1.NodeReady), "%s: %s", c.Type, c.Message)
		}
		g.Expect(n.Spec.Taints).To(gomega.BeEmpty())
	}).WithTimeout(h.Patience).WithPolling(500 * time.Millisecond).Should(gomega.Succeed())
}

// Running is how most pods are wanted.
func Running(g gomega.Gomega, p corev1.Pod) {
	g.Expect(p.Status.Phase).To(gomega.Equal(corev1.PodRunning), p.Status.Message)
}

// Killed is how a pod ends that needs more memory than it is given.
func Killed(g gomega.Gomega, p corev1.Pod) {
	g.Expect(p.Status.Phase).To(gomega.Equal(corev1.PodFailed))
	evicted := p.Status.Reason == "Evicted"
	killed := len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].State.Terminated != nil &&
		p.Status.ContainerStatuses[0].State.Terminated.ExitCode == 137
	g.Expect(evicted || killed).To(gomega.BeTrue(), "%v", p.Status)
}
