package disruption

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// disruptable returns the reason of the condition of a node, and its message; empty if it has none.
func (s *fixture) disruptable(name string) (reason, message string) {
	s.t.Helper()
	n := &v1alpha1.MesosNode{}
	if err := s.api.Get(s.t.Context(), client.ObjectKey{Name: name}, n); err != nil {
		s.t.Fatal(err)
	}
	c := meta.FindStatusCondition(n.Status.Conditions, v1alpha1.ConditionDisruptable)
	if c == nil {
		return "", ""
	}
	if c.Status != metav1.ConditionFalse {
		s.t.Errorf("the condition of %s is %s", name, c.Status)
	}
	return c.Reason, c.Message
}

// expectDisruptable fails the test if the condition of a node has another reason, or its message
// lacks a part.
func (s *fixture) expectDisruptable(name, reason, part string) {
	s.t.Helper()
	got, message := s.disruptable(name)
	if got != reason || !strings.Contains(message, part) {
		s.t.Errorf("the condition of %s is %s %q, want %s %q", name, got, message, reason, part)
	}
}

// podThatHolds is a pod on a node that must not be disrupted.
func podThatHolds(node string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", Annotations: map[string]string{v1alpha1.AnnotationDoNotDisrupt: "true"}},
		Spec:       corev1.PodSpec{NodeName: node},
	}
}

func budgetOf(nodes int32) func(*v1alpha1.MesosNodePool) {
	return func(p *v1alpha1.MesosNodePool) {
		p.Spec.Disruption.Budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt32(nodes)}}
	}
}

func TestNodesThatWaitSayWhy(t *testing.T) {
	for name, test := range map[string]struct {
		pool   func(*v1alpha1.MesosNodePool)
		node   func(*v1alpha1.MesosNode)
		pod    *corev1.Pod
		reason string // empty for no condition
		says   string
	}{
		"its new node is not ready": {reason: v1alpha1.ReasonWaitingForReplacement,
			says: "It is of revision 11111111-aaaaaaaa, and the pool's is 22222222-aaaaaaaa. To be replaced (Outdated). It waits: a new node is to take its place, and must be ready first."},
		"the pool is paused":    {pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = true }, reason: v1alpha1.ReasonRolloutPaused, says: "is paused."},
		"the rollout is paused": {pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Rollout.Paused = true }, reason: v1alpha1.ReasonRolloutPaused, says: "is paused."},
		"a budget forbids it":   {pool: budgetOf(0), reason: v1alpha1.ReasonWaitingForBudget, says: "It waits: the disruption budget of 0 allows no further node now."},
		"a budget with a schedule forbids it": {pool: func(p *v1alpha1.MesosNodePool) {
			p.Spec.Disruption.Budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt32(0), Schedule: "0 0 * * *", Duration: &metav1.Duration{Duration: 24 * time.Hour}}}
		}, reason: v1alpha1.ReasonWaitingForBudget, says: "the disruption budget of 0 (schedule 0 0 * * *) allows no further node now."},
		"no node can be created": {pool: func(p *v1alpha1.MesosNodePool) {
			p.Status.Conditions[0].Status, p.Status.Conditions[0].Message = metav1.ConditionFalse, "There is none."
		},
			reason: v1alpha1.ReasonCreationBlocked, says: "the pool's conditions FrameworkReady and TemplateValid have the cause"},
		"nothing, the pool was just changed": {pool: func(p *v1alpha1.MesosNodePool) { p.Generation = 2 }},
		"nothing, it is up to date":          {node: func(n *v1alpha1.MesosNode) { n.Labels[v1alpha1.LabelRevision] = string(current) }},
		"nothing, it stays until it is deleted": {pool: func(p *v1alpha1.MesosNodePool) {
			p.Spec.Rollout.Strategy = v1alpha1.OnDelete
		}},
		"its annotation": {node: func(n *v1alpha1.MesosNode) {
			n.Annotations = map[string]string{v1alpha1.AnnotationDoNotDisrupt: "true"}
		},
			reason: v1alpha1.ReasonDoNotDisrupt, says: "It waits: it is annotated k8sm.io/do-not-disrupt=true."},
		"a pod": {pod: podThatHolds("a"), reason: v1alpha1.ReasonPodHoldsNode, says: "It waits: pod shop/db is annotated k8sm.io/do-not-disrupt=true."},
		"no more may be unavailable": {pool: func(p *v1alpha1.MesosNodePool) {
			p.Spec.Replicas, p.Spec.Rollout.MaxSurge, p.Spec.Rollout.MaxUnavailable = new(int32(2)), new(intstr.FromInt32(0)), new(intstr.FromInt32(1))
		}, reason: v1alpha1.ReasonWaitingForCapacity, says: "It waits: there is no surge, and no more than 1 node may be unavailable."},
		"nothing, the autoscaler writes the condition": {pool: func(p *v1alpha1.MesosNodePool) {
			budgetOf(0)(p)
			p.Spec.Replicas, p.Spec.Autoscaling = nil, &v1alpha1.Autoscaling{}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(1)
			if test.pool != nil {
				test.pool(pool)
			}
			node := newNode(pool, "a", old)
			if test.node != nil {
				test.node(node)
			}
			objects := []client.Object{node}
			if test.pod != nil {
				objects = append(objects, test.pod)
			}
			s := newFixture(t, pool, objects...)
			s.reconcile()
			s.expectDisruptable("a", test.reason, test.says)
			if _, message := s.disruptable("a"); test.says == "" && message != "" {
				t.Errorf("the message is %q", message)
			}
		})
	}
}

