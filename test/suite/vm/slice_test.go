package vm

import (
	"context"
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
)

// mesosRoot is where the agent's containers are.
const mesosRoot = "/sys/fs/cgroup/mesos"

// neighbour is the cgroup of a task like that of another framework: beside the nodes, with fewer
// resources than either of them, and always busy.
const neighbour = mesosRoot + "/neighbour"

// startNeighbour starts a task beside the nodes that counts all the time.
func (c *cluster) startNeighbour(ctx context.Context) {
	GinkgoHelper()
	c.output(ctx, `
		mkdir -p %[1]s/leaf
		echo 67108864 >%[1]s/memory.max
		echo 20 >%[1]s/cpu.weight
		sh -c 'echo $$ >%[1]s/leaf/cgroup.procs; while :; do i=$((i+1)); echo $i >/run/neighbour.new; mv /run/neighbour.new /run/neighbour; sleep 0.1; done' >/dev/null 2>&1 &`, neighbour)
	c.neighbour = c.output(ctx, "sleep 1; cat %s/leaf/cgroup.procs | head -n 1", neighbour)
}

// expectUndisturbed expects that the neighbour goes on counting in the same process, and was not
// killed for memory.
func (c *cluster) expectUndisturbed(ctx context.Context) {
	GinkgoHelper()
	Expect(strings.Fields(c.output(ctx, "cat %s/leaf/cgroup.procs", neighbour))).To(ContainElement(c.neighbour))
	Expect(c.keyedNumbers(ctx, neighbour, "memory.events")).To(HaveKeyWithValue("oom_kill", 0), "the neighbour was killed for a node's memory")
	before := c.number(ctx, "/run/neighbour")
	Eventually(ctx, func() int { return c.number(ctx, "/run/neighbour") }).WithTimeout(20 * time.Second).Should(BeNumerically(">", before))
}

// cgroupOfNode returns the cgroup of a pool's node.
func (c *cluster) cgroupOfNode(ctx context.Context, pool string) string {
	GinkgoHelper()
	node := c.AwaitNode(ctx, pool).Name
	return c.output(ctx, `
		for pid in $(pidof kubelet); do
			if tr '\0' '\n' </proc/$pid/cmdline | grep -qx -- --hostname-override=%s; then
				sed -n 's|^0::\(.*\)/leaf$|/sys/fs/cgroup\1|p' /proc/$pid/cgroup
			fi
		done`, node)
}

func (c *cluster) number(ctx context.Context, file string) int {
	GinkgoHelper()
	n, err := strconv.Atoi(c.output(ctx, "cat %s", file))
	Expect(err).NotTo(HaveOccurred())
	return n
}

// keyedNumbers reads a flat keyed file such as memory.events or cpu.stat.
func (c *cluster) keyedNumbers(ctx context.Context, cgroup, file string) map[string]int {
	GinkgoHelper()
	found := map[string]int{}
	for line := range strings.Lines(c.output(ctx, "cat %s/%s", cgroup, file)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(value)
		Expect(err).NotTo(HaveOccurred())
		found[key] = n
	}
	return found
}

// cgroupOfPod returns the cgroup of a pod's only container.
func (c *cluster) cgroupOfPod(ctx context.Context, pod string) string {
	GinkgoHelper()
	var id string
	c.AwaitPod(ctx, pod, func(g Gomega, p corev1.Pod) {
		fixture.Running(g, p)
		g.Expect(p.Status.ContainerStatuses).To(HaveLen(1))
		_, id, _ = strings.Cut(p.Status.ContainerStatuses[0].ContainerID, "://")
	})
	return c.output(ctx, "find %s/*/kubepods -type d -name %s", mesosRoot, id)
}

// specRuntimeTests runs those unit tests of the node runtime that need root and version 2 with its
// controllers.
func (c *cluster) specRuntimeTests() {
	tests := map[string][]string{
		cgroupTest: {
			"TestContainerIsEnteredAndCleared",
			"TestUnifiedContainerKeepsItsProcessesInALeaf", "TestPodThatIsKilledForItsMemoryDoesNotCountAsItsNode",
		},
		sweepTest: {"TestSweepOfADeadContainer"},
	}
	It("passes the tests of the node runtime", func(ctx SpecContext) {
		for program, names := range tests {
			output := c.output(ctx, "%s -test.v -test.run='^(%s)$'", program, strings.Join(names, "|"))
			for _, test := range names {
				Expect(output).To(MatchRegexp("(?m)^--- PASS: " + test))
			}
			Expect(output).NotTo(ContainSubstring("SKIP"))
		}
	})
}

