package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// leaseDuration is the duration of the Lease in these specs.
const leaseDuration = 4 * time.Second

// operatorPair is a leader and a standby, with a pool of two nodes.
type operatorPair struct {
	leader, standby    *process
	master             *mesostest.Master
	framework          *v1alpha1.MesosFramework
	pool               *v1alpha1.MesosNodePool
	id, leaderIdentity string            // the framework's ID, and who holds the lease
	tasks              map[string]string // by node
}

// startPair starts two operators under different program names, which the API server's audit log
// records.
func startPair(name string) *operatorPair {
	GinkgoHelper()
	runtime := filepath.Join(GinkgoT().TempDir(), "runtime.yaml")
	Expect(os.WriteFile(runtime, fmt.Appendf(nil,
		"containerRuntime: none\nartifacts:\n- {name: executor, uri: file:///opt/executor, sha256: %s}\n- {name: kubelet, uri: file:///opt/kubelet, sha256: %s}\n", digest, digest), 0o600)).To(Succeed())
	flags := []string{
		"--node-runtime=" + runtime, "--leader-election-retry-period=500ms",
		"--leader-election-lease-duration=" + leaseDuration.String(), "--leader-election-renew-deadline=3s",
	}
	kubeconfig, binary := operatorKubeconfig(), buildOperator()
	start := func(as string) *process {
		link := filepath.Join(GinkgoT().TempDir(), as)
		Expect(os.Symlink(binary, link)).To(Succeed())
		return startProcess(link, kubeconfig, flags...)
	}
	before := leaseHolder()
	p := &operatorPair{master: newMaster(mesostest.MasterOptions{}, 3)}
	p.leader = start("operator-a")
	Eventually(leaseHolder).WithTimeout(timeout).ShouldNot(BeElementOf(before, ""))
	p.leaderIdentity = leaseHolder()
	p.standby = start("operator-b")
	p.framework = newFramework(name, p.master.Addr())
	p.pool = newPool(name, name, edit{"spec replicas", "2"})
	expectCondition(p.pool, v1alpha1.ConditionReady, "True AllNodesReady")
	// A Node can be ready before the executor's update TASK_RUNNING has arrived.
	Eventually(p.currentTasks).WithTimeout(timeout).Should(HaveEach(HaveSuffix(" " + string(scheduler.TaskRunning))))
	p.id, p.tasks = frameworkID(p.framework), p.currentTasks()
	Expect(p.subscriptions()).To(Equal(1))
	return p
}

func (p *operatorPair) subscriptions() int { return p.master.Calls()["SUBSCRIBE"] }

func (p *operatorPair) currentTasks() map[string]string {
	GinkgoHelper()
	out := map[string]string{}
	for _, mn := range nodesOf(p.pool.Name) {
		out[mn.Name] = mn.Status.Task.ID + " " + mn.Status.Task.State
	}
	return out
}

// awaitTakeover waits until the standby is leader and has subscribed.
func (p *operatorPair) awaitTakeover() {
	GinkgoHelper()
	Eventually(leaseHolder).WithTimeout(timeout).ShouldNot(BeElementOf(p.leaderIdentity, ""))
	Eventually(p.subscriptions).WithTimeout(timeout).Should(Equal(2))
	Eventually(conditionText(p.framework, v1alpha1.ConditionReady)).WithTimeout(timeout).Should(HavePrefix("True Subscribed"))
}

// expectUnharmed checks that framework and tasks are unchanged, and that the new leader can create
// nodes.
func (p *operatorPair) expectUnharmed() {
	GinkgoHelper()
	Expect(frameworkID(p.framework)).To(Equal(p.id))
	Expect(p.currentTasks()).To(Equal(p.tasks))
	Expect(containers(p.master)()).To(Equal(2), "nothing was launched a second time")
	Expect(p.subscriptions()).To(Equal(2), "no operator has displaced the other")
	Expect(strict.SubResource("scale").Update(ctx, p.pool, client.WithSubResourceBody(
		parse("{apiVersion: autoscaling/v1, kind: Scale, spec: {replicas: 3}}")))).To(Succeed())
	Eventually(func() int32 {
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(p.pool), p.pool)).To(Succeed())
		return p.pool.Status.ReadyReplicas
	}).WithTimeout(timeout).Should(BeEquivalentTo(3))
	Expect(containers(p.master)()).To(Equal(3))
}