func TestOneNodeAfterTheOtherStopsWaiting(t *testing.T) {
	pool := newPool(2, budgetOf(1))
	s := newFixture(t, pool, newNode(pool, "a", old), newNode(pool, "b", old))
	s.reconcile()
	s.expectDisruptable("a", v1alpha1.ReasonWaitingForReplacement, "a new node is to take its place")
	s.expectDisruptable("b", v1alpha1.ReasonWaitingForReplacement, "the nodes that are being replaced or removed now come first")
	s.becomeReady("general-new1")
	s.reconcile()
	s.letGo("a")
	s.reconcile()
	s.expectDisruptable("b", v1alpha1.ReasonWaitingForReplacement, "a new node is to take its place")
	s.expectDisruptable("general-new1", "", "")

	s.revision = old // the old template is put back
	s.changeNode("general-new1", func(n *v1alpha1.MesosNode) { n.Labels[v1alpha1.LabelRevision] = string(old) })
	s.reconcile()
	s.expectDisruptable("b", "", "")
}

func TestConditionOfTheAutoscalerGoesWhenThePoolIsOfAFixedSize(t *testing.T) {
	pool := newPool(1)
	s := newFixture(t, pool, newNode(pool, "a", current, func(n *v1alpha1.MesosNode) {
		setCondition(n, v1alpha1.ConditionDisruptable, metav1.ConditionTrue, noon)
	}))
	s.reconcile()
	s.expectDisruptable("a", "", "")
}

func TestNodeThatAPodHeldKeepsTheReasonUntilItIsItsTurn(t *testing.T) {
	pool := newPool(3, func(p *v1alpha1.MesosNodePool) { budgetOf(3)(p) })
	pod := podThatHolds("a")
	s := newFixture(t, pool, newNode(pool, "a", old), newNode(pool, "b", old), newNode(pool, "c", old), pod)
	s.reconcile()
	s.expectNodes("a, b, c, general-new1 for b")
	s.expectDisruptable("a", v1alpha1.ReasonPodHoldsNode, "pod shop/db")
	writes := s.countStatusWrites()
	s.reconcile() // there is no room, so that nobody looks at the pods of a
	s.expectDisruptable("a", v1alpha1.ReasonPodHoldsNode, "pod shop/db")
	if n := *writes; n != 0 {
		t.Errorf("%d statuses of MesosNodes are written although nothing changed", n)
	}
	if err := s.api.Delete(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	s.becomeReady("general-new1")
	s.reconcile()
	s.letGo("b")
	s.reconcile()
	s.expectDisruptable("a", v1alpha1.ReasonWaitingForReplacement, "a new node is to take its place")
}

// countStatusWrites counts the writes of statuses of MesosNodes from now on.
func (s *fixture) countStatusWrites() *int {
	count := 0
	s.api = interceptor.NewClient(s.api, interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if _, is := o.(*v1alpha1.MesosNode); is && sub == "status" {
				count++
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	})
	s.restart()
	return &count
}

func TestConditionsOfManyNodesAreWrittenInBatches(t *testing.T) {
	pool := newPool(250, budgetOf(0))
	var nodes []client.Object
	for i := range 250 {
		nodes = append(nodes, newNode(pool, fmt.Sprintf("n%03d", i), old))
	}
	s := newFixture(t, pool, nodes...)
	writes := s.countStatusWrites()
	for i, want := range []int{100, 200, 250, 250} {
		s.reconcile()
		if *writes != want {
			t.Errorf("after %d reconciles %d conditions are written, want %d", i+1, *writes, want)
		}
		if again := s.last.RequeueAfter == nextBatchDelay; again != (want < 250) {
			t.Errorf("reconcile %d asks for the next after %s", i+1, s.last.RequeueAfter)
		}
	}
}
