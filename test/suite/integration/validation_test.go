package integration

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

	frameworkYAML = `
apiVersion: k8sm.io/v1alpha1
kind: MesosFramework
metadata: {name: valid}
spec:
  masters: ["leader.mesos:5050"]
`
	poolYAML = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: valid}
spec:
  frameworkRef: {name: default}
  replicas: 3
  template:
    spec:
      resources: {cpu: "4", memory: 16Gi}
`
	nodeYAML = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNode
metadata: {name: valid}
spec:
  frameworkRef: {name: default}
  template:
    spec:
      resources: {cpu: "4", memory: 16Gi}
      kubelet: {config: {featureGates: {NodeSwap: true}}}
`
)

// edit is one change to a valid object: a path, its parts divided by blanks, and
// the value in YAML that is put there ("" takes it away).
type edit struct{ path, value string }

func (e edit) apply(object *unstructured.Unstructured) {
	GinkgoHelper()
	path := strings.Fields(e.path)
	if e.value == "" {
		unstructured.RemoveNestedField(object.Object, path...)
		return
	}
	var value any
	Expect(yaml.Unmarshal([]byte(e.value), &value)).To(Succeed())
	if number, ok := value.(float64); ok {
		value = int64(number)
	}
	Expect(unstructured.SetNestedField(object.Object, value, path...)).To(Succeed())
}

func parse(document string) *unstructured.Unstructured {
	GinkgoHelper()
	object := &unstructured.Unstructured{}
	Expect(yaml.Unmarshal([]byte(document), &object.Object)).To(Succeed())
	return object
}

// create asks a real API server, which validates and defaults but does not store.
func create(document string, edits ...edit) (*unstructured.Unstructured, error) {
	GinkgoHelper()
	object := parse(document)
	for _, e := range edits {
		e.apply(object)
	}
	err := strict.Create(ctx, object, client.DryRunAll)
	return object, err
}

// update stores a valid object and asks whether it may be changed.
func update(document string, e edit) error {
	GinkgoHelper()
	object := parse(document)
	Expect(strict.Create(ctx, object)).To(Succeed())
	DeferCleanup(func() { Expect(strict.Delete(ctx, object)).To(Succeed()) })
	e.apply(object)
	return strict.Update(ctx, object, client.DryRunAll)
}

