package disruption

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

func TestOutdatedNodesAreReplacedOneByOne(t *testing.T) {
	pool := newPool(2)
	s := newFixture(t, pool, newNode(pool, "a", old), newNode(pool, "b", old))
	s.reconcile()
	s.expectNodes("a, b, general-new1 for a")
	s.expectUpToDate(v1alpha1.ReasonReplacing, "0 of 2 nodes are up to date, and 2 are to be replaced (2 Outdated)")

	s.reconcile()
	s.expectNodes("a, b, general-new1 for a")
	s.expectUpToDate(v1alpha1.ReasonReplacing, "general-new1 is to take the place of a and is not ready")

	s.becomeReady("general-new1")
	s.reconcile()
	s.expectNodes("a leaving, b, general-new1 for a")
	s.reconcile()
	s.expectNodes("a leaving, b, general-new1 for a") // a holds its resources until it is gone

	s.letGo("a")
	s.reconcile()
	s.becomeReady("general-new2")
	s.reconcile()
	s.letGo("b")
	s.reconcile()
	s.expectNodes("general-new1 for a, general-new2 for b")
	s.expectUpToDate(v1alpha1.ReasonUpToDate, "2 of 2 nodes are up to date.")
	if status := s.pool().Status; status.UpdatedReplicas != 2 || status.OutdatedReplicas != 0 || status.CurrentRevision != string(current) || status.LastProgressTime != nil {
		t.Errorf("the status is %+v", status)
	}
}

func TestReplacementGoesOnAfterARestart(t *testing.T) {
	pool := newPool(2)
	s := newFixture(t, pool, newNode(pool, "a", old), newNode(pool, "b", old))
	s.reconcile()
	s.restart()
	s.reconcile()
	s.expectNodes("a, b, general-new1 for a")
	s.becomeReady("general-new1")
	s.restart()
	s.reconcile()
	s.expectNodes("a leaving, b, general-new1 for a")
}

func TestWhatWasBegunIsFinishedAlthoughTheRolloutIsPaused(t *testing.T) {
	pool := newPool(2)
	s := newFixture(t, pool, newNode(pool, "a", old), newNode(pool, "b", old))
	s.reconcile()
	s.expectNodes("a, b, general-new1 for a")
	paused := s.pool()
	paused.Spec.Rollout.Paused = true
	if err := s.api.Update(t.Context(), paused); err != nil {
		t.Fatal(err)
	}
	s.becomeReady("general-new1")
	s.reconcile()
	s.expectNodes("a leaving, b, general-new1 for a")
	s.expectUpToDate(v1alpha1.ReasonRolloutPaused)
	s.letGo("a")
	s.reconcile()
	s.expectNodes("b, general-new1 for a")
}

func TestNodesWithoutARevisionAreAdopted(t *testing.T) {
	pool := newPool(2)
	s := newFixture(t, pool, newNode(pool, "a", ""), newNode(pool, "b", ""))
	s.reconcile()
	s.expectNodes("a, b")
	s.expectUpToDate(v1alpha1.ReasonUpToDate)
	for _, name := range []string{"a", "b"} {
		n := &v1alpha1.MesosNode{}
		if err := s.api.Get(t.Context(), client.ObjectKey{Name: name}, n); err != nil {
			t.Fatal(err)
		}
		if n.Labels[v1alpha1.LabelRevision] != string(current) {
			t.Errorf("%s has the labels %v", name, n.Labels)
		}
	}
}

