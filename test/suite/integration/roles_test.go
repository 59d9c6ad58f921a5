package integration

import (
	"path/filepath"
	"slices"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8slabels "k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// userRoles are the ClusterRoles for people, each with all that it permits: verbs by resource.
var userRoles = map[string]map[string][]string{
	"k8sm-view": {
		"mesosframeworks": readVerbs, "mesosnodepools": readVerbs, "mesosnodes": readVerbs,
	},
	"k8sm-scale": {
		"mesosnodepools": readVerbs, "mesosnodes": append([]string{"delete"}, readVerbs...),
		"mesosnodepools/scale": {"get", "update", "patch"},
	},
	"k8sm-admin": {
		"mesosframeworks": allVerbs, "mesosnodepools": allVerbs, "mesosnodes": allVerbs,
		"mesosnodepools/scale": {"get", "update", "patch"},
	},
}

var (
	readVerbs = []string{"get", "list", "watch"}
	allVerbs  = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	// userResources are the resources and subresources that people could have rights to.
	userResources = []string{
		"mesosframeworks", "mesosframeworks/status", "mesosframeworks/finalizers",
		"mesosnodepools", "mesosnodepools/status", "mesosnodepools/scale", "mesosnodepools/finalizers",
		"mesosnodes", "mesosnodes/status", "mesosnodes/finalizers",
	}
)

// userWith returns the name of a user who has the ClusterRole in the whole cluster, and nothing
// else.
func userWith(role string) string {
	GinkgoHelper()
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "test-" + role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "test-" + role}},
	}
	Expect(client.IgnoreAlreadyExists(strict.Create(ctx, binding))).To(Succeed())
	DeferCleanup(func() { Expect(client.IgnoreNotFound(strict.Delete(ctx, binding))).To(Succeed()) })
	return "test-" + role
}

// mayUser asks the API server's authorizer.
func mayUser(user, verb, group, resource, namespace string) bool {
	GinkgoHelper()
	resource, subresource := splitResource(resource)
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, Groups: []string{"system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: verb, Group: group, Resource: resource, Subresource: subresource, Namespace: namespace, Name: "some",
		},
	}}
	Expect(strict.Create(ctx, review)).To(Succeed())
	return review.Status.Allowed
}

func splitResource(resource string) (string, string) {
	for i := range resource {
		if resource[i] == '/' {
			return resource[:i], resource[i+1:]
		}
	}
	return resource, ""
}

// as returns a client that acts as the user.
func as(user string) client.Client {
	GinkgoHelper()
	access := rest.CopyConfig(config)
	access.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: []string{"system:authenticated"}}
	c, err := client.New(access, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	return c
}

var _ = Describe("The ClusterRoles for people", Ordered, func() {
	BeforeAll(func() {
		applyAll(filepath.Join("..", "..", "..", "config", "rbac", "user_roles.yaml"))
	})

	for role, permitted := range userRoles {
		It("permit exactly what they are for: "+role, func() {
			user := userWith(role)
			Eventually(func() bool { return mayUser(user, "get", "k8sm.io", "mesosnodepools", "") }).WithTimeout(timeout).
				Should(BeTrue(), "the authorizer knows of the binding after a moment")
			for _, resource := range userResources {
				for _, verb := range allVerbs {
					Expect(mayUser(user, verb, "k8sm.io", resource, "")).To(Equal(slices.Contains(permitted[resource], verb)), "%s %s", verb, resource)
				}
			}
			for _, verb := range allVerbs {
				Expect(mayUser(user, verb, "", "secrets", "k8sm-system")).To(BeFalse(), "%s secrets of the operator", verb)
				Expect(mayUser(user, verb, "", "nodes", "")).To(BeFalse(), "%s Nodes", verb)
				Expect(mayUser(user, verb, "", "pods", "default")).To(BeFalse(), "%s pods", verb)
			}
		})
	}

	It("make viewing part of the cluster's own view, and neither scaling nor administering part of edit or admin", func() {
		aggregated := map[string][]string{}
		for _, target := range []string{"view", "edit", "admin"} {
			role := &rbacv1.ClusterRole{}
			Expect(strict.Get(ctx, client.ObjectKey{Name: target}, role)).To(Succeed())
			Expect(role.AggregationRule).NotTo(BeNil(), target)
			for name := range userRoles {
				ours := &rbacv1.ClusterRole{}
				Expect(strict.Get(ctx, client.ObjectKey{Name: name}, ours)).To(Succeed())
				for _, s := range role.AggregationRule.ClusterRoleSelectors {
					selector, err := metav1.LabelSelectorAsSelector(&s)
					Expect(err).NotTo(HaveOccurred())
					if selector.Matches(k8slabels.Set(ours.Labels)) {
						aggregated[target] = append(aggregated[target], name)
					}
				}
			}
		}
		Expect(aggregated).To(Equal(map[string][]string{"view": {"k8sm-view"}}))
	})

	It("let a user with k8sm-scale change the size of a pool and have a node replaced, and nothing of what runs on agents", func() {
		pool := &v1alpha1.MesosNodePool{}
		created := sample("mesosnodepool.yaml", edit{"metadata name", "scaled"}, edit{"spec replicas", "0"})
		Expect(strict.Create(ctx, created)).To(Succeed())
		DeferCleanup(strict.Delete, ctx, created)
		Expect(strict.Get(ctx, client.ObjectKey{Name: "scaled"}, pool)).To(Succeed())
		node := sample("mesosnodepool.yaml", edit{"metadata name", "scaled-a1b2c"}, edit{"kind", "MesosNode"}, edit{"spec replicas", ""})
		Expect(strict.Create(ctx, node)).To(Succeed())
		scaler := as(userWith("k8sm-scale"))

		scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 3}}
		Eventually(func() error {
			return scaler.SubResource("scale").Update(ctx, pool.DeepCopy(), client.WithSubResourceBody(scale))
		}).
			WithTimeout(timeout).Should(Succeed())
		Expect(strict.Get(ctx, client.ObjectKeyFromObject(pool), pool)).To(Succeed())
		Expect(*pool.Spec.Replicas).To(Equal(int32(3)))

		changed := pool.DeepCopy()
		changed.Spec.Template.Spec.Runtime.SandboxImage = "example.com/other"
		Expect(scaler.Patch(ctx, changed, client.MergeFrom(pool))).To(MatchError(apierrors.IsForbidden, "forbidden"))
		Expect(scaler.Create(ctx, sample("mesosnodepool.yaml", edit{"metadata name", "other"}))).To(MatchError(apierrors.IsForbidden, "forbidden"))
		Expect(scaler.Delete(ctx, node)).To(Succeed())
	})
})
