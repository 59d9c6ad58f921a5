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

// lodger is a small web server with probes on each node, which must not notice what its
// neighbours go through.
const lodgers = `
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: lodger, namespace: default}
spec:
  selector: {matchLabels: {app: lodger}}
  template:
    metadata: {labels: {app: lodger}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: web
        image: $IMAGE
        imagePullPolicy: IfNotPresent
        command: [sh, -c, "mkdir /www && echo ready > /www/index.html && echo lodger is serving && exec httpd -f -p 8080 -h /www"]
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 2, timeoutSeconds: 5}
        livenessProbe: {exec: {command: [cat, /www/index.html]}, periodSeconds: 5, timeoutSeconds: 10, failureThreshold: 6}
        resources: {requests: {cpu: 10m, memory: 16Mi}}
`

// house is one playground with these nodes, shared by all specs about them.
type house struct{ fixture.House }

var _ = Describe("A node of real containers", Label("node"), Ordered, ContinueOnFailure, func() {
	h := &house{}
	BeforeAll(h.build)
	AfterAll(h.TearDown)
	AfterEach(func() { h.KeepLogsOnFailure() })
	h.servesPods()
	h.saysWhatIsWrong()
	h.livesWithinItsMeans()
	h.isTuned()
	h.endsItsPods()
	h.outlivesItsPrograms()
	h.outlivesItsAgent()
	h.diesAtAnyMoment()
	h.upgradesItsKubelet()
	h.leavesNoOrphans()
	h.saysWhatIsWrongWithItsDisk()
})

func (h *house) build(ctx SpecContext) {
	h.open(ctx, playground.Options{AgentResources: "cpus:4;mem:8192;disk:20000"})
	h.MustApply(ctx, fixture.Pools)
	for _, pool := range []string{"large", "small"} {
		h.AwaitNode(ctx, pool)
	}
	h.MustApply(ctx, lodgers)
	h.awaitLodgers(ctx)
}

// open a playground with one agent for real containers, where pools may be applied.
func (h *house) open(ctx context.Context, options playground.Options) {
	GinkgoHelper()
	if err := playground.RealContainers(); err != nil {
		Skip(err.Error())
	}
	options.Runtime, options.Agents = playground.RuntimeContainerd, 1
	h.Patience = 3 * time.Minute
	h.Found(options)
	Expect(h.Start(ctx)).To(Succeed())
	h.Register(ctx)
}

// awaitLodgers waits until a lodger is ready on each node.
func (h *house) awaitLodgers(ctx context.Context) map[string]corev1.Pod {
	GinkgoHelper()
	var found map[string]corev1.Pod
	Eventually(ctx, func(g Gomega) {
		found = h.lodgers(ctx, g)
		g.Expect(found).To(HaveLen(2))
		for node, pod := range found {
			g.Expect(pod.Status.ContainerStatuses).NotTo(BeEmpty(), "%s", node)
			g.Expect(pod.Status.ContainerStatuses[0].Ready).To(BeTrue(), "%s", node)
		}
	}).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Succeed())
	return found
}

// lodgers by the size of their node.
func (h *house) lodgers(ctx context.Context, g Gomega) map[string]corev1.Pod {
	var nodes corev1.NodeList
	g.Expect(h.Client.List(ctx, &nodes)).To(Succeed())
	sizes := map[string]string{}
	for _, n := range nodes.Items {
		sizes[n.Name] = n.Labels["size"]
	}
	var pods corev1.PodList
	g.Expect(h.Client.List(ctx, &pods, client.MatchingLabels{"app": "lodger"})).To(Succeed())
	found := map[string]corev1.Pod{}
	for _, p := range pods.Items {
		if size := sizes[p.Spec.NodeName]; size != "" && p.DeletionTimestamp.IsZero() {
			found[size] = p
		}
	}
	return found
}

// undisturbed expects the same lodgers, never restarted.
func (h *house) undisturbed(ctx context.Context, before map[string]corev1.Pod) {
	GinkgoHelper()
	for size, now := range h.awaitLodgers(ctx) {
		Expect(now.UID).To(Equal(before[size].UID), "the lodger of the %s node is another", size)
		was, is := before[size].Status.ContainerStatuses[0], now.Status.ContainerStatuses[0]
		Expect(is.ContainerID).To(Equal(was.ContainerID), "the lodger of the %s node was restarted", size)
		Expect(is.RestartCount).To(Equal(was.RestartCount))
	}
}

