package integration

import (
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/zookeepertest"
)

// newZooKeeper starts a ZooKeeper that asks for the login, and in which the master leads.
func newZooKeeper(master *mesostest.Master, login string) *zookeepertest.Server {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	server := zookeepertest.NewServer(listener)
	DeferCleanup(server.Close)
	requireLogin(server, login)
	host, port, err := net.SplitHostPort(master.Addr())
	Expect(err).NotTo(HaveOccurred())
	number, err := strconv.Atoi(port)
	Expect(err).NotTo(HaveOccurred())
	server.Set("/mesos", nil)
	server.Set("/mesos/json.info_0000000001", fmt.Appendf(nil, `{"address":{"hostname":%q,"ip":%q,"port":%d}}`, host, host, number))
	return server
}

func requireLogin(server *zookeepertest.Server, login string) {
	server.Inject(func(f *zookeepertest.Faults) { f.RequiredDigest = login })
	server.Disconnect()
}

// asBefore stores an object with the CRD of an earlier release, which lacked the rules whose
// messages begin with one of the words.
func asBefore(crd string, words []string, store func() error) {
	GinkgoHelper()
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("apiextensions.k8s.io/v1")
	object.SetKind("CustomResourceDefinition")
	object.SetName(crd)
	change := func(change func()) func() error {
		return func() error {
			if err := strict.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
				return err
			}
			change()
			return strict.Update(ctx, object)
		}
	}
	var today any
	Eventually(change(func() {
		today = object.DeepCopy().Object["spec"]
		dropRules(object.Object["spec"], words)
	})).WithTimeout(timeout).Should(Succeed())
	DeferCleanup(func() {
		Eventually(change(func() { object.Object["spec"] = today })).WithTimeout(timeout).Should(Succeed())
	})
	Eventually(store).WithTimeout(timeout).Should(Succeed())
	Eventually(change(func() { object.Object["spec"] = today })).WithTimeout(timeout).Should(Succeed())
}

// dropRules removes the CEL rules whose messages begin with one of the words, at any depth.
func dropRules(value any, words []string) {
	switch v := value.(type) {
	case map[string]any:
		if rules, ok := v["x-kubernetes-validations"].([]any); ok {
			v["x-kubernetes-validations"] = slices.DeleteFunc(rules, func(rule any) bool {
				message, _ := rule.(map[string]any)["message"].(string)
				return slices.ContainsFunc(words, func(word string) bool { return strings.HasPrefix(message, word) })
			})
		}
		for _, child := range v {
			dropRules(child, words)
		}
	case []any:
		for _, child := range v {
			dropRules(child, words)
		}
	}
}

func relabel(secret *corev1.Secret, labels map[string]string) {
	GinkgoHelper()
	patchObject(secret, func() { secret.Labels = labels })
}

var _ = Describe("A framework of an earlier release", Ordered, func() {
	It("goes on with a secret without label and a password in its address, until a person changes both, without a new session", func() {
		applyAll(filepath.Join("..", "..", "..", "config", "manager", "namespace.yaml"))
		master := newMaster(mesostest.MasterOptions{Credentials: map[string]string{"k8sm": "s3cret"}}, 1)
		zookeeper := newZooKeeper(master, "mesos:hunter2")
		login := createSecret("before", map[string]string{"principal": "k8sm", "secret": "s3cret"})
		relabel(login, nil)

		By("storing what the operator and the CRD of before stored")
		old := sample("mesosframework.yaml", edit{"metadata name", "before"}, edit{"spec name", "before"},
			edit{"spec masters", `["zk://mesos:hunter2@` + zookeeper.Addr() + `/mesos"]`},
			edit{"spec credentials", "{secretRef: {name: before}}"}, edit{"spec insecure", "true"})
		asBefore("mesosframeworks.k8sm.io", []string{"a zk:// address must not hold"}, func() error { return strict.Create(ctx, old.DeepCopy()) })
		mf := &v1alpha1.MesosFramework{ObjectMeta: metav1.ObjectMeta{Name: "before"}}
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(mf), mf)).To(Succeed())
		registered := mf.DeepCopy()
		registered.Status.FrameworkID = "f-before"
		Expect(strict.Status().Patch(ctx, registered, client.MergeFrom(mf))).To(Succeed())
		patchObject(mf, func() { mf.Annotations = map[string]string{v1alpha1.AnnotationFrameworkID: "f-before"} })

		By("starting the operator of today")
		startOperator()
		DeferCleanup(func() { deleteAndWait(mf) })
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		expectCondition(mf, v1alpha1.ConditionSecretsLabelled, "False SecretNotLabelled", "goes on",
			`"kubectl --namespace=`+namespace+` label secret before k8sm.io/framework-secret=true"`)
		expectCondition(mf, v1alpha1.ConditionCredentialsProtected, "False PlainTextCredentials", "spec.zookeeperCredentials")
		pool := newPool("before", "before", edit{"spec replicas", "1"})
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")

		By("moving the password into a secret, and labelling the other one")
		createSecret("zookeeper", map[string]string{"username": "mesos", "password": "hunter2"})
		patchObject(mf, func() {
			mf.Spec.Masters = []string{"zk://" + zookeeper.Addr() + "/mesos"}
			mf.Spec.ZooKeeperCredentials = &v1alpha1.ZooKeeperCredentials{SecretRef: v1alpha1.SecretReference{Name: "zookeeper"}}
		})
		relabel(login, map[string]string{v1alpha1.LabelFrameworkSecret: "true"})
		expectCondition(mf, v1alpha1.ConditionSecretsLabelled, "True SecretsLabelled")
		Eventually(conditionText(mf, v1alpha1.ConditionCredentialsProtected)).WithTimeout(timeout).ShouldNot(ContainSubstring("zookeeperCredentials"))
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		Expect(master.Calls()).To(HaveKeyWithValue("SUBSCRIBE", 1), "there is no other session")
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
	})
})

var _ = Describe("A new framework", Ordered, func() {
	BeforeAll(startOperator)

	It("uses a secret only once it has the label", func() {
		master := newMaster(mesostest.MasterOptions{Credentials: map[string]string{"k8sm": "s3cret"}}, 0)
		login := createSecret("unlabelled", map[string]string{"principal": "k8sm", "secret": "s3cret"})
		relabel(login, nil)
		mf := newFramework("unlabelled", master.Addr(), edit{"spec credentials", `{secretRef: {name: unlabelled}}`}, edit{"spec insecure", "true"})
		expectCondition(mf, v1alpha1.ConditionReady, "False SecretNotLabelled",
			`"kubectl --namespace=`+namespace+` label secret unlabelled k8sm.io/framework-secret=true"`)
		Expect(master.Calls()).NotTo(HaveKey("SUBSCRIBE"))
		relabel(login, map[string]string{v1alpha1.LabelFrameworkSecret: "true"})
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
	})

	It("authenticates to ZooKeeper by a secret, also after that was rotated", func() {
		master := newMaster(mesostest.MasterOptions{}, 0)
		zookeeper := newZooKeeper(master, "mesos:hunter2")
		login := createSecret("zookeeper", map[string]string{"username": "mesos", "password": "wrong"})
		mf := newFramework("elected", "zk://"+zookeeper.Addr()+"/mesos", edit{"spec zookeeperCredentials", `{secretRef: {name: zookeeper}}`})
		expectCondition(mf, v1alpha1.ConditionReady, "False MasterUnreachable", "ZooKeeper")
		patchObject(login, func() { login.Data["password"] = []byte("hunter2") })
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
	})
})
