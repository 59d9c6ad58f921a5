package e2e

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/test/cluster/fixture"
)

// slice is the cgroup of a node's Mesos container. There is one in each hierarchy.
type slice struct{ pid int }

// dir returns the folder in the hierarchy that has the controller.
func (s slice) dir(controller string) string {
	GinkgoHelper()
	path := ""
	for line := range strings.Lines(read(fmt.Sprintf("/proc/%d/cgroup", s.pid))) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if names := strings.Split(fields[1], ","); fields[1] == "" || slices.Contains(names, controller) {
			path = strings.TrimSuffix(fields[2], "/leaf")
			if fields[1] != "" {
				break
			}
		}
	}
	Expect(path).NotTo(BeEmpty(), "no hierarchy of %s", controller)
	return filepath.Join(mountOf(controller), path)
}

// mountOf returns where the hierarchy of a controller is mounted: version 1 if there is one,
// otherwise version 2.
func mountOf(controller string) string {
	file, err := os.Open("/proc/self/mountinfo")
	Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	unified := ""
	for lines := bufio.NewScanner(file); lines.Scan(); {
		before, after, _ := strings.Cut(lines.Text(), " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if kind[0] == "cgroup" && slices.Contains(strings.Split(kind[len(kind)-1], ","), controller) {
			return fields[4]
		}
		if kind[0] == "cgroup2" {
			unified = fields[4]
		}
	}
	return unified
}

func read(file string) string {
	GinkgoHelper()
	data, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	return string(data)
}

// firstNumber returns the number in the first of the files that exists. Version 1 and 2 of cgroup
// name them differently.
func firstNumber(dir string, files ...string) float64 {
	GinkgoHelper()
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			if n, err := strconv.ParseFloat(fields[len(fields)-1], 64); err == nil {
				return n
			}
		}
	}
	Fail(fmt.Sprintf("none of %v is in %s", files, dir))
	return 0
}

// cpuTime returns the CPU time that the slice has used. Its unit depends on the version of cgroup,
// so only ratios are meaningful.
func (s slice) cpuTime() float64 {
	GinkgoHelper()
	return firstNumber(s.dir("cpuacct"), "cpuacct.usage", "cpu.stat")
}

// processes counts the processes in all cgroups below dir.
func processes(dir string) int {
	count := 0
	_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Name() == "cgroup.procs" {
			data, _ := os.ReadFile(path)
			count += strings.Count(string(data), "\n")
		}
		return nil
	})
	return count
}

func (c *cluster) slice(ctx context.Context, pool string) slice {
	GinkgoHelper()
	return slice{c.targetOf(c.AwaitNode(ctx, pool)).executor}
}

const busyLoop = `
    command: [sh, -c, "for i in 1 2 3 4; do while :; do :; done & done; wait"]
`

func (c *cluster) specResourceLimits() {
	It("limits a memory hog to the allocation, and disturbs no other node", func(ctx SpecContext) {
		before, large := c.awaitWebPods(ctx), c.slice(ctx, "large")
		c.RunPod(ctx, "memory-hog", "large", "    command: [tail, /dev/zero]\n")
		c.AwaitPod(ctx, "memory-hog", fixture.KilledForMemory)
		dir := large.dir("memory")
		limit := firstNumber(dir, "memory.limit_in_bytes", "memory.max")
		Expect(limit).To(Equal(float64(1 << 30)))
		// The kernel counts in batches of pages.
		Expect(firstNumber(dir, "memory.max_usage_in_bytes", "memory.peak")).To(And(BeNumerically(">", limit/2), BeNumerically("<=", limit+(1<<20))))
		c.expectUndisturbed(ctx, before)
		c.AwaitPressureGone(ctx, "large")
	})

	It("gives CPU hogs on two nodes the shares of their slices", func(ctx SpecContext) {
		before := c.awaitWebPods(ctx)
		c.RunPod(ctx, "cpu-hog-large", "large", busyLoop)
		c.RunPod(ctx, "cpu-hog-small", "small", busyLoop)
		c.AwaitPod(ctx, "cpu-hog-large", fixture.Running)
		c.AwaitPod(ctx, "cpu-hog-small", fixture.Running)
		large, small := c.slice(ctx, "large"), c.slice(ctx, "small")
		time.Sleep(2 * time.Second)
		largeBefore, smallBefore := large.cpuTime(), small.cpuTime()
		time.Sleep(15 * time.Second)
		share := (large.cpuTime() - largeBefore) / (small.cpuTime() - smallBefore)
		AddReportEntry("cpu time of the node of 1 cpu to that of 0.5", share)
		// The kernel's scheduler divides each CPU, so other processes of the machine blur the ratio.
		Expect(share).To(And(BeNumerically(">", 1.3), BeNumerically("<", 3.1)))
		c.expectUndisturbed(ctx, before)
	})

	It("limits a fork bomb", func(ctx SpecContext) {
		before := c.awaitWebPods(ctx)
		c.RunPod(ctx, "fork-bomb", "small", `
    command: [sh, -c, "while :; do sleep 3600 & done"]
`)
		pods := filepath.Join(c.slice(ctx, "small").dir("pids"), "kubepods")
		limit := firstNumber(pods, "pids.max")
		Expect(limit).To(BeNumerically("<", firstNumber("/proc/sys/kernel", "pid_max")), "a node has a part of the agent's process numbers")
		c.AwaitPod(ctx, "fork-bomb", func(g Gomega, p corev1.Pod) {
			g.Expect(p.Status.Phase).To(BeElementOf(corev1.PodFailed, corev1.PodRunning))
			state := "running"
			if p.Status.Phase == corev1.PodFailed {
				state = "ended"
			}
			g.Expect(state == "ended" || float64(processes(pods)) > limit/2).To(BeTrue(), "%d processes of %g", processes(pods), limit)
		})
		Expect(float64(processes(pods))).To(BeNumerically("<=", limit))
		c.MustKubectl(ctx, "delete", "pod", "fork-bomb", "--grace-period=0", "--force", "--ignore-not-found")
		c.expectUndisturbed(ctx, before)
	})

	It("evicts a pod that fills the disk beyond its limit", func(ctx SpecContext) {
		before := c.awaitWebPods(ctx)
		c.RunPod(ctx, "disk-filler", "large", `
    command: [sh, -c, "dd if=/dev/zero of=/file bs=1M count=64; exec sleep 3600"]
    resources: {limits: {ephemeral-storage: 16Mi}}
`)
		c.AwaitPod(ctx, "disk-filler", func(g Gomega, p corev1.Pod) {
			g.Expect(p.Status.Reason).To(Equal("Evicted"))
			g.Expect(p.Status.Message).To(ContainSubstring("ephemeral"))
		})
		c.expectUndisturbed(ctx, before)
	})
}
