package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/mesos/kubelet/machine"
	"github.com/k8sm/k8sm/test/cluster/fixture"
)

// settings of the machine that a kubelet changes unless it is kept from it.
var settings = []string{"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops", "kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes"}

func settingsIn(root string) map[string]string {
	GinkgoHelper()
	found := map[string]string{}
	for _, name := range settings {
		found[name] = strings.TrimSpace(read(filepath.Join(root, "proc/sys", name)))
	}
	return found
}

var _ = Describe("A node and the machine of its agent", Label("node"), Ordered, ContinueOnFailure, func() {
	c := &cluster{}
	var settingsBefore map[string]string
	BeforeAll(func(ctx SpecContext) {
		settingsBefore = settingsIn("/")
		c.start(ctx)
	}, NodeTimeout(5*time.Minute))
	AfterAll(c.TearDown)
	AfterEach(func() { c.KeepLogsOnFailure() })

	It("leaves the settings of the machine alone", func(ctx SpecContext) {
		node := c.AwaitNode(ctx, "large").Name
		Expect(settingsIn("/")).To(Equal(settingsBefore))
		seen := settingsIn(fmt.Sprintf("/proc/%d/root", c.kubelet(node)))
		Expect(seen).To(And(HaveKeyWithValue("vm/overcommit_memory", "1"), HaveKeyWithValue("kernel/panic", "10")), "it has set them in its own view")
		Expect(read(fmt.Sprintf("/proc/%d/mountinfo", c.containerd(node)))).NotTo(ContainSubstring(" /proc/sys/vm/overcommit_memory "))
	})

	It("gives pods the limits of open files that container runtimes give", func(ctx SpecContext) {
		pod := c.awaitWebPods(ctx)["large"].Name
		var own syscall.Rlimit
		Expect(syscall.Getrlimit(syscall.RLIMIT_NOFILE, &own)).To(Succeed())
		want := uint64(1 << 20)
		if !machine.CanLowerOOMScore() { // this machine does not let root raise the hard limit
			want = min(want, own.Max)
		}
		Expect(strings.Fields(c.MustKubectl(ctx, "exec", pod, "--", "sh", "-c", "ulimit -Sn; ulimit -Hn"))).To(HaveEach(fmt.Sprint(want)))
	})

	It("pins imported images", func(ctx SpecContext) {
		node := c.AwaitNode(ctx, "large").Name
		out, err := exec.CommandContext(ctx, "nsenter", fmt.Sprintf("--mount=/proc/%d/ns/mnt", c.containerd(node)),
			filepath.Join(filepath.Dir(c.KubectlPath()), "ctr"), "--namespace=k8s.io", "images", "list").CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		Expect(string(out)).To(ContainSubstring("io.cri-containerd.pinned=pinned"))
	})

	It("follows the memory limit of its container both ways, and keeps its pods", func(ctx SpecContext) {
		before, node := c.awaitWebPods(ctx), c.AwaitNode(ctx, "large").Name
		dir := c.slice(ctx, "large").dir("memory")
		for _, mib := range []int64{700, 1024} {
			setLimit(dir, mib<<20)
			// The overhead is 256 MiB, and a quarter of it is the margin in which pods are evicted.
			Eventually(ctx, func() float64 {
				return firstNumber(filepath.Join(dir, "kubepods"), "memory.limit_in_bytes", "memory.max")
			}).WithTimeout(5 * time.Second).WithPolling(100 * time.Millisecond).Should(Equal(float64((mib - 256 + 64) << 20)))
			Eventually(ctx, func() int64 { return c.nodeObject(ctx, node).Status.Allocatable.Memory().Value() }).
				WithTimeout(time.Minute).WithPolling(time.Second).Should(Equal((mib - 256) << 20))
			c.expectUndisturbed(ctx, before)
		}
		c.awaitReady(ctx, node)
	})

	It("reports a memory limit below the overhead", func(ctx SpecContext) {
		dir := c.slice(ctx, "large").dir("memory")
		setLimit(dir, 255<<20)
		c.awaitConditionMessage(ctx, "large", "which is no more than the overhead of 256 MiB")
		setLimit(dir, 1<<30)
	})

	It("gives up the loop device of a block volume when its executor was killed", func(ctx SpecContext) {
		image := filepath.Join(filepath.Dir(c.Logs()), "tmp", "image")
		Expect(os.MkdirAll(filepath.Dir(image), 0o755)).To(Succeed())
		Expect(os.WriteFile(image, make([]byte, 1<<20), 0o600)).To(Succeed())
		out, err := exec.CommandContext(ctx, "losetup", "--find", "--show", image).CombinedOutput()
		if err != nil {
			Skip("needs loop devices: " + string(out))
		}
		disk := strings.TrimSpace(string(out))
		DeferCleanup(func() { Expect(exec.Command("losetup", "--detach", disk).Run()).To(Succeed()) })
		before := loopDevices()
		node := c.AwaitNode(ctx, "large")
		c.MustApply(ctx, strings.ReplaceAll(blockVolume, "$DISK", disk)+"---\n"+fixture.Pod("blocked", "large", `
    command: [sleep, "36000"]
    volumeDevices: [{name: disk, devicePath: /dev/disk}]
  volumes: [{name: disk, persistentVolumeClaim: {claimName: disk}}]
`))
		c.AwaitPod(ctx, "blocked", fixture.Running)
		Expect(len(loopDevices())).To(Equal(len(before)+1), "the kubelet holds the volume by a device")
		Eventually(func() string { return read(filepath.Join(c.nodeFolder(node.Name), "k8sm-node.json")) }).
			WithTimeout(10 * time.Second).WithPolling(200 * time.Millisecond).Should(ContainSubstring(`"loops":[{`))
		kill(c.targetOf(node).executor)
		Eventually(ctx, func() string { return c.AwaitNode(ctx, "large").Name }).
			WithTimeout(3 * time.Minute).WithPolling(time.Second).ShouldNot(Equal(node.Name))
		Expect(loopDevices()).To(Equal(before))
	}, SpecTimeout(6*time.Minute))

	It("is removed although its executor was stopped", func(ctx SpecContext) {
		node := c.AwaitNode(ctx, "small")
		target := c.targetOf(node)
		Expect(syscall.Kill(target.executor, syscall.SIGSTOP)).To(Succeed())
		c.MustKubectl(ctx, "delete", "mesosnode", node.Name, "--wait=false")
		Eventually(ctx, func() []string { return c.tracesOf(ctx, target) }).WithTimeout(5 * time.Minute).WithPolling(time.Second).Should(BeEmpty())
		Expect(c.AwaitNode(ctx, "small").Name).NotTo(Equal(node.Name))
	}, SpecTimeout(6*time.Minute))

	It("is removed although its kubelet was stopped", func(ctx SpecContext) {
		node := c.AwaitNode(ctx, "small")
		target, kubelet := c.targetOf(node), c.kubelet(node.Name)
		out, err := exec.CommandContext(ctx, "kill", "-STOP", fmt.Sprint(kubelet)).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(out))
		c.MustKubectl(ctx, "delete", "mesosnodepool", "small", "--wait=false")
		Eventually(ctx, func() []string { return c.tracesOf(ctx, target) }).WithTimeout(3 * time.Minute).WithPolling(time.Second).Should(BeEmpty())
		Expect(stillRunning([]int{kubelet})).To(BeEmpty())
	}, SpecTimeout(4*time.Minute))
})

