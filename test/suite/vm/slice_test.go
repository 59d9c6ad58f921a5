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

// neighbour is what another framework's task may be: beside the nodes, with less than
// either of them, and always busy.
const neighbour = mesosRoot + "/neighbour"

// startNeighbour lets a task that counts run beside the nodes.
func (h *house) startNeighbour(ctx context.Context) {
	GinkgoHelper()
	h.look(ctx, `
		mkdir -p %[1]s/leaf
		echo 67108864 >%[1]s/memory.max
		echo 20 >%[1]s/cpu.weight
		sh -c 'echo $$ >%[1]s/leaf/cgroup.procs; while :; do i=$((i+1)); echo $i >/run/neighbour; sleep 0.1; done' >/dev/null 2>&1 &`, neighbour)
	h.neighbour = h.look(ctx, "sleep 1; cat %s/leaf/cgroup.procs | head -n 1", neighbour)
}

// undisturbed expects the neighbour to go on counting, in the same process, with all the
// memory that it is due.
func (h *house) undisturbed(ctx context.Context) {
	GinkgoHelper()
	Expect(strings.Fields(h.look(ctx, "cat %s/leaf/cgroup.procs", neighbour))).To(ContainElement(h.neighbour))
	Expect(h.events(ctx, neighbour, "memory.events")).To(HaveKeyWithValue("oom_kill", 0), "the neighbour was killed for a node's memory")
	before := h.number(ctx, "/run/neighbour")
	Eventually(ctx, func() int { return h.number(ctx, "/run/neighbour") }).WithTimeout(20 * time.Second).Should(BeNumerically(">", before))
}

// slice is the cgroup of a pool's node.
func (h *house) slice(ctx context.Context, pool string) string {
	GinkgoHelper()
	node := h.AwaitNode(ctx, pool).Name
	return h.look(ctx, `
		for pid in $(pidof kubelet); do
			if tr '\0' '\n' </proc/$pid/cmdline | grep -qx -- --hostname-override=%s; then
				sed -n 's|^0::\(.*\)/leaf$|/sys/fs/cgroup\1|p' /proc/$pid/cgroup
			fi
		done`, node)
}

func (h *house) number(ctx context.Context, file string) int {
	GinkgoHelper()
	n, err := strconv.Atoi(h.look(ctx, "cat %s", file))
	Expect(err).NotTo(HaveOccurred())
	return n
}

// events of a flat keyed file, such as memory.events and cpu.stat.
func (h *house) events(ctx context.Context, cgroup, file string) map[string]int {
	GinkgoHelper()
	found := map[string]int{}
	for line := range strings.Lines(h.look(ctx, "cat %s/%s", cgroup, file)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		n, err := strconv.Atoi(value)
		Expect(err).NotTo(HaveOccurred())
		found[key] = n
	}
	return found
}

// cgroupOf a pod's only container.
func (h *house) cgroupOf(ctx context.Context, pod string) string {
	GinkgoHelper()
	var id string
	h.AwaitPod(ctx, pod, func(g Gomega, p corev1.Pod) {
		fixture.Running(g, p)
		g.Expect(p.Status.ContainerStatuses).To(HaveLen(1))
		_, id, _ = strings.Cut(p.Status.ContainerStatuses[0].ContainerID, "://")
	})
	return h.look(ctx, "find %s/*/kubepods -type d -name %s", mesosRoot, id)
}

// passesTheRuntimesTests that need root and version 2 with controllers.
func (h *house) passesTheRuntimesTests() {
	tests := []string{
		"TestContainerIsEnteredAndCleared", "TestSweepOfADeadContainer",
		"TestUnifiedContainerKeepsItsProcessesInALeaf", "TestPodThatIsKilledForItsMemoryDoesNotCountAsItsNode",
	}
	It("passes the tests of the node runtime", func(ctx SpecContext) {
		said := h.look(ctx, "%s -test.v -test.run='^(%s)$'", runtimeTest, strings.Join(tests, "|"))
		for _, test := range tests {
			Expect(said).To(MatchRegexp("(?m)^--- PASS: " + test))
		}
		Expect(said).NotTo(ContainSubstring("SKIP"))
	})
}

