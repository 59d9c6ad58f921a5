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

func (c *cluster) specKilledPrograms() {
	It("restarts no pod when the kubelet is killed 20 times under load", func(ctx SpecContext) {
		before, node := c.awaitWebPods(ctx), c.AwaitNode(ctx, "large")
		c.RunPod(ctx, "load", "large", busyLoop)
		c.AwaitPod(ctx, "load", fixture.Running)
		for i := range 20 {
			pid := 0
			Eventually(ctx, func() int { pid = c.kubelet(node.Name); return pid }).
				WithTimeout(time.Minute).WithPolling(50 * time.Millisecond).ShouldNot(BeZero())
			// The kubelet is killed later after each start, the first time at once.
			time.Sleep(time.Duration(i) * 150 * time.Millisecond)
			kill(pid)
			Eventually(ctx, func() int { return c.kubelet(node.Name) }).
				WithTimeout(10 * time.Second).WithPolling(10 * time.Millisecond).ShouldNot(Equal(pid))
		}
		Eventually(ctx, func() string {
			return c.MustKubectl(ctx, "get", "mesosnode", node.Name, "-o", "jsonpath={.status.task}")
		}).
			WithTimeout(time.Minute).Should(ContainSubstring("kubelet ended (signal: killed)"))
		Eventually(ctx, func() string {
			return c.MustKubectl(ctx, "get", "mesosnode", node.Name, "-o", "jsonpath={.status.task}")
		}).
			WithTimeout(2 * time.Minute).WithPolling(time.Second).ShouldNot(ContainSubstring("kubelet ended"))
		c.expectUndisturbed(ctx, before)
		c.expectExec(ctx, before["large"].Name)
		Expect(c.AwaitNode(ctx, "large").UID).To(Equal(node.UID))
	}, SpecTimeout(6*time.Minute))

	It("restarts no pod when the container runtime is killed", func(ctx SpecContext) {
		before, node := c.awaitWebPods(ctx), c.AwaitNode(ctx, "large")
		pid := c.containerd(node.Name)
		kill(pid)
		Eventually(ctx, func() bool { now := c.containerd(node.Name); return now != 0 && now != pid }).
			WithTimeout(30 * time.Second).Should(BeTrue())
		c.expectExec(ctx, before["large"].Name)
		c.expectUndisturbed(ctx, before)
	})

	It("restarts a pod whose shim is killed, and ends the processes of the old one", func(ctx SpecContext) {
		before, node := c.awaitWebPods(ctx), c.AwaitNode(ctx, "large")
		pod := before["large"]
		old := containerOf(pod)
		inside := playground.InCgroup(old)
		Expect(inside).NotTo(BeEmpty())
		kill(parent(inside[0]))
		c.AwaitPod(ctx, pod.Name, func(g Gomega, p corev1.Pod) {
			g.Expect(containerOf(p)).NotTo(Equal(old))
			g.Expect(p.Status.ContainerStatuses[0].Ready).To(BeTrue())
		})
		Expect(stillRunning(inside)).To(BeEmpty())
		Expect(c.AwaitNode(ctx, "large").UID).To(Equal(node.UID))
	})
}

// containerOf returns the ID of the pod's only container.
func containerOf(p corev1.Pod) string {
	GinkgoHelper()
	Expect(p.Status.ContainerStatuses).NotTo(BeEmpty())
	_, id, _ := strings.Cut(p.Status.ContainerStatuses[0].ContainerID, "://")
	return id
}

