package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

func (h *house) outlivesItsPrograms() {
	It("restarts no pod when the kubelet is killed 20 times under load", func(ctx SpecContext) {
		before, node := h.awaitLodgers(ctx), h.awaitNode(ctx, "large")
		h.pod(ctx, "load", "large", hog)
		h.awaitPod(ctx, "load", running)
		for i := range 20 {
			pid := 0
			Eventually(ctx, func() int { pid = h.kubelet(node.Name); return pid }).
				WithTimeout(time.Minute).WithPolling(50 * time.Millisecond).ShouldNot(BeZero())
			// At all times of its life, from its first moments on.
			time.Sleep(time.Duration(i) * 150 * time.Millisecond)
			kill(pid)
			Eventually(ctx, func() int { return h.kubelet(node.Name) }).
				WithTimeout(10 * time.Second).WithPolling(10 * time.Millisecond).ShouldNot(Equal(pid))
		}
		Eventually(ctx, func() string { return h.kubectl(ctx, "get", "mesosnode", node.Name, "-o", "jsonpath={.status.task}") }).
			WithTimeout(time.Minute).Should(ContainSubstring("kubelet ended (signal: killed)"))
		Eventually(ctx, func() string { return h.kubectl(ctx, "get", "mesosnode", node.Name, "-o", "jsonpath={.status.task}") }).
			WithTimeout(2 * time.Minute).WithPolling(time.Second).ShouldNot(ContainSubstring("kubelet ended"))
		h.undisturbed(ctx, before)
		Expect(h.kubectl(ctx, "exec", before["large"].Name, "--", "cat", "/www/index.html")).To(Equal("ready\n"))
		Expect(h.awaitNode(ctx, "large").UID).To(Equal(node.UID))
	}, SpecTimeout(6*time.Minute))

	It("restarts no pod when the container runtime is killed", func(ctx SpecContext) {
		before, node := h.awaitLodgers(ctx), h.awaitNode(ctx, "large")
		pid := h.containerd(node.Name)
		kill(pid)
		Eventually(ctx, func() bool { now := h.containerd(node.Name); return now != 0 && now != pid }).
			WithTimeout(30 * time.Second).Should(BeTrue())
		Eventually(ctx, func() (string, error) {
			return h.Kubectl(ctx, "exec", before["large"].Name, "--", "cat", "/www/index.html")
		}).WithTimeout(time.Minute).Should(Equal("ready\n"))
		h.undisturbed(ctx, before)
	})
}

func (h *house) leavesNoOrphans() {
	ways := []struct {
		name    string
		victims func(node string) []int
	}{
		{"its executor is killed", func(node string) []int { return []int{h.executor(node)} }},
		{"all that belongs to it is killed at once", func(node string) []int { return family(h.executor(node)) }},
	}
	for _, way := range ways {
		It("leaves nothing behind when "+way.name+", and no data is lost", func(ctx SpecContext) {
			h.awaitLodgers(ctx)
			Eventually(ctx, func() error { // it may still be on record on the node before
				_, err := h.Kubectl(ctx, "exec", "db-0", "--", "sh", "-c", "echo precious > /data/file")
				return err
			}).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Succeed())
			node := h.awaitNode(ctx, "small")
			containers := family(h.executor(node.Name))
			for _, pid := range way.victims(node.Name) {
				kill(pid)
			}
			Eventually(ctx, func() string { return h.awaitNode(ctx, "small").Name }).
				WithTimeout(3 * time.Minute).WithPolling(time.Second).ShouldNot(Equal(node.Name))
			for _, pid := range containers {
				Expect(lives(pid)).To(BeFalse(), "process %d outlived its container", pid)
			}
			Expect(h.nodeFolder(node.Name)).NotTo(BeADirectory(), "the next executor sweeps it")
			Expect(h.leftOf(ctx, node.Name)).To(BeEmpty())
			Expect(read(filepath.Join(h.dataFolder(), "file"))).To(Equal("precious\n"))
			h.awaitLodgers(ctx)
		}, SpecTimeout(6*time.Minute))
	}

	It("leaves nothing at all behind when the pools go", func(ctx SpecContext) {
		h.kubectl(ctx, "delete", "mesosnodepool", "--all", "--wait=false")
		h.kubectl(ctx, "delete", "daemonset,statefulset,pod", "--all", "--wait=false")
		Eventually(ctx, func() string { return h.kubectl(ctx, "get", "mesosnodes", "-o", "name") }).
			WithTimeout(3 * time.Minute).WithPolling(time.Second).Should(BeEmpty())
		Eventually(ctx, h.Residue).WithTimeout(30 * time.Second).Should(BeEmpty())
		Expect(read(filepath.Join(h.dataFolder(), "file"))).To(Equal("precious\n"))
	}, SpecTimeout(6*time.Minute))
}

// family is a process and all in its Mesos container.
func family(executor int) []int {
	pids := map[int]bool{executor: true}
	dir := slice{executor}.dir("memory")
	_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Name() == "cgroup.procs" {
			data, _ := os.ReadFile(path)
			for _, field := range strings.Fields(string(data)) {
				if pid, err := strconv.Atoi(field); err == nil {
					pids[pid] = true
				}
			}
		}
		return nil
	})
	var all []int
	for pid := range pids {
		all = append(all, pid)
	}
	return all
}

// lives is false of a process that only waits to be reaped, too.
func lives(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}

// leftOf a node, by name: mounts and cgroups.
func (h *house) leftOf(_ context.Context, node string) []string {
	var left []string
	for line := range strings.Lines(read("/proc/self/mountinfo")) {
		if strings.Contains(line, h.nodeFolder(node)) {
			left = append(left, fmt.Sprintf("mount %s", line))
		}
	}
	return left
}