func (h *house) livesInItsSlice() {
	It("has its pods beside the leaf of its Mesos container", func(ctx SpecContext) {
		slice := h.slice(ctx, "large")
		Expect(h.cgroupOf(ctx, "cpu-hog-large")).To(HavePrefix(slice + "/kubepods/"))
		inLeaf := h.look(ctx, "for pid in $(cat %s/leaf/cgroup.procs); do tr '\\0' ' ' </proc/$pid/cmdline; echo; done", slice)
		// The shim goes by its name in the cache.
		for _, program := range []string{"executor", "/bin/containerd ", " -namespace k8s.io -id ", "/bin/kubelet "} {
			Expect(inLeaf).To(ContainSubstring(program))
		}
		Expect(h.look(ctx, "cat %s/kubepods/cgroup.controllers", slice)).To(Equal(h.look(ctx, "cat /sys/fs/cgroup/cgroup.controllers")))
		Expect(h.number(ctx, slice+"/memory.max")).To(Equal(1 << 30))
		Expect(h.look(ctx, "find /sys/fs/cgroup -mindepth 1 -maxdepth 1 -type d")).To(Equal(mesosRoot), "a runtime made cgroups of its own")
	})

	It("announces the allocation less the overhead", func(ctx SpecContext) {
		var node corev1.Node
		Expect(h.Client.Get(ctx, client.ObjectKey{Name: h.AwaitNode(ctx, "large").Name}, &node)).To(Succeed())
		Expect(node.Status.Allocatable.Cpu().MilliValue()).To(And(BeNumerically(">", 500), BeNumerically("<", 1000)))
		memory := node.Status.Allocatable.Memory().Value()
		Expect(memory).To(BeNumerically("<", 1<<30))
		slice := h.slice(ctx, "large")
		Expect(h.number(ctx, slice+"/kubepods/memory.max")).To(And(BeNumerically(">=", memory), BeNumerically("<=", 1<<30)))
	})
}

func (h *house) keepsToItsMeans() {
	It("gives CPU hogs the shares of their slices", func(ctx SpecContext) {
		large, small := h.slice(ctx, "large"), h.slice(ctx, "small")
		h.letGo(ctx, "cpu-hog-large", "cpu-hog-small")
		used := h.cpuTimes(ctx, 10*time.Second, large, small)
		AddReportEntry("cpu time of the node of 1 cpu to that of 0.5", used[0]/used[1])
		Expect(used[0] / used[1]).To(And(BeNumerically(">", 1.4), BeNumerically("<", 2.8)))
		h.undisturbed(ctx)
	})

	It("holds a pod to its CPU limit", func(ctx SpecContext) {
		h.letGo(ctx, "limited")
		used := h.cpuTimes(ctx, 10*time.Second, h.cgroupOf(ctx, "limited"))
		AddReportEntry("cpus of a pod that is limited to 0.2", used[0]/10)
		Expect(used[0] / 10).To(And(BeNumerically(">", 0.1), BeNumerically("<", 0.3)))
	})

	It("bounds a fork bomb", func(ctx SpecContext) {
		pods := h.slice(ctx, "small") + "/kubepods"
		Expect(h.number(ctx, pods+"/pids.max")).To(BeNumerically("<", h.number(ctx, "/proc/sys/kernel/pid_max")))
		refused := func() int {
			total := 0
			for _, n := range strings.Fields(h.look(ctx, "find %s -name pids.events | xargs cat | sed -n 's/^max //p'", pods)) {
				count, _ := strconv.Atoi(n)
				total += count
			}
			return total
		}
		h.letGo(ctx, "fork-bomb")
		Eventually(ctx, refused).WithTimeout(patience).WithPolling(time.Second).Should(BeNumerically(">", 0))
		Expect(h.number(ctx, pods+"/pids.current")).To(BeNumerically("<=", h.number(ctx, pods+"/pids.max")))
		h.undisturbed(ctx)
	})

	It("has a memory hog killed inside of the slice", func(ctx SpecContext) {
		slice := h.slice(ctx, "large")
		h.letGo(ctx, "memory-hog")
		h.AwaitPod(ctx, "memory-hog", fixture.Killed)
		// The kernel counts in batches of pages.
		Expect(h.number(ctx, slice+"/memory.peak")).To(And(BeNumerically(">", 1<<29), BeNumerically("<=", 1<<30+1<<20)))
		Expect(h.events(ctx, slice, "memory.events")).To(HaveKeyWithValue("oom", 0), "the agent would end the node")
		Expect(h.events(ctx, slice+"/leaf", "memory.events")).To(HaveKeyWithValue("oom_kill", 0), "executor, kubelet or runtime was killed")
		Expect(h.events(ctx, h.slice(ctx, "small"), "memory.events")).To(HaveKeyWithValue("oom_kill", 0))
		Expect(h.slice(ctx, "large")).To(Equal(slice), "the node is another")
		h.undisturbed(ctx)
	})
}