// specRestartedAgent checks that the operator learns what happened to a node while its agent was
// down.
func (c *cluster) specRestartedAgent() {
	It("restarts no pod when its agent is restarted under load, and subscribes again within a second", func(ctx SpecContext) {
		before, node := c.awaitWebPods(ctx), c.AwaitNode(ctx, "large")
		c.RunPod(ctx, "load", "large", busyLoop)
		c.AwaitPod(ctx, "load", fixture.Running)
		targets := []target{c.targetOf(node), c.targetOf(c.AwaitNode(ctx, "small"))}
		message := func() string {
			return c.MustKubectl(ctx, "get", "mesosnode", node.Name, "-o", "jsonpath={.status.task.message}")
		}

		Eventually(ctx, message).WithTimeout(time.Minute).WithPolling(time.Second).Should(BeEmpty(), "the message of an earlier spec is still there")

		c.agent().Stop()
		time.Sleep(3 * time.Second)
		kill(c.kubelet(node.Name))
		time.Sleep(time.Second)
		Expect(message()).To(BeEmpty(), "the agent is down, so the operator cannot know")
		back := time.Now()
		c.agent().Start()

		for _, v := range targets {
			var subscribed time.Time
			Eventually(ctx, func() time.Time { subscribed = v.lastSubscribed(); return subscribed }).
				WithTimeout(30 * time.Second).WithPolling(100 * time.Millisecond).Should(BeTemporally(">", back))
			AddReportEntry("subscribed again after", subscribed.Sub(back).String())
			Expect(subscribed.Sub(back)).To(BeNumerically("<", time.Second))
		}
		Eventually(ctx, message).WithTimeout(30*time.Second).WithPolling(100*time.Millisecond).
			Should(ContainSubstring("kubelet ended (signal: killed)"), "the update was sent while the agent was down")
		Eventually(ctx, message).WithTimeout(time.Minute).WithPolling(time.Second).Should(BeEmpty())
		c.expectUndisturbed(ctx, before)
		Expect(c.AwaitNode(ctx, "large").UID).To(Equal(node.UID))
		for _, v := range targets {
			Expect(stillRunning([]int{v.executor})).To(HaveLen(1))
		}
	}, SpecTimeout(4*time.Minute))
}

// agent returns the only agent.
func (c *cluster) agent() *mesostest.Agent { return c.Master.Agents()[0] }

func (c *cluster) specOrphans() {
	ways := []struct {
		name string
		kill func(v target)
	}{
		{"its executor is killed", func(v target) { kill(v.executor) }},
		{"all that belongs to it is killed at once", func(v target) { killAtOnce(playground.InCgroup(v.ID)) }},
		{"its agent stays down", c.stopAgentUntilNodeEnds},
		{"its machine loses power", func(target) { c.agent().Reboot(2 * time.Second) }},
	}
	for _, way := range ways {
		It("leaves nothing behind when "+way.name+", and no data is lost", func(ctx SpecContext) {
			c.awaitWebPods(ctx)
			Eventually(ctx, func() error { // the pod may still be recorded on the node of the spec before
				_, err := c.Kubectl(ctx, "exec", "db-0", "--", "sh", "-c", "echo precious > /data/file")
				return err
			}).WithTimeout(2 * time.Minute).WithPolling(time.Second).Should(Succeed())
			v := c.targetOf(c.AwaitNode(ctx, "small"))
			all := playground.InCgroup(v.ID)
			way.kill(v)
			Eventually(ctx, func() string { return c.AwaitNode(ctx, "small").Name }).
				WithTimeout(3 * time.Minute).WithPolling(time.Second).ShouldNot(Equal(v.node))
			Expect(stillRunning(all)).To(BeEmpty(), "processes survived their container")
			Expect(c.tracesOf(ctx, v)).To(BeEmpty(), "the next executor removes the leftovers")
			Expect(read(filepath.Join(c.dataFolder(), "file"))).To(Equal("precious\n"))
			c.awaitWebPods(ctx)
		}, SpecTimeout(6*time.Minute))
	}

	It("leaves nothing behind when the pools are deleted", func(ctx SpecContext) {
		c.MustKubectl(ctx, "delete", "mesosnodepool", "--all", "--wait=false")
		c.MustKubectl(ctx, "delete", "daemonset,statefulset,pod", "--all", "--wait=false")
		Eventually(ctx, func() string { return c.MustKubectl(ctx, "get", "mesosnodes", "-o", "name") }).
			WithTimeout(3 * time.Minute).WithPolling(time.Second).Should(BeEmpty())
		Eventually(ctx, c.Leftovers).WithTimeout(30 * time.Second).Should(BeEmpty())
		Expect(read(filepath.Join(c.dataFolder(), "file"))).To(Equal("precious\n"))
	}, SpecTimeout(6*time.Minute))
}

// stopAgentUntilNodeEnds stops the agent until the executor has given up on it, and starts it
// again.
func (c *cluster) stopAgentUntilNodeEnds(v target) {
	GinkgoHelper()
	c.agent().Stop()
	Eventually(func() []int { return stillRunning([]int{v.executor}) }).WithTimeout(2*time.Minute).WithPolling(time.Second).
		Should(BeEmpty(), "the executor has lost its agent for too long")
	Expect(v.folder).NotTo(BeADirectory(), "the executor removes the node's folder before it ends")
	c.agent().Start()
}

// stillRunning returns the processes that still run.
func stillRunning(pids []int) []int {
	return slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return !playground.IsRunning(pid) })
}