// answers waits for kubectl exec: a kubelet is Ready a moment before it knows its pods.
func (h *house) answers(ctx context.Context, pod string) {
	GinkgoHelper()
	Eventually(ctx, func() (string, error) { return h.Kubectl(ctx, "exec", pod, "--", "cat", "/www/index.html") }).
		WithTimeout(time.Minute).WithPolling(time.Second).Should(Equal("ready\n"))
}

func (h *house) servesPods() {
	It("answers kubectl logs, exec and port-forward", func(ctx SpecContext) {
		pod := h.awaitLodgers(ctx)["large"].Name
		Expect(h.MustKubectl(ctx, "logs", pod)).To(ContainSubstring("lodger is serving"))
		Expect(h.MustKubectl(ctx, "exec", pod, "--", "hostname")).To(HavePrefix(pod))
		Expect(h.forwarded(ctx, pod)).To(Equal("ready\n"))
	})

	It("lets probes decide", func(ctx SpecContext) {
		h.RunPod(ctx, "probed", "small", `
    command: [sh, -c, "touch /tmp/live 2>/dev/null || mkdir /tmp && touch /tmp/live; exec sleep 3600"]
    readinessProbe: {exec: {command: [cat, /tmp/ready]}, periodSeconds: 1}
    livenessProbe: {exec: {command: [cat, /tmp/live]}, periodSeconds: 1, failureThreshold: 1}
`)
		h.AwaitPod(ctx, "probed", fixture.Running)
		ready := func(want bool) {
			h.AwaitPod(ctx, "probed", func(g Gomega, p corev1.Pod) {
				g.Expect(p.Status.ContainerStatuses[0].Ready).To(Equal(want))
			})
		}
		ready(false)
		h.MustKubectl(ctx, "exec", "probed", "--", "touch", "/tmp/ready")
		ready(true)
		h.MustKubectl(ctx, "exec", "probed", "--", "rm", "/tmp/live")
		h.AwaitPod(ctx, "probed", func(g Gomega, p corev1.Pod) {
			g.Expect(p.Status.Phase).To(Equal(corev1.PodFailed), "it is not restarted, by its own policy")
		})
	})

	It("keeps a StatefulSet's data in a hostPath", func(ctx SpecContext) {
		h.MustApply(ctx, strings.ReplaceAll(stateful, "$DATA", h.dataFolder()))
		h.AwaitPod(ctx, "db-0", fixture.Running)
		h.MustKubectl(ctx, "exec", "db-0", "--", "sh", "-c", "echo precious > /data/file")
		h.MustKubectl(ctx, "delete", "pod", "db-0", "--grace-period=1")
		h.AwaitPod(ctx, "db-0", func(g Gomega, p corev1.Pod) {
			fixture.Running(g, p)
			g.Expect(p.DeletionTimestamp).To(BeNil())
		})
		Expect(h.MustKubectl(ctx, "exec", "db-0", "--", "cat", "/data/file")).To(Equal("precious\n"))
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

// dataFolder is on the agent, and none of k8sm's business.
func (h *house) dataFolder() string { return filepath.Join(filepath.Dir(h.Logs()), "tmp", "data") }

// forwarded is what a web server in a pod says through kubectl port-forward.
func (h *house) forwarded(ctx SpecContext, pod string) string {
	GinkgoHelper()
	const port = "18080"
	forward, stop := context.WithCancel(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = h.Kubectl(forward, "port-forward", "pod/"+pod, port+":8080")
	}()
	defer func() { stop(); <-ended }()
	var said string
	Eventually(ctx, func(g Gomega) {
		response, err := http.Get("http://127.0.0.1:" + port + "/")
		g.Expect(err).NotTo(HaveOccurred())
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		g.Expect(err).NotTo(HaveOccurred())
		said = string(body)
	}).WithTimeout(30 * time.Second).WithPolling(500 * time.Millisecond).Should(Succeed())
	return said
}

// process finds the one whose command line has all the words.
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

// kubelet and runtime of a node. A playground's folder is in the paths, so nobody
// else's are found.
func (h *house) kubelet(node string) int {
	return process(h.nodeFolder(node)+"/bin/kubelet", "--hostname-override="+node)
}

func (h *house) containerd(node string) int {
	return process(h.nodeFolder(node)+"/bin/containerd", "--config=")
}

func (h *house) nodeFolder(node string) string {
	return filepath.Join(h.StateDir(), node)
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

// killAtOnce kills processes of which one's end may bring the others'.
func killAtOnce(pids []int) {
	GinkgoHelper()
	Expect(pids).NotTo(BeEmpty())
	for _, pid := range pids {
		Expect(pid).To(BeNumerically(">", 1))
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}