func (c *cluster) specCgroups() {
	It("places its pods beside the leaf of its Mesos container", func(ctx SpecContext) {
		slice := c.cgroupOfNode(ctx, "large")
		Expect(c.cgroupOfPod(ctx, "cpu-hog-large")).To(HavePrefix(slice + "/kubepods/"))
		inLeaf := c.output(ctx, "for pid in $(cat %s/leaf/cgroup.procs); do tr '\\0' ' ' </proc/$pid/cmdline; echo; done", slice)
		// The name of the shim's program is its name in the cache.
		for _, program := range []string{"executor", "/bin/containerd ", " -namespace k8s.io -id ", "/bin/kubelet "} {
			Expect(inLeaf).To(ContainSubstring(program))
		}
		Expect(c.output(ctx, "cat %s/kubepods/cgroup.controllers", slice)).To(Equal(c.output(ctx, "cat /sys/fs/cgroup/cgroup.controllers")))
		Expect(c.number(ctx, slice+"/memory.max")).To(Equal(1 << 30))
		Expect(c.output(ctx, "find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d")).To(Equal(mesosRoot), "a runtime created cgroups elsewhere")
	})

	It("reports the allocation less the overhead as allocatable", func(ctx SpecContext) {
		var node corev1.Node
		Expect(c.Client.Get(ctx, client.ObjectKey{Name: c.AwaitNode(ctx, "large").Name}, &node)).To(Succeed())
		Expect(node.Status.Allocatable.Cpu().MilliValue()).To(And(BeNumerically(">", 500), BeNumerically("<", 1000)))
		memory := node.Status.Allocatable.Memory().Value()
		Expect(memory).To(BeNumerically("<", 1<<30))
		slice := c.cgroupOfNode(ctx, "large")
		Expect(c.number(ctx, slice+"/kubepods/memory.max")).To(And(BeNumerically(">=", memory), BeNumerically("<=", 1<<30)))
	})
}

func (c *cluster) specResourceLimits() {
	It("gives CPU hogs the shares of their slices", func(ctx SpecContext) {
		large, small := c.cgroupOfNode(ctx, "large"), c.cgroupOfNode(ctx, "small")
		c.release(ctx, "cpu-hog-large", "cpu-hog-small")
		used := c.cpuTimes(ctx, 10*time.Second, large, small)
		AddReportEntry("cpu time of the node of 1 cpu to that of 0.5", used[0]/used[1])
		Expect(used[0] / used[1]).To(And(BeNumerically(">", 1.4), BeNumerically("<", 2.8)))
		c.expectUndisturbed(ctx)
	})

	It("limits a pod to its CPU limit", func(ctx SpecContext) {
		c.release(ctx, "limited")
		used := c.cpuTimes(ctx, 10*time.Second, c.cgroupOfPod(ctx, "limited"))
		AddReportEntry("cpus of a pod that is limited to 0.2", used[0]/10)
		Expect(used[0] / 10).To(And(BeNumerically(">", 0.1), BeNumerically("<", 0.3)))
	})

	It("limits a fork bomb", func(ctx SpecContext) {
		pods := c.cgroupOfNode(ctx, "small") + "/kubepods"
		Expect(c.number(ctx, pods+"/pids.max")).To(BeNumerically("<", c.number(ctx, "/proc/sys/kernel/pid_max")))
		refused := func() int {
			total := 0
			for _, n := range strings.Fields(c.output(ctx, "find %s -name pids.events | xargs cat | sed -n 's/^max //p'", pods)) {
				count, _ := strconv.Atoi(n)
				total += count
			}
			return total
		}
		c.release(ctx, "fork-bomb")
		Eventually(ctx, refused).WithTimeout(timeout).WithPolling(time.Second).Should(BeNumerically(">", 0))
		Expect(c.number(ctx, pods+"/pids.current")).To(BeNumerically("<=", c.number(ctx, pods+"/pids.max")))
		c.expectUndisturbed(ctx)
	})

	It("kills a memory hog inside its slice", func(ctx SpecContext) {
		slice := c.cgroupOfNode(ctx, "large")
		c.release(ctx, "memory-hog")
		c.AwaitPod(ctx, "memory-hog", fixture.KilledForMemory)
		// The kernel counts in batches of pages.
		Expect(c.number(ctx, slice+"/memory.peak")).To(And(BeNumerically(">", 1<<29), BeNumerically("<=", 1<<30+1<<20)))
		Expect(c.keyedNumbers(ctx, slice, "memory.events")).To(HaveKeyWithValue("oom", 0), "the agent would have ended the node")
		Expect(c.keyedNumbers(ctx, slice+"/leaf", "memory.events")).To(HaveKeyWithValue("oom_kill", 0), "executor, kubelet or runtime was killed")
		Expect(c.keyedNumbers(ctx, c.cgroupOfNode(ctx, "small"), "memory.events")).To(HaveKeyWithValue("oom_kill", 0))
		Expect(c.cgroupOfNode(ctx, "large")).To(Equal(slice), "the node was replaced")
		c.expectUndisturbed(ctx)
	})
}