func TestNothingIsReplacedWhile(t *testing.T) {
	for name, test := range map[string]struct {
		pool    func(*v1alpha1.MesosNodePool)
		node    func(*v1alpha1.MesosNode)
		objects []client.Object
		change  func(*fixture)
		reason  string
		says    string
	}{
		"the pool is paused":    {pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = true }, reason: v1alpha1.ReasonRolloutPaused, says: "1 is to be replaced (1 Outdated). The pool, or its rollout, is paused."},
		"the rollout is paused": {pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Rollout.Paused = true }, reason: v1alpha1.ReasonRolloutPaused},
		"nodes are replaced on deletion": {pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Rollout.Strategy = v1alpha1.OnDelete }, reason: v1alpha1.ReasonOnDelete,
			says: "0 of 1 node is up to date. spec.rollout.strategy is OnDelete"},
		"a budget forbids it": {pool: func(p *v1alpha1.MesosNodePool) {
			p.Spec.Disruption.Budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt32(0)}}
		}, reason: v1alpha1.ReasonWaitingForBudget, says: "The disruption budget of 0 allows 0 of 1 node at a time."},
		"a budget is of no use": {pool: func(p *v1alpha1.MesosNodePool) {
			p.Spec.Disruption.Budgets = []v1alpha1.DisruptionBudget{{Nodes: intstr.FromInt32(1), Schedule: "0 0 30 2 *", Duration: &metav1.Duration{Duration: time.Hour}}}
		}, reason: v1alpha1.ReasonBudgetInvalid, says: `Spec.disruption.budgets[0].schedule "0 0 30 2 *" names a time that never comes.`},
		"the template is invalid": {change: func(s *fixture) { s.revision, s.invalid = "", errors.New("no such runtime") }, reason: v1alpha1.ReasonUpToDate},
		"no node can be created": {pool: func(p *v1alpha1.MesosNodePool) {
			p.Status.Conditions[0].Status, p.Status.Conditions[0].Message = metav1.ConditionFalse, `There is no MesosFramework "default".`
		}, reason: v1alpha1.ReasonCreationBlocked, says: `There is no MesosFramework "default".`},
		"the pool's conditions are of an earlier generation": {pool: func(p *v1alpha1.MesosNodePool) { p.Generation = 2 }, reason: v1alpha1.ReasonCreationBlocked, says: "The pool was just changed."},
		"the node must not be disrupted": {node: func(n *v1alpha1.MesosNode) {
			n.Annotations = map[string]string{v1alpha1.AnnotationDoNotDisrupt: "true"}
		},
			reason: v1alpha1.ReasonWaitingForBudget, says: "A is annotated k8sm.io/do-not-disrupt=true."},
		"a pod must not be disrupted": {objects: []client.Object{&corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", Annotations: map[string]string{v1alpha1.AnnotationDoNotDisrupt: "true"}}, Spec: corev1.PodSpec{NodeName: "a"},
		}}, reason: v1alpha1.ReasonWaitingForBudget, says: "pod shop/db is annotated k8sm.io/do-not-disrupt=true"},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(1)
			node := newNode(pool, "a", old)
			if test.pool != nil {
				test.pool(pool)
			}
			if test.node != nil {
				test.node(node)
			}
			s := newFixture(t, pool, append(test.objects, node)...)
			if test.change != nil {
				test.change(s)
			}
			s.reconcile()
			s.expectNodes("a")
			s.expectUpToDate(test.reason, test.says)
		})
	}
}

func TestReasonsForAReplacement(t *testing.T) {
	for name, test := range map[string]struct {
		pool   func(*v1alpha1.MesosNodePool)
		node   func(*v1alpha1.MesosNode)
		change func(*fixture)
		says   string // empty if the node stays
	}{
		"a node that is up to date stays":   {},
		"a node that has not expired stays": {pool: expireAfter(48 * time.Hour)},
		"a node that has expired":           {pool: expireAfter(time.Hour), says: "1 Expired"},
		"a node of another role":            {pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Placement.Role = "prod" }, says: "1 Drifted"},
		"a node of a shape that is gone": {
			pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.Shapes = []v1alpha1.NodeShape{{Name: "small"}} },
			node: func(n *v1alpha1.MesosNode) { n.Labels[v1alpha1.LabelShape] = "large" }, says: "1 Drifted",
		},
		"a node of a shape that has other resources": {
			pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Template.Spec.Shapes = []v1alpha1.NodeShape{{Name: "large"}} },
			node: func(n *v1alpha1.MesosNode) { n.Labels[v1alpha1.LabelShape] = "large" }, says: "1 Drifted",
		},
		"a node of a shape that is as it was stays": {
			pool: func(p *v1alpha1.MesosNodePool) {
				p.Spec.Template.Spec.Shapes = []v1alpha1.NodeShape{{Name: "large", Resources: p.Spec.Template.Spec.Resources}}
			},
			node: func(n *v1alpha1.MesosNode) { n.Labels[v1alpha1.LabelShape] = "large" },
		},
		"a node whose agent is maintained within the hour": {change: func(s *fixture) { s.windows["agent-of-a"] = s.now.Add(59 * time.Minute) }, says: "1 Maintenance"},
		"a node whose agent is maintained tomorrow stays":  {change: func(s *fixture) { s.windows["agent-of-a"] = s.now.Add(24 * time.Hour) }},
		"a node whose agent was maintained stays":          {change: func(s *fixture) { s.windows["agent-of-a"] = s.now.Add(-2 * time.Hour) }},
	} {
		t.Run(name, func(t *testing.T) {
			pool := newPool(1)
			node := newNode(pool, "a", current)
			if test.pool != nil {
				test.pool(pool)
			}
			if test.node != nil {
				test.node(node)
			}
			s := newFixture(t, pool, node)
			if test.change != nil {
				test.change(s)
			}
			s.reconcile()
			if test.says == "" {
				s.expectNodes("a")
				s.expectUpToDate(v1alpha1.ReasonUpToDate)
				return
			}
			s.expectNodes("a, general-new1 for a")
			s.expectUpToDate(v1alpha1.ReasonReplacing, test.says)
		})
	}
}