var _ = Describe("The API server", func() {
	DescribeTable("accepts a MesosFramework",
		func(path, value string) {
			_, err := create(frameworkYAML, edit{path, value})
			Expect(err).NotTo(HaveOccurred())
		},
		Entry("with a plain master", "spec masters", `["10.0.0.1:5050"]`),
		Entry("with several masters of all forms", "spec masters", `["a:5050", "http://b.example:80", "https://[fd00::1]:443"]`),
		Entry("with the last port", "spec masters", `["m:65535"]`),
		Entry("with ZooKeeper", "spec masters", `["zk://a:2181/mesos"]`),
		Entry("with several ZooKeepers", "spec masters", `["zk://zk-1.example:2181,[fd00::1]:2181,10.0.0.1:65535/a/b"]`),
		Entry("with an ID to adopt", "spec frameworkID", "2f6e1c9a-7f0b-4a52-9f53-0c1d2e3f4a5b-0007"),
		Entry("that is made anew when it is removed", "spec onFrameworkRemoved", "Recreate"),
		Entry("with the default role", "spec roles", `["*"]`),
		Entry("with a nested role", "spec roles", `["eng/data.warehouse", "ops"]`),
		Entry("with a failover timeout of several units", "spec failoverTimeout", `"1h30m"`),
	)

	DescribeTable("accepts a MesosFramework with credentials",
		func(credentials, masters, insecure string) {
			_, err := create(frameworkYAML, edit{"spec credentials", credentials}, edit{"spec masters", masters}, edit{"spec insecure", insecure})
			Expect(err).NotTo(HaveOccurred())
		},
		Entry("of the kind Basic over TLS", `{secretRef: {name: s}}`, `["https://m:5050"]`, "false"),
		Entry("of the kind Bearer over TLS", `{type: Bearer, secretRef: {name: s}}`, `["https://m:5050"]`, "false"),
		Entry("in plain text, as the spec permits", `{secretRef: {name: s}}`, `["m:5050"]`, "true"),
	)

	DescribeTable("accepts a MesosFramework with TLS for masters",
		func(masters string) {
			_, err := create(frameworkYAML, edit{"spec masters", masters}, edit{"spec tls", `{secretRef: {name: s}}`})
			Expect(err).NotTo(HaveOccurred())
		},
		Entry("by https", `["https://m:5050"]`),
		Entry("that ZooKeeper names", `["zk://a:2181/mesos"]`),
	)

	DescribeTable("refuses a MesosFramework",
		func(path, value, message string) {
			_, err := create(frameworkYAML, edit{path, value})
			Expect(err).To(MatchError(ContainSubstring(message)))
		},
		Entry("without masters", "spec masters", "", "spec.masters: Required value"),
		Entry("with an empty list of masters", "spec masters", "[]", "at least 1 items"),
		Entry("with ZooKeeper and a master beside it", "spec masters", `["zk://a:2181/mesos", "m:5050"]`, "a zk:// address must be the only entry"),
		Entry("with ZooKeeper's servers one by one", "spec masters", `["zk://a:2181/mesos", "zk://b:2181/mesos"]`, "a zk:// address must be the only entry"),
		Entry("with ZooKeeper without path", "spec masters", `["zk://a:2181"]`, "a ZooKeeper address is zk://host:port,host:port/path"),
		Entry("with ZooKeeper with an empty path", "spec masters", `["zk://a:2181/"]`, "a ZooKeeper address is zk://host:port,host:port/path"),
		Entry("with ZooKeeper with a path in each server", "spec masters", `["zk://a:2181/mesos,b:2181/mesos"]`, "a ZooKeeper address is zk://host:port,host:port/path"),
		Entry("with ZooKeeper without port", "spec masters", `["zk://a,b:2181/mesos"]`, "a ZooKeeper address is zk://host:port,host:port/path"),
		Entry("with ZooKeeper with a user without password", "spec masters", `["zk://me@a:2181/mesos"]`, "a ZooKeeper address is zk://host:port,host:port/path"),
		Entry("with a password for ZooKeeper", "spec masters", `["zk://me:s3cret@a:2181/mesos"]`, "name it in spec.zookeeperCredentials.secretRef"),
		Entry("with a port of ZooKeeper out of range", "spec masters", `["zk://a:2181,b:65536/mesos"]`, "port is between 1 and 65535"),
		Entry("with the port 0", "spec masters", `["m:0"]`, "port is between 1 and 65535"),
		Entry("with a master without port", "spec masters", `["leader.mesos"]`, "each master is host:port"),
		Entry("with a master with a path", "spec masters", `["http://m:5050/api/v1/scheduler"]`, "without a path"),
		Entry("with a master with another scheme", "spec masters", `["ftp://m:5050"]`, "each master is host:port"),
		Entry("with credentials in a master's address", "spec masters", `["http://me:secret@m:5050"]`, "each master is host:port"),
		Entry("with a master's port out of range", "spec masters", `["m:70000"]`, "port is between 1 and 65535"),
		Entry("with a master twice", "spec masters", `["m:5050", "m:5050"]`, "Duplicate value"),
		Entry("with an empty name", "spec name", `""`, "at least 1 chars"),
		Entry("without a role", "spec roles", "[]", "at least 1 items"),
		Entry("with a blank in a role", "spec roles", `["a b"]`, "without blanks"),
		Entry("with a role that begins with a dash", "spec roles", `["-a"]`, "begins with '-'"),
		Entry("with a role that ends with a slash", "spec roles", `["a/"]`, "no name is empty"),
		Entry("with a role that goes up", "spec roles", `["a/../b"]`, "'.' or '..'"),
		Entry("with an asterisk in a role", "spec roles", `["a/*"]`, "'*' alone"),
		Entry("with a failover timeout that kills at every restart", "spec failoverTimeout", `"0s"`, "must be at least 1m"),
		Entry("with a failover timeout that is not a duration", "spec failoverTimeout", `"a week"`, "spec.failoverTimeout"),
		Entry("with a failover timeout in words that the operator cannot read", "spec failoverTimeout", `"2 days"`, "should match"),
		Entry("with credentials in plain text", "spec credentials", `{secretRef: {name: s}}`, "credentials would be sent to the masters in plain text"),
		Entry("with credentials of an unknown type", "spec credentials", `{type: Digest, secretRef: {name: s}}`, `Unsupported value: "Digest"`),
		Entry("with credentials without secret", "spec credentials", `{type: Basic}`, "spec.credentials.secretRef: Required value"),
		Entry("with TLS, but no https", "spec tls", `{secretRef: {name: s}}`, "tls must not be set unless spec.masters has an https:// or zk:// address"),
		Entry("with an empty ID to adopt", "spec frameworkID", `""`, "at least 1 chars"),
		Entry("with an ID to adopt that has a slash", "spec frameworkID", "a/b", "a framework ID is neither '.' nor '..'"),
		Entry("with an ID to adopt that has a backslash", "spec frameworkID", `'a\b'`, "a framework ID is neither '.' nor '..'"),
		Entry("with an ID to adopt that has a blank", "spec frameworkID", `"a b"`, "a framework ID is neither '.' nor '..'"),
		Entry("with an ID to adopt that goes up", "spec frameworkID", `".."`, "a framework ID is neither '.' nor '..'"),
		Entry("with an ID to adopt that is too long", "spec frameworkID", strings.Repeat("a", 256), "may not be more than 255"),
		Entry("with an unknown policy for its removal", "spec onFrameworkRemoved", "Ignore", `Unsupported value: "Ignore"`),
		Entry("with a misspelt field", "spec master", `"m:5050"`, `unknown field "spec.master"`),
		Entry("with a name that fits no label", "metadata name", strings.Repeat("a", 64), "at most 63 characters"),
	)

	It("fills in a MesosFramework's defaults", func() {
		object, err := create(frameworkYAML)
		Expect(err).NotTo(HaveOccurred())
		Expect(object.Object["spec"]).To(Equal(map[string]any{
			"masters": []any{"leader.mesos:5050"}, "name": "k8sm", "user": "root",
			"roles": []any{"k8sm"}, "failoverTimeout": "168h", "onFrameworkRemoved": "Hold",
		}))
	})

	DescribeTable("refuses to change of a MesosFramework",
		func(path, value, message string) {
			Expect(update(frameworkYAML, edit{path, value})).To(MatchError(ContainSubstring(message)))
		},
		Entry("its name in Mesos", "spec name", "other", "name cannot be changed"),
		Entry("its user", "spec user", "nobody", "user cannot be changed"),
	)

	DescribeTable("lets change of a MesosFramework",
		func(path, value string) {
			Expect(update(frameworkYAML, edit{path, value})).To(Succeed())
		},
		Entry("its masters", "spec masters", `["m2:5050"]`),
		Entry("its roles", "spec roles", `["k8sm", "more"]`),
		Entry("the ID to adopt", "spec frameworkID", "f-2"),
	)
})

