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

const configuredPool = `
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

// specConfiguration checks that the configuration in a pool's template reaches the kubelet.
func (c *cluster) specConfiguration() {
	It("has the pool's kubelet configuration, static pods and startup taints", func(ctx SpecContext) {
		c.MustApply(ctx, configuredPool)
		DeferCleanup(func(ctx SpecContext) { c.MustKubectl(ctx, "delete", "mesosnodepool", "tuned", "--timeout=2m") })
		name := c.AwaitNode(ctx, "tuned").Name

		By("reading the kubelet's configuration from its endpoint")
		Expect(c.configOf(ctx, name)).To(And(
			HaveKeyWithValue("maxPods", BeEquivalentTo(23)),
			HaveKeyWithValue("featureGates", HaveKeyWithValue("AllAlpha", false)),
			// 5 % of the node, and of its pods' memory: others use the machine's
			HaveKeyWithValue("evictionHard", And(HaveKeyWithValue("allocatableMemory.available", "40265318"), HaveKeyWithValue("memory.available", "0%"))),
			HaveKeyWithValue("cgroupRoot", Not(BeEmpty())),
		))
		node := c.nodeObject(ctx, name)
		Expect(node.Status.Allocatable.Pods().Value()).To(BeEquivalentTo(23))
		Expect(node.Status.Allocatable.Memory().Value()).To(BeEquivalentTo((768-256)<<20), "thresholds do not change what the node announces")
		c.AwaitPod(ctx, "watchman-"+name, fixture.Running)

		By("removing a startup taint and restarting the kubelet")
		Expect(node.Spec.Taints).To(ContainElement(HaveField("Key", startupTaint)))
		c.MustKubectl(ctx, "taint", "node", name, startupTaint+"-")
		before := c.kubelet(name)
		kill(before)
		Eventually(func() int { return c.kubelet(name) }).WithTimeout(30 * time.Second).WithPolling(200 * time.Millisecond).
			ShouldNot(BeElementOf(before, 0))
		Expect(c.configOf(ctx, name)).To(HaveKey("maxPods"), "it serves requests again")
		Consistently(ctx, func() []corev1.Taint { return c.nodeObject(ctx, name).Spec.Taints }).WithTimeout(5 * time.Second).
			ShouldNot(ContainElement(HaveField("Key", startupTaint)))
	})

	It("is not created from an invalid template", func(ctx SpecContext) {
		c.MustApply(ctx, strings.ReplaceAll(strings.ReplaceAll(configuredPool, "name: tuned", "name: untuned"), "maxPods", "maxPod"))
		c.MustKubectl(ctx, "wait", "mesosnodepool/untuned", "--for=condition=TemplateValid=False", "--timeout=30s")
		Expect(c.MustKubectl(ctx, "describe", "mesosnodepool", "untuned")).To(ContainSubstring(`template.spec.kubelet.config: unknown field "maxPod"`))
		var nodes v1alpha1.MesosNodeList
		Expect(c.Client.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: "untuned"})).To(Succeed())
		Expect(nodes.Items).To(BeEmpty())
		c.MustKubectl(ctx, "delete", "mesosnodepool", "untuned", "--timeout=1m")
	})
}

func (c *cluster) nodeObject(ctx SpecContext, name string) *corev1.Node {
	GinkgoHelper()
	node := &corev1.Node{}
	Expect(c.Client.Get(ctx, client.ObjectKey{Name: name}, node)).To(Succeed())
	return node
}

// configOf returns the configuration that a kubelet serves, once it has its serving certificate.
func (c *cluster) configOf(ctx SpecContext, node string) (config map[string]any) {
	GinkgoHelper()
	Eventually(ctx, func() (err error) { config, err = c.fetchConfig(ctx, node); return err }).
		WithTimeout(time.Minute).WithPolling(500 * time.Millisecond).Should(Succeed())
	return config
}

func (c *cluster) fetchConfig(ctx SpecContext, node string) (map[string]any, error) {
	out, err := c.Kubectl(ctx, "get", "--raw", "/api/v1/nodes/"+node+"/proxy/configz")
	if err != nil {
		return nil, err
	}
	var answer struct{ Kubeletconfig map[string]any }
	err = json.Unmarshal([]byte(out), &answer)
	return answer.Kubeletconfig, err
}
