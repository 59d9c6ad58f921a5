package e2e

import (
	"context"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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
	"github.com/k8sm/k8sm/test/cluster/volumedriver"
)

// poolsOnOneAgent are two nodes of one pool and one node of another, all on one agent.
const poolsOnOneAgent = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: twins}
spec:
  frameworkRef: {name: default}
  replicas: 2
  template:
    metadata: {labels: {size: twin}}
    spec:
      resources: {cpu: 600m, memory: 768Mi}
  placement: {maxNodesPerAgent: 2}
---
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: other}
spec:
  frameworkRef: {name: default}
  replicas: 1
  template:
    metadata: {labels: {size: other}}
    spec:
      resources: {cpu: 600m, memory: 768Mi}
`

const webService = `
apiVersion: v1
kind: Service
metadata: {name: $NAME, namespace: default}
spec:
  clusterIP: $ADDRESS
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080}]
`

// watcher is a pod that fetches the page of another node's web pod five times a second and logs
// each failure.
const watcher = `
apiVersion: v1
kind: Pod
metadata: {name: watcher, namespace: default}
spec:
  nodeName: $NODE
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: $IMAGE
    imagePullPolicy: IfNotPresent
    command: [sh, -c, "touch /failed; while :; do timeout 2 wget -q -O /dev/null http://$URL/ || date >>/failed; echo . >>/asked; sleep 0.2; done"]
