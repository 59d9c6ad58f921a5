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
	"github.com/k8sm/k8sm/test/suite/vm/door"
)

func TestUnified(t *testing.T) {
	RegisterFailHandler(Fail)
	log.SetLogger(GinkgoLogr)
	RunSpecs(t, "Version 2 of cgroup")
}

// patience with what takes seconds on a machine, and minutes on one that is emulated by
// another that has more to do.
const patience = 6 * time.Minute

// house is the machine with its nodes, and the control plane beside it.
type house struct {
	*machine
	fixture.House
	// neighbour is the process that is not to be disturbed.
	neighbour string
}

const (
	untilLetGo = "trap : USR1; sleep 3600 & wait; "
	hog        = untilLetGo + "for i in 1 2 3 4; do while :; do :; done & done; wait"
)

// pods of all specs. They are started together, and wait until they are let go: beside a
// hog a pod takes minutes to start where a machine is emulated. To plug one into a network
// takes as long as to start it, so one pod only is.
var pods = []struct{ name, size, command, resources, hostNetwork string }{
	{"cpu-hog-large", "large", hog, "{}", "false"},
	{"cpu-hog-small", "small", hog, "{}", "true"},
	{"limited", "large", untilLetGo + "while :; do :; done", "{limits: {cpu: 200m}}", "true"},
	{"fork-bomb", "small", untilLetGo + "while :; do sleep 3600 & done", "{}", "true"},
	{"memory-hog", "large", untilLetGo + "exec tail /dev/zero", "{}", "true"},
	{"survivor", "small", "exec sleep 3600", "{}", "true"},
}

var _ = Describe("A node where cgroup has version 2 only", Ordered, ContinueOnFailure, func() {
	h := &house{}
	BeforeAll(h.build)
	AfterAll(h.TearDown)
	AfterEach(func(ctx SpecContext) {
		if h.KeepLogsOnFailure() {
			h.tellLogs(ctx)
		}
	})
	h.passesTheRuntimesTests()
	h.livesInItsSlice()
	h.keepsToItsMeans()
	h.endsWithoutATrace()
})

func (h *house) build(ctx SpecContext) {
	out, err := exec.Command("./install.sh").CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", out)
	installed, err := filepath.Abs("../../../bin/vm")
	Expect(err).NotTo(HaveOccurred())
	folder := GinkgoT().TempDir()
	disk, parts, err := writeDisk(folder, installed)
	Expect(err).NotTo(HaveOccurred())
	h.machine, err = newMachine()
	Expect(err).NotTo(HaveOccurred())
	h.Patience = patience
	h.Found(playground.Options{
		Elsewhere: &playground.Elsewhere{Master: h.master, Loopback: door.Loopback, Parts: parts, There: partsThere, StateDir: stateDir},
	})
	started := time.Now()
	Expect(h.start(h.Playground, installed, disk)).To(Succeed())
	Expect(h.Start(ctx)).To(Succeed())
	Expect(h.awaitBoot(ctx)).To(Succeed())
	AddReportEntry("seconds until the machine and the control plane are up", time.Since(started).Seconds())
	h.Register(ctx)
	h.MustApply(ctx, fixture.Pools)
	for _, pool := range []string{"large", "small"} {
		h.AwaitNode(ctx, pool)
	}
	h.startNeighbour(ctx)
	AddReportEntry("seconds until both nodes are Ready", time.Since(started).Seconds())
	h.startPods(ctx)
	AddReportEntry("seconds until all pods run", time.Since(started).Seconds())
}

func (h *house) startPods(ctx context.Context) {
	GinkgoHelper()
	var manifests []string
	for _, p := range pods {
		manifests = append(manifests, fixture.Pod(p.name, p.size, fmt.Sprintf(`
    command: [sh, -c, "%s"]
    resources: %s
  hostNetwork: %s
`, p.command, p.resources, p.hostNetwork)))
	}
	h.MustApply(ctx, strings.Join(manifests, "\n---\n"))
	for _, p := range pods {
		h.AwaitPod(ctx, p.name, fixture.Running)
	}
}

// letGo has pods do what they were started for, until the spec ends.
func (h *house) letGo(ctx context.Context, pods ...string) {
	GinkgoHelper()
	var cgroups []string
	for _, pod := range pods {
		cgroups = append(cgroups, h.cgroupOf(ctx, pod))
	}
	all := strings.Join(cgroups, " ")
	h.look(ctx, "for c in %s; do kill -USR1 $(cat $c/cgroup.procs); done", all)
	DeferCleanup(func(ctx context.Context) {
		h.look(ctx, "for c in %s; do [ ! -e $c ] || echo 1 >$c/cgroup.kill; done", all)
	})
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
