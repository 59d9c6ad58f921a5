package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/cluster/fixture"
	"github.com/k8sm/k8sm/test/cluster/playground"
)

// poolWithRuntime is a pool of one node with something special about its runtime.
const poolWithRuntime = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: $NAME}
spec:
  frameworkRef: {name: default}
  replicas: 1
  template:
    metadata: {labels: {size: $NAME}}
    spec:
      resources: {cpu: 600m, memory: 768Mi}
      runtime: {$CHOICE}
`

// networkDaemon installs what pods of one node get their network from, as daemons of
// network vendors do.
const networkDaemon = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: network, namespace: kube-system}
spec:
  selector: {matchLabels: {app: network}}
  template:
    metadata: {labels: {app: network}}
    spec:
      nodeSelector: {size: external}
      hostNetwork: true
      priorityClassName: system-node-critical
      terminationGracePeriodSeconds: 1
      tolerations: [{operator: Exists}]
      containers:
      - name: network
        image: $IMAGE
        imagePullPolicy: IfNotPresent
        command:
        - sh
        - -c
        - |
          cp /plugins/bridge /plugins/host-local /opt/cni/bin/
          echo '{"cniVersion": "1.0.0", "name": "vendor", "plugins": [{"type": "bridge", "bridge": "vendor0", "isDefaultGateway": true,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": "172.31.77.0/24"}]]}}]}' >/etc/cni/net.d/10-vendor.conflist
          exec sleep 36000
        volumeMounts:
        - {name: plugins, mountPath: /plugins, readOnly: true}
        - {name: bin, mountPath: /opt/cni/bin}
        - {name: conf, mountPath: /etc/cni/net.d}
      volumes:
      - {name: plugins, hostPath: {path: $PLUGINS}}
      - {name: bin, hostPath: {path: /opt/cni/bin}}
      - {name: conf, hostPath: {path: /etc/cni/net.d}}
`

const sleepCommand = `
    command: [sleep, "36000"]
`

