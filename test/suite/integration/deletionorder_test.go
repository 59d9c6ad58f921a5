package integration

import (
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

var _ = Describe("A pool that gets fewer replicas", Ordered, func() {
	It("removes the node that a person marked, then the one of the lowest deletion cost", func() {
		startOperator()
		master := newMaster(mesostest.MasterOptions{}, 4)
		mf := newFramework("order", master.Addr())
		pool := newPool("order", "order", edit{"spec replicas", "4"}, edit{"spec deletionOrder", "Oldest"})
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady", "4 of 4 nodes are ready")

		nodes := nodesOf("order")
		annotate := func(i int, key, value string) {
			patchObject(&nodes[i], func() { metav1.SetMetaDataAnnotation(&nodes[i].ObjectMeta, key, value) })
		}
		annotate(1, v1alpha1.AnnotationDelete, "true")
		annotate(2, v1alpha1.AnnotationDeletionCost, "-1")
		annotate(3, v1alpha1.AnnotationDeletionCost, "much")
		alive := func() (out []string) {
			for _, mn := range nodesOf("order") {
				if mn.DeletionTimestamp.IsZero() {
					out = append(out, mn.Name)
				}
			}
			slices.Sort(out)
			return out
		}
		without := func(gone ...int) (out []string) {
			for i := range nodes {
				if !slices.Contains(gone, i) {
					out = append(out, nodes[i].Name)
				}
			}
			slices.Sort(out)
			return out
		}
		scale := func(replicas int32) { patchObject(pool, func() { pool.Spec.Replicas = &replicas }) }

		By("marking nodes, which alone removes none")
		Consistently(alive).Should(Equal(without()))
		scale(3)
		Eventually(alive).Should(Equal(without(1)))
		scale(2)
		Eventually(alive).Should(Equal(without(1, 2)))
		Consistently(alive).Should(Equal(without(1, 2)))
		expectCondition(pool, v1alpha1.ConditionReady, "True AllNodesReady", "2 of 2 nodes are ready")
	})
})
