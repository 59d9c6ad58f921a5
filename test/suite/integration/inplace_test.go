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

var _ = Describe("A pool with running nodes", Ordered, func() {
	var (
		master *mesostest.Master
		pool   *v1alpha1.MesosNodePool
	)
	BeforeAll(func() {
		startOperator()
		master = newMaster(mesostest.MasterOptions{}, 3)
		mf := newFramework("inplace", master.Addr())
		pool = newPool("inplace", "inplace", edit{"spec replicas", "2"},
			edit{"spec template metadata", `{labels: {team: data, node-role.kubernetes.io/worker: ""}, annotations: {note: x}}`},
			edit{"spec template spec taints", `[{key: dedicated, value: data, effect: NoSchedule}]`},
			edit{"spec template spec startupTaints", `[{key: example.com/starting, effect: NoSchedule}]`})
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady")
	})

	objects := func(g Gomega) (out []*corev1.Node) {
		for _, mn := range nodesOf("inplace") {
			node := &corev1.Node{}
			g.Expect(strict.Get(ctx, client.ObjectKey{Name: mn.Name}, node)).To(Succeed())
			out = append(out, node)
		}
		g.Expect(out).To(HaveLen(2))
		return out
	}
	taints := func(node *corev1.Node) (out []string) {
		for _, t := range node.Spec.Taints {
			out = append(out, t.Key+"="+t.Value+":"+string(t.Effect))
		}
		return out
	}

	It("has the labels, annotations and taints of its template, and no registration taint", func() {
		Eventually(func(g Gomega) {
			for _, node := range objects(g) {
				g.Expect(node.Labels).To(And(HaveKeyWithValue("team", "data"), HaveKeyWithValue("node-role.kubernetes.io/worker", ""), HaveKeyWithValue(v1alpha1.LabelPool, "inplace")))
				g.Expect(node.Annotations).To(HaveKeyWithValue("note", "x"))
				g.Expect(taints(node)).To(ConsistOf("dedicated=data:NoSchedule", "example.com/starting=:NoSchedule"))
			}
		}).WithTimeout(timeout).Should(Succeed())
	})

	It("gets changed labels, annotations and taints in place, and keeps what a person has set", func() {
		tasks := map[string]string{}
		for _, mn := range nodesOf("inplace") {
			tasks[mn.Name] = mn.Status.Task.ID
		}
		byHand := objects(Default)[0]
		patchObject(byHand, func() {
			byHand.Labels["mine"], byHand.Labels["tier"], byHand.Annotations["mine"] = "stays", "2", "stays"
			byHand.Spec.Taints = append(byHand.Spec.Taints[:1], corev1.Taint{Key: "quarantine", Effect: corev1.TaintEffectNoSchedule}) // the startup taint goes
		})
		patchObject(pool, func() {
			pool.Spec.Template.Metadata.Labels = map[string]string{"team": "web", "tier": "2", "node-restriction.kubernetes.io/pci": "true"}
			pool.Spec.Template.Metadata.Annotations = map[string]string{"note": "y"}
			pool.Spec.Template.Spec.Taints = []v1alpha1.Taint{{Key: "gpu", Effect: corev1.TaintEffectNoSchedule}}
		})
		Eventually(func(g Gomega) {
			for _, node := range objects(g) {
				g.Expect(node.Labels).To(And(HaveKeyWithValue("team", "web"), HaveKeyWithValue("tier", "2"), HaveKeyWithValue("node-restriction.kubernetes.io/pci", "true"),
					Not(HaveKey("node-role.kubernetes.io/worker")), HaveKeyWithValue(v1alpha1.LabelPool, "inplace")))
				g.Expect(node.Annotations).To(HaveKeyWithValue("note", "y"))
				want := []string{"gpu=:NoSchedule", "example.com/starting=:NoSchedule"}
				if node.Name == byHand.Name {
					g.Expect(node.Labels).To(HaveKeyWithValue("mine", "stays"))
					g.Expect(node.Annotations).To(HaveKeyWithValue("mine", "stays"))
					want = []string{"gpu=:NoSchedule", "quarantine=:NoSchedule"}
				}
				g.Expect(taints(node)).To(ConsistOf(want))
			}
		}).WithTimeout(timeout).Should(Succeed())

		By("removing what the template no longer has")
		patchObject(pool, func() {
			pool.Spec.Template.Metadata = v1alpha1.NodeTemplateMetadata{}
			pool.Spec.Template.Spec.Taints = nil
		})
		Eventually(func(g Gomega) {
			for _, node := range objects(g) {
				g.Expect(node.Labels).To(And(Not(HaveKey("team")), Not(HaveKey("node-restriction.kubernetes.io/pci")), HaveKeyWithValue(v1alpha1.LabelPool, "inplace")))
				g.Expect(node.Annotations).NotTo(HaveKey("note"))
				g.Expect(taints(node)).NotTo(ContainElement("gpu=:NoSchedule"))
				if node.Name == byHand.Name {
					g.Expect(node.Labels).To(And(HaveKeyWithValue("mine", "stays"), HaveKeyWithValue("tier", "2")))
					g.Expect(taints(node)).To(ConsistOf("quarantine=:NoSchedule"))
				} else {
					g.Expect(node.Labels).NotTo(HaveKey("tier"))
				}
			}
		}).WithTimeout(timeout).Should(Succeed())

		By("writing nothing at rest, and replacing no node")
		versions := func() (out []string) {
			for _, node := range objects(Default) {
				out = append(out, node.ResourceVersion)
			}
			return out
		}
		Consistently(versions).WithTimeout(2 * time.Second).Should(Equal(versions()))
		for _, mn := range nodesOf("inplace") {
			Expect(mn.Status.Task.ID).To(Equal(tasks[mn.Name]))
		}
	})
})
