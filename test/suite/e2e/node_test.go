package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/test/cluster/fixture"
	"github.com/k8sm/k8sm/test/cluster/playground"
)

// webPods run a small web server with probes on each node. Nothing that is done to another node
// may disturb them.
const webPods = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: web, namespace: default}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: $IMAGE
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "mkdir /www && echo ready > /www/index.html && echo web is serving && exec httpd -f -p 8080 -h /www"]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 2, timeoutSeconds: 5}
        livenessProbe: {exec: {command: [cat, /www/index.html]}, periodSeconds: 5, timeoutSeconds: 10, failureThreshold: 6}
        resources: {requests: {cpu: 10m, memory: 16Mi}}
`

// cluster is one playground that all specs of a container share.
type cluster struct{ fixture.Cluster }

var _ = Describe("A node of real containers", Label("node"), Ordered, ContinueOnFailure, func() {
	c := &cluster{}
	BeforeAll(c.start)
	AfterAll(c.TearDown)
	AfterEach(func() { c.KeepLogsOnFailure() })
	c.specPods()
	c.specBadInput()
	c.specResourceLimits()
	c.specConfiguration()
	c.specShutdown()
	c.specKilledPrograms()
	c.specRestartedAgent()
	c.specDeathAtAnyMoment()
	c.specKubeletUpgrade()
	c.specOrphans()
	c.specBadDisk()
})

func (c *cluster) start(ctx SpecContext) {
	c.startPlayground(ctx, playground.Options{AgentResources: "cpus:4;mem:8192;disk:20000"})
	c.MustApply(ctx, fixture.Pools)
	for _, pool := range []string{"large", "small"} {
		c.AwaitNode(ctx, pool)
	}
	c.MustApply(ctx, webPods)
	c.awaitWebPods(ctx)
}

// startPlayground starts a playground with one agent for real containers, on which pools can be
// applied.
func (c *cluster) startPlayground(ctx context.Context, options playground.Options) {
	GinkgoHelper()
	if err := playground.RealContainers(); err != nil {
		Skip(err.Error())
	}
	options.Runtime, options.Agents = playground.RuntimeContainerd, 1
	c.Timeout = 3 * time.Minute
	c.Configure(options)
	Expect(c.Start(ctx)).To(Succeed())
	c.RegisterFramework(ctx)
}

// awaitWebPods waits until a web pod is ready on each of the two nodes. It returns the pods by the
// size of their node.
func (c *cluster) awaitWebPods(ctx context.Context) map[string]corev1.Pod {
	GinkgoHelper()
	var found map[string]corev1.Pod
	Eventually(ctx, func(g Gomega) {
		found = c.webPods(ctx, g)
		g.Expect(found).To(HaveLen(2))
		for node, pod := range found {
			g.Expect(pod.Status.ContainerStatuses).NotTo(BeEmpty(), "%s", node)
			g.Expect(pod.Status.ContainerStatuses[0].Ready).To(BeTrue(), "%s", node)
		}
	}).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Succeed())
	return found
}

// webPods returns the web pods by the size of their node.
func (c *cluster) webPods(ctx context.Context, g Gomega) map[string]corev1.Pod {
	var nodes corev1.NodeList
	g.Expect(c.Client.List(ctx, &nodes)).To(Succeed())
	sizes := map[string]string{}
	for _, n := range nodes.Items {
		sizes[n.Name] = n.Labels["size"]
	}
	var pods corev1.PodList
	g.Expect(c.Client.List(ctx, &pods, client.MatchingLabels{"app": "web"})).To(Succeed())
	found := map[string]corev1.Pod{}
	for _, p := range pods.Items {
		if size := sizes[p.Spec.NodeName]; size != "" && p.DeletionTimestamp.IsZero() {
			found[size] = p
		}
	}
	return found
}

// expectUndisturbed expects that the web pods are the same as before and were not restarted.
func (c *cluster) expectUndisturbed(ctx context.Context, before map[string]corev1.Pod) {
	GinkgoHelper()
	for size, now := range c.awaitWebPods(ctx) {
		Expect(now.UID).To(Equal(before[size].UID), "the web pod of the %s node was replaced", size)
		was, is := before[size].Status.ContainerStatuses[0], now.Status.ContainerStatuses[0]
		Expect(is.ContainerID).To(Equal(was.ContainerID), "the web pod of the %s node was restarted", size)
		Expect(is.RestartCount).To(Equal(was.RestartCount))
	}
}

// expectExec waits until kubectl exec works: a kubelet is Ready a moment before it knows its pods.
func (c *cluster) expectExec(ctx context.Context, pod string) {
	GinkgoHelper()
	Eventually(ctx, func() (string, error) { return c.Kubectl(ctx, "exec", pod, "--", "cat", "/www/index.html") }).
		WithTimeout(time.Minute).WithPolling(time.Second).Should(Equal("ready\n"))
}

func (c *cluster) specPods() {
	It("answers kubectl logs, exec and port-forward", func(ctx SpecContext) {
		pod := c.awaitWebPods(ctx)["large"].Name
		Expect(c.MustKubectl(ctx, "logs", pod)).To(ContainSubstring("web is serving"))
		Expect(c.MustKubectl(ctx, "exec", pod, "--", "hostname")).To(HavePrefix(pod))
		Expect(c.fetchForwarded(ctx, pod)).To(Equal("ready\n"))
	})

	It("lets probes decide", func(ctx SpecContext) {
		c.RunPod(ctx, "probed", "small", `
    command: [sh, -c, "touch /tmp/live 2>/dev/null || mkdir /tmp && touch /tmp/live; exec sleep 3600"]
    readinessProbe: {exec: {command: [cat, /tmp/ready]}, periodSeconds: 1}
    livenessProbe: {exec: {command: [cat, /tmp/live]}, periodSeconds: 1, failureThreshold: 1}
