package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/test/cluster/fixture"
	"github.com/k8sm/k8sm/test/cluster/playground"
)

func (h *house) outlivesItsPrograms() {
	It("restarts no pod when the kubelet is killed 20 times under load", func(ctx SpecContext) {
		before, node := h.awaitLodgers(ctx), h.AwaitNode(ctx, "large")
		h.RunPod(ctx, "load", "large", hog)
		h.AwaitPod(ctx, "load", fixture.Running)
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
		Eventually(ctx, func() string {
			return h.MustKubectl(ctx, "get", "mesosnode", node.Name, "-o", "jsonpath={.status.task}")
		}).
			WithTimeout(time.Minute).Should(ContainSubstring("kubelet ended (signal: killed)"))
		Eventually(ctx, func() string {
			return h.MustKubectl(ctx, "get", "mesosnode", node.Name, "-o", "jsonpath={.status.task}")
		}).
			WithTimeout(2 * time.Minute).WithPolling(time.Second).ShouldNot(ContainSubstring("kubelet ended"))
		h.undisturbed(ctx, before)
		h.answers(ctx, before["large"].Name)
		Expect(h.AwaitNode(ctx, "large").UID).To(Equal(node.UID))
	}, SpecTimeout(6*time.Minute))

	It("restarts no pod when the container runtime is killed", func(ctx SpecContext) {
		before, node := h.awaitLodgers(ctx), h.AwaitNode(ctx, "large")
		pid := h.containerd(node.Name)
		kill(pid)
		Eventually(ctx, func() bool { now := h.containerd(node.Name); return now != 0 && now != pid }).
			WithTimeout(30 * time.Second).Should(BeTrue())
		h.answers(ctx, before["large"].Name)
		h.undisturbed(ctx, before)
	})

	It("starts a pod anew whose shim is killed, and nothing of the old one lives on", func(ctx SpecContext) {
		before, node := h.awaitLodgers(ctx), h.AwaitNode(ctx, "large")
		pod := before["large"]
		old := containerOf(pod)
		inside := playground.InCgroup(old)
		Expect(inside).NotTo(BeEmpty())
		kill(parent(inside[0]))
		h.AwaitPod(ctx, pod.Name, func(g Gomega, p corev1.Pod) {
			g.Expect(containerOf(p)).NotTo(Equal(old))
			g.Expect(p.Status.ContainerStatuses[0].Ready).To(BeTrue())
		})
		Expect(living(inside)).To(BeEmpty())
		Expect(h.AwaitNode(ctx, "large").UID).To(Equal(node.UID))
	})
}

// containerOf a pod of one, by its ID.
func containerOf(p corev1.Pod) string {
	GinkgoHelper()
	Expect(p.Status.ContainerStatuses).NotTo(BeEmpty())
	_, id, _ := strings.Cut(p.Status.ContainerStatuses[0].ContainerID, "://")
	return id
}

// outlivesItsAgent: what happens to a node while its agent is away reaches the operator
// when it is back.
func (h *house) outlivesItsAgent() {
	It("restarts no pod when its agent is restarted under load, and is back within a second of it", func(ctx SpecContext) {
		before, node := h.awaitLodgers(ctx), h.AwaitNode(ctx, "large")
		h.RunPod(ctx, "load", "large", hog)
		h.AwaitPod(ctx, "load", fixture.Running)
		victims := []victim{h.victim(node), h.victim(h.AwaitNode(ctx, "small"))}
		said := func() string {
			return h.MustKubectl(ctx, "get", "mesosnode", node.Name, "-o", "jsonpath={.status.task.message}")
		}

		Eventually(ctx, said).WithTimeout(time.Minute).WithPolling(time.Second).Should(BeEmpty(), "what befell it before")

		h.agent().Stop()
		time.Sleep(3 * time.Second)
		kill(h.kubelet(node.Name))
		time.Sleep(time.Second)
		Expect(said()).To(BeEmpty(), "nobody could tell the operator")
		back := time.Now()
		h.agent().Start()

		for _, v := range victims {
			var subscribed time.Time
			Eventually(ctx, func() time.Time { subscribed = v.lastSubscribed(); return subscribed }).
				WithTimeout(30 * time.Second).WithPolling(100 * time.Millisecond).Should(BeTemporally(">", back))
			AddReportEntry("back with its agent after", subscribed.Sub(back).String())
			Expect(subscribed.Sub(back)).To(BeNumerically("<", time.Second))
		}
		Eventually(ctx, said).WithTimeout(30*time.Second).WithPolling(100*time.Millisecond).
			Should(ContainSubstring("kubelet ended (signal: killed)"), "the update of while the agent was away")
		Eventually(ctx, said).WithTimeout(time.Minute).WithPolling(time.Second).Should(BeEmpty())
		h.undisturbed(ctx, before)
		Expect(h.AwaitNode(ctx, "large").UID).To(Equal(node.UID))
		for _, v := range victims {
			Expect(living([]int{v.executor})).To(HaveLen(1))
		}
	}, SpecTimeout(4*time.Minute))
}