var _ = Describe("The API server", func() {
	DescribeTable("accepts a MesosNodePool",
		func(path, value string) {
			_, err := create(poolYAML, edit{path, value})
			Expect(err).NotTo(HaveOccurred())
		},
		Entry("with no nodes", "spec replicas", "0"),
		Entry("with cpu as a number", "spec template spec resources cpu", "4"),
		Entry("with memory as a number of bytes", "spec template spec resources memory", "1073741824"),
		Entry("with fractions of a cpu", "spec template spec resources cpu", `"1.5"`),
		Entry("with a disk", "spec template spec resources ephemeral-storage", "40Gi"),
		Entry("with an overhead in numbers", "spec template spec overhead", `{cpu: 1, memory: 536870912}`),
		Entry("with half an overhead", "spec template spec overhead", `{cpu: 200m}`),
		Entry("with labels", "spec template metadata labels", `{team: data, example.com/tier: "2", node.kubernetes.io/instance-type: mesos}`),
		Entry("with labels in the kubelet's own domains", "spec template metadata labels", `{kubelet.kubernetes.io/a: b, storage.node.kubernetes.io/class: fast}`),
		Entry("with labels that no kubelet may set", "spec template metadata labels", `{node-role.kubernetes.io/worker: "", a.node-restriction.kubernetes.io/pci: "true"}`),
		Entry("with annotations", "spec template metadata annotations", `{example.com/Note: "any text, really"}`),
		Entry("with taints", "spec template spec taints", `[{key: a, effect: NoSchedule}, {key: a, value: b, effect: NoExecute}]`),
		Entry("with a kubelet configuration", "spec template spec kubelet", `{config: {maxPods: 30, featureGates: {NodeSwap: true}, evictionHard: {memory.available: 100Mi}}}`),
		Entry("with a static pod", "spec template spec kubelet", `{staticPods: [{apiVersion: v1, kind: Pod, metadata: {name: agent}, spec: {containers: [{name: main, image: i}]}}]}`),
		Entry("with startup taints", "spec template spec", `
resources: {cpu: "4", memory: 16Gi}
taints: [{key: a, effect: NoSchedule}]
startupTaints: [{key: a, effect: NoExecute}, {key: node.cilium.io/agent-not-ready, value: "true", effect: NoSchedule}]`),
		Entry("with artifacts", "spec template spec runtime artifacts", `[{name: kubelet, uri: "https://files.example/kubelet", sha256: `+digest+`}]`),
		Entry("with the network of a DaemonSet", "spec template spec runtime cni", `External`),
		Entry("with the agents' containerd", "spec template spec runtime runtimeSocket", `/run/containerd/containerd.sock`),
		Entry("with a local artifact", "spec template spec runtime artifacts", `[{name: kubelet, uri: "file:///opt/kubelet", sha256: `+digest+`}]`),
		Entry("with constraints", "spec placement constraints", `[{attribute: rack, operator: In, values: [r1]}, {attribute: "@zone", operator: Exists}]`),
		Entry("with a bounded drain", "spec drain timeout", "10m"),
		Entry("with kubelets that are exchanged in place", "spec rollout", `{kubelet: InPlace, maxUnavailable: 3}`),
		Entry("with kubelets that stay until their nodes are replaced", "spec rollout kubelet", "OnReplacement"),
		Entry("that replaces unreachable nodes soon", "spec unreachable", `{replaceAfter: 1m}`),
		Entry("that never replaces unreachable nodes", "spec unreachable", `{replaceAfter: 0s}`),
		Entry("that is paused", "spec paused", "true"),
	)

	DescribeTable("refuses a MesosNodePool",
		func(path, value, message string) {
			_, err := create(poolYAML, edit{path, value})
			Expect(err).To(MatchError(ContainSubstring(message)))
		},
		Entry("without replicas", "spec replicas", "", "replicas or autoscaling is required: set replicas to the number of nodes"),
		Entry("with both replicas and autoscaling", "spec autoscaling", "{minReplicas: 1}", "replicas must not be set while spec.autoscaling is set"),
		Entry("with neither resources nor shapes", "spec template spec resources", "", "resources is required; a pool with autoscaling can have shapes instead"),
		Entry("with a negative number of replicas", "spec replicas", "-1", "greater than or equal to 0"),
		Entry("with an absurd number of replicas", "spec replicas", "10001", "less than or equal to 10000"),
		Entry("without framework", "spec frameworkRef", "", "spec.frameworkRef: Required value"),
		Entry("with an empty framework name", "spec frameworkRef", `{name: ""}`, "spec.frameworkRef.name"),
		Entry("without template", "spec template", "", "spec.template: Required value"),
		Entry("without cpu", "spec template spec resources cpu", "", "resources.cpu: Required value"),
		Entry("with negative cpu", "spec template spec resources cpu", `"-4"`, "cpu must be between 200m and 1024"),
		Entry("with negative cpu as a number", "spec template spec resources cpu", "-4", "cpu must be between 200m and 1024"),
		Entry("with absurd cpu", "spec template spec resources cpu", `"4000"`, "cpu must be between 200m and 1024"),
		Entry("with cpu that is not a quantity", "spec template spec resources cpu", "four", "spec.template.spec.resources.cpu"),
		Entry("with memory whose unit was forgotten", "spec template spec resources memory", "16", "a number without a unit is bytes"),
		Entry("with negative memory", "spec template spec resources memory", `"-16Gi"`, "memory must be between 512Mi and 64Ti"),
		Entry("with absurd memory", "spec template spec resources memory", "1Ei", "memory must be between 512Mi and 64Ti"),
		Entry("with an exponent out of this world", "spec template spec resources memory", "1e99999", "spec.template.spec.resources.memory"),
		Entry("with negative disk", "spec template spec resources ephemeral-storage", "-1Gi", "ephemeral-storage must be between 1Mi and 1Pi"),
		Entry("with a resource that is not known", "spec template spec resources gpu", "1", `unknown field "spec.template.spec.resources.gpu"`),
		Entry("with an overhead that leaves nothing", "spec template spec overhead", `{cpu: "4"}`, "resources must be greater than overhead"),
		Entry("with an overhead in numbers that leaves nothing", "spec template spec overhead", `{cpu: 4}`, "resources must be greater than overhead"),
		Entry("with an overhead too small to live in", "spec template spec overhead", `{memory: 1Mi}`, "overhead.memory must be at least 64Mi"),
		Entry("with an overhead too small for Mesos", "spec template spec overhead", `{cpu: 1m}`, "overhead.cpu must be at least 10m"),
		Entry("with a label of Kubernetes", "spec template metadata labels", `{topology.kubernetes.io/zone: a}`, "k8sm takes host, architecture, zone and region from the agent"),
		Entry("with a label of a domain that only looks allowed", "spec template metadata labels", `{mynode.kubernetes.io/a: b}`, "a template may have only those under node.kubernetes.io"),
		Entry("with a label of k8sm", "spec template metadata labels", `{k8sm.io/pool: other}`, "labels under k8sm.io are reserved for k8sm"),
		Entry("with a label's key that is none", "spec template metadata labels", `{"not a key": a}`, "a label's key is"),
		Entry("with a label's value that is none", "spec template metadata labels", `{a: "not a value"}`, "a label's value is"),
		Entry("with an annotation's key that is none", "spec template metadata annotations", `{"not a key": a}`, "an annotation's key is"),
		Entry("with a taint without effect", "spec template spec taints", `[{key: a}]`, "effect: Required value"),
		Entry("with a taint with a misspelt effect", "spec template spec taints", `[{key: a, effect: noschedule}]`, `Unsupported value: "noschedule"`),
		Entry("with a taint with a bad key", "spec template spec taints", `[{key: "a b", effect: NoSchedule}]`, "a taint's key is"),
		Entry("with a taint twice", "spec template spec taints", `[{key: a, effect: NoSchedule}, {key: a, value: b, effect: NoSchedule}]`, "Duplicate value"),
		Entry("with a startup taint that is a taint too", "spec template spec", `
resources: {cpu: "4", memory: 16Gi}
taints: [{key: a, value: b, effect: NoSchedule}]
startupTaints: [{key: a, effect: NoSchedule}]`, "in both taints and startupTaints"),
		Entry("with a startup taint without effect", "spec template spec startupTaints", `[{key: a}]`, "effect: Required value"),
		Entry("with a kubelet configuration that is text", "spec template spec kubelet", `{config: "maxPods: 30"}`, "must be of type object"),
		Entry("with a static pod that is no object of Kubernetes", "spec template spec kubelet", `{staticPods: [{name: agent}]}`, "spec.template.spec.kubelet.staticPods[0].apiVersion: Required value"),
		Entry("with static pods without end", "spec template spec kubelet staticPods", "["+strings.Repeat("{apiVersion: v1, kind: Pod, metadata: {name: a}},", 17)+"]", "must have at most 16 items"),
		Entry("with a misspelt field of the kubelet", "spec template spec kubelet", `{configuration: {maxPods: 30}}`, `unknown field "spec.template.spec.kubelet.configuration"`),
		Entry("with a network by its vendor", "spec template spec runtime cni", `Calico`, "Unsupported value"),
		Entry("with a runtime's socket as URL", "spec template spec runtime runtimeSocket", `unix:///run/containerd/containerd.sock`, "runtimeSocket is an absolute path"),
		Entry("with an artifact twice", "spec template spec runtime artifacts", artifacts("kubelet", "file:///k", digest, "kubelet", "file:///l", digest), "Duplicate value"),
		Entry("with an artifact without digest", "spec template spec runtime artifacts", `[{name: kubelet, uri: "file:///k"}]`, "sha256: Required value"),
		Entry("with an artifact with a short digest", "spec template spec runtime artifacts", artifacts("kubelet", "file:///k", "abc"), "64 lower-case hexadecimal digits"),
		Entry("with an artifact that has a path for a name", "spec template spec runtime artifacts", artifacts("../kubelet", "file:///k", digest), "an artifact's name is a file name"),
		Entry("with an artifact whose URI has a quote", "spec template spec runtime artifacts", artifacts("kubelet", "https://files.example/it's", digest), "contain neither ' nor a backslash"),
		Entry("with an artifact whose URI has a backslash", "spec template spec runtime artifacts", artifacts("kubelet", `file:///opt\kubelet`, digest), "contain neither ' nor a backslash"),
		Entry("with an artifact by another scheme", "spec template spec runtime artifacts", artifacts("kubelet", "s3://bucket/k", digest), "uri must be http://, https:// or file://"),
		Entry("with an artifact without path", "spec template spec runtime artifacts", artifacts("kubelet", "https://files.example", digest), "have a path"),
		Entry("with a constraint that lacks values", "spec placement constraints", `[{attribute: rack, operator: In}]`, "In and NotIn need values"),
		Entry("with a constraint that has values too many", "spec placement constraints", `[{attribute: rack, operator: Exists, values: [a]}]`, "Exists and DoesNotExist take none"),
		Entry("with an unknown operator", "spec placement constraints", `[{attribute: rack, operator: Gt, values: ["1"]}]`, `Unsupported value: "Gt"`),
		Entry("with no node to an agent", "spec placement maxNodesPerAgent", "0", "greater than or equal to 1"),
		Entry("with a rollout that is not known", "spec rollout kubelet", "Recreate", `Unsupported value: "Recreate"`),
		Entry("with a rollout that may never begin", "spec rollout", "{maxSurge: 0, maxUnavailable: 0}", "maxSurge and maxUnavailable cannot both be 0: no node could be replaced"),
		Entry("with a negative drain", "spec drain timeout", `"-5m"`, "spec.drain.timeout"),
		Entry("that replaces unreachable nodes at once", "spec unreachable", `{replaceAfter: 10s}`, "must be at least 1m, or 0s to wait for ever"),
		Entry("that replaces unreachable nodes in the past", "spec unreachable", `{replaceAfter: "-1m"}`, "spec.unreachable.replaceAfter"),
		Entry("with a name too long for its nodes", "metadata name", strings.Repeat("a", 58), "at most 57 characters"),
	)

	It("fills in a MesosNodePool's defaults", func() {
		object, err := create(poolYAML)
		Expect(err).NotTo(HaveOccurred())
		overhead, _, _ := unstructured.NestedMap(object.Object, "spec", "template", "spec", "overhead")
		Expect(overhead).To(Equal(map[string]any{"cpu": "100m", "memory": "256Mi"}))
		perAgent, _, _ := unstructured.NestedInt64(object.Object, "spec", "placement", "maxNodesPerAgent")
		Expect(perAgent).To(BeEquivalentTo(1))
		replaceAfter, _, _ := unstructured.NestedString(object.Object, "spec", "unreachable", "replaceAfter")
		Expect(replaceAfter).To(Equal("15m"))
		rollout, _, _ := unstructured.NestedMap(object.Object, "spec", "rollout")
		Expect(rollout).To(Equal(map[string]any{
			"strategy": "RollingReplacement", "kubelet": "OnReplacement", "maxSurge": "10%", "maxUnavailable": int64(1), "minReadySeconds": int64(0), "progressDeadline": "30m",
		}))
	})

	It("fills in the same defaults for a client in Go", func() {
		var pool v1alpha1.MesosNodePool
		Expect(yaml.Unmarshal([]byte(poolYAML), &pool)).To(Succeed())
		Expect(strict.Create(ctx, &pool, client.DryRunAll)).To(Succeed())
		Expect(pool.Spec.Template.Spec.Overhead.Memory.String()).To(Equal("256Mi"))
		Expect(pool.Spec.Placement.MaxNodesPerAgent).To(BeEquivalentTo(1))
		Expect(pool.Spec.Unreachable.ReplaceAfter.Duration).To(Equal(15 * time.Minute))
		Expect(pool.Spec.Rollout).To(Equal(v1alpha1.Rollout{
			Strategy: v1alpha1.RollingReplacement, Kubelet: v1alpha1.KubeletOnReplacement, MaxSurge: new(intstr.FromString("10%")), MaxUnavailable: new(intstr.FromInt32(1)),
			ProgressDeadline: &metav1.Duration{Duration: 30 * time.Minute},
		}))
	})

	It("keeps a MesosNodePool with its framework", func() {
		Expect(update(poolYAML, edit{"spec frameworkRef name", "other"})).
			To(MatchError(ContainSubstring("frameworkRef cannot be changed")))
	})

	It("scales a MesosNodePool through its subresource", func() {
		pool := parse(poolYAML)
		Expect(strict.Create(ctx, pool)).To(Succeed())
		DeferCleanup(func() { Expect(strict.Delete(ctx, pool)).To(Succeed()) })
		scale := parse("{apiVersion: autoscaling/v1, kind: Scale, spec: {replicas: 5}}")
		Expect(strict.SubResource("scale").Update(ctx, pool, client.WithSubResourceBody(scale))).To(Succeed())
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(pool), pool)).To(Succeed())
		replicas, _, _ := unstructured.NestedInt64(pool.Object, "spec", "replicas")
		Expect(replicas).To(BeEquivalentTo(5))
	})

	DescribeTable("refuses to change of a MesosNode its spec",
		func(path, value string) {
			Expect(update(nodeYAML, edit{path, value})).To(MatchError(ContainSubstring("a MesosNode's spec cannot be changed")))
		},
		Entry("by hand, its size", "spec template spec resources cpu", "8"),
		Entry("by hand, its kubelet's configuration", "spec template spec kubelet config featureGates NodeSwap", "false"),
		Entry("by hand, its framework", "spec frameworkRef name", "other"),
	)

	It("refuses a MesosNode whose name fits no Node", func() {
		_, err := create(nodeYAML, edit{"metadata name", strings.Repeat("a", 64)})
		Expect(err).To(MatchError(ContainSubstring("at most 63 characters")))
	})
})

// artifacts is a list of artifacts in YAML, from triples of name, URI and digest.
func artifacts(fields ...string) string {
	var list strings.Builder
	for i := 0; i+2 < len(fields); i += 3 {
		fmt.Fprintf(&list, "- {name: %q, uri: %q, sha256: %q}\n", fields[i], fields[i+1], fields[i+2])
	}
	return list.String()
}