// blockVolume is a volume that is a device of the agent, and a claim of it.
const blockVolume = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec:
  capacity: {storage: 1Mi}
  volumeMode: Block
  accessModes: [ReadWriteOnce]
  storageClassName: none
  local: {path: $DISK}
  nodeAffinity: {required: {nodeSelectorTerms: [{matchExpressions: [{key: size, operator: In, values: [large]}]}]}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: disk, namespace: default}
spec:
  volumeMode: Block
  accessModes: [ReadWriteOnce]
  storageClassName: none
  volumeName: disk
  resources: {requests: {storage: 1Mi}}
`

// loopDevices returns the devices of this machine that are attached to something.
func loopDevices() []string {
	devices, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	return devices
}

// setLimit changes a container's memory limit, as an agent does.
func setLimit(dir string, bytes int64) {
	GinkgoHelper()
	for _, file := range []string{"memory.limit_in_bytes", "memory.max"} {
		path := filepath.Join(dir, file)
		if _, err := os.Stat(path); err == nil {
			Expect(os.WriteFile(path, fmt.Append(nil, bytes), 0)).To(Succeed())
		}
	}
}

// awaitReady waits until the kubelet says that its Node is Ready.
func (c *cluster) awaitReady(ctx SpecContext, node string) {
	GinkgoHelper()
	Eventually(ctx, func() []corev1.NodeCondition { return c.nodeObject(ctx, node).Status.Conditions }).WithTimeout(time.Minute).WithPolling(time.Second).
		Should(ContainElement(And(HaveField("Type", corev1.NodeReady), HaveField("Status", corev1.ConditionTrue))))
}
