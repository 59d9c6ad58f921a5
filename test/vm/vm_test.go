package vm

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/playground"
	"github.com/k8sm/k8sm/test/vm/door"
)

func TestUnified(t *testing.T) {
	RegisterFailHandler(Fail)
	log.SetLogger(GinkgoLogr)
	RunSpecs(t, "Version 2 of cgroup")
}

// patience with what takes seconds on a machine, and minutes on one that is emulated by
// another that has more to do.
const patience = 6 * time.Minute

// Two pools with a node each on the one agent, so that each has a neighbour.
const pools = `
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: large}
spec:
  frameworkRef: {name: default}
  replicas: 1
  template:
    metadata: {labels: {size: large}}
    spec:
      resources: {cpu: "1", memory: 1Gi}
---
apiVersion: k8sm.io/v1alpha1
kind: MesosNodePool
metadata: {name: small}
spec:
  frameworkRef: {name: default}
  replicas: 1
  template:
    metadata: {labels: {size: small}}
    spec:
      resources: {cpu: 500m, memory: 768Mi}
`

// house is the machine with its nodes, and the control plane beside it.
type house struct {
	*machine
	*playground.Playground
	client client.Client
	// neighbour is the process that is not to be disturbed.
	neighbour string
}

var _ = Describe("A node where cgroup has version 2 only", Ordered, ContinueOnFailure, func() {
	h := &house{}
	BeforeAll(h.build)
	AfterAll(h.tearDown)
	AfterEach(func(ctx SpecContext) {
		if h.Playground != nil && CurrentSpecReport().Failed() {
			h.Failed()
			h.tellLogs(ctx)
		}
	})
	h.livesInItsSlice()
	h.keepsToItsMeans()
	h.endsWithoutATrace()
})

func (h *house) build(ctx SpecContext) {
	out, err := exec.Command("./install.sh").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", out)
	installed, err := filepath.Abs("../../bin/vm")
	Expect(err).NotTo(HaveOccurred())
	folder := GinkgoT().TempDir()
	disk, parts, err := writeDisk(folder, installed)
	Expect(err).NotTo(HaveOccurred())
	h.machine, err = newMachine()
	Expect(err).NotTo(HaveOccurred())
	h.Playground, err = playground.New(playground.Options{
		Elsewhere: &playground.Elsewhere{Master: h.master, Loopback: door.Loopback, Parts: parts, There: partsThere, StateDir: stateDir},
		Say:       func(line string) { GinkgoWriter.Println(line) },
	})
	Expect(err).NotTo(HaveOccurred())
	started := time.Now()
	Expect(h.start(h.Playground, installed, disk)).To(Succeed())
	Expect(h.Start(ctx)).To(Succeed())
	Expect(h.awaitBoot(ctx)).To(Succeed())
	AddReportEntry("seconds until the machine and the control plane are up", time.Since(started).Seconds())

	scheme := runtime.NewScheme()
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	h.client, err = client.New(h.Config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	framework, err := h.Sample("mesosframework.yaml")
	Expect(err).NotTo(HaveOccurred())
	h.apply(ctx, framework+"\n---\n"+pools)
	for _, pool := range []string{"large", "small"} {
		h.awaitNode(ctx, pool)
	}
	h.startNeighbour(ctx)
	AddReportEntry("seconds until both nodes are Ready", time.Since(started).Seconds())
}

func (h *house) tearDown() {
	if h.Playground != nil {
		Expect(h.Stop()).To(Succeed())
	}
}

// tellLogs of what runs in the machine: they end with it.
func (h *house) tellLogs(ctx context.Context) {
	logs, err := h.run(ctx, `
		find /sys/fs/cgroup/mesos -name cgroup.procs | while read f; do echo "$f: $(tr '\n' ' ' <$f)"; done
		for f in $(find /var/lib/mesos -name stderr -o -name '*.log'); do echo "== $f"; tail -n 40 $f; done; dmesg | tail -n 20`)
	_ = os.WriteFile(filepath.Join(h.Logs(), "guest.log"), []byte(logs), 0o644)
	GinkgoWriter.Println("The logs are kept in", h.Logs(), err)
}

// look runs a script in the machine.
func (h *house) look(ctx context.Context, script string, args ...any) string {
	GinkgoHelper()
	out, err := h.run(ctx, fmt.Sprintf(script, args...))
	Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(out)
}

func (h *house) apply(ctx context.Context, manifest string) {
	GinkgoHelper()
	_, err := h.Apply(ctx, strings.ReplaceAll(manifest, "$IMAGE", playground.ImageBusybox))
	Expect(err).NotTo(HaveOccurred())
}

func (h *house) kubectl(ctx context.Context, args ...string) {
	GinkgoHelper()
	_, err := h.Kubectl(ctx, args...)
	Expect(err).NotTo(HaveOccurred())
}

// awaitNode waits for the pool's node to be Ready.
func (h *house) awaitNode(ctx context.Context, pool string) *v1alpha1.MesosNode {
	GinkgoHelper()
	var found *v1alpha1.MesosNode
	Eventually(ctx, func(g Gomega) {
		found = nil
		var nodes v1alpha1.MesosNodeList
		g.Expect(h.client.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: pool})).To(Succeed())
		for i := range nodes.Items {
			for _, c := range nodes.Items[i].Status.Conditions {
				if c.Type == v1alpha1.ConditionReady && c.Status == "True" && nodes.Items[i].DeletionTimestamp.IsZero() {
					found = &nodes.Items[i]
				}
			}
		}
		g.Expect(found).NotTo(BeNil(), "%v", nodes.Items)
	}).WithTimeout(patience).WithPolling(time.Second).Should(Succeed())
	return found
}

// pod is one container on the node of that size.
func (h *house) pod(ctx context.Context, name, size, spec string) {
	GinkgoHelper()
	h.apply(ctx, fmt.Sprintf(`
apiVersion: v1
kind: Pod
metadata: {name: %s, namespace: default, labels: {app: %[1]s}}
spec:
  nodeSelector: {size: %s}
  restartPolicy: Never
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: $IMAGE
    imagePullPolicy: IfNotPresent
%s`, name, size, spec))
	DeferCleanup(func(ctx context.Context) {
		_, _ = h.Kubectl(ctx, "delete", "pod", name, "--grace-period=0", "--force", "--ignore-not-found", "--wait=false")
	})
}

func (h *house) awaitPod(ctx context.Context, name string, matches func(g Gomega, p corev1.Pod)) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		var p corev1.Pod
		g.Expect(h.client.Get(ctx, client.ObjectKey{Namespace: "default", Name: name}, &p)).To(Succeed())
		matches(g, p)
	}).WithTimeout(patience).WithPolling(500 * time.Millisecond).Should(Succeed())
}

func running(g Gomega, p corev1.Pod) {
	g.Expect(p.Status.Phase).To(Equal(corev1.PodRunning), p.Status.Message)
}