func expireAfter(d time.Duration) func(*v1alpha1.MesosNodePool) {
	return func(p *v1alpha1.MesosNodePool) { p.Spec.Disruption.ExpireAfter = &metav1.Duration{Duration: d} }
}

func TestPoolIsReconciledWhenTheNextNodeExpires(t *testing.T) {
	pool := newPool(1, expireAfter(25*time.Hour))
	node := newNode(pool, "a", current)
	s := newFixture(t, pool, node)
	s.now = nodemodel.ExpiresAt(pool, node).Add(-time.Minute)
	s.reconcile()
	if s.last.RequeueAfter != time.Minute {
		t.Errorf("the pool is reconciled again after %s, want 1m", s.last.RequeueAfter)
	}
}

func TestRolloutWhoseNodesNeverBecomeReadyIsReported(t *testing.T) {
	pool := newPool(2)
	s := newFixture(t, pool, newNode(pool, "a", old), newNode(pool, "b", old))
	s.reconcile()
	s.now = s.now.Add(29 * time.Minute)
	s.reconcile()
	s.expectUpToDate(v1alpha1.ReasonReplacing)
	s.now = s.now.Add(2 * time.Minute)
	s.reconcile()
	s.expectNodes("a, b, general-new1 for a")
	s.expectUpToDate(v1alpha1.ReasonProgressDeadlineExceeded, "No further node became up to date since", "general-new1 is to take the place of a and is not ready")
	if event := s.findEvent(v1alpha1.ReasonProgressDeadlineExceeded); event == "" {
		t.Error("no event says so")
	}
}

// findEvent returns the first event that contains a text, "" if there is none.
func (s *fixture) findEvent(text string) string {
	for {
		select {
		case event := <-s.events.Events:
			if strings.Contains(event, text) {
				return event
			}
		default:
			return ""
		}
	}
}

func TestOldTemplateIsPutBack(t *testing.T) {
	pool := newPool(2)
	s := newFixture(t, pool, newNode(pool, "a", old), newNode(pool, "b", old))
	s.reconcile()
	s.revision = old
	s.reconcile()
	s.letGo("general-new1")
	s.reconcile()
	s.expectNodes("a, b")
	s.expectUpToDate(v1alpha1.ReasonUpToDate)
}

func TestMaintenanceThatIsCalledOffEndsTheReplacement(t *testing.T) {
	pool := newPool(1)
	s := newFixture(t, pool, newNode(pool, "a", current))
	s.windows["agent-of-a"] = s.now.Add(50 * time.Minute)
	s.reconcile()
	s.expectNodes("a, general-new1 for a")
	delete(s.windows, "agent-of-a")
	s.reconcile()
	s.expectNodes("a, general-new1 for a leaving")
}

func TestReplacementIsNotEndedByARestart(t *testing.T) {
	pool := newPool(1)
	s := newFixture(t, pool, newNode(pool, "a", current))
	s.windows["agent-of-a"] = s.now.Add(50 * time.Minute)
	s.reconcile()
	delete(s.windows, "agent-of-a") // the master has not announced it again
	s.restart()
	s.reconcile()
	s.expectNodes("a, general-new1 for a")
}

