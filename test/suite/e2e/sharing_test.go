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

// Two nodes of one pool, and one of another, all on one agent.
const flat = `
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

const lodgerService = `
apiVersion: v1
kind: Service
metadata: {name: $NAME, namespace: default}
spec:
  clusterIP: $ADDRESS
  selector: {app: lodger}
  ports: [{port: 80, targetPort: 8080}]
`

// watcher fetches the page of a neighbour five times a second, and keeps count of what
// failed.
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
	h, service := &house{}, ""
	BeforeAll(func(ctx SpecContext) {
		h.open(ctx, playground.Options{AgentResources: "cpus:4;mem:8192;disk:20000"})
		h.MustApply(ctx, flat+"\n---"+lodgers)
		service = h.serve(ctx, "lodger", "77")
		h.awaitShared(ctx, 3)
	}, NodeTimeout(6*time.Minute))
	AfterAll(h.TearDown)
	AfterEach(func() { h.KeepLogsOnFailure() })

	It("have ports, folders, bridges and pod addresses of their own", func(ctx SpecContext) {
		ports, ranges, bridges := map[string]bool{}, map[string]bool{}, map[string]bool{}
		for name, node := range h.mesosNodes(ctx) {
			Expect(node.Status.Task.AgentHostname).To(Equal("host-1"))
			config := read(filepath.Join(h.nodeFolder(name), "etc", "containerd.toml"))
			stream := regexp.MustCompile(`stream_server_port = "(\d+)"`).FindStringSubmatch(config)
			Expect(stream).To(HaveLen(2))
			ports[stream[1]] = true
			ports[read(filepath.Join(h.nodeFolder(name), "etc", "kubelet.json"))] = true
			var n corev1.Node
			Expect(h.Client.Get(ctx, client.ObjectKey{Name: name}, &n)).To(Succeed())
			Expect(n.Status.DaemonEndpoints.KubeletEndpoint.Port).To(Equal(node.Status.Task.KubeletPort))
			ranges[n.Spec.PodCIDR] = true
			for _, bridge := range h.bridges(ctx, name) {
				bridges[bridge] = true
			}
		}
		Expect(ports).To(HaveLen(6))
		Expect(ranges).To(HaveLen(3))
		Expect(bridges).To(HaveLen(3))
	})

	It("reach one another's pods, and services, by one kube-proxy for all", func(ctx SpecContext) {
		h.proxied(ctx)
		pods := h.awaitShared(ctx, 3)
		for _, from := range pods {
			for _, to := range pods {
				h.reaches(ctx, from.Name, to.Status.PodIP+":8080")
			}
			h.reaches(ctx, from.Name, service)
			Expect(h.MustKubectl(ctx, "logs", from.Name)).To(ContainSubstring("lodger is serving"))
		}
	})

	It("have a /var/lib/kubelet of their own, where drivers of volumes find them", func(ctx SpecContext) {
		h.MustApply(ctx, h.volumeDriver())
		nodes := h.mesosNodes(ctx)
		for node := range nodes {
			h.MustApply(ctx, h.withVolume(node))
		}
		for node := range nodes {
			h.AwaitPod(ctx, "volume-"+node, fixture.Running)
			h.MustKubectl(ctx, "exec", "volume-"+node, "--", "sh", "-c", "echo "+node+" >/data/file")
			Expect(read(filepath.Join(h.dataFolder(), node, "file"))).To(Equal(node + "\n"))
		}
	}, SpecTimeout(4*time.Minute))

	It("do not notice when the one with the kube-proxy is killed, and no volume loses its data", func(ctx SpecContext) {
		before, victim := h.awaitShared(ctx, 3), h.proxied(ctx)
		delete(before, victim)
		survivors := slices.Sorted(maps.Keys(before))
		h.MustApply(ctx, strings.NewReplacer("$NODE", survivors[0], "$URL", before[survivors[1]].Status.PodIP+":8080").Replace(watcher))
		h.AwaitPod(ctx, "watcher", fixture.Running)
		kill(h.executorOf(ctx, victim))
		Eventually(ctx, func(g Gomega) {
			g.Expect(h.mesosNodes(ctx)).NotTo(HaveKey(victim))
		}).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Succeed())
		after := h.awaitShared(ctx, 3)
		Expect(h.nodeFolder(victim)).NotTo(BeADirectory(), "its successor sweeps it")
		for name := range before {
			Expect(after[name].UID).To(Equal(before[name].UID), name)
			Expect(after[name].Status.ContainerStatuses).To(Equal(before[name].Status.ContainerStatuses), name)
			for _, to := range after {
				h.reaches(ctx, after[name].Name, to.Status.PodIP+":8080")
			}
		}
		h.watchedWell(ctx)
		Expect(read(filepath.Join(h.dataFolder(), victim, "file"))).To(Equal(victim + "\n"))
		Expect(h.MustKubectl(ctx, "exec", "volume-"+survivors[0], "--", "cat", "/data/file")).To(Equal(survivors[0] + "\n"))
		Expect(h.proxied(ctx)).NotTo(Equal(victim), "another took over")
		// One that is new is reached once the rules are the new kube-proxy's.
		for _, address := range []string{h.serve(ctx, "lodger-later", "78"), service} {
			for _, pod := range after {
				h.reaches(ctx, pod.Name, address)
			}
		}
	}, SpecTimeout(6*time.Minute))

	It("do not notice when one of them is drained and ends in order", func(ctx SpecContext) {
		before := h.awaitShared(ctx, 3)
		h.MustKubectl(ctx, "scale", "mesosnodepool", "twins", "--replicas=1")
		Eventually(ctx, func() int { return len(h.mesosNodes(ctx)) }).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Equal(2))
		after := h.awaitShared(ctx, 2)
		for name := range after {
			Expect(after[name].UID).To(Equal(before[name].UID), name)
			Expect(after[name].Status.ContainerStatuses).To(Equal(before[name].Status.ContainerStatuses), name)
			for _, to := range after {
				h.reaches(ctx, after[name].Name, to.Status.PodIP+":8080")
			}
			Expect(h.bridges(ctx, name)).To(HaveLen(2), "that of the third is gone, the others' are there")
		}
		h.proxied(ctx)
		for _, pod := range after {
			h.reaches(ctx, pod.Name, service)
		}
	}, SpecTimeout(6*time.Minute))

	It("leave nothing behind", func(ctx SpecContext) {
		h.MustKubectl(ctx, "delete", "mesosnodepool", "--all", "--wait=false")
		Eventually(ctx, func() map[string]v1alpha1.MesosNode { return h.mesosNodes(ctx) }).
			WithTimeout(3 * time.Minute).WithPolling(time.Second).Should(BeEmpty())
		Eventually(ctx, h.Residue).WithTimeout(30 * time.Second).Should(BeEmpty())
	}, SpecTimeout(4*time.Minute))
})

// serve has a service for the lodgers, at an address that no other is given, and returns it.
func (h *house) serve(ctx context.Context, name, last string) string {
	GinkgoHelper()
	address := regexp.MustCompile(`\.0\.1:.*`).ReplaceAllString(strings.TrimPrefix(h.Config.Host, "https://"), ".32."+last)
	h.MustApply(ctx, strings.NewReplacer("$NAME", name, "$ADDRESS", address).Replace(lodgerService))
	return address
}

func (h *house) mesosNodes(ctx context.Context) map[string]v1alpha1.MesosNode {
	GinkgoHelper()
	var nodes v1alpha1.MesosNodeList
	Expect(h.Client.List(ctx, &nodes)).To(Succeed())
	found := map[string]v1alpha1.MesosNode{}
	for _, n := range nodes.Items {
		found[n.Name] = n
	}
	return found
}

// awaitShared waits until so many nodes have a lodger that is ready, and no others are
// there. Lodgers are by the name of their node. Those of nodes that went are still on
// record for a while.
func (h *house) awaitShared(ctx context.Context, count int) map[string]corev1.Pod {
	GinkgoHelper()
	found := map[string]corev1.Pod{}
	Eventually(ctx, func(g Gomega) {
		clear(found)
		nodes := h.mesosNodes(ctx)
		g.Expect(nodes).To(HaveLen(count))
		var pods corev1.PodList
		g.Expect(h.Client.List(ctx, &pods, client.MatchingLabels{"app": "lodger"})).To(Succeed())
		for _, p := range pods.Items {
			if _, there := nodes[p.Spec.NodeName]; there && len(p.Status.ContainerStatuses) > 0 && p.Status.ContainerStatuses[0].Ready {
				found[p.Spec.NodeName] = p
			}
		}
		g.Expect(found).To(HaveLen(count))
	}).WithTimeout(4 * time.Minute).WithPolling(time.Second).Should(Succeed())
	return found
}

// proxied waits until one kube-proxy runs, and returns its node.
func (h *house) proxied(ctx context.Context) (node string) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		var pods corev1.PodList
		g.Expect(h.Client.List(ctx, &pods, client.MatchingLabels{"app": "kube-proxy"})).To(Succeed())
		there, found := h.mesosNodes(ctx), []string{}
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

func (h *house) executorOf(ctx context.Context, node string) int {
	GinkgoHelper()
	found := h.mesosNodes(ctx)[node]
	return h.victim(&found).executor
}

// bridges of nodes that are on the agent's network, which is also the node's.
func (h *house) bridges(ctx context.Context, node string) []string {
	GinkgoHelper()
	out, err := exec.Command("nsenter", "--net=/proc/"+strconv.Itoa(h.executorOf(ctx, node))+"/ns/net", "ip", "-o", "link", "show", "type", "bridge").Output()
	Expect(err).NotTo(HaveOccurred())
	return regexp.MustCompile(`k8sm-[0-9a-f]+`).FindAllString(string(out), -1)
}

// reaches waits until the pod gets a lodger's page from there.
func (h *house) reaches(ctx context.Context, pod, address string) {
	GinkgoHelper()
	Eventually(ctx, func() (string, error) {
		return h.Kubectl(ctx, "exec", pod, "--", "timeout", "2", "wget", "-q", "-O", "-", "http://"+address+"/")
	}).WithTimeout(2*time.Minute).WithPolling(time.Second).Should(Equal("ready\n"), "from %s to %s", pod, address)
}

// volumeDriver is a DaemonSet as vendors of storage ship theirs. Its program is this
// test's own, like its libraries the host's.
func (h *house) volumeDriver() string {
	program, err := os.Executable()
	Expect(err).NotTo(HaveOccurred())
	return strings.NewReplacer("$DRIVER", volumedriver.Name, "$PROGRAM", program, "$VARIABLE", driverVariable, "$DATA", h.dataFolder()).Replace(driverManifest)
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

// withVolume is a pod on the node, with a volume of that driver.
func (h *house) withVolume(node string) string {
	return strings.NewReplacer("$NODE", node, "$DRIVER", volumedriver.Name, "$ATTRIBUTE", volumedriver.AttributeFolder, "$DATA", h.dataFolder()).Replace(`
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

// watchedWell expects that the watcher asked, and always was answered.
func (h *house) watchedWell(ctx context.Context) {
	GinkgoHelper()
	Expect(len(h.MustKubectl(ctx, "exec", "watcher", "--", "cat", "/asked"))).To(BeNumerically(">", 20))
	Expect(h.MustKubectl(ctx, "exec", "watcher", "--", "cat", "/failed")).To(BeEmpty())
}
