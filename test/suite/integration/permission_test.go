package integration

import (
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/mesostest"
)

var _ = Describe("An operator without the rights for autoscaling", Ordered, func() {
	var (
		elastic *v1alpha1.MesosNodePool
		binding = &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "k8sm-operator-autoscaling"}}
	)
	grant := func() { applyAll(filepath.Join("..", "..", "..", "config", "rbac", "autoscaling", "*.yaml")) }
	mayWatchPods := func() bool {
		operator, err := client.New(operatorAccess(), client.Options{Scheme: scheme})
		Expect(err).NotTo(HaveOccurred())
		review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Resource: "pods", Verb: "watch"},
		}}
		Expect(operator.Create(ctx, review)).To(Succeed())
		return review.Status.Allowed
	}
	BeforeAll(func() {
		startOperator()
		Expect(strict.Delete(ctx, binding)).To(Succeed())
		DeferCleanup(grant)
		Eventually(mayWatchPods).WithTimeout(timeout).Should(BeFalse())
		mf := newFramework("unprivileged", newMaster(mesostest.MasterOptions{}, 2).Addr())
		expectCondition(mf, v1alpha1.ConditionReady, "True Subscribed")
		elastic = newPool("elastic", "unprivileged", edit{"spec replicas", ""}, edit{"spec autoscaling", "{batch: {idle: 100ms, max: 1s}}"})
		DeferCleanup(func() { // before the pool is deleted: no kubelet would end an evicted pod
			Expect(strict.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace("default"), client.GracePeriodSeconds(0))).To(Succeed())
		})
	})

	It("says on autoscaled pools what to apply", func() {
		expectCondition(elastic, v1alpha1.ConditionAutoscalingPermitted, "False AutoscalingNotPermitted", "may not watch pods", "kubectl apply -k config/rbac/autoscaling")
		expectCondition(elastic, v1alpha1.ConditionReady, "False AutoscalingNotPermitted")
	})

	It("creates and removes the nodes of other pools", func() {
		fixed := newPool("fixed", "unprivileged", edit{"spec replicas", "1"})
		expectCondition(fixed, v1alpha1.ConditionReady, "True AllNodesReady")
		deleteAndWait(fixed)
	})

	It("scales once the rights are granted, without a restart", func() {
		createUnschedulablePod("waiting", "500m")
		grant()
		expectCondition(elastic, v1alpha1.ConditionAutoscalingPermitted, "True AutoscalingPermitted")
		Eventually(func() []v1alpha1.MesosNode { return nodesOf("elastic") }).WithTimeout(timeout).Should(And(HaveLen(1), HaveEach(WithTransform(isReady, BeTrue()))))
	})
})
