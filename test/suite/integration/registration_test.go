package integration

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

// changed has a person change an object.
func changed(object client.Object, change func()) {
	GinkgoHelper()
	Expect(strict.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
	before := object.DeepCopyObject().(client.Object)
	change()
	Expect(strict.Patch(ctx, object, client.MergeFrom(before))).To(Succeed())
}

var _ = Describe("A registration", Ordered, func() {
	BeforeAll(startOperator)

	It("is adopted under the ID that the spec names", func() {
		master := newMaster(mesostest.MasterOptions{}, 0)
		mf := newFramework("adopted", master.Addr(), edit{"spec frameworkID", "0e1c-from-the-backup"})
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		Expect(mf.Status.FrameworkID).To(Equal("0e1c-from-the-backup"))
		Expect(mf.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationFrameworkID, "0e1c-from-the-backup"))
		Expect(master.RemoveFramework("0e1c-from-the-backup")).To(Succeed(), "it is the framework that Mesos knows")
	})

	It("is not made a second time when the status was lost, until a person names the ID", func() {
		master := newMaster(mesostest.MasterOptions{}, 0)
		mf := newFramework("restored", master.Addr(), edit{"metadata annotations", "{k8sm.io/framework-id: 0e1c-0001}"})
		expectCondition(mf, v1alpha1.ConditionReady, "False FrameworkIDLost", "Set spec.frameworkID to 0e1c-0001")
		Consistently(func() int { return master.Calls()["SUBSCRIBE"] }).WithTimeout(2 * time.Second).Should(BeZero())
		changed(mf, func() { mf.Spec.FrameworkID = "0e1c-0001" })
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		Expect(mf.Status.FrameworkID).To(Equal("0e1c-0001"))
	})

	It("heals a status that is lost while its session is on", func() {
		master := newMaster(mesostest.MasterOptions{}, 0)
		mf := newFramework("healed", master.Addr())
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		id := frameworkID(mf)
		before := mf.DeepCopy()
		mf.Status = v1alpha1.MesosFrameworkStatus{}
		Expect(strict.Status().Patch(ctx, mf, client.MergeFrom(before))).To(Succeed())
		Expect(frameworkID(mf)).To(Equal(id))
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		Expect(master.Calls()).To(HaveKeyWithValue("SUBSCRIBE", 1))
	})

	It("changes its roles on the stream that is on", func() {
		master := newMaster(mesostest.MasterOptions{}, 1)
		mf := newFramework("more-roles", master.Addr())
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		changed(mf, func() { mf.Spec.Roles = append(mf.Spec.Roles, "more") })
		pool := newPool("more-roles", "more-roles", edit{"spec replicas", "1"}, edit{"spec placement", "{role: more}"})
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		expectCondition(mf, v1alpha1.ConditionSpecApplied, "True SpecApplied")
		Expect(master.Calls()).To(And(HaveKeyWithValue("SUBSCRIBE", 1), HaveKeyWithValue("UPDATE_FRAMEWORK", 1)))
	})

	It("lives on when its secret is rotated, and when it disappears", func() {
		master := newMaster(mesostest.MasterOptions{Credentials: map[string]string{"k8sm": "s3cret"}}, 1)
		login := createSecret("rotated", map[string]string{"principal": "k8sm", "secret": "s3cret"})
		mf := newFramework("rotated", master.Addr(), edit{"spec credentials", `{secretRef: {name: rotated}}`})
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")

		By("a secret that is wrong")
		changed(login, func() { login.Data["secret"] = []byte("wrong") })
		pool := newPool("rotated", "rotated", edit{"spec replicas", "1"})
		Consistently(containers(master)).WithTimeout(2*time.Second).Should(BeZero(), "its calls come with what the secret says now")
		changed(login, func() { login.Data["secret"] = []byte("s3cret") })
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")

		By("a secret that is gone")
		Expect(strict.Delete(ctx, login)).To(Succeed())
		expectCondition(mf, v1alpha1.ConditionReady, "False SecretNotFound", "The session that is on goes on")
		expectCondition(mf, v1alpha1.ConditionSubscribed, "True Subscribed")
		createSecret("rotated", map[string]string{"principal": "k8sm", "secret": "s3cret"})
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
	})

	It("that Mesos removed waits for a person, and is made anew when the spec says so", func() {
		master := newMaster(mesostest.MasterOptions{}, 2)
		mf := newFramework("removed", master.Addr())
		pool := newPool("removed", "removed", edit{"spec replicas", "2"})
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		id, before := frameworkID(mf), nodesOf("removed")
		Expect(master.RemoveFramework(id)).To(Succeed())
		expectCondition(mf, v1alpha1.ConditionReady, "False FrameworkRemoved", "set spec.onFrameworkRemoved to Recreate")
		Consistently(func() []v1alpha1.MesosNode { return nodesOf("removed") }).WithTimeout(2*time.Second).Should(
			And(HaveLen(2), HaveEach(HaveField("Status.Task.State", "TASK_RUNNING"))), "nobody has decided what follows")

		changed(mf, func() { mf.Spec.OnFrameworkRemoved = v1alpha1.FrameworkRemovedRecreate })
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		Expect(frameworkID(mf)).NotTo(Equal(id))
		for _, mn := range before {
			Eventually(func() error { return strict.Get(ctx, client.ObjectKeyFromObject(&mn), &mn) }).WithTimeout(minute).
				Should(MatchError(ContainSubstring("not found")))
			Expect(strict.Get(ctx, client.ObjectKeyFromObject(&mn), &corev1.Node{})).To(MatchError(ContainSubstring("not found")))
		}
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		Expect(containers(master)()).To(Equal(2))
	})
})
