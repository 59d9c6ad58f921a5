package e2e

import (
	"encoding/json"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/cluster/fixture"
)

const startupTaint = "example.com/driver-not-ready"

const tuned = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: tuned}
spec:
  frameworkRef: {name: default}
  replicas: 1
  template:
    metadata: {labels: {size: tuned}}
    spec:
      resources: {cpu: 500m, memory: 768Mi}
      startupTaints: [{key: ` + startupTaint + `, effect: NoSchedule}]
      kubelet:
        config:
          maxPods: 23
          evictionHard: {memory.available: 5%}
          featureGates: {AllAlpha: false}
        staticPods:
        - apiVersion: v1
          kind: Pod
          metadata: {name: watchman, labels: {app: watchman}}
          spec:
            containers:
            - {name: main, image: $IMAGE, imagePullPolicy: IfNotPresent, command: [sleep, "36000"]}
`

// isTuned tells how a pool's wishes reach the kubelet.
func (h *house) isTuned() {
	It("has the pool's kubelet configuration, static pods and startup taints", func(ctx SpecContext) {
		h.MustApply(ctx, tuned)
		DeferCleanup(func(ctx SpecContext) { h.MustKubectl(ctx, "delete", "mesosnodepool", "tuned", "--timeout=2m") })
		name := h.AwaitNode(ctx, "tuned").Name

		By("the kubelet's own account")
		Expect(h.configOf(ctx, name)).To(And(
			HaveKeyWithValue("maxPods", BeEquivalentTo(23)),
			HaveKeyWithValue("featureGates", HaveKeyWithValue("AllAlpha", false)),
			// 5 % of the node, not of the machine
			HaveKeyWithValue("evictionHard", HaveKeyWithValue("memory.available", "40265318")),
			HaveKeyWithValue("cgroupRoot", Not(BeEmpty())),
		))
		node := h.nodeObject(ctx, name)
		Expect(node.Status.Allocatable.Pods().Value()).To(BeEquivalentTo(23))
		Expect(node.Status.Allocatable.Memory().Value()).To(BeEquivalentTo((768-256)<<20), "thresholds do not change what the node announces")
		h.AwaitPod(ctx, "watchman-"+name, fixture.Running)

		By("a startup taint that is taken off, and a kubelet that is started again")
		Expect(node.Spec.Taints).To(ContainElement(HaveField("Key", startupTaint)))
		h.MustKubectl(ctx, "taint", "node", name, startupTaint+"-")
		before := h.kubelet(name)
		kill(before)
		Eventually(func() int { return h.kubelet(name) }).WithTimeout(30 * time.Second).WithPolling(200 * time.Millisecond).
			ShouldNot(BeElementOf(before, 0))
		Expect(h.configOf(ctx, name)).To(HaveKey("maxPods"), "it serves again")
		Consistently(ctx, func() []corev1.Taint { return h.nodeObject(ctx, name).Spec.Taints }).WithTimeout(5 * time.Second).
			ShouldNot(ContainElement(HaveField("Key", startupTaint)))
	})

	It("is not made of a template that cannot be", func(ctx SpecContext) {
		h.MustApply(ctx, strings.ReplaceAll(strings.ReplaceAll(tuned, "name: tuned", "name: untuned"), "maxPods", "maxPod"))
		h.MustKubectl(ctx, "wait", "mesosnodepool/untuned", "--for=condition=TemplateValid=False", "--timeout=30s")
		Expect(h.MustKubectl(ctx, "describe", "mesosnodepool", "untuned")).To(ContainSubstring(`template.spec.kubelet.config: unknown field "maxPod"`))
		var nodes v1alpha1.MesosNodeList
		Expect(h.Client.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: "untuned"})).To(Succeed())
		Expect(nodes.Items).To(BeEmpty())
		h.MustKubectl(ctx, "delete", "mesosnodepool", "untuned", "--timeout=1m")
	})
}

func (h *house) nodeObject(ctx SpecContext, name string) *corev1.Node {
	GinkgoHelper()
	node := &corev1.Node{}
	Expect(h.Client.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
	return node
}

// configOf a kubelet, as it tells itself once it has its serving certificate.
func (h *house) configOf(ctx SpecContext, node string) (config map[string]any) {
	GinkgoHelper()
	Eventually(ctx, func() (err error) { config, err = h.askConfig(ctx, node); return err }).
		WithTimeout(time.Minute).WithPolling(500 * time.Millisecond).Should(Succeed())
	return config
}

func (h *house) askConfig(ctx SpecContext, node string) (map[string]any, error) {
	out, err := h.Kubectl(ctx, "get", "--raw", "/api/v1/nodes/"+node+"/proxy/configz")
	if err != nil {
		return nil, err
	}
	var told struct{ Kubeletconfig map[string]any }
	err = json.Unmarshal([]byte(out), &told)
	return told.Kubeletconfig, err
}
