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

// elastic are two pools of nodes with room for one of the pods each: the heavier one wants
// agents that there are none of. An agent has room for one of the nodes.
const elastic = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: general}
spec:
  frameworkRef: {name: default}
  autoscaling:
    maxReplicas: 3
    batch: {idle: 200ms}
    scaleDown: {consolidateAfter: 1s, minNodeLifetime: 0s, afterGrowth: 0s, budget: 100%}
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

const workers = `
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

var _ = Describe("Pools that scale themselves", Ordered, func() {
	h := &house{}
	BeforeAll(func(ctx SpecContext) {
		h.Found(playground.Options{Runtime: playground.RuntimeFake, Agents: 4})
		Expect(h.Start(ctx)).To(Succeed())
		h.Register(ctx)
		h.MustKubectl(ctx, "wait", "--for=condition=Ready", "mesosframework/default", "--timeout=1m")
	}, NodeTimeout(3*time.Minute))
	AfterAll(h.TearDown)
	AfterEach(func() { h.KeepLogsOnFailure() })

	It("go from no node to as many as pods need, and back, as the tutorial says", func(ctx SpecContext) {
		h.follow(ctx, "## 6. Autoscaling")
		Expect(h.MustKubectl(ctx, "get", "events", "-o", "jsonpath={.items[*].reason}")).To(ContainSubstring("TriggeredScaleUp"))
		Expect(h.MustKubectl(ctx, "get", "mesosnodes,mesosnodepools,nodes", "-o", "name")).To(BeEmpty())
	}, SpecTimeout(8*time.Minute))

	It("leave it to the next pool where Mesos has no room for the first", func(ctx SpecContext) {
		h.MustApply(ctx, elastic)
		h.MustKubectl(ctx, "wait", "--for=condition=Ready", "mesosnodepools", "--all", "--timeout=1m")
		h.MustApply(ctx, fmt.Sprintf(workers, 2))
		h.MustKubectl(ctx, "rollout", "status", "deployment/workers", "--timeout=2m")
		Expect(strings.Fields(h.MustKubectl(ctx, poolsOfNodes...))).To(Equal([]string{"general", "general"}))
	}, SpecTimeout(4*time.Minute))

	It("say why a pod waits that none of them helps", func(ctx SpecContext) {
		h.MustKubectl(ctx, "scale", "deployment/workers", "--replicas=4")
		Eventually(ctx, h.MustKubectl).WithArguments(ctx, "get", "events", "--field-selector=reason=NotTriggeredScaleUp").WithTimeout(time.Minute).
			Should(And(ContainSubstring("gold: no capacity: 0 of 4 agents fit: 4 have not rack in [gold]"), ContainSubstring("general: it has its maxReplicas of 3")))
		Expect(h.capacity(ctx, "gold")).To(And(HavePrefix("False NoFittingOffer: "), ContainSubstring("4 have not rack in [gold]")))
		h.MustKubectl(ctx, "wait", "deployment/workers", "--for=jsonpath={.status.availableReplicas}=3", "--timeout=2m")
		Expect(h.capacity(ctx, "gold")).To(HavePrefix("False"), "the pod waits still")
		Expect(strings.Fields(h.MustKubectl(ctx, poolsOfNodes...))).To(Equal([]string{"general", "general", "general"}))
	}, SpecTimeout(4*time.Minute))

	It("are not scaled by hand", func(ctx SpecContext) {
		_, err := h.Kubectl(ctx, "scale", "mesosnodepool/general", "--replicas=5")
		Expect(err).To(MatchError(ContainSubstring("the pool scales itself (spec.autoscaling is set)")))
	})

	It("give another framework what no pod needs any more, and take no node where it has all", func(ctx SpecContext) {
		batch := &playground.Batch{Name: "batch", CPUs: 2, MemMiB: 64, Command: "sleep 1000", Tasks: 4}
		Expect(batch.Start(ctx, h.Master.URL())).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { _ = batch.Close(ctx) })
		running := func() int { return len(batch.Progress().Running) }
		Eventually(ctx, running).WithTimeout(time.Minute).Should(Equal(1), "an agent has no node")
		h.MustKubectl(ctx, "delete", "deployment/workers")
		Eventually(ctx, running).WithTimeout(2 * time.Minute).Should(Equal(4))
		h.MustKubectl(ctx, "wait", "--for=delete", "mesosnodes", "--all", "--timeout=1m")

		h.MustApply(ctx, fmt.Sprintf(workers, 1))
		Eventually(ctx, h.capacity).WithArguments(ctx, "general").WithTimeout(time.Minute).Should(HavePrefix("False"))
		GinkgoWriter.Println(h.capacity(ctx, "general"))
		// What the master told last may be some seconds old: then a MesosNode waits in vain.
		Expect(h.MustKubectl(ctx, "get", "nodes", "-o", "name")).To(BeEmpty())
		Expect(running()).To(Equal(4), "nothing is taken from the other framework")
		Expect(batch.Close(ctx)).To(Succeed())
		h.MustKubectl(ctx, "rollout", "status", "deployment/workers", "--timeout=2m")
	}, SpecTimeout(6*time.Minute))

	It("hold nothing when the last pod is gone", func(ctx SpecContext) {
		h.MustKubectl(ctx, "delete", "deployment/workers")
		h.MustKubectl(ctx, "wait", "--for=delete", "mesosnodes", "--all", "--timeout=2m")
		Expect(h.MustKubectl(ctx, "get", "nodes", "-o", "name")).To(BeEmpty())
		Expect(h.MustKubectl(ctx, "get", "mesosnodepool/general", "-o", "jsonpath={.status.autoscaling.lastDecision.action}")).To(Equal("Shrink"))
	}, SpecTimeout(4*time.Minute))
})

// poolsOfNodes has kubectl tell the pool of each MesosNode.
var poolsOfNodes = []string{"get", "mesosnodes", "-o", `jsonpath={.items[*].metadata.labels.k8sm\.io/pool}`}

// capacity is what a pool says in its condition.
func (h *house) capacity(ctx context.Context, pool string) string {
	GinkgoHelper()
	return h.MustKubectl(ctx, "get", "mesosnodepool", pool, "-o", `jsonpath={range .status.conditions[?(@.type=="CapacityAvailable")]}{.status} {.reason}: {.message}{end}`)
}