`

var _ = Describe("Nodes that share an agent", Label("node"), Ordered, func() {
	c, service := &cluster{}, ""
	BeforeAll(func(ctx SpecContext) {
		c.startPlayground(ctx, playground.Options{AgentResources: "cpus:4;mem:8192;disk:20000"})
		c.MustApply(ctx, poolsOnOneAgent+"\n---"+webPods)
		service = c.createService(ctx, "web", "77")
		c.awaitShared(ctx, 3)
	}, NodeTimeout(6*time.Minute))
	AfterAll(c.TearDown)
	AfterEach(func() { c.KeepLogsOnFailure() })

	It("have separate ports, folders, bridges and pod addresses", func(ctx SpecContext) {
		ports, ranges, bridges := map[string]bool{}, map[string]bool{}, map[string]bool{}
		for name, node := range c.mesosNodes(ctx) {
			Expect(node.Status.Task.AgentHostname).To(Equal("host-1"))
			config := read(filepath.Join(c.nodeFolder(name), "etc", "containerd.toml"))
			stream := regexp.MustCompile(`stream_server_port = "(\d+)"`).FindStringSubmatch(config)
			Expect(stream).To(HaveLen(2))
			ports[stream[1]] = true
			ports[read(filepath.Join(c.nodeFolder(name), "etc", "kubelet.json"))] = true
			var n corev1.Node
			Expect(c.Client.Get(ctx, client.ObjectKey{Name: name}, &n)).To(Succeed())
			Expect(n.Status.DaemonEndpoints.KubeletEndpoint.Port).To(Equal(node.Status.Task.KubeletPort))
			ranges[n.Spec.PodCIDR] = true
			for _, bridge := range c.bridges(ctx, name) {
				bridges[bridge] = true
			}
		}
		Expect(ports).To(HaveLen(6))
		Expect(ranges).To(HaveLen(3))
		Expect(bridges).To(HaveLen(3))
	})

	It("reach each other's pods, and services through one kube-proxy", func(ctx SpecContext) {
		c.awaitKubeProxy(ctx)
		pods := c.awaitShared(ctx, 3)
		for _, from := range pods {
			for _, to := range pods {
				c.expectReachable(ctx, from.Name, to.Status.PodIP+":8080")
			}
			c.expectReachable(ctx, from.Name, service)
			Expect(c.MustKubectl(ctx, "logs", from.Name)).To(ContainSubstring("web is serving"))
		}
	})

	It("keep their pods from the Mesos master, which their agent reaches", func(ctx SpecContext) {
		address := c.Master.Addr()
		for _, pod := range c.awaitShared(ctx, 3) {
			agent := "/proc/" + strconv.Itoa(c.executorOf(ctx, pod.Spec.NodeName)) + "/ns/net"
			connect := "exec 3<>/dev/tcp/" + strings.ReplaceAll(address, ":", "/")
			out, err := exec.Command("nsenter", "--net="+agent, "timeout", "10", "bash", "-c", connect).CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), "from the agent: %s", out)
			said, err := c.Kubectl(ctx, "exec", pod.Name, "--", "timeout", "3", "wget", "-q", "-O", "-", "http://"+address+"/version")
			Expect(err).To(HaveOccurred(), "%s gets from the master: %s", pod.Name, said)
		}
	})

	It("have separate folders /var/lib/kubelet, in which volume drivers work", func(ctx SpecContext) {
		c.MustApply(ctx, c.volumeDriver())
		nodes := c.mesosNodes(ctx)
		for node := range nodes {
			c.MustApply(ctx, c.podWithVolume(node))
		}
		for node := range nodes {
			c.AwaitPod(ctx, "volume-"+node, fixture.Running)
			c.MustKubectl(ctx, "exec", "volume-"+node, "--", "sh", "-c", "echo "+node+" >/data/file")
			Expect(read(filepath.Join(c.dataFolder(), node, "file"))).To(Equal(node + "\n"))
		}
	}, SpecTimeout(4*time.Minute))

	It("are not disturbed when the node with the kube-proxy is killed, and volumes keep their data", func(ctx SpecContext) {
		before, killed := c.awaitShared(ctx, 3), c.awaitKubeProxy(ctx)
		delete(before, killed)
		others := slices.Sorted(maps.Keys(before))
		c.MustApply(ctx, strings.NewReplacer("$NODE", others[0], "$URL", before[others[1]].Status.PodIP+":8080").Replace(watcher))
		c.AwaitPod(ctx, "watcher", fixture.Running)
		kill(c.executorOf(ctx, killed))
		Eventually(ctx, func(g Gomega) {
			g.Expect(c.mesosNodes(ctx)).NotTo(HaveKey(killed))
		}).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Succeed())
		after := c.awaitShared(ctx, 3)
		Expect(c.nodeFolder(killed)).NotTo(BeADirectory(), "the next executor removes it")
		for name := range before {
			Expect(after[name].UID).To(Equal(before[name].UID), name)
			Expect(after[name].Status.ContainerStatuses).To(Equal(before[name].Status.ContainerStatuses), name)
			for _, to := range after {
				c.expectReachable(ctx, after[name].Name, to.Status.PodIP+":8080")
			}
		}
		c.expectWatcherUninterrupted(ctx)
		Expect(read(filepath.Join(c.dataFolder(), killed, "file"))).To(Equal(killed + "\n"))
		Expect(c.MustKubectl(ctx, "exec", "volume-"+others[0], "--", "cat", "/data/file")).To(Equal(others[0] + "\n"))
		Expect(c.awaitKubeProxy(ctx)).NotTo(Equal(killed), "a kube-proxy on another node took over")
		// A new service is reachable only when the new kube-proxy has written its rules.
		for _, address := range []string{c.createService(ctx, "web-later", "78"), service} {
			for _, pod := range after {
				c.expectReachable(ctx, pod.Name, address)
			}
		}
	}, SpecTimeout(6*time.Minute))

	It("are not disturbed when one of them is drained", func(ctx SpecContext) {
		before := c.awaitShared(ctx, 3)
		c.MustKubectl(ctx, "scale", "mesosnodepool", "twins", "--replicas=1")
		Eventually(ctx, func() int { return len(c.mesosNodes(ctx)) }).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Equal(2))
		after := c.awaitShared(ctx, 2)
		for name := range after {
			Expect(after[name].UID).To(Equal(before[name].UID), name)
			Expect(after[name].Status.ContainerStatuses).To(Equal(before[name].Status.ContainerStatuses), name)
			for _, to := range after {
				c.expectReachable(ctx, after[name].Name, to.Status.PodIP+":8080")
			}
			Expect(c.bridges(ctx, name)).To(HaveLen(2), "only the bridge of the drained node is gone")
		}
		c.awaitKubeProxy(ctx)
		for _, pod := range after {
			c.expectReachable(ctx, pod.Name, service)
		}
	}, SpecTimeout(6*time.Minute))

	It("leave nothing behind", func(ctx SpecContext) {
		c.MustKubectl(ctx, "delete", "mesosnodepool", "--all", "--wait=false")
		Eventually(ctx, func() map[string]v1alpha1.MesosNode { return c.mesosNodes(ctx) }).
			WithTimeout(3 * time.Minute).WithPolling(time.Second).Should(BeEmpty())
		Eventually(ctx, c.Leftovers).WithTimeout(30 * time.Second).Should(BeEmpty())
	}, SpecTimeout(4*time.Minute))
})

// createService creates a service for the web pods, at an address whose last number is last, and
// returns the address.
func (c *cluster) createService(ctx context.Context, name, last string) string {
	GinkgoHelper()
	address := regexp.MustCompile(`\.0\.1:.*`).ReplaceAllString(strings.TrimPrefix(c.Config.Host, "https://"), ".32."+last)
	c.MustApply(ctx, strings.NewReplacer("$NAME", name, "$ADDRESS", address).Replace(webService))
	return address
}

func (c *cluster) mesosNodes(ctx context.Context) map[string]v1alpha1.MesosNode {
	GinkgoHelper()
	var nodes v1alpha1.MesosNodeList
	Expect(c.Client.List(ctx, &nodes)).To(Succeed())
	found := map[string]v1alpha1.MesosNode{}
	for _, n := range nodes.Items {
		found[n.Name] = n
	}
	return found
}

// awaitShared waits until there are count nodes and each has a ready web pod. It returns the pods
// by the names of their nodes. Pods of deleted nodes stay on record for a while and are ignored.
func (c *cluster) awaitShared(ctx context.Context, count int) map[string]corev1.Pod {
	GinkgoHelper()
	found := map[string]corev1.Pod{}
	Eventually(ctx, func(g Gomega) {
		clear(found)
		nodes := c.mesosNodes(ctx)
		g.Expect(nodes).To(HaveLen(count))
		var pods corev1.PodList
		g.Expect(c.Client.List(ctx, &pods, client.MatchingLabels{"app": "web"})).To(Succeed())
		for _, p := range pods.Items {
			if _, there := nodes[p.Spec.NodeName]; there && len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].Ready {
				found[p.Spec.NodeName] = p
			}
		}
		g.Expect(found).To(HaveLen(count))
	}).WithTimeout(4 * time.Minute).WithPolling(time.Second).Should(Succeed())
	return found
}

// awaitKubeProxy waits until exactly one kube-proxy runs, and returns its node.
func (c *cluster) awaitKubeProxy(ctx context.Context) (node string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		var pods corev1.PodList
		g.Expect(c.Client.List(ctx, &pods, client.MatchingLabels{"app": "kube-proxy"})).To(Succeed())
		there, found := c.mesosNodes(ctx), []string{}
		for _, p := range pods.Items {
			if _, lives := there[p.Spec.NodeName]; lives && p.Status.Phase == corev1.PodRunning {
				found = append(found, p.Spec.NodeName)
			}
		}
		g.Expect(found).To(HaveLen(1))
		node = found[0]
	}).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Succeed())
	return node
}

func (c *cluster) executorOf(ctx context.Context, node string) int {
	GinkgoHelper()
	found := c.mesosNodes(ctx)[node]
	return c.targetOf(&found).executor
}

// bridges returns the nodes' bridges in the network of the agent, which the node shares.
func (c *cluster) bridges(ctx context.Context, node string) []string {
	GinkgoHelper()
	out, err := exec.Command("nsenter", "--net=/proc/"+strconv.Itoa(c.executorOf(ctx, node))+"/ns/net", "ip", "-o", "link", "show", "type", "bridge").Output()
	Expect(err).NotTo(HaveOccurred())
	return regexp.MustCompile(`k8sm-[0-9a-f]+`).FindAllString(string(out), -1)
}

// expectReachable waits until the pod gets the page of a web pod from the address.
func (c *cluster) expectReachable(ctx context.Context, pod, address string) {
	GinkgoHelper()
	Eventually(ctx, func() (string, error) {
		return c.Kubectl(ctx, "exec", pod, "--", "timeout", "2", "wget", "-q", "-O", "-", "http://"+address+"/")
	}).WithTimeout(2*time.Minute).WithPolling(time.Second).Should(Equal("ready\n"), "from %s to %s", pod, address)
}

// volumeDriver is a DaemonSet like the drivers of storage vendors. Its program is this test's own
// binary, with the host's libraries.
func (c *cluster) volumeDriver() string {
	program, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	return strings.NewReplacer("$DRIVER", volumedriver.Name, "$PROGRAM", program, "$VARIABLE", driverVariable, "$DATA", c.dataFolder()).Replace(driverManifest)
}

const driverManifest = `
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: $DRIVER}
spec: {attachRequired: false, volumeLifecycleModes: [Ephemeral]}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: volume-driver, namespace: default}
spec:
  selector: {matchLabels: {app: volume-driver}}
  template:
    metadata: {labels: {app: volume-driver}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: driver
        image: $IMAGE
        imagePullPolicy: IfNotPresent
        command: [/driver]
        env: [{name: $VARIABLE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
        resources: {requests: {cpu: 10m, memory: 32Mi}}
        securityContext: {privileged: true}
        volumeMounts:
        - {name: driver, mountPath: /driver}
        - {name: lib, mountPath: /lib, readOnly: true}
        - {name: lib64, mountPath: /lib64, readOnly: true}
        - {name: kubelet, mountPath: /var/lib/kubelet, mountPropagation: Bidirectional}
        - {name: data, mountPath: $DATA}
      volumes:
      - {name: driver, hostPath: {path: $PROGRAM, type: File}}
      - {name: lib, hostPath: {path: /lib}}
      - {name: lib64, hostPath: {path: /lib64}}
      - {name: kubelet, hostPath: {path: /var/lib/kubelet, type: Directory}}
      - {name: data, hostPath: {path: $DATA, type: DirectoryOrCreate}}
`

// podWithVolume returns a pod on the node, with a volume of that driver.
func (c *cluster) podWithVolume(node string) string {
	return strings.NewReplacer("$NODE", node, "$DRIVER", volumedriver.Name, "$ATTRIBUTE", volumedriver.AttributeFolder, "$DATA", c.dataFolder()).Replace(`
apiVersion: v1
kind: Pod
metadata: {name: volume-$NODE, namespace: default}
spec:
  nodeName: $NODE
  terminationGracePeriodSeconds: 1
  containers:
  - name: main
    image: $IMAGE
    imagePullPolicy: IfNotPresent
    command: [sleep, "36000"]
    volumeMounts: [{name: data, mountPath: /data}]
  volumes:
  - {name: data, csi: {driver: $DRIVER, volumeAttributes: {$ATTRIBUTE: $DATA/$NODE}}}
`)
}

// expectWatcherUninterrupted expects that the watcher has sent requests and none has failed.
func (c *cluster) expectWatcherUninterrupted(ctx context.Context) {
	GinkgoHelper()
	Expect(len(c.MustKubectl(ctx, "exec", "watcher", "--", "cat", "/asked"))).To(BeNumerically(">", 20))
	Expect(c.MustKubectl(ctx, "exec", "watcher", "--", "cat", "/failed")).To(BeEmpty())
}