func (c *cluster) specChangedLimits() {
	It("follows the memory limit of its container both ways", func(ctx SpecContext) {
		slice, name := c.cgroupOfNode(ctx, "large"), c.AwaitNode(ctx, "large").Name
		processes := c.output(ctx, "cat %s/cgroup.procs", c.cgroupOfPod(ctx, "cpu-hog-large"))
		for _, mib := range []int{700, 1024} {
			c.output(ctx, "echo %d >%s/memory.max", mib<<20, slice)
			// The overhead is 256 MiB, and a quarter of it is the margin in which pods are evicted.
			pods := (mib - 256 + 64) << 20
			Eventually(ctx, func() int { return c.number(ctx, slice+"/kubepods/memory.max") }).
				WithTimeout(time.Minute).WithPolling(time.Second).Should(Equal(pods))
			Expect(c.number(ctx, slice+"/kubepods/memory.high")).To(Equal(pods - 32<<20))
			Eventually(ctx, func(g Gomega) {
				var node corev1.Node
				g.Expect(c.Client.Get(ctx, client.ObjectKey{Name: name}, &node)).To(Succeed())
				g.Expect(node.Status.Allocatable.Memory().Value()).To(BeEquivalentTo((mib - 256) << 20))
			}).WithTimeout(timeout).WithPolling(time.Second).Should(Succeed())
		}
		Expect(c.output(ctx, "cat %s/cgroup.procs", c.cgroupOfPod(ctx, "cpu-hog-large"))).To(Equal(processes))
	})
}

// cpuTimes returns the CPU seconds that cgroups use within a time. The machine measures the time.
func (c *cluster) cpuTimes(ctx context.Context, within time.Duration, cgroups ...string) []float64 {
	GinkgoHelper()
	files := strings.Join(cgroups, "/cpu.stat ") + "/cpu.stat"
	answers := strings.Fields(c.output(ctx, `
		sleep 2
		grep -h '^usage_usec' %[1]s | cut -d' ' -f2
		sleep %[2]d
		grep -h '^usage_usec' %[1]s | cut -d' ' -f2`, files, int(within.Seconds())))
	Expect(answers).To(HaveLen(2 * len(cgroups)))
	var used []float64
	for i := range cgroups {
		before, err1 := strconv.ParseFloat(answers[i], 64)
		after, err2 := strconv.ParseFloat(answers[i+len(cgroups)], 64)
		Expect(err1).NotTo(HaveOccurred())
		Expect(err2).NotTo(HaveOccurred())
		used = append(used, (after-before)/1e6)
	}
	return used
}

func (c *cluster) specCleanUp() {
	It("keeps its pods when its agent is restarted", func(ctx SpecContext) {
		slice, cgroup := c.cgroupOfNode(ctx, "small"), c.cgroupOfPod(ctx, "survivor")
		processes := c.output(ctx, "cat %s/cgroup.procs", cgroup)
		placeholder := slice + "/mesos/" + strings.ReplaceAll(strings.TrimPrefix(cgroup, slice+"/"), "/", "/mesos/")
		placeholderExists := func() (string, error) { return c.run(ctx, "[ -d "+placeholder+" ]") }
		Eventually(ctx, placeholderExists).WithTimeout(20 * time.Second).Should(BeEmpty())
		Expect(c.restartAgent(ctx)).To(Succeed())
		log := "/var/lib/mesos/slaves/*/frameworks/*/executors/*/runs/" + filepath.Base(slice) + "/stderr"
		Eventually(ctx, func() string { return c.output(ctx, "grep -c 'Subscribed with agent' %s", log) }).
			WithTimeout(time.Minute).WithPolling(time.Second).Should(Equal("2"))
		Expect(c.output(ctx, "ls %s", mesosRoot)).NotTo(ContainSubstring("neighbour"), "the agent has not killed unknown containers")
		Expect(c.output(ctx, "cat %s/cgroup.procs", cgroup)).To(Equal(processes))
		Eventually(ctx, placeholderExists).WithTimeout(20 * time.Second).Should(BeEmpty())
	})

	It("leaves nothing behind", func(ctx SpecContext) {
		c.MustKubectl(ctx, "delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false")
		c.MustKubectl(ctx, "delete", "mesosnodepools", "--all", "--wait=false")
		Eventually(ctx, func(g Gomega) {
			var nodes v1alpha1.MesosNodeList
			g.Expect(c.Client.List(ctx, &nodes)).To(Succeed())
			g.Expect(nodes.Items).To(BeEmpty())
		}).WithTimeout(timeout).WithPolling(time.Second).Should(Succeed())
		// A real agent removes the cgroups of a container up to five seconds after the end of its task.
		Eventually(ctx, func() string { return c.output(ctx, "find %s -mindepth 1 -type d | sort", mesosRoot) }).
			WithTimeout(20 * time.Second).WithPolling(time.Second).Should(Equal(mesosRoot + "/agent\n" + mesosRoot + "/agent/leaf"))
		Expect(c.output(ctx, "find /sys/fs/cgroup -maxdepth 1 -mindepth 1 -type d")).To(Equal(mesosRoot))
		Expect(c.output(ctx, "ps -o args | grep -E '/bin/(kubelet|containerd|runc)|(^|/)executor( |$)' | grep -v grep || true")).To(BeEmpty())
		Expect(c.output(ctx, "grep -E '%s|containerd|kubelet' /proc/mounts || true", stateDir)).To(BeEmpty())
		Expect(c.output(ctx, "ls /sys/class/net")).To(Equal("eth0\nlo"))
		Expect(c.output(ctx, "ls %s", stateDir)).To(Equal("cache"))
	})
}
