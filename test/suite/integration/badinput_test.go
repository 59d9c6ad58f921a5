package integration

import (
	"net/http"
	"net/http/httptest"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

// startWebServer starts a web server that is no Mesos master, and returns its address.
func startWebServer(handler http.HandlerFunc) string {
	server := httptest.NewServer(handler)
	DeferCleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func createSecret(name string, data map[string]string) *corev1.Secret {
	GinkgoHelper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelFrameworkSecret: "true"}}, StringData: data}
	Expect(strict.Create(ctx, secret)).To(Succeed())
	DeferCleanup(func() { Expect(client.IgnoreNotFound(strict.Delete(ctx, secret))).To(Succeed()) })
	return secret
}

var _ = Describe("The operator, given bad input,", Ordered, func() {
	BeforeAll(startOperator)

	DescribeTable("reports that a master",
		func(master func() string, begins string, contains ...string) {
			address := master()
			mf := newFramework("bad-master", address)
			expectCondition(mf, v1alpha1.ConditionSubscribed, "False "+begins, contains...)
			expectCondition(mf, v1alpha1.ConditionReady, "False "+begins)
		},
		Entry("does not answer", func() string { return "127.0.0.1:1" }, "MasterUnreachable", "127.0.0.1:1", "refused"),
		Entry("is a web server", func() string { return startWebServer(http.NotFound) }, "NotAMesosMaster"),
		Entry("answers with a web page", func() string {
			return startWebServer(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>Welcome</html>")) })
		}, "NotAMesosMaster"),
		Entry("sends something other than RecordIO", func() string {
			return startWebServer(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", r.Header.Get("Accept"))
				w.Header().Set("Mesos-Stream-Id", "b3a3a3a3-0000-0000-0000-000000000000")
				_, _ = w.Write([]byte("this is no length\nand this no event"))
			})
		}, "ProtocolError"),
		Entry("redirects forever", func() string {
			return startWebServer(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "//"+r.Host+"/master/api/v1/scheduler")
				w.WriteHeader(http.StatusTemporaryRedirect)
			})
		}, "TooManyRedirects"),
		Entry("does not lead", func() string {
			return newMaster(mesostest.MasterOptions{Faults: mesostest.Faults{NoLeader: true}}, 0).Addr()
		}, "NoLeader"),
		Entry("answers 401", func() string {
			return newMaster(mesostest.MasterOptions{Credentials: map[string]string{"k8sm": "s3cret"}}, 0).Addr()
		}, "Unauthorized", "401"),
	)

	It("reports a missing secret, then a missing key, then a wrong secret, and subscribes once it is right", func() {
		master := newMaster(mesostest.MasterOptions{Credentials: map[string]string{"k8sm": "s3cret"}}, 0)
		mf := newFramework("locked", master.Addr(), edit{"spec credentials", "{secretRef: {name: login}}"}, edit{"spec insecure", "true"})
		expectCondition(mf, v1alpha1.ConditionReady, "False SecretNotFound", `"login"`, namespace)

		secret := createSecret("login", map[string]string{"principal": "k8sm"})
		expectCondition(mf, v1alpha1.ConditionReady, "False SecretInvalid", `lacks the key "secret"`)

		secret.StringData = map[string]string{"secret": "wrong"}
		Expect(strict.Update(ctx, secret)).To(Succeed())
		expectCondition(mf, v1alpha1.ConditionReady, "False Unauthorized")

		secret.StringData = map[string]string{"secret": "s3cret"}
		Expect(strict.Update(ctx, secret)).To(Succeed())
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
	})

	It("reports which of two frameworks with the same master, name and role is in use", func() {
		master := newMaster(mesostest.MasterOptions{}, 0)
		first := newFramework("first", master.Addr(), edit{"spec name", "k8sm"})
		expectCondition(first, v1alpha1.ConditionReady, "True Subscribed")
		second := newFramework("second", "http://"+master.Addr(), edit{"spec name", "k8sm"})
		expectCondition(second, v1alpha1.ConditionReady, "False DuplicateFramework", `"first"`)
		Expect(second.Status.FrameworkID).To(BeEmpty())

		deleteAndWait(first)
		expectCondition(second, v1alpha1.ConditionReady, "True Subscribed")
	})

	It("reports that a pool's framework does not exist", func() {
		pool := newPool("lost", "nowhere")
		expectCondition(pool, v1alpha1.ConditionFrameworkReady, "False FrameworkNotFound", `"nowhere"`)
		expectCondition(pool, v1alpha1.ConditionReady, "False FrameworkNotFound")
	})

	It("reports the largest agent when a node fits on none", func() {
		master := newMaster(mesostest.MasterOptions{}, 2)
		mf := newFramework("small", master.Addr())
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		pool := newPool("huge", "small", edit{"spec template spec resources cpu", "64"})
		expectCondition(pool, v1alpha1.ConditionCapacityAvailable, "False ExceedsLargestAgent", "agent-", "4")
		deleteAndWait(pool)
	})

	It("reports that the framework has not the pool's role", func() {
		master := newMaster(mesostest.MasterOptions{}, 1)
		newFramework("roles", master.Addr())
		pool := newPool("stray", "roles", edit{"spec placement role", "other"})
		expectCondition(pool, v1alpha1.ConditionReady, "False RoleNotSubscribed", "other")
	})

	It("reports an invalid kubelet configuration, and creates nodes once it is right", func() {
		master := newMaster(mesostest.MasterOptions{}, 3)
		newFramework("configured", master.Addr())
		pool := newPool("configured", "configured", edit{"spec template spec kubelet", "{config: {maxPod: 30, cgroupRoot: /}}"})
		expectCondition(pool, v1alpha1.ConditionTemplateValid, "False KubeletConfigInvalid", `unknown field "maxPod"`, "cgroupRoot is not a pool's to set")
		expectCondition(pool, v1alpha1.ConditionReady, "False KubeletConfigInvalid")
		Eventually(func(g Gomega) {
			var events corev1.EventList
			g.Expect(strict.List(ctx, &events)).To(Succeed())
			g.Expect(events.Items).To(ContainElement(And(HaveField("Reason", v1alpha1.EventTemplateInvalid), HaveField("InvolvedObject.Name", pool.Name))))
		}).WithTimeout(timeout).Should(Succeed())
		Expect(nodesOf("configured")).To(BeEmpty())

		before := client.MergeFrom(pool.DeepCopy())
		pool.Spec.Template.Spec.Kubelet.Config.Raw = []byte(`{"maxPods": 30}`)
		Expect(strict.Patch(ctx, pool, before)).To(Succeed())
		expectCondition(pool, v1alpha1.ConditionTemplateValid, "True TemplateValid")
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		Expect(string(nodesOf("configured")[0].Spec.Template.Spec.Kubelet.Config.Raw)).To(MatchJSON(`{"maxPods": 30}`))
	})

	It("deletes a pool without nodes while its framework is unreachable", func() {
		newFramework("away", "127.0.0.1:1")
		pool := newPool("waiting", "away")
		Eventually(func() []v1alpha1.MesosNode { return nodesOf("waiting") }).WithTimeout(timeout).ShouldNot(BeEmpty())
		deleteAndWait(pool)
		Expect(nodesOf("waiting")).To(BeEmpty())
	})

	It("deletes a registered framework only by force while no master leads", func() {
		master := newMaster(mesostest.MasterOptions{}, 0)
		mf := newFramework("held", master.Addr())
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		master.Inject(func(f *mesostest.Faults) { f.NoLeader = true })
		master.CloseStreams()
		expectCondition(mf, v1alpha1.ConditionSubscribed, "False NoLeader")
		Expect(strict.Delete(ctx, mf)).To(Succeed())
		expectCondition(mf, v1alpha1.ConditionReady, "False TearingDown", "Waiting for a master", v1alpha1.AnnotationForceRelease+"=true")

		before := client.MergeFrom(mf.DeepCopy())
		mf.Annotations = map[string]string{v1alpha1.AnnotationForceRelease: "true"}
		Expect(strict.Patch(ctx, mf, before)).To(Succeed())
		deleteAndWait(mf)
	})

	It("keeps the records of a framework that Mesos removed until it is deleted", func() {
		master := newMaster(mesostest.MasterOptions{}, 3)
		mf := newFramework("removed", master.Addr())
		pool := newPool("orphaned", "removed")
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		Expect(master.RemoveFramework(frameworkID(mf))).To(Succeed())
		expectCondition(mf, v1alpha1.ConditionReady, "False FrameworkRemoved", "until a person decides")
		Expect(master.Calls()["SUBSCRIBE"]).To(BeNumerically("<=", 2), "the operator does not subscribe in a loop")
		Expect(nodesOf("orphaned")).To(HaveLen(3))

		Expect(strict.Delete(ctx, mf)).To(Succeed())
		deleteAndWait(pool)
		deleteAndWait(mf)
	})
})
