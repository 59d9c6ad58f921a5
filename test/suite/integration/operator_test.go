package integration

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	controllerconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/yaml"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers"
	"github.com/k8sm/k8sm/controllers/nodetemplate"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

const namespace = "k8sm-system"

// startOperator runs the controllers as cmd/operator does, with exactly the rights that config/
// gives to the operator's service account, until the surrounding specs end.
func startOperator() {
	GinkgoHelper()
	startOperatorWith(func(*controllers.Options) {})
}

// startOperatorWith does the same with other options.
func startOperatorWith(change func(*controllers.Options)) {
	GinkgoHelper()
	applyAll(filepath.Join("..", "..", "..", "config", "manager", "namespace.yaml"))
	applyAll(filepath.Join("..", "..", "..", "config", "rbac", "*.yaml"))
	applyAll(filepath.Join("..", "..", "..", "config", "rbac", "autoscaling", "*.yaml"))
	applyAll(filepath.Join("..", "..", "..", "config", "policies", "*.yaml"))
	applyAll(filepath.Join("..", "..", "..", "config", "policies", "*", "*.yaml"))

	account := operatorAccess()
	skip := true // the process runs more than one manager, and names would collide
	mgr, err := ctrl.NewManager(account, ctrl.Options{
		Scheme:     controllers.Scheme(),
		Cache:      controllers.Cache(namespace),
		Logger:     GinkgoLogr,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: controllerconfig.Controller{SkipNameValidation: &skip},
	})
	Expect(err).NotTo(HaveOccurred())
	options := controllers.Options{
		Namespace: namespace,
		Hostname:  "operator-0",
		NodeDefaults: nodetemplate.NodeDefaults{
			Runtime: nodetemplate.Runtime{ContainerRuntime: "none", Artifacts: []v1alpha1.Artifact{
				{Name: "executor", Type: v1alpha1.ArtifactBinary, URI: "file:///opt/executor", SHA256: digest},
				{Name: "kubelet", Type: v1alpha1.ArtifactBinary, URI: "file:///opt/kubelet", SHA256: digest},
			}},
			APIServer: config.Host, CAData: config.CAData, StateDir: "/var/lib/k8sm",
		},
		Now: time.Now,
	}
	change(&options)
	Expect(controllers.Setup(mgr, options)).To(Succeed())

	running, stop := context.WithCancel(ctx)
	done := make(chan error)
	go func() {
		defer GinkgoRecover()
		done <- mgr.Start(running)
	}()
	DeferCleanup(func() {
		stop()
		Eventually(done).WithTimeout(30 * time.Second).Should(Receive(BeNil()))
	})
}

// operatorAccess returns access to the API server as the operator's service account.
func operatorAccess() *rest.Config {
	account := rest.CopyConfig(config)
	account.QPS = -1
	account.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + namespace + ":k8sm-operator",
		Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
	return account
}

// applyAll creates the objects in manifests, except those that already exist.
func applyAll(pattern string) {
	GinkgoHelper()
	files, err := filepath.Glob(pattern)
	Expect(err).NotTo(HaveOccurred())
	Expect(files).NotTo(BeEmpty())
	for _, file := range files {
		data, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		for document := range strings.SplitSeq(string(data), "\n---\n") {
			object := &unstructured.Unstructured{}
			Expect(yaml.Unmarshal([]byte(document), &object.Object)).To(Succeed())
			if object.GetAPIVersion() == "" || object.GetKind() == "Kustomization" {
				continue
			}
			Expect(client.IgnoreAlreadyExists(strict.Create(ctx, object))).To(Succeed())
		}
	}
}

// newMaster starts a Mesos cluster with fake kubelets on its agents.
func newMaster(options mesostest.MasterOptions, agents int) *mesostest.Master {
	GinkgoHelper()
	options.AllocationInterval = 100 * time.Millisecond
	master, err := mesostest.NewMaster(options)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(master.Close)
	for range agents {
		_, err := master.AddAgent(mesostest.AgentOptions{Launcher: mesostest.Func(fakeKubelet), Domain: mesostest.Domain{Region: "eu", Zone: "eu-1"}})
		Expect(err).NotTo(HaveOccurred())
	}
	return master
}