func TestNodesThatWaitAreTainted(t *testing.T) {
	pool := newPool(2)
	a, b := newNode(pool, "a", old), newNode(pool, "b", current)
	foreign := corev1.Taint{Key: "team", Effect: corev1.TaintEffectNoSchedule}
	nodeA := nodeOf(a, "v1.37.2")
	nodeA.Spec.Taints = []corev1.Taint{foreign}
	s := newFixture(t, pool, a, b, nodeA, nodeOf(b, "v1.37.2"))
	s.reconcile()
	if got := s.taints("a"); got != "team NoSchedule, k8sm.io/outdated PreferNoSchedule" {
		t.Errorf("a has the taints %q", got)
	}
	if got := s.taints("b"); got != "" {
		t.Errorf("b has the taints %q", got)
	}
	s.revision = old
	s.changeNode("b", func(n *v1alpha1.MesosNode) { n.Labels[v1alpha1.LabelRevision] = string(old) })
	s.reconcile()
	if got := s.taints("a"); got != "team NoSchedule" {
		t.Errorf("a has the taints %q after the old template was put back", got)
	}
}

func (s *fixture) taints(node string) string {
	s.t.Helper()
	object := &corev1.Node{}
	if err := s.api.Get(s.t.Context(), client.ObjectKey{Name: node}, object); err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, taint := range object.Spec.Taints {
		out = append(out, taint.Key+" "+string(taint.Effect))
	}
	return strings.Join(out, ", ")
}

func TestKubeletOfTheSameMinorIsExchangedInPlace(t *testing.T) {
	const next = "22222222-bbbbbbbb"
	pool := newPool(1, func(p *v1alpha1.MesosNodePool) { p.Spec.Rollout.Kubelet = v1alpha1.KubeletInPlace })
	node := newNode(pool, "a", current)
	s := newFixture(t, pool, node, nodeOf(node, "v1.37.2"))
	s.revision, s.release, s.kubelets = next, "v1.37", []v1alpha1.Artifact{{Name: "kubelet", SHA256: "new"}}
	s.reconcile()
	s.expectNodes("a")
	s.expectUpToDate(v1alpha1.ReasonReplacing, "0 of 1 node is up to date", "exchanged in place")

	s.changeNode("a", func(n *v1alpha1.MesosNode) { n.Status.Task.Kubelet = &v1alpha1.TaskKubelet{SHA256: "new"} })
	s.reconcile()
	s.expectUpToDate(v1alpha1.ReasonUpToDate)

	s.revision, s.release = "22222222-cccccccc", "v1.38"
	s.reconcile()
	s.expectNodes("a, general-new1 for a")
}

func TestNodesOfAnAutoscaledPoolAreReplacedInTheirZone(t *testing.T) {
	pool := newPool(1, func(p *v1alpha1.MesosNodePool) {
		p.Spec.Replicas, p.Spec.Autoscaling = nil, &v1alpha1.Autoscaling{}
		p.Spec.Template.Spec.Shapes = []v1alpha1.NodeShape{{Name: "small", Resources: p.Spec.Template.Spec.Resources}, {Name: "large", Resources: p.Spec.Template.Spec.Resources}}
	})
	s := newFixture(t, pool, newNode(pool, "a", old, func(n *v1alpha1.MesosNode) {
		n.Labels[v1alpha1.LabelShape] = "large"
		n.Spec.Placement.Constraints = []v1alpha1.AgentConstraint{{Attribute: "@zone", Operator: v1alpha1.ConstraintIn, Values: []string{"eu-1"}}}
	}))
	s.reconcile()
	n := &v1alpha1.MesosNode{}
	if err := s.api.Get(t.Context(), client.ObjectKey{Name: "general-new1"}, n); err != nil {
		t.Fatal(err)
	}
	if n.Labels[v1alpha1.LabelShape] != "large" || len(n.Spec.Placement.Constraints) != 1 || n.Spec.Placement.Constraints[0].Values[0] != "eu-1" {
		t.Errorf("the new node has the labels %v and the constraints %v", n.Labels, n.Spec.Placement.Constraints)
	}
}

func TestAtRestNothingIsWritten(t *testing.T) {
	pool := newPool(2)
	s := newFixture(t, pool, newNode(pool, "a", current), newNode(pool, "b", current))
	s.reconcile()
	before := s.pool().ResourceVersion
	s.reconcile()
	if after := s.pool().ResourceVersion; after != before {
		t.Error("the second reconcile writes the pool")
	}
}

func TestPoolThatIsGoneIsForgotten(t *testing.T) {
	pool := newPool(0)
	s := newFixture(t, pool)
	s.reconcile()
	if err := s.api.Delete(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	s.reconcile()
}
