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

// patchObject changes an object as a user would.
func patchObject(object client.Object, change func()) {
	GinkgoHelper()
	Expect(strict.Get(ctx, client.ObjectKeyFromObject(object), object)).To(Succeed())
	before := object.DeepCopyObject().(client.Object)
	change()
	Expect(strict.Patch(ctx, object, client.MergeFrom(before))).To(Succeed())
}

var _ = Describe("A framework's registration", Ordered, func() {
	BeforeAll(startOperator)

	It("adopts the ID in the spec", func() {
		master := newMaster(mesostest.MasterOptions{}, 0)
		mf := newFramework("adopted", master.Addr(), edit{"spec frameworkID", "0e1c-from-the-backup"})
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		Expect(mf.Status.FrameworkID).To(Equal("0e1c-from-the-backup"))
		Expect(mf.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationFrameworkID, "0e1c-from-the-backup"))
		Expect(master.RemoveFramework("0e1c-from-the-backup")).To(Succeed(), "Mesos has a framework of that ID")
	})

	It("is not repeated when the status was lost, until a user sets the ID", func() {
		master := newMaster(mesostest.MasterOptions{}, 0)
		mf := newFramework("restored", master.Addr(), edit{"metadata annotations", "{k8sm.io/framework-id: 0e1c-0001}"})
		expectCondition(mf, v1alpha1.ConditionReady, "False FrameworkIDLost", "Set spec.frameworkID to 0e1c-0001")
		Consistently(func() int { return master.Calls()["SUBSCRIBE"] }).WithTimeout(2 * time.Second).Should(BeZero())
		patchObject(mf, func() { mf.Spec.FrameworkID = "0e1c-0001" })
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		Expect(mf.Status.FrameworkID).To(Equal("0e1c-0001"))
	})

	It("restores a status that is lost while the session is connected", func() {
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

	It("changes its roles without a new subscription", func() {
		master := newMaster(mesostest.MasterOptions{}, 1)
		mf := newFramework("more-roles", master.Addr())
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		patchObject(mf, func() { mf.Spec.Roles = append(mf.Spec.Roles, "more") })
		pool := newPool("more-roles", "more-roles", edit{"spec replicas", "1"}, edit{"spec placement", "{role: more}"})
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		expectCondition(mf, v1alpha1.ConditionSpecApplied, "True SpecApplied")
		Expect(master.Calls()).To(And(HaveKeyWithValue("SUBSCRIBE", 1), HaveKeyWithValue("UPDATE_FRAMEWORK", 1)))
	})

	It("survives that its secret is rotated or deleted", func() {
		master := newMaster(mesostest.MasterOptions{Credentials: map[string]string{"k8sm": "s3cret"}}, 1)
		login := createSecret("rotated", map[string]string{"principal": "k8sm", "secret": "s3cret"})
		mf := newFramework("rotated", master.Addr(), edit{"spec credentials", `{secretRef: {name: rotated}}`}, edit{"spec insecure", "true"})
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")

		By("writing a wrong secret")
		patchObject(login, func() { login.Data["secret"] = []byte("wrong") })
		pool := newPool("rotated", "rotated", edit{"spec replicas", "1"})
		Consistently(containers(master)).WithTimeout(2*time.Second).Should(BeZero(), "its calls use the current secret")
		patchObject(login, func() { login.Data["secret"] = []byte("s3cret") })
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")

		By("deleting the secret")
		Expect(strict.Delete(ctx, login)).To(Succeed())
		expectCondition(mf, v1alpha1.ConditionReady, "False SecretNotFound", "The running session continues")
		expectCondition(mf, v1alpha1.ConditionSubscribed, "True Subscribed")
		createSecret("rotated", map[string]string{"principal": "k8sm", "secret": "s3cret"})
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
	})

	It("waits for a user after Mesos removed it, and is repeated when the spec asks for it", func() {
		master := newMaster(mesostest.MasterOptions{}, 2)
		mf := newFramework("removed", master.Addr())
		pool := newPool("removed", "removed", edit{"spec replicas", "2"})
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		id, before := frameworkID(mf), nodesOf("removed")
		Expect(master.RemoveFramework(id)).To(Succeed())
		expectCondition(mf, v1alpha1.ConditionReady, "False FrameworkRemoved", "set spec.onFrameworkRemoved to Recreate")
		Consistently(func() []v1alpha1.MesosNode { return nodesOf("removed") }).WithTimeout(2*time.Second).Should(
			And(HaveLen(2), HaveEach(HaveField("Status.Task.State", "TASK_RUNNING"))), "the user has not decided")

		patchObject(mf, func() { mf.Spec.OnFrameworkRemoved = v1alpha1.FrameworkRemovedRecreate })
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		Expect(frameworkID(mf)).NotTo(Equal(id))
		for _, mn := range before {
			Eventually(func() error { return strict.Get(ctx, client.ObjectKeyFromObject(&mn), &mn) }).WithTimeout(timeout).
				Should(MatchError(ContainSubstring("not found")))
			Expect(strict.Get(ctx, client.ObjectKeyFromObject(&mn), &corev1.Node{})).To(MatchError(ContainSubstring("not found")))
		}
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
		Expect(containers(master)()).To(Equal(2))
	})
})
