package integration

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authenticationv1 "k8s.io/api/authentication/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

// process is a running operator.
type process struct {
	command *exec.Cmd
	// metrics and health are the addresses of its servers.
	metrics, health string
}

// buildOperator builds the operator's binary, as make build does.
func buildOperator() string {
	GinkgoHelper()
	binary := filepath.Join(GinkgoT().TempDir(), "operator")
	build := exec.Command("go", "build", "-o", binary, "./cmd/operator")
	build.Dir = filepath.Join("..", "..", "..")
	output, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(output))
	return binary
}

// operatorKubeconfig writes a kubeconfig with the rights that config/ gives to the operator, and
// returns its path.
func operatorKubeconfig() string {
	GinkgoHelper()
	applyAll(filepath.Join("..", "..", "..", "config", "manager", "namespace.yaml"))
	applyAll(filepath.Join("..", "..", "..", "config", "rbac", "*.yaml"))
	applyAll(filepath.Join("..", "..", "..", "config", "rbac", "autoscaling", "*.yaml"))
	applyAll(filepath.Join("..", "..", "..", "config", "policies", "*.yaml"))
	// A certificate in the service account's name has the service account's rights.
	account, err := environment.AddUser(envtest.User{
		Name:   "system:serviceaccount:" + namespace + ":k8sm-operator",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace},
	}, nil)
	Expect(err).NotTo(HaveOccurred())
	data, err := account.KubeConfig()
	Expect(err).NotTo(HaveOccurred())
	kubeconfig := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(os.WriteFile(kubeconfig, data, 0o600)).To(Succeed())
	return kubeconfig
}

func startProcess(binary, kubeconfig string, flags ...string) *process {
	GinkgoHelper()
	p := &process{metrics: freeAddress(), health: freeAddress()}
	p.command = exec.Command(binary, append([]string{"--kubeconfig=" + kubeconfig, "--namespace=" + namespace,
		"--metrics-bind-address=" + p.metrics, "--health-probe-bind-address=" + p.health}, flags...)...)
	p.command.Stdout, p.command.Stderr = GinkgoWriter, GinkgoWriter
	Expect(p.command.Start()).To(Succeed())
	DeferCleanup(p.stop)
	Eventually(p.get(p.health, "/readyz")).WithTimeout(timeout).Should(Equal("ok"))
	Expect(p.get(p.health, "/healthz")()).To(Equal("ok"))
	return p
}

// stop ends the process as Kubernetes would, and returns how it ended.
func (p *process) stop() error {
	if p.command.ProcessState != nil {
		return nil
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := p.command.Process.Signal(signal); err != nil {
			return err
		}
	}
	return p.command.Wait()
}

// get returns a function that fetches a page from the process.
func (p *process) get(address, path string) func() string {
	return func() string {
		response, err := http.Get("http://" + address + path)
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return err.Error()
		}
		return string(body)
	}
}

// getMetrics fetches the metrics over TLS with a bearer token, and returns the page, or the
// status where it is not 200, or the error.
func (p *process) getMetrics(token string) string {
	GinkgoHelper()
	request, err := http.NewRequest(http.MethodGet, "https://"+p.metrics+"/metrics", nil)
	Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	// The operator's certificate is self-signed, unless it is given one.
	tlsClient := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	response, err := tlsClient.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	Expect(err).NotTo(HaveOccurred())
	if response.StatusCode != http.StatusOK {
		return response.Status
	}
	return string(body)
}

// metricsReader returns the token of a service account that may read metrics, as Prometheus
// would be permitted to.
func metricsReader() string {
	GinkgoHelper()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "metrics-reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "k8sm-metrics-reader"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Name: "prometheus", Namespace: namespace}},
	}
	Expect(client.IgnoreAlreadyExists(strict.Create(ctx, binding))).To(Succeed())
	return serviceAccountToken("prometheus")
}

// serviceAccountToken returns a token of a service account of the operator's namespace, which
// it creates if it is missing.
func serviceAccountToken(name string) string {
	GinkgoHelper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}}
	Expect(client.IgnoreAlreadyExists(strict.Create(ctx, account))).To(Succeed())
	token := &authenticationv1.TokenRequest{}
	Expect(strict.SubResource("token").Create(ctx, account, token)).To(Succeed())
	return token.Status.Token
}

func freeAddress() string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer listener.Close()
	return listener.Addr().String()
}

var _ = Describe("The metrics of an operator", func() {
	It("are served over TLS, to readers that RBAC permits", func() {
		operator := startProcess(buildOperator(), operatorKubeconfig())
		Eventually(func() string { return operator.getMetrics("") }).WithTimeout(timeout).Should(HavePrefix("401"))
		Expect(operator.get(operator.metrics, "/metrics")()).To(ContainSubstring("HTTP request to an HTTPS server"))
		Expect(operator.getMetrics("not-a-token")).NotTo(ContainSubstring("controller_runtime_"))
		Expect(operator.getMetrics(serviceAccountToken("somebody"))).To(HavePrefix("403"))
		Expect(operator.getMetrics(metricsReader())).To(ContainSubstring("controller_runtime_"))
	})
})

var _ = Describe("Two operators", func() {
	It("elect one leader, and the other takes over at once when it stops", func() {
		kubeconfig := operatorKubeconfig()
		binary := buildOperator()
		master := newMaster(mesostest.MasterOptions{}, 0)

		first := startProcess(binary, kubeconfig)
		Eventually(leaseHolder).WithTimeout(timeout).ShouldNot(BeEmpty())
		leader := leaseHolder()
		second := startProcess(binary, kubeconfig)
		mf := newFramework("shared", master.Addr())
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		reader := metricsReader()
		Expect(second.getMetrics(reader)).To(ContainSubstring("leader_election_master_status{name=\"k8sm-operator\"} 0"))
		Expect(first.getMetrics(reader)).To(ContainSubstring("k8sm_"))
		Consistently(leaseHolder).WithTimeout(3 * time.Second).Should(Equal(leader))
		Expect(master.Calls()).To(HaveKeyWithValue("SUBSCRIBE", 1))

		id := frameworkID(mf)
		stopped := time.Now()
		Expect(first.stop()).To(Succeed())
		Eventually(func() int { return master.Calls()["SUBSCRIBE"] }).WithTimeout(timeout).Should(Equal(2))
		Expect(time.Since(stopped)).To(BeNumerically("<", 12*time.Second), "the lease was released and had not to expire")
		Expect(leaseHolder()).NotTo(Equal(leader))
		Eventually(conditionText(mf, v1alpha1.ConditionReady)).WithTimeout(timeout).Should(HavePrefix("True Subscribed"))
		Expect(frameworkID(mf)).To(Equal(id), "it is the same framework for Mesos")
		deleteAndWait(mf)
	})
})

// leaseHolder returns the identity of the leader, or "".
func leaseHolder() string {
	var lease coordinationv1.Lease
	err := strict.Get(ctx, client.ObjectKey{Namespace: namespace, Name: "k8sm-operator"}, &lease)
	if err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// frameworkID waits until an ID is stored, and returns it.
func frameworkID(mf *v1alpha1.MesosFramework) string {
	GinkgoHelper()
	out := &v1alpha1.MesosFramework{ObjectMeta: metav1.ObjectMeta{Name: mf.Name}}
	Eventually(func() string {
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(out), out)).To(Succeed())
		return out.Status.FrameworkID
	}).WithTimeout(timeout).ShouldNot(BeEmpty())
	return out.Status.FrameworkID
}