var _ = Describe("What a host brings along", Label("node"), Ordered, func() {
	c := &cluster{}
	socket, before := "", []os.DirEntry(nil)
	BeforeAll(func(ctx SpecContext) {
		c.startPlayground(ctx, playground.Options{AgentResources: "cpus:4;mem:8192;disk:20000"})
		var err error
		before, _ = os.ReadDir("/var/lib/kubelet")
		socket, err = c.StartContainerd(ctx, "host-containerd", false)
		Expect(err).NotTo(HaveOccurred())
	}, NodeTimeout(4*time.Minute))
	AfterAll(c.TearDown)
	AfterEach(func() { c.KeepLogsOnFailure() })

	It("a network of its own: a node is Ready once the daemon has brought it", func(ctx SpecContext) {
		c.applyPoolWithRuntime(ctx, "external", "cni: External")
		c.awaitConditionMessage(ctx, "external", "NetworkPluginNotReady")
		c.MustApply(ctx, strings.ReplaceAll(networkDaemon, "$PLUGINS", filepath.Dir(c.KubectlPath())))
		c.AwaitNode(ctx, "external")
		c.RunPod(ctx, "networked", "external", sleepCommand)
		c.AwaitPod(ctx, "networked", func(g Gomega, p corev1.Pod) {
			fixture.Running(g, p)
			g.Expect(p.Status.PodIP).To(HavePrefix("172.31.77."))
		})
	}, SpecTimeout(6*time.Minute))

	It("a containerd: its pods live in the node's part of the machine", func(ctx SpecContext) {
		c.applyPoolWithRuntime(ctx, "borrowed", "runtimeSocket: "+socket)
		node := c.AwaitNode(ctx, "borrowed")
		c.ctr(socket, "stranger", "images", "import", filepath.Join(filepath.Dir(c.Logs()), "images.tar"))
		c.ctr(socket, "stranger", "run", "--detach", "--null-io", "--runc-binary="+filepath.Join(filepath.Dir(c.KubectlPath()), "runc"),
			"--cgroup=/"+filepath.Base(filepath.Dir(c.Logs()))+"/stranger", playground.ImageBusybox, "stranger", "/bin/sleep", "36000")
		c.RunPod(ctx, "charged", "borrowed", sleepCommand)
		c.AwaitPod(ctx, "charged", fixture.Running)
		Expect(c.MustKubectl(ctx, "exec", "charged", "--", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/namespace")).To(Equal("default"))

		Expect(c.containerd(node.Name)).To(BeZero(), "it needs none of its own")
		pods := 0
		for _, pid := range playground.InCgroup(c.targetOf(node).ID + "/kubepods") {
			if strings.Contains(read("/proc/"+strconv.Itoa(pid)+"/cmdline"), "sleep\x0036000") {
				pods++
			}
		}
		Expect(pods).To(Equal(1), "the pod is charged to the Mesos container")
	}, SpecTimeout(5*time.Minute))

	It("a containerd: not for two nodes, nor with cgroups of systemd's making", func(ctx SpecContext) {
		c.applyPoolWithRuntime(ctx, "second", "runtimeSocket: "+socket)
		c.awaitConditionMessage(ctx, "second", "another node on this agent uses its container runtime")
		c.MustKubectl(ctx, "delete", "mesosnodepool", "second")
		unfit, err := c.StartContainerd(ctx, "unfit-containerd", true)
		Expect(err).NotTo(HaveOccurred())
		c.applyPoolWithRuntime(ctx, "unfit", "runtimeSocket: "+unfit)
		c.awaitConditionMessage(ctx, "unfit", "set SystemdCgroup = false")
		c.MustKubectl(ctx, "delete", "mesosnodepool", "unfit")
	}, SpecTimeout(4*time.Minute))

	It("a containerd: a node that is killed leaves nothing in it, and its other containers alone", func(ctx SpecContext) {
		node := c.AwaitNode(ctx, "borrowed")
		pods := c.ctr(socket, "k8s.io", "containers", "list", "--quiet")
		Expect(pods).NotTo(BeEmpty())
		kill(c.targetOf(node).executor)
		Eventually(ctx, func() string { return c.AwaitNode(ctx, "borrowed").Name }).
			WithTimeout(3 * time.Minute).WithPolling(time.Second).ShouldNot(Equal(node.Name))
		after := strings.Fields(c.ctr(socket, "k8s.io", "containers", "list", "--quiet"))
		for _, container := range strings.Fields(pods) {
			Expect(after).NotTo(ContainElement(container))
		}
		Expect(c.nodeFolder(node.Name)).NotTo(BeADirectory())
		Expect(c.ctr(socket, "stranger", "tasks", "list")).To(ContainSubstring("RUNNING"))
	}, SpecTimeout(5*time.Minute))

	It("everything as it was, when the pools go", func(ctx SpecContext) {
		c.MustKubectl(ctx, "delete", "mesosnodepool", "--all", "--wait=false")
		Eventually(ctx, func() map[string]v1alpha1.MesosNode { return c.mesosNodes(ctx) }).
			WithTimeout(3 * time.Minute).WithPolling(time.Second).Should(BeEmpty())
		Expect(c.ctr(socket, "k8s.io", "containers", "list", "--quiet")).To(BeEmpty())
		Expect(c.ctr(socket, "stranger", "tasks", "list")).To(ContainSubstring("RUNNING"))
		after, _ := os.ReadDir("/var/lib/kubelet")
		Expect(names(after)).To(Equal(names(before)))
	}, SpecTimeout(4*time.Minute))
})

func names(entries []os.DirEntry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func (c *cluster) applyPoolWithRuntime(ctx context.Context, name, what string) {
	GinkgoHelper()
	c.MustApply(ctx, strings.NewReplacer("$NAME", name, "$CHOICE", what).Replace(poolWithRuntime))
}

// awaitConditionMessage waits until the message of a condition of the pool's node contains why.
func (c *cluster) awaitConditionMessage(ctx context.Context, pool, why string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		var nodes v1alpha1.MesosNodeList
		g.Expect(c.Client.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: pool})).To(Succeed())
		g.Expect(nodes.Items).To(HaveLen(1))
		messages := ""
		for _, c := range nodes.Items[0].Status.Conditions {
			messages += c.Type + ": " + c.Message + "\n"
		}
		g.Expect(messages).To(ContainSubstring(why))
	}).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Succeed())
}

// ctr asks a containerd about one of its namespaces.
func (c *cluster) ctr(socket, namespace string, args ...string) string {
	GinkgoHelper()
	out, err := exec.Command(filepath.Join(filepath.Dir(c.KubectlPath()), "ctr"),
		append([]string{"--address=" + socket, "--namespace=" + namespace}, args...)...).Output()
	Expect(err).NotTo(HaveOccurred())
	return string(out)
}