`)
		c.AwaitPod(ctx, "probed", fixture.Running)
		ready := func(want bool) {
			c.AwaitPod(ctx, "probed", func(g Gomega, p corev1.Pod) {
				g.Expect(p.Status.ContainerStatuses[0].Ready).To(Equal(want))
			})
		}
		ready(false)
		c.MustKubectl(ctx, "exec", "probed", "--", "touch", "/tmp/ready")
		ready(true)
		c.MustKubectl(ctx, "exec", "probed", "--", "rm", "/tmp/live")
		c.AwaitPod(ctx, "probed", func(g Gomega, p corev1.Pod) {
			g.Expect(p.Status.Phase).To(Equal(corev1.PodFailed), "it is not restarted, by its own policy")
		})
	})

	It("keeps a StatefulSet's data in a hostPath", func(ctx SpecContext) {
		c.MustApply(ctx, strings.ReplaceAll(stateful, "$DATA", c.dataFolder()))
		c.AwaitPod(ctx, "db-0", fixture.Running)
		c.MustKubectl(ctx, "exec", "db-0", "--", "sh", "-c", "echo precious > /data/file")
		c.MustKubectl(ctx, "delete", "pod", "db-0", "--grace-period=1")
		c.AwaitPod(ctx, "db-0", func(g Gomega, p corev1.Pod) {
			fixture.Running(g, p)
			g.Expect(p.DeletionTimestamp).To(BeNil())
		})
		Expect(c.MustKubectl(ctx, "exec", "db-0", "--", "cat", "/data/file")).To(Equal("precious\n"))
	})
}

const stateful = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: default}
spec:
  serviceName: db
  replicas: 1
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      nodeSelector: {size: small}
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: $IMAGE
        imagePullPolicy: IfNotPresent
        command: [sleep, "36000"]
        volumeMounts: [{name: data, mountPath: /data}]
      volumes:
      - name: data
        hostPath: {path: $DATA, type: DirectoryOrCreate}
`

// dataFolder is a folder on the agent that does not belong to k8sm.
func (c *cluster) dataFolder() string { return filepath.Join(filepath.Dir(c.Logs()), "tmp", "data") }

// fetchForwarded returns the page of a web server in a pod, by way of kubectl port-forward.
func (c *cluster) fetchForwarded(ctx SpecContext, pod string) string {
	GinkgoHelper()
	const port = "18080"
	forward, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.Kubectl(forward, "port-forward", "pod/"+pod, port+":8080")
	}()
	defer func() { stop(); <-ended }()
	var page string
	Eventually(ctx, func(g Gomega) {
		response, err := http.Get("http://127.0.0.1:" + port + "/")
		g.Expect(err).NotTo(HaveOccurred())
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		g.Expect(err).NotTo(HaveOccurred())
		page = string(body)
	}).WithTimeout(30 * time.Second).WithPolling(500 * time.Millisecond).Should(Succeed())
	return page
}

// process returns the PID of a process whose command line has all the words, or 0.
func process(words ...string) int {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		command, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		found := len(command) > 0
		for _, w := range words {
			found = found && strings.Contains(string(command), w)
		}
		if found {
			return pid
		}
	}
	return 0
}

// kubelet returns the PID of the node's kubelet, or 0. The path contains the playground's folder,
// so that no other kubelet of this machine is found.
func (c *cluster) kubelet(node string) int {
	return process(c.nodeFolder(node)+"/bin/kubelet", "--hostname-override="+node)
}

func (c *cluster) containerd(node string) int {
	return process(c.nodeFolder(node)+"/bin/containerd", "--config=")
}

func (c *cluster) nodeFolder(node string) string {
	return filepath.Join(c.StateDir(), node)
}

func parent(pid int) int {
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	parent, _ := strconv.Atoi(fields[1])
	return parent
}

func kill(pid int) {
	GinkgoHelper()
	Expect(pid).To(BeNumerically(">", 1))
	Expect(syscall.Kill(pid, syscall.SIGKILL)).To(Succeed())
}

// killAtOnce kills all processes. Some may already have ended because of the others.
func killAtOnce(pids []int) {
	GinkgoHelper()
	Expect(pids).NotTo(BeEmpty())
	for _, pid := range pids {
		Expect(pid).To(BeNumerically(">", 1))
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