// cpuTimes that cgroups use within a time that the machine measures, in seconds.
func (h *house) cpuTimes(ctx context.Context, within time.Duration, cgroups ...string) []float64 {
	GinkgoHelper()
	files := strings.Join(cgroups, "/cpu.stat ") + "/cpu.stat"
	answers := strings.Fields(h.look(ctx, `
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

func (h *house) endsWithoutATrace() {
	It("keeps its pods when its agent is restarted", func(ctx SpecContext) {
		slice, cgroup := h.slice(ctx, "small"), h.cgroupOf(ctx, "survivor")
		processes := h.look(ctx, "cat %s/cgroup.procs", cgroup)
		standsIn := slice + "/mesos/" + strings.ReplaceAll(strings.TrimPrefix(cgroup, slice+"/"), "/", "/mesos/")
		there := func() (string, error) { return h.run(ctx, "[ -d "+standsIn+" ]") }
		Eventually(ctx, there).WithTimeout(20 * time.Second).Should(BeEmpty())
		Expect(h.restartAgent(ctx)).To(Succeed())
		log := "/var/lib/mesos/slaves/*/frameworks/*/executors/*/runs/" + filepath.Base(slice) + "/stderr"
		Eventually(ctx, func() string { return h.look(ctx, "grep -c 'Subscribed with agent' %s", log) }).
			WithTimeout(time.Minute).WithPolling(time.Second).Should(Equal("2"))
		Expect(h.look(ctx, "ls %s", mesosRoot)).NotTo(ContainSubstring("neighbour"), "the agent has not looked for what it does not know")
		Expect(h.look(ctx, "cat %s/cgroup.procs", cgroup)).To(Equal(processes))
		Eventually(ctx, there).WithTimeout(20 * time.Second).Should(BeEmpty())
	})

	It("leaves nothing", func(ctx SpecContext) {
		h.MustKubectl(ctx, "delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false")
		h.MustKubectl(ctx, "delete", "mesosnodepools", "--all", "--wait=false")
		Eventually(ctx, func(g Gomega) {
			var nodes v1alpha1.MesosNodeList
			g.Expect(h.Client.List(ctx, &nodes)).To(Succeed())
			g.Expect(nodes.Items).To(BeEmpty())
		}).WithTimeout(patience).WithPolling(time.Second).Should(Succeed())
		Expect(h.look(ctx, "find %s -mindepth 1 -type d | sort", mesosRoot)).To(Equal(mesosRoot + "/agent\n" + mesosRoot + "/agent/leaf"))
		Expect(h.look(ctx, "find /sys/fs/cgroup -maxdepth 1 -mindepth 1 -type d")).To(Equal(mesosRoot))
		Expect(h.look(ctx, "ps -o args | grep -E '/bin/(kubelet|containerd|runc)|executor' | grep -v grep || true")).To(BeEmpty())
		Expect(h.look(ctx, "grep -E '%s|containerd|kubelet' /proc/mounts || true", stateDir)).To(BeEmpty())
		Expect(h.look(ctx, "ls /sys/class/net")).To(Equal("eth0\nlo"))
		Expect(h.look(ctx, "ls %s", stateDir)).To(Equal("cache"))
	})
}