// freeze stops the leader's process, as heavy paging would.
func (p *operatorPair) freeze() {
	Expect(p.leader.command.Process.Signal(syscall.SIGSTOP)).To(Succeed())
}

// wake continues the leader's process, waits for its end, and checks that it changed nothing
// meanwhile.
func (p *operatorPair) wake() {
	GinkgoHelper()
	woken := time.Now()
	Expect(p.leader.command.Process.Signal(syscall.SIGCONT)).To(Succeed())
	ended := make(chan error, 1)
	go func() { ended <- p.leader.command.Wait() }()
	Eventually(ended).WithTimeout(timeout).Should(Receive(MatchError(ContainSubstring("exit status 1"))))
	Consistently(p.subscriptions).WithTimeout(2*time.Second).Should(BeNumerically("<=", 2), "one for each operator")
	Expect(changesBy("operator-a", woken)).To(BeEmpty())
}

// changesBy lists the changes that a program requested in Kubernetes since a time, as verb and
// path, including refused ones. A late renewal of the Lease is left out, since that is how an
// operator learns that it no longer leads.
func changesBy(program string, since time.Time) []string {
	GinkgoHelper()
	file, err := os.Open(auditLog)
	Expect(err).NotTo(HaveOccurred())
	defer file.Close()
	var out []string
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var event struct {
			Verb, RequestURI, UserAgent string
			RequestReceivedTimestamp    time.Time
			ResponseStatus              struct{ Code int }
		}
		Expect(json.Unmarshal(lines.Bytes(), &event)).To(Succeed())
		if strings.Contains(event.RequestURI, "/leases/") && event.ResponseStatus.Code == http.StatusConflict {
			continue
		}
		if strings.HasPrefix(event.UserAgent, program+"/") && event.RequestReceivedTimestamp.After(since) {
			out = append(out, event.Verb+" "+event.RequestURI)
		}
	}
	Expect(lines.Err()).NotTo(HaveOccurred())
	return out
}

var _ = Describe("A standby", func() {
	It("takes over from an operator that was killed", func() {
		p := startPair("killed")
		Expect(changesBy("operator-a", time.Time{})).NotTo(BeEmpty(), "the audit log records the program")
		Expect(changesBy("operator-b", time.Time{})).To(BeEmpty(), "a standby changes nothing")
		Expect(p.leader.command.Process.Kill()).To(Succeed())
		Expect(p.leader.command.Wait()).To(MatchError(ContainSubstring("killed")))
		p.awaitTakeover()
		p.expectUnharmed()
	})

	It("is not displaced by an operator that was frozen and wakes after the standby subscribed", func() {
		p := startPair("woken-after")
		p.freeze()
		p.awaitTakeover()
		p.wake()
		p.expectUnharmed()
	})

	It("takes over from an operator that was frozen and wakes before the standby subscribed", func() {
		p := startPair("woken-before")
		p.freeze()
		p.master.Inject(func(f *mesostest.Faults) { f.NoLeader = true })
		Eventually(leaseHolder).WithTimeout(timeout).ShouldNot(BeElementOf(p.leaderIdentity, ""))
		p.wake()
		p.master.Inject(func(f *mesostest.Faults) { f.NoLeader = false })
		p.awaitTakeover()
		p.expectUnharmed()
	})

	It("takes over from an operator that was frozen and wakes without its stream before the standby subscribed", func() {
		p := startPair("woken-without")
		p.freeze()
		p.master.Inject(func(f *mesostest.Faults) { f.NoLeader = true })
		p.master.CloseStreams()
		Eventually(leaseHolder).WithTimeout(timeout).ShouldNot(BeElementOf(p.leaderIdentity, ""))
		p.master.Inject(func(f *mesostest.Faults) { f.NoLeader = false })
		p.wake()
		p.awaitTakeover()
		p.expectUnharmed()
	})

	It("is not displaced by an operator that was frozen and wakes without its stream after the standby subscribed", func() {
		p := startPair("woken-late")
		p.freeze()
		p.master.CloseStreams()
		p.awaitTakeover()
		p.wake()
		p.expectUnharmed()
	})
})
