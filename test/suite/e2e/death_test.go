package e2e

import (
	"context"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/cluster/playground"
)

// mayflies die one after the other, beside neighbours that live on. Their only pod takes
// its time to end.
const mayflies = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: mayfly}
spec:
  frameworkRef: {name: default}
  replicas: 1
  template:
    metadata: {labels: {size: tiny}}
    spec:
      resources: {cpu: 300m, memory: 640Mi}
      taints: [{key: life, value: short, effect: NoSchedule}]
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: slow, namespace: default}
spec:
  selector: {matchLabels: {app: slow}}
  template:
    metadata: {labels: {app: slow}}
    spec:
      nodeSelector: {size: tiny}
      tolerations: [{key: life, operator: Exists}]
      containers:
      - name: main
        image: $IMAGE
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "trap 'sleep 5; exit' TERM; while :; do sleep 0.1; done"]
`

// moments of an executor's life, each with what shows that it has come. It is asked for
// again and again; when it has passed, it has come, too.
var moments = []struct {
	name    string
	leaving bool // the node has run pods, and was told to go
	come    func(ctx context.Context, m mayfly) bool
}{
	{name: "begins", come: func(context.Context, mayfly) bool { return true }},
	{name: "has claimed its folder", come: func(_ context.Context, m mayfly) bool { return m.has("k8sm-node.json") }},
	{name: "has installed the artifacts", come: func(_ context.Context, m mayfly) bool { return m.has("bin/portmap") }},
	{name: "has mounted over the system's paths", come: func(_ context.Context, m mayfly) bool { return m.has("cni-state") }},
	{name: "starts the container runtime", come: func(_ context.Context, m mayfly) bool { return m.containerd(m.node) != 0 }},
	{name: "imports images", come: func(_ context.Context, m mayfly) bool {
		return process(m.folder+"/bin/ctr") != 0 || m.kubelet(m.node) != 0
	}},
	{name: "starts the kubelet", come: func(_ context.Context, m mayfly) bool { return m.kubelet(m.node) != 0 }},
	{name: "has a kubelet with a certificate", come: func(_ context.Context, m mayfly) bool { return m.has("pki/kubelet-client-current.pem") }},
	{name: "has a Node", come: registered},
	{name: "runs pods", come: runsPods},
	{name: "ends its pods", leaving: true, come: func(_ context.Context, m mayfly) bool { return m.kubelet(m.node) == 0 }},
	{name: "clears up", leaving: true, come: func(_ context.Context, m mayfly) bool { return m.containerd(m.node) == 0 }},
}

func (h *house) diesAtAnyMoment() {
	for _, moment := range moments {
		It("leaves nothing behind, and is replaced, when its executor is killed when it "+moment.name, func(ctx SpecContext) {
			before := h.awaitLodgers(ctx)
			h.MustApply(ctx, mayflies)
			m := h.hatch(ctx)
			if moment.leaving {
				m.await(ctx, runsPods)
				m.release(ctx)
			}
			m.await(ctx, moment.come)
			all := playground.InCgroup(m.victim.ID)
			kill(m.executor)
			Eventually(ctx, func() []int { return living(all) }).WithTimeout(10 * time.Second).Should(BeEmpty())
			Eventually(ctx, m.givenUp).WithTimeout(time.Minute).Should(BeTrue(), "the operator knows")
			next := h.hatch(ctx)
			next.await(ctx, func(_ context.Context, m mayfly) bool { return m.has("bin") }) // it has swept
			Expect(h.tracesOf(ctx, m.victim)).To(BeEmpty())
			h.undisturbed(ctx, before)
		}, SpecTimeout(4*time.Minute))
	}
}

// mayfly is a node that is killed at a moment of its life.
type mayfly struct {
	*house
	victim
}

// hatch waits for a mayfly that has only just begun: one that was there before is let go.
func (h *house) hatch(ctx SpecContext) mayfly {
	GinkgoHelper()
	var old v1alpha1.MesosNodeList
	Expect(h.Client.List(ctx, &old, client.MatchingLabels{v1alpha1.LabelPool: "mayfly"})).To(Succeed())
	for i := range old.Items {
		mayfly{h, victim{node: old.Items[i].Name}}.release(ctx)
	}
	var born *v1alpha1.MesosNode
	Eventually(ctx, func(g Gomega) {
		var nodes v1alpha1.MesosNodeList
		g.Expect(h.Client.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: "mayfly"})).To(Succeed())
		born = nil
		for i := range nodes.Items {
			known := slices.ContainsFunc(old.Items, func(o v1alpha1.MesosNode) bool { return o.Name == nodes.Items[i].Name })
			if !known && nodes.Items[i].Status.Task != nil {
				born = &nodes.Items[i]
			}
		}
		g.Expect(born).NotTo(BeNil(), "%v", nodes.Items)
	}).WithTimeout(2 * time.Minute).WithPolling(10 * time.Millisecond).Should(Succeed())
	return mayfly{h, h.victim(born)}
}

// await a moment, closely.
func (m mayfly) await(ctx SpecContext, come func(context.Context, mayfly) bool) {
	GinkgoHelper()
	Eventually(func() bool { return come(ctx, m) }).WithContext(ctx).
		WithTimeout(time.Minute).WithPolling(2 * time.Millisecond).Should(BeTrue())
}

// release has it replaced.
func (m mayfly) release(ctx SpecContext) {
	GinkgoHelper()
	m.MustKubectl(ctx, "delete", "mesosnode", m.node, "--wait=false", "--ignore-not-found")
}

func registered(ctx context.Context, m mayfly) bool {
	var node corev1.Node
	return m.Client.Get(ctx, client.ObjectKey{Name: m.node}, &node) == nil
}

func runsPods(ctx context.Context, m mayfly) bool {
	var pods corev1.PodList
	err := m.Client.List(ctx, &pods, client.MatchingLabels{"app": "slow"})
	return err == nil && slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool {
		return p.Spec.NodeName == m.node && p.Status.Phase == corev1.PodRunning
	})
}

// givenUp: it is to be tried again, or it is no more.
func (m mayfly) givenUp(ctx context.Context) (bool, error) {
	var node v1alpha1.MesosNode
	err := client.IgnoreNotFound(m.Client.Get(ctx, client.ObjectKey{Name: m.node}, &node))
	return node.Name == "" || len(node.Status.Failures) > 0, err
}
