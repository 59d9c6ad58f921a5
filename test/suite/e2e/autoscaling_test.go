package e2e

import (
	"context"
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/k8sm/k8sm/test/cluster/playground"
)

// autoscaledPools are two pools whose nodes have room for one of the pods each. The one with
// the higher weight asks for agents that do not exist. An agent has room for one node.
const autoscaledPools = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: general}
spec:
  frameworkRef: {name: default}
  autoscaling:
    maxReplicas: 3
    batch: {idle: 200ms}
    scaleDown: {consolidateAfter: 1s, minNodeLifetime: 0s, afterGrowth: 0s}
  disruption: {budgets: [{nodes: 100%}]}
  template:
    spec:
      resources: {cpu: 1500m, memory: 1Gi}
---
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: gold}
spec:
  frameworkRef: {name: default}
  autoscaling: {weight: 10}
  placement: {constraints: [{attribute: rack, operator: In, values: [gold]}]}
  template:
    spec:
      resources: {cpu: 1500m, memory: 1Gi}
`

const workerDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: workers, namespace: default}
spec:
  replicas: %d
  selector: {matchLabels: {app: workers}}
  template:
    metadata: {labels: {app: workers}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: main, image: $IMAGE, imagePullPolicy: IfNotPresent, command: [sleep, 1d], resources: {requests: {cpu: "1"}}}
`

var _ = Describe("Autoscaled pools", Ordered, func() {
	c := &cluster{}
	BeforeAll(func(ctx SpecContext) {
		c.Configure(playground.Options{Runtime: playground.RuntimeFake, Agents: 4})
		Expect(c.Start(ctx)).To(Succeed())
		c.RegisterFramework(ctx)
		c.MustKubectl(ctx, "wait", "--for=condition=Ready", "mesosframework/default", "--timeout=1m")
	}, NodeTimeout(3*time.Minute))
	AfterAll(c.TearDown)
	AfterEach(func() { c.KeepLogsOnFailure() })

	It("follow the tutorial: from no node to as many as the pods need, and back", func(ctx SpecContext) {
		c.runTutorialSection(ctx, "## 6. Autoscaling")
		Expect(c.MustKubectl(ctx, "get", "events", "-o", "jsonpath={.items[*].reason}")).To(ContainSubstring("TriggeredScaleUp"))
		Expect(c.MustKubectl(ctx, "get", "mesosnodes,mesosnodepools,nodes", "-o", "name")).To(BeEmpty())
	}, SpecTimeout(8*time.Minute))

	It("grow the next pool when Mesos has no room for the first", func(ctx SpecContext) {
		c.MustApply(ctx, autoscaledPools)
		c.MustKubectl(ctx, "wait", "--for=condition=Ready", "mesosnodepools", "--all", "--timeout=1m")
		c.MustApply(ctx, fmt.Sprintf(workerDeployment, 2))
		c.MustKubectl(ctx, "rollout", "status", "deployment/workers", "--timeout=2m")
		Expect(strings.Fields(c.MustKubectl(ctx, getPoolsOfNodes...))).To(Equal([]string{"general", "general"}))
	}, SpecTimeout(4*time.Minute))

	It("report why a pod still waits", func(ctx SpecContext) {
		c.MustKubectl(ctx, "scale", "deployment/workers", "--replicas=4")
		Eventually(ctx, c.MustKubectl).WithArguments(ctx, "get", "events", "--field-selector=reason=NotTriggeredScaleUp").WithTimeout(time.Minute).
			Should(And(ContainSubstring("gold: no capacity: 0 of 4 agents fit: 4 have not rack in [gold]"), ContainSubstring("general: it has reached its maxReplicas of 3")))
		Expect(c.capacityCondition(ctx, "gold")).To(And(HavePrefix("False NoFittingOffer: "), ContainSubstring("4 have not rack in [gold]")))
		c.MustKubectl(ctx, "wait", "deployment/workers", "--for=jsonpath={.status.availableReplicas}=3", "--timeout=2m")
		Expect(c.capacityCondition(ctx, "gold")).To(HavePrefix("False"), "the pod still waits")
		Expect(strings.Fields(c.MustKubectl(ctx, getPoolsOfNodes...))).To(Equal([]string{"general", "general", "general"}))
	}, SpecTimeout(4*time.Minute))

	It("cannot be scaled by hand", func(ctx SpecContext) {
		_, err := c.Kubectl(ctx, "scale", "mesosnodepool/general", "--replicas=5")
		Expect(err).To(MatchError(ContainSubstring("replicas must not be set while spec.autoscaling is set")))
	})

	It("release what no pod needs to another framework, and take nothing back from it", func(ctx SpecContext) {
		batch := &playground.Batch{Name: "batch", CPUs: 2, MemMiB: 64, Command: "sleep 1000", Tasks: 4}
		Expect(batch.Start(ctx, c.Master.URL())).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { _ = batch.Close(ctx) })
		running := func() int { return len(batch.Progress().Running) }
		Eventually(ctx, running).WithTimeout(time.Minute).Should(Equal(1), "an agent has no node")
		c.MustKubectl(ctx, "delete", "deployment/workers")
		Eventually(ctx, running).WithTimeout(2 * time.Minute).Should(Equal(4))
		c.MustKubectl(ctx, "wait", "--for=delete", "mesosnodes", "--all", "--timeout=1m")

		c.MustApply(ctx, fmt.Sprintf(workerDeployment, 1))
		Eventually(ctx, c.capacityCondition).WithArguments(ctx, "general").WithTimeout(time.Minute).Should(HavePrefix("False"))
		GinkgoWriter.Println(c.capacityCondition(ctx, "general"))
		// The operator's view of the master may be some seconds old: then a MesosNode waits for an offer.
		Expect(c.MustKubectl(ctx, "get", "nodes", "-o", "name")).To(BeEmpty())
		Expect(running()).To(Equal(4), "nothing is taken from the other framework")
		Expect(batch.Close(ctx)).To(Succeed())
		c.MustKubectl(ctx, "rollout", "status", "deployment/workers", "--timeout=2m")
	}, SpecTimeout(6*time.Minute))

	It("release everything when the last pod is gone", func(ctx SpecContext) {
		c.MustKubectl(ctx, "delete", "deployment/workers")
		c.MustKubectl(ctx, "wait", "--for=delete", "mesosnodes", "--all", "--timeout=2m")
		Expect(c.MustKubectl(ctx, "get", "nodes", "-o", "name")).To(BeEmpty())
		Expect(c.MustKubectl(ctx, "get", "mesosnodepool/general", "-o", "jsonpath={.status.autoscaling.lastDecision.action}")).To(Equal("Shrink"))
	}, SpecTimeout(4*time.Minute))
})

// getPoolsOfNodes are the arguments of kubectl that print the pool of each MesosNode.
var getPoolsOfNodes = []string{"get", "mesosnodes", "-o", `jsonpath={.items[*].metadata.labels.k8sm\.io/pool}`}

// capacityCondition returns the pool's condition CapacityAvailable as text.
func (c *cluster) capacityCondition(ctx context.Context, pool string) string {
	GinkgoHelper()
	return c.MustKubectl(ctx, "get", "mesosnodepool", pool, "-o", `jsonpath={range .status.conditions[?(@.type=="CapacityAvailable")]}{.status} {.reason}: {.message}{end}`)
}
