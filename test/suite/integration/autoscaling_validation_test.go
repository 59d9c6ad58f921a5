package integration

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const autoscaledPoolYAML = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: autoscaled}
spec:
  frameworkRef: {name: default}
  autoscaling: {}
  template:
    spec:
      resources: {cpu: "4", memory: 16Gi}
`

var _ = Describe("The API server", func() {
	DescribeTable("accepts an autoscaled MesosNodePool",
		func(path, value string) {
			_, err := create(autoscaledPoolYAML, edit{path, value})
			Expect(err).NotTo(HaveOccurred())
		},
		Entry("by the defaults", "spec autoscaling", "{}"),
		Entry("between two numbers", "spec autoscaling", "{minReplicas: 2, maxReplicas: 2}"),
		Entry("within limits", "spec autoscaling", `{minReplicas: 2, limits: {cpu: 8, memory: 32Gi}}`),
		Entry("with a weight", "spec autoscaling weight", "100"),
		Entry("at once", "spec autoscaling batch", "{idle: 0s, max: 0s}"),
		Entry("with delays before scaling down", "spec autoscaling scaleDown", "{consolidationPolicy: WhenEmpty, consolidateAfter: 1h, minNodeLifetime: 0s, afterGrowth: 0s}"),
		Entry("within a budget in nodes", "spec disruption budgets", "[{nodes: 3}]"),
		Entry("within a budget in percent", "spec disruption budgets", `[{nodes: "100%", reasons: [Empty, Underutilized]}]`),
	)

	DescribeTable("refuses an autoscaled MesosNodePool",
		func(path, value, message string) {
			_, err := create(autoscaledPoolYAML, edit{path, value})
			Expect(err).To(MatchError(ContainSubstring(message)))
		},
		Entry("and has replicas", "spec replicas", "0", "replicas must not be set while spec.autoscaling is set: change autoscaling.minReplicas and maxReplicas instead"),
		Entry("from a minimum above its maximum", "spec autoscaling", "{minReplicas: 3, maxReplicas: 2}", "minReplicas must not be greater than maxReplicas"),
		Entry("to nothing", "spec autoscaling maxReplicas", "0", "greater than or equal to 1"),
		Entry("from less than nothing", "spec autoscaling minReplicas", "-1", "greater than or equal to 0"),
		Entry("within less cpu than its minimum takes", "spec autoscaling", `{minReplicas: 3, limits: {cpu: 11}}`, "limits.cpu must not be less than the cpu of minReplicas nodes"),
		Entry("within less memory than its minimum takes", "spec autoscaling", `{minReplicas: 3, limits: {memory: 47Gi}}`, "limits.memory must not be less than the memory of minReplicas nodes"),
		Entry("within no cpu", "spec autoscaling limits", `{cpu: 0}`, "limits.cpu must be greater than 0"),
		Entry("with too great a weight", "spec autoscaling weight", "101", "less than or equal to 100"),
		Entry("with a batch that ends before it has begun", "spec autoscaling batch", "{idle: 2s, max: 1s}", "idle must not be longer than max"),
		Entry("with a batch that pods do not live to see", "spec autoscaling batch max", "1h", "max must be at most 5m"),
		Entry("by an unknown policy", "spec autoscaling scaleDown consolidationPolicy", "Never", `Unsupported value: "Never"`),
		Entry("with a negative patience", "spec autoscaling scaleDown consolidateAfter", `"-1m"`, "spec.autoscaling.scaleDown.consolidateAfter"),
		Entry("with a threshold beyond all", "spec autoscaling scaleDown utilizationThreshold", "101", "less than or equal to 100"),
		Entry("within a negative budget", "spec disruption budgets", "[{nodes: -1}]", "nodes must be a number that is not negative"),
		Entry("within more than all", "spec disruption budgets", `[{nodes: "101%"}]`, "spec.disruption.budgets[0].nodes in body should match"),
		Entry("within a number in quotes", "spec disruption budgets", `[{nodes: "7"}]`, "spec.disruption.budgets[0].nodes in body should match"),
		Entry("within the budget of before", "spec autoscaling scaleDown budget", "3", "budget has been replaced by spec.disruption.budgets"),
	)

	const shapes = `{shapes: [{name: small, resources: {cpu: 1, memory: 2Gi}}, {name: large, resources: {cpu: 8, memory: 32Gi}}]}`

	It("accepts shapes instead of resources in an autoscaled pool", func() {
		_, err := create(autoscaledPoolYAML, edit{"spec template spec", shapes})
		Expect(err).NotTo(HaveOccurred())
	})

	DescribeTable("refuses shapes",
		func(document, spec, message string) {
			_, err := create(document, edit{"spec template spec", spec})
			Expect(err).To(MatchError(ContainSubstring(message)))
		},
		Entry("in a pool with replicas", poolYAML, shapes, "shapes need spec.autoscaling"),
		Entry("in a node", nodeYAML, shapes, "shapes must not be set on a MesosNode: set resources instead"),
		Entry("of which there is none", autoscaledPoolYAML, "{shapes: []}", "at least 1 items"),
		Entry("beside resources", autoscaledPoolYAML, strings.Replace(shapes, "{", "{resources: {cpu: 1, memory: 2Gi}, ", 1), "either resources or shapes"),
		Entry("of one name", autoscaledPoolYAML, strings.ReplaceAll(shapes, "large", "small"), "Duplicate value"),
		Entry("of a bad name", autoscaledPoolYAML, strings.ReplaceAll(shapes, "large", "Large"), "a shape's name is made of"),
		Entry("without resources", autoscaledPoolYAML, "{shapes: [{name: small}]}", "shapes[0].resources: Required value"),
		Entry("that the overhead leaves nothing of", autoscaledPoolYAML, strings.Replace(shapes, "{", "{overhead: {cpu: 2}, ", 1), "the cpu of each shape must be greater than overhead"),
	)

	It("fills in the defaults of autoscaling", func() {
		object, err := create(autoscaledPoolYAML)
		Expect(err).NotTo(HaveOccurred())
		autoscaling, _, _ := unstructured.NestedMap(object.Object, "spec", "autoscaling")
		Expect(autoscaling).To(Equal(map[string]any{
			"minReplicas": int64(0), "weight": int64(0),
			"batch": map[string]any{"idle": "500ms", "max": "5s"},
			"scaleDown": map[string]any{
				"consolidationPolicy": "WhenEmptyOrUnderutilized", "consolidateAfter": "5m", "utilizationThreshold": int64(50),
				"minNodeLifetime": "10m", "afterGrowth": "10m",
			},
		}))
	})

	It("does not scale an autoscaled MesosNodePool", func() {
		pool := parse(autoscaledPoolYAML)
		Expect(strict.Create(ctx, pool)).To(Succeed())
		DeferCleanup(func() { Expect(strict.Delete(ctx, pool)).To(Succeed()) })
		merge := client.RawPatch("application/merge-patch+json", []byte(`{"spec": {"replicas": 5}}`)) // as kubectl scale does
		Expect(strict.SubResource("scale").Patch(ctx, pool, merge)).To(MatchError(ContainSubstring("replicas must not be set while spec.autoscaling is set")))
	})
})
