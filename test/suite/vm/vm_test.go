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
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/k8sm/k8sm/test/cluster/fixture"
	"github.com/k8sm/k8sm/test/cluster/playground"
	"github.com/k8sm/k8sm/test/suite/vm/gateway"
)

func TestUnified(t *testing.T) {
	RegisterFailHandler(Fail)
	log.SetLogger(GinkgoLogr)
	RunSpecs(t, "Version 2 of cgroup")
}

// timeout is the maximum time for what takes seconds on a real machine, and minutes on one that is
// emulated on a busy host.
const timeout = 6 * time.Minute

// cluster is the machine with its nodes, and the control plane outside it.
type cluster struct {
	*machine
	fixture.Cluster
	// neighbour is the PID of the task that nodes must not disturb.
	neighbour string
}

const (
	waitForRelease = "trap : USR1; sleep 3600 & wait; "
	busyLoop       = waitForRelease + "for i in 1 2 3 4; do while :; do :; done & done; wait"
)

// pods of all specs. They are started together and wait until they are released: while a busy
// loop runs, a pod takes minutes to start on an emulated machine. Connecting a pod to the pod
// network takes as long as starting it, so only one pod is connected.
var pods = []struct{ name, size, command, resources, hostNetwork string }{
	{"cpu-hog-large", "large", busyLoop, "{}", "false"},
	{"cpu-hog-small", "small", busyLoop, "{}", "true"},
	{"limited", "large", waitForRelease + "while :; do :; done", "{limits: {cpu: 200m}}", "true"},
	{"fork-bomb", "small", waitForRelease + "while :; do sleep 3600 & done", "{}", "true"},
	{"memory-hog", "large", waitForRelease + "exec tail /dev/zero", "{}", "true"},
	{"survivor", "small", "exec sleep 3600", "{}", "true"},
}

var _ = Describe("A node where cgroup has version 2 only", Ordered, ContinueOnFailure, func() {
	c := &cluster{}
	BeforeAll(c.setUp)
	AfterAll(c.TearDown)
	AfterEach(func(ctx SpecContext) {
		if c.KeepLogsOnFailure() {
			c.printLogs(ctx)
		}
	})
	c.specRuntimeTests()
	c.specCgroups()
	c.specChangedLimits()
	c.specResourceLimits()
	c.specCleanUp()
})

func (c *cluster) setUp(ctx SpecContext) {
	out, err := exec.Command("./install.sh").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", out)
	installed, err := filepath.Abs("../../../bin/vm")
	Expect(err).NotTo(HaveOccurred())
	folder := GinkgoT().TempDir()
	disk, parts, err := writeDisk(folder, installed)
	Expect(err).NotTo(HaveOccurred())
	c.machine, err = newMachine()
	Expect(err).NotTo(HaveOccurred())
	c.Timeout = timeout
	c.Configure(playground.Options{
		RemoteHost: &playground.RemoteHost{Master: c.masterAddress, Loopback: gateway.Loopback, Parts: parts, RemoteParts: remoteParts, StateDir: stateDir},
	})
	started := time.Now()
	Expect(c.start(c.Playground, installed, disk)).To(Succeed())
	Expect(c.Start(ctx)).To(Succeed())
	Expect(c.awaitBoot(ctx)).To(Succeed())
	AddReportEntry("seconds until the machine and the control plane are up", time.Since(started).Seconds())
	c.RegisterFramework(ctx)
	c.MustApply(ctx, fixture.Pools)
	for _, pool := range []string{"large", "small"} {
		c.AwaitNode(ctx, pool)
	}
	c.startNeighbour(ctx)
	AddReportEntry("seconds until both nodes are Ready", time.Since(started).Seconds())
	c.startPods(ctx)
	AddReportEntry("seconds until all pods run", time.Since(started).Seconds())
}

func (c *cluster) startPods(ctx context.Context) {
	GinkgoHelper()
	var manifests []string
	for _, p := range pods {
		manifests = append(manifests, fixture.Pod(p.name, p.size, fmt.Sprintf(`
    command: [sh, -c, "%s"]
    resources: %s
  hostNetwork: %s
`, p.command, p.resources, p.hostNetwork)))
	}
	c.MustApply(ctx, strings.Join(manifests, "\n---\n"))
	for _, p := range pods {
		c.AwaitPod(ctx, p.name, fixture.Running)
	}
}

// release lets pods do what they were started for, until the end of the spec.
func (c *cluster) release(ctx context.Context, pods ...string) {
	GinkgoHelper()
	var cgroups []string
	for _, pod := range pods {
		cgroups = append(cgroups, c.cgroupOfPod(ctx, pod))
	}
	all := strings.Join(cgroups, " ")
	c.output(ctx, "for c in %s; do kill -USR1 $(cat $c/cgroup.procs); done", all)
	DeferCleanup(func(ctx context.Context) {
		c.output(ctx, "for c in %s; do [ ! -e $c ] || echo 1 >$c/cgroup.kill; done", all)
	})
}

// printLogs saves the logs of what runs in the machine, because they are lost with it.
func (c *cluster) printLogs(ctx context.Context) {
	logs, err := c.run(ctx, `
		find /sys/fs/cgroup/mesos -name cgroup.procs | while read f; do echo "$f: $(tr '\n' ' ' <$f)"; done
		for f in $(find /var/lib/mesos -name stderr -o -name '*.log'); do echo "== $f"; tail -n 40 $f; done; dmesg | tail -n 20`)
	_ = os.WriteFile(filepath.Join(c.Logs(), "guest.log"), []byte(logs), 0o644)
	GinkgoWriter.Println("The logs are kept in", c.Logs(), err)
}

// output runs a script in the machine, which must succeed, and returns its output.
func (c *cluster) output(ctx context.Context, script string, args ...any) string {
	GinkgoHelper()
	out, err := c.run(ctx, fmt.Sprintf(script, args...))
	Expect(err).NotTo(HaveOccurred())
	return strings.TrimSpace(out)
}
