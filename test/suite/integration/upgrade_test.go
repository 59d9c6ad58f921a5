package integration

import (
	"fmt"
	"net"
	"path/filepath"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
	"github.com/k8sm/k8sm/mesos/zookeepertest"
)

// storedBefore are frameworks, each with pools and nodes, that use what later releases tightened. To
// add a case, add a file to testdata/upgrade, or an object to a file, and a line here.
var storedBefore = []struct {
	file, framework string
	// warnings are conditions of the framework, as a status, a reason and words of the message,
	// and poolWarnings those of its pools.
	warnings, poolWarnings map[string][]string
}{
	// A master without TLS, which gets credentials from a secret without the label that is asked
	// for now; a pool and nodes with dots in their names, and a constraint on an @name that does not
	// exist.
	{"plain.yaml", "plain", map[string][]string{
		v1alpha1.ConditionCredentialsProtected: {"False PlainTextCredentials", "this one is older than that rule"},
		v1alpha1.ConditionSecretsLabelled:      {"False SecretNotLabelled", "login-plain"},
	}, map[string][]string{
		v1alpha1.ConditionPlacementValid: {"False UnknownAttribute", "@rack DoesNotExist"},
	}},
	// The same with a master that ZooKeeper names, whose password is in spec.masters.
	{"elected.yaml", "elected", map[string][]string{
		v1alpha1.ConditionCredentialsProtected: {"False", "zk://", "password"},
		v1alpha1.ConditionSecretsLabelled:      {"False SecretNotLabelled", "login-elected"},
	}, nil},
}

var _ = Describe("What an earlier operator stored", Ordered, func() {
	var (
		master *mesostest.Master
		before earlierOperator
		uids   map[string]types.UID
	)
	mesosNodes := func() []v1alpha1.MesosNode {
		GinkgoHelper()
		var list v1alpha1.MesosNodeList
		Expect(strict.List(ctx, &list)).To(Succeed())
		return list.Items
	}
	poolsOf := func(framework string) (pools []v1alpha1.MesosNodePool) {
		GinkgoHelper()
		var list v1alpha1.MesosNodePoolList
		Expect(strict.List(ctx, &list)).To(Succeed())
		for _, pool := range list.Items {
			if framework == "" || pool.Spec.FrameworkRef.Name == framework {
				pools = append(pools, pool)
			}
		}
		return pools
	}
	frameworkOf := func(name string) *v1alpha1.MesosFramework {
		return &v1alpha1.MesosFramework{ObjectMeta: metav1.ObjectMeta{Name: name}}
	}
	BeforeAll(func() {
		startControlPlane(filepath.Join("testdata", "upgrade", "crds"))
		applyAll(filepath.Join("..", "..", "..", "config", "manager", "namespace.yaml"))
		master = newMaster(mesostest.MasterOptions{Credentials: map[string]string{"k8sm": "s3cret"}}, 5)
		before = earlierOperator{master: master, zooKeeper: startZooKeeper(master)}
		uids = map[string]types.UID{}
		for _, s := range storedBefore {
			before.leave(s.file, s.framework)
		}
		for _, mn := range mesosNodes() {
			uids[mn.Name] = mn.UID
		}
		Expect(uids).To(HaveLen(before.launched))
		Expect(containers(master)()).To(Equal(before.launched))

		By("upgrading")
		_, err := envtest.InstallCRDs(config, envtest.CRDInstallOptions{Paths: []string{filepath.Join("..", "..", "..", "config", "crd", "bases")}})
		Expect(err).NotTo(HaveOccurred())
		startOperator()
	})

	It("keeps its framework IDs", func() {
		for _, s := range storedBefore {
			mf := frameworkOf(s.framework)
			Expect(strict.Get(ctx, client.ObjectKeyFromObject(mf), mf)).To(Succeed())
			id := mf.Annotations[v1alpha1.AnnotationFrameworkID]
			// What the status has is from before: its time changes with the new subscription.
			Eventually(func() int { return master.Calls()["SUBSCRIBE"] }).WithTimeout(timeout).Should(Equal(2 * len(storedBefore)))
			expectCondition(mf, v1alpha1.ConditionSubscribed, "True Subscribed")
			expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
			Expect(frameworkID(mf)).To(Equal(id))
		}
	})

	It("keeps its nodes", func() {
		Consistently(func(g Gomega) {
			nodes := mesosNodes()
			g.Expect(nodes).To(HaveLen(before.launched))
			for i := range nodes {
				mn := &nodes[i]
				g.Expect(mn.UID).To(Equal(uids[mn.Name]), mn.Name)
				g.Expect(isReady(*mn)).To(BeTrue(), mn.Name)
				g.Expect(mn.Status.Task.State).To(Equal("TASK_RUNNING"), mn.Name)
				g.Expect(mn.Status.Failures).To(BeEmpty(), mn.Name)
				var node corev1.Node
				g.Expect(strict.Get(ctx, client.ObjectKey{Name: mn.Name}, &node)).To(Succeed())
				g.Expect(node.Spec.Unschedulable).To(BeFalse(), mn.Name)
			}
			g.Expect(containers(master)()).To(Equal(before.launched))
			g.Expect(master.Calls()).To(HaveKeyWithValue("ACCEPT", before.launched), "nothing new is launched")
			g.Expect(master.Calls()).NotTo(Or(HaveKey("KILL"), HaveKey("SHUTDOWN"), HaveKey("TEARDOWN")))
		}).WithTimeout(5 * time.Second).Should(Succeed())
	})

	It("warns of what new objects are refused", func() {
		for _, s := range storedBefore {
			for condition, want := range s.warnings {
				expectCondition(frameworkOf(s.framework), condition, want[0], want[1:]...)
			}
			for _, pool := range poolsOf(s.framework) {
				for condition, want := range s.poolWarnings {
					expectCondition(&pool, condition, want[0], want[1:]...)
				}
			}
		}
	})

	It("lets users change what has nothing to do with that", func() {
		pools := poolsOf("")
		for i := range pools {
			pool := &pools[i]
			expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
			patchObject(pool, func() { *pool.Spec.Replicas++ })
			expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady", fmt.Sprintf("%d of %d", *pool.Spec.Replicas, *pool.Spec.Replicas))
		}
		for _, s := range storedBefore {
			mf := frameworkOf(s.framework)
			patchObject(mf, func() { mf.Spec.FailoverTimeout = &metav1.Duration{Duration: 48 * time.Hour} })
		}
	})

	It("goes as everything goes", func() {
		for _, pool := range poolsOf("") {
			deleteAndWait(&pool)
		}
		for _, s := range storedBefore {
			deleteAndWait(frameworkOf(s.framework))
		}
		Expect(containers(master)()).To(BeZero())
	})
})

// startZooKeeper starts a ZooKeeper that names a master as the leader.
func startZooKeeper(leader *mesostest.Master) (address string) {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	server := zookeepertest.NewServer(listener)
	DeferCleanup(server.Close)
	host, port, err := net.SplitHostPort(leader.Addr())
	Expect(err).NotTo(HaveOccurred())
	server.Set("/mesos/json.info_0000000001", fmt.Appendf(nil, `{"address": {"ip": %q, "port": %s}}`, host, port))
	return server.Addr()
}
