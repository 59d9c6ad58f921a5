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

// lease is how long an operator of these specs leads without being heard of.
const lease = 4 * time.Second

// pair are two operators, one that leads and one that stands by, with two nodes.
type pair struct {
	leader, standby *process
	master          *mesostest.Master
	framework       *v1alpha1.MesosFramework
	pool            *v1alpha1.MesosNodePool
	id, held        string            // the framework's ID, and who holds the lease
	tasks           map[string]string // by node
}

// startPair starts two operators under names of their own, by which the API server's
// audit log tells them apart.
func startPair(name string) *pair {
	GinkgoHelper()
	runtime := filepath.Join(GinkgoT().TempDir(), "runtime.yaml")
	Expect(os.WriteFile(runtime, fmt.Appendf(nil,
		"containerRuntime: none\nartifacts:\n- {name: executor, uri: file:///opt/executor, sha256: %s}\n- {name: kubelet, uri: file:///opt/kubelet, sha256: %s}\n", digest, digest), 0o600)).To(Succeed())
	flags := []string{
		"--node-runtime=" + runtime, "--leader-election-retry-period=500ms",
		"--leader-election-lease-duration=" + lease.String(), "--leader-election-renew-deadline=3s",
	}
	kubeconfig, binary := serviceAccount(), buildOperator()
	start := func(as string) *process {
		link := filepath.Join(GinkgoT().TempDir(), as)
		Expect(os.Symlink(binary, link)).To(Succeed())
		return startProcess(link, kubeconfig, flags...)
	}
	held := holder()
	p := &pair{master: newMaster(mesostest.MasterOptions{}, 3)}
	p.leader = start("operator-a")
	Eventually(holder).WithTimeout(minute).ShouldNot(BeElementOf(held, ""))
	p.held = holder()
	p.standby = start("operator-b")
	p.framework = newFramework(name, p.master.Addr())
	p.pool = newPool(name, name, edit{"spec replicas", "2"})
	expectCondition(p.pool, v1alpha1.ConditionReady, "True AllNodesReady")
	// A Node can be ready before the executor's word that its task runs has come.
	Eventually(p.tasksNow).WithTimeout(minute).Should(HaveEach(HaveSuffix(" " + string(scheduler.TaskRunning))))
	p.id, p.tasks = frameworkID(p.framework), p.tasksNow()
	Expect(p.subscriptions()).To(Equal(1))
	return p
}

func (p *pair) subscriptions() int { return p.master.Calls()["SUBSCRIBE"] }

func (p *pair) tasksNow() map[string]string {
	GinkgoHelper()
	out := map[string]string{}
	for _, mn := range nodesOf(p.pool.Name) {
		out[mn.Name] = mn.Status.Task.ID + " " + mn.Status.Task.State
	}
	return out
}

// takenOver waits until the standby leads and has subscribed.
func (p *pair) takenOver() {
	GinkgoHelper()
	Eventually(holder).WithTimeout(minute).ShouldNot(BeElementOf(p.held, ""))
	Eventually(p.subscriptions).WithTimeout(minute).Should(Equal(2))
	Eventually(tells(p.framework, v1alpha1.ConditionReady)).WithTimeout(minute).Should(HavePrefix("True Subscribed"))
}

// unharmed checks that Mesos and Kubernetes have what they had, and that the operator
// that leads now can do all that the other could.
func (p *pair) unharmed() {
	GinkgoHelper()
	Expect(frameworkID(p.framework)).To(Equal(p.id))
	Expect(p.tasksNow()).To(Equal(p.tasks))
	Expect(containers(p.master)()).To(Equal(2), "nothing was launched a second time")
	Expect(p.subscriptions()).To(Equal(2), "nobody was thrown out")
	Expect(strict.SubResource("scale").Update(ctx, p.pool, client.WithSubResourceBody(
		parse("{apiVersion: autoscaling/v1, kind: Scale, spec: {replicas: 3}}")))).To(Succeed())
	Eventually(func() int32 {
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(p.pool), p.pool)).To(Succeed())
		return p.pool.Status.ReadyReplicas
	}).WithTimeout(minute).Should(BeEquivalentTo(3))
	Expect(containers(p.master)()).To(Equal(3))
}

// freeze stops the operator that leads, as a machine that pages does.
func (p *pair) freeze() { Expect(p.leader.command.Process.Signal(syscall.SIGSTOP)).To(Succeed()) }

// wake lets it go on as if nothing had happened, waits for its end, and checks that it
// changed nothing meanwhile.
func (p *pair) wake() {
	GinkgoHelper()
	woken := time.Now()
	Expect(p.leader.command.Process.Signal(syscall.SIGCONT)).To(Succeed())
	ended := make(chan error, 1)
	go func() { ended <- p.leader.command.Wait() }()
	Eventually(ended).WithTimeout(minute).Should(Receive(MatchError(ContainSubstring("exit status 1"))))
	Consistently(p.subscriptions).WithTimeout(2*time.Second).Should(BeNumerically("<=", 2), "one for each operator")
	Expect(changesBy("operator-a", woken)).To(BeEmpty())
}

// changesBy lists what a program changed in Kubernetes since, as verb and path. What was
// refused is among it; but not a renewal of the Lease that came too late, since that is
// how an operator finds out.
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
		Expect(changesBy("operator-a", time.Time{})).NotTo(BeEmpty(), "the audit log tells who changes what")
		Expect(changesBy("operator-b", time.Time{})).To(BeEmpty(), "a standby changes nothing")
		Expect(p.leader.command.Process.Kill()).To(Succeed())
		Expect(p.leader.command.Wait()).To(MatchError(ContainSubstring("killed")))
		p.takenOver()
		p.unharmed()
	})

	It("is not thrown out by an operator that was frozen and wakes after it subscribed", func() {
		p := startPair("woken-after")
		p.freeze()
		p.takenOver()
		p.wake()
		p.unharmed()
	})

	It("is not forestalled by an operator that was frozen and wakes before it subscribed", func() {
		p := startPair("woken-before")
		p.freeze()
		p.master.Inject(func(f *mesostest.Faults) { f.NoLeader = true })
		Eventually(holder).WithTimeout(minute).ShouldNot(BeElementOf(p.held, ""))
		p.wake()
		p.master.Inject(func(f *mesostest.Faults) { f.NoLeader = false })
		p.takenOver()
		p.unharmed()
	})

	It("is not forestalled by an operator that was frozen and wakes without its stream", func() {
		p := startPair("woken-without")
		p.freeze()
		p.master.Inject(func(f *mesostest.Faults) { f.NoLeader = true })
		p.master.CloseStreams()
		Eventually(holder).WithTimeout(minute).ShouldNot(BeElementOf(p.held, ""))
		p.master.Inject(func(f *mesostest.Faults) { f.NoLeader = false })
		p.wake()
		p.takenOver()
		p.unharmed()
	})

	It("is not thrown out by an operator that wakes without its stream", func() {
		p := startPair("woken-late")
		p.freeze()
		p.master.CloseStreams()
		p.takenOver()
		p.wake()
		p.unharmed()
	})
})