// sample returns one of the shipped samples with edits.
func sample(file string, edits ...edit) *unstructured.Unstructured {
	GinkgoHelper()
	data, err := os.ReadFile(filepath.Join("..", "..", "..", "config", "samples", file))
	Expect(err).NotTo(HaveOccurred())
	object := parse(string(data))
	for _, e := range edits {
		e.apply(object)
	}
	return object
}

// newFramework creates a MesosFramework, which is deleted at the end of the spec.
func newFramework(name, master string, edits ...edit) *v1alpha1.MesosFramework {
	GinkgoHelper()
	edits = append([]edit{{"metadata name", name}, {"spec name", name}, {"spec masters", "[\"" + master + "\"]"}}, edits...)
	Expect(strict.Create(ctx, sample("mesosframework.yaml", edits...))).To(Succeed())
	out := &v1alpha1.MesosFramework{ObjectMeta: metav1.ObjectMeta{Name: name}}
	DeferCleanup(func() { deleteAndWait(out) })
	return out
}

// newPool creates a MesosNodePool, which is deleted at the end of the spec.
func newPool(name, framework string, edits ...edit) *v1alpha1.MesosNodePool {
	GinkgoHelper()
	edits = append([]edit{{"metadata name", name}, {"spec frameworkRef name", framework}}, edits...)
	Expect(strict.Create(ctx, sample("mesosnodepool.yaml", edits...))).To(Succeed())
	out := &v1alpha1.MesosNodePool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	DeferCleanup(func() { deleteAndWait(out) })
	return out
}

// deleteAndWait deletes an object and waits until it no longer exists.
func deleteAndWait(object client.Object) {
	GinkgoHelper()
	Expect(client.IgnoreNotFound(strict.Delete(ctx, object))).To(Succeed())
	Eventually(func() error {
		return strict.Get(ctx, client.ObjectKeyFromObject(object), object)
	}).WithTimeout(timeout).Should(MatchError(ContainSubstring("not found")), "it must be deleted")
}

// timeout is the maximum time of every step: a session backs off for at most 15 s.
const timeout = time.Minute

// conditions returns the conditions of one of our objects.
func conditions(object client.Object) []metav1.Condition {
	switch o := object.(type) {
	case *v1alpha1.MesosFramework:
		return o.Status.Conditions
	case *v1alpha1.MesosNodePool:
		return o.Status.Conditions
	case *v1alpha1.MesosNode:
		return o.Status.Conditions
	}
	return nil
}

// conditionText returns a function that reads an object's condition, as "status reason: message".
func conditionText(object client.Object, kind string) func() string {
	return func() string {
		if err := strict.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return err.Error()
		}
		c := meta.FindStatusCondition(conditions(object), kind)
		if c == nil {
			return "no condition yet"
		}
		return string(c.Status) + " " + c.Reason + ": " + c.Message
	}
}

// expectCondition waits until the text of a condition begins with a status and a reason, and
// contains all the words.
func expectCondition(object client.Object, kind, begins string, words ...string) {
	GinkgoHelper()
	matchers := []types.GomegaMatcher{HavePrefix(begins)}
	for _, text := range words {
		matchers = append(matchers, ContainSubstring(text))
	}
	Eventually(conditionText(object, kind)).WithTimeout(timeout).Should(And(matchers...))
}

// nodesOf lists the MesosNodes of a pool.
func nodesOf(pool string) []v1alpha1.MesosNode {
	GinkgoHelper()
	var nodes v1alpha1.MesosNodeList
	Expect(strict.List(ctx, &nodes, client.MatchingLabels{v1alpha1.LabelPool: pool})).To(Succeed())
	return nodes.Items
}

// containers returns a function that counts the containers on a master's agents.
func containers(master *mesostest.Master) func() int {
	return func() int {
		n := 0
		for _, agent := range master.Agents() {
			n += agent.Containers()
		}
		return n
	}
}
