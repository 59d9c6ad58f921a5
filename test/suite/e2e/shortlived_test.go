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

// shortLivedPool is a pool whose node is killed again and again, beside other nodes that are not
// disturbed. Its only pod takes five seconds to end.
const shortLivedPool = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: short-lived}
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

// momentsOfDeath are the moments at which the executor is killed, each with a check whether the
// executor has come that far. A check stays true when the moment has passed.
var momentsOfDeath = []struct {
	name    string
	leaving bool // the node has run pods and is being deleted
	reached func(ctx context.Context, n shortLivedNode) bool
}{
	{name: "begins", reached: func(context.Context, shortLivedNode) bool { return true }},
	{name: "has claimed its folder", reached: func(_ context.Context, n shortLivedNode) bool { return n.hasFile("k8sm-node.json") }},
	{name: "has installed the artifacts", reached: func(_ context.Context, n shortLivedNode) bool { return n.hasFile("bin/portmap") }},
	{name: "has mounted over the system's paths", reached: func(_ context.Context, n shortLivedNode) bool { return n.hasFile("cni-state") }},
	{name: "starts the container runtime", reached: func(_ context.Context, n shortLivedNode) bool { return n.containerd(n.node) != 0 }},
	{name: "imports images", reached: func(_ context.Context, n shortLivedNode) bool {
		return process(n.folder+"/bin/ctr") != 0 || n.kubelet(n.node) != 0
	}},
	{name: "starts the kubelet", reached: func(_ context.Context, n shortLivedNode) bool { return n.kubelet(n.node) != 0 }},
	{name: "has a kubelet with a certificate", reached: func(_ context.Context, n shortLivedNode) bool { return n.hasFile("pki/kubelet-client-current.pem") }},
	{name: "has a Node", reached: hasNodeObject},
	{name: "runs pods", reached: runsPods},
	{name: "ends its pods", leaving: true, reached: func(_ context.Context, n shortLivedNode) bool { return n.kubelet(n.node) == 0 }},
	{name: "clears up", leaving: true, reached: func(_ context.Context, n shortLivedNode) bool { return n.containerd(n.node) == 0 }},
}

func (c *cluster) specDeathAtAnyMoment() {
	for _, moment := range momentsOfDeath {
		It("leaves nothing behind, and is replaced, when its executor is killed when it "+moment.name, func(ctx SpecContext) {
			before := c.awaitWebPods(ctx)
			c.MustApply(ctx, shortLivedPool)
			n := c.startShortLivedNode(ctx)
			if moment.leaving {
				n.await(ctx, runsPods)
				n.requestDeletion(ctx)
			}
			n.await(ctx, moment.reached)
			all := playground.InCgroup(n.target.ID)
			kill(n.executor)
			Eventually(ctx, func() []int { return stillRunning(all) }).WithTimeout(10 * time.Second).Should(BeEmpty())
			Eventually(ctx, n.isFailedOrDeleted).WithTimeout(time.Minute).Should(BeTrue(), "the operator has noticed")
			next := c.startShortLivedNode(ctx)
			next.await(ctx, func(_ context.Context, n shortLivedNode) bool { return n.hasFile("bin") }) // it has removed the leftovers of the last one
			Expect(c.tracesOf(ctx, n.target)).To(BeEmpty())
			c.expectUndisturbed(ctx, before)
		}, SpecTimeout(4*time.Minute))
	}
}

// shortLivedNode is a node whose executor is killed at one of momentsOfDeath.
type shortLivedNode struct {
	*cluster
	target
}

// startShortLivedNode deletes the nodes of the pool that exist and waits until a new one has a
// task.
func (c *cluster) startShortLivedNode(ctx SpecContext) shortLivedNode {
	GinkgoHelper()
	var old v1alpha1.MesosNodeList
	Expect(c.Client.List(ctx, &old, client.MatchingLabels{v1alpha1.LabelPool: "short-lived"})).To(Succeed())
	for i := range old.Items {
		shortLivedNode{c, target{node: old.Items[i].Name}}.requestDeletion(ctx)
	}
	var created *v1alpha1.MesosNode
	Eventually(ctx, func(g Gomega) {
		var nodes v1alpha1.MesosNodeList
		g.Expect(c.Client.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: "short-lived"})).To(Succeed())
		created = nil
		for i := range nodes.Items {
			known := slices.ContainsFunc(old.Items, func(o v1alpha1.MesosNode) bool { return o.Name == nodes.Items[i].Name })
			if !known && nodes.Items[i].Status.Task != nil {
				created = &nodes.Items[i]
			}
		}
		g.Expect(created).NotTo(BeNil(), "%v", nodes.Items)
	}).WithTimeout(2 * time.Minute).WithPolling(10 * time.Millisecond).Should(Succeed())
	return shortLivedNode{c, c.targetOf(created)}
}

// await polls until the node has reached a moment. It polls fast, to hit that moment.
func (n shortLivedNode) await(ctx SpecContext, reached func(context.Context, shortLivedNode) bool) {
	GinkgoHelper()
	Eventually(func() bool { return reached(ctx, n) }).WithContext(ctx).
		WithTimeout(time.Minute).WithPolling(2 * time.Millisecond).Should(BeTrue())
}

// requestDeletion deletes the MesosNode, so that the pool replaces it.
func (n shortLivedNode) requestDeletion(ctx SpecContext) {
	GinkgoHelper()
	n.MustKubectl(ctx, "delete", "mesosnode", n.node, "--wait=false", "--ignore-not-found")
}

func hasNodeObject(ctx context.Context, n shortLivedNode) bool {
	var node corev1.Node
	return n.Client.Get(ctx, client.ObjectKey{Name: n.node}, &node) == nil
}

func runsPods(ctx context.Context, n shortLivedNode) bool {
	var pods corev1.PodList
	err := n.Client.List(ctx, &pods, client.MatchingLabels{"app": "slow"})
	return err == nil && slices.ContainsFunc(pods.Items, func(p corev1.Pod) bool {
		return p.Spec.NodeName == n.node && p.Status.Phase == corev1.PodRunning
	})
}

// isFailedOrDeleted reports whether the operator has recorded a failed attempt, or has deleted
// the MesosNode.
func (n shortLivedNode) isFailedOrDeleted(ctx context.Context) (bool, error) {
	var node v1alpha1.MesosNode
	err := client.IgnoreNotFound(n.Client.Get(ctx, client.ObjectKey{Name: n.node}, &node))
	return node.Name == "" || len(node.Status.Failures) > 0, err
}