// agent is the only one.
func (h *house) agent() *mesostest.Agent { return h.Master.Agents()[0] }

func (h *house) leavesNoOrphans() {
	ways := []struct {
		name string
		kill func(v victim)
	}{
		{"its executor is killed", func(v victim) { kill(v.executor) }},
		{"all that belongs to it is killed at once", func(v victim) { killAtOnce(playground.InCgroup(v.ID)) }},
		{"its agent stays away", h.orphan},
		{"its machine loses power", func(victim) { h.agent().Reboot(2 * time.Second) }},
	}
	for _, way := range ways {
		It("leaves nothing behind when "+way.name+", and no data is lost", func(ctx SpecContext) {
			h.awaitLodgers(ctx)
			Eventually(ctx, func() error { // it may still be on record on the node before
				_, err := h.Kubectl(ctx, "exec", "db-0", "--", "sh", "-c", "echo precious > /data/file")
				return err
			}).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Succeed())
			v := h.victim(h.AwaitNode(ctx, "small"))
			all := playground.InCgroup(v.ID)
			way.kill(v)
			Eventually(ctx, func() string { return h.AwaitNode(ctx, "small").Name }).
				WithTimeout(3 * time.Minute).WithPolling(time.Second).ShouldNot(Equal(v.node))
			Expect(living(all)).To(BeEmpty(), "they outlived their container")
			Expect(h.tracesOf(ctx, v)).To(BeEmpty(), "the next executor sweeps them")
			Expect(read(filepath.Join(h.dataFolder(), "file"))).To(Equal("precious\n"))
			h.awaitLodgers(ctx)
		}, SpecTimeout(6*time.Minute))
	}

	It("leaves nothing at all behind when the pools go", func(ctx SpecContext) {
		h.MustKubectl(ctx, "delete", "mesosnodepool", "--all", "--wait=false")
		h.MustKubectl(ctx, "delete", "daemonset,statefulset,pod", "--all", "--wait=false")
		Eventually(ctx, func() string { return h.MustKubectl(ctx, "get", "mesosnodes", "-o", "name") }).
			WithTimeout(3 * time.Minute).WithPolling(time.Second).Should(BeEmpty())
		Eventually(ctx, h.Residue).WithTimeout(30 * time.Second).Should(BeEmpty())
		Expect(read(filepath.Join(h.dataFolder(), "file"))).To(Equal("precious\n"))
	}, SpecTimeout(6*time.Minute))
}

// orphan a node: its agent goes, and comes back when the executor has given it up.
func (h *house) orphan(v victim) {
	GinkgoHelper()
	h.agent().Stop()
	Eventually(func() []int { return living([]int{v.executor}) }).WithTimeout(2*time.Minute).WithPolling(time.Second).
		Should(BeEmpty(), "it has nobody to answer to")
	Expect(v.folder).NotTo(BeADirectory(), "it clears up before it ends")
	h.agent().Start()
}

// living are those of them that are there still.
func living(pids []int) []int {
	return slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return !playground.Lives(pid) })
}
