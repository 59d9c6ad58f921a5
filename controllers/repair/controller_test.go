package repair

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

func rules(rules ...v1alpha1.RepairRule) func(*v1alpha1.MesosNodePool) {
	return func(p *v1alpha1.MesosNodePool) { p.Spec.Repair.Rules = rules }
}

func most(nodes string) func(*v1alpha1.MesosNodePool) {
	return func(p *v1alpha1.MesosNodePool) { p.Spec.Repair.MaxUnhealthy = new(intstr.Parse(nodes)) }
}

func when(condition string, status corev1.ConditionStatus, after time.Duration) v1alpha1.RepairRule {
	return v1alpha1.RepairRule{Condition: condition, Status: status, After: &metav1.Duration{Duration: after}}
}

func TestNodeThatIsNotReadyIsReplaced(t *testing.T) {
	for _, status := range []corev1.ConditionStatus{corev1.ConditionFalse, corev1.ConditionUnknown} {
		s := newFixture(t, "a b c")
		s.reconcile()
		s.expectPermitted(v1alpha1.ReasonFewUnhealthy, "No node is unhealthy.")
		s.report("b", corev1.NodeReady, status, 0)
		s.reconcile()
		s.expectPermitted(v1alpha1.ReasonFewUnhealthy, "1 node is unhealthy: b.")
		if s.last.RequeueAfter != 15*time.Minute {
			t.Errorf("looked at again after %s", s.last.RequeueAfter)
		}
		s.after(15*time.Minute - time.Second)
		s.expectStay("a b c")
		s.after(time.Second)
		s.expectStay("a c")
		want := "Warning NodeReplaced Condition Ready of node b was " + string(status) + " for longer than 15m0s (It is said so): the node is replaced."
		if got := strings.Join(s.recorded(), "\n"); !strings.Contains(got, want) {
			t.Errorf("the events are\n%s\nwant\n%s", got, want)
		}
		s.after(time.Minute)
		s.expectPermitted(v1alpha1.ReasonFewUnhealthy, "No node is unhealthy.")
		if s.last.RequeueAfter != 0 {
			t.Errorf("looked at again after %s although nothing waits", s.last.RequeueAfter)
		}
	}
}

// Nothing waits for a breaker to stay closed that has never been open.
func TestNodeOfANewPoolIsReplacedInItsTime(t *testing.T) {
	s := newFixture(t, "a b c", func(p *v1alpha1.MesosNodePool) { p.CreationTimestamp = metav1.NewTime(noon.Add(-time.Minute)) })
	s.cutOff("a", time.Hour)
	s.reconcile()
	s.expectStay("b c")
	s.report("b", corev1.NodeReady, corev1.ConditionFalse, 15*time.Minute)
	s.reconcile()
	s.expectStay("c")
}

func TestNodeThatRecoversStays(t *testing.T) {
	s := newFixture(t, "a b c")
	s.report("b", corev1.NodeReady, corev1.ConditionUnknown, 14*time.Minute)
	s.reconcile()
	s.report("b", corev1.NodeReady, corev1.ConditionTrue, 0)
	s.after(time.Hour)
	s.expectStay("a b c")
}

func TestRulesAreThoseOfThePool(t *testing.T) {
	deadlock := rules(when("KernelDeadlock", corev1.ConditionTrue, 10*time.Minute))
	for name, test := range map[string]struct {
		rules func(*v1alpha1.MesosNodePool)
		do    func(*fixture)
		stay  string
	}{
		"a condition of node-problem-detector": {rules: deadlock, stay: "b c", do: func(s *fixture) {
			s.report("a", "KernelDeadlock", corev1.ConditionTrue, 11*time.Minute)
		}},
		"not for long": {rules: deadlock, stay: "a b c", do: func(s *fixture) {
			s.report("a", "KernelDeadlock", corev1.ConditionTrue, 9*time.Minute)
		}},
		"with another status": {rules: deadlock, stay: "a b c", do: func(s *fixture) {
			s.report("a", "KernelDeadlock", corev1.ConditionUnknown, time.Hour)
		}},
		"rules take the place of the defaults": {rules: deadlock, stay: "a b c", do: func(s *fixture) {
			s.report("a", corev1.NodeReady, corev1.ConditionFalse, time.Hour)
		}},
		"the first of two rules counts": {rules: rules(when("Ready", corev1.ConditionFalse, time.Hour), when("KernelDeadlock", corev1.ConditionTrue, 10*time.Minute)), stay: "b c", do: func(s *fixture) {
			s.report("a", corev1.NodeReady, corev1.ConditionFalse, 30*time.Minute)
			s.report("a", "KernelDeadlock", corev1.ConditionTrue, 11*time.Minute)
		}},
		"a rule without a time": {rules: rules(v1alpha1.RepairRule{Condition: "KernelDeadlock", Status: corev1.ConditionTrue}), stay: "b c", do: func(s *fixture) {
			s.report("a", "KernelDeadlock", corev1.ConditionTrue, 15*time.Minute)
		}},
		"a Node of an earlier task": {stay: "a b c", do: func(s *fixture) {
			s.report("a", corev1.NodeReady, corev1.ConditionUnknown, time.Hour)
			s.changeNodes("a", func(n *v1alpha1.MesosNode) { n.Status.Task.ID = "a.2" })
		}},
		"a node whose task has ended": {stay: "a b c", do: func(s *fixture) {
			s.report("a", corev1.NodeReady, corev1.ConditionUnknown, time.Hour)
			s.changeNodes("a", func(n *v1alpha1.MesosNode) { n.Status.Task.State = "TASK_FAILED" })
		}},
		"a node that has not registered": {stay: "a b c", do: func(s *fixture) {
			s.report("a", corev1.NodeReady, corev1.ConditionUnknown, time.Hour)
			s.changeNodes("a", func(n *v1alpha1.MesosNode) {
				setCondition(n, v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeNotFound, noon)
			})
		}},
		"time before the registration does not count": {stay: "a b c", do: func(s *fixture) {
			s.report("a", corev1.NodeReady, corev1.ConditionFalse, 24*time.Hour)
			s.changeNodes("a", func(n *v1alpha1.MesosNode) {
				setCondition(n, v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeNotFound, noon.Add(-24*time.Hour))
				setCondition(n, v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered, noon.Add(-10*time.Minute))
			})
		}},
		"a clock that is ahead": {stay: "b c", do: func(s *fixture) {
			s.report("a", corev1.NodeReady, corev1.ConditionFalse, -24*time.Hour)
			s.changeNodes("a", func(n *v1alpha1.MesosNode) {
				setCondition(n, v1alpha1.ConditionReady, metav1.ConditionTrue, v1alpha1.ReasonNodeReady, noon.Add(-time.Hour))
				setCondition(n, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonNodeNotReady, noon.Add(-16*time.Minute))
			})
		}},
		"a node that has never been Ready": {stay: "b c", do: func(s *fixture) {
			s.report("a", corev1.NodeReady, corev1.ConditionFalse, 24*time.Hour)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, "a b c")
			if test.rules != nil {
				s.changePool(test.rules)
			}
			test.do(s)
			s.reconcile()
			s.expectStay(test.stay)
		})
	}
}

func TestUnreachableNodeIsReplaced(t *testing.T) {
	for name, test := range map[string]struct {
		pool func(*v1alpha1.MesosNodePool)
		do   func(*fixture)
		stay string
		next time.Duration
	}{
		"once its agent was away for replaceAfter": {stay: "b c d e f", next: time.Minute, do: func(s *fixture) {
			s.cutOff("a", 15*time.Minute)
			s.cutOff("b", 14*time.Minute)
		}},
		"not if replaceAfter is 0": {stay: "a b c d e f", do: func(s *fixture) { s.cutOff("a", 8*time.Hour) },
			pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Unreachable.ReplaceAfter = &metav1.Duration{} }},
		"not in a paused pool": {stay: "a b c d e f", do: func(s *fixture) { s.cutOff("a", 8*time.Hour) },
			pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = true }},
		"not while the framework is not ready": {stay: "a b c d e f", do: func(s *fixture) {
			s.cutOff("a", 8*time.Hour)
			s.changeFramework(metav1.ConditionFalse, time.Hour)
		}},
		"not just after the framework became ready again": {stay: "a b c d e f", next: 40 * time.Second, do: func(s *fixture) {
			s.cutOff("a", 8*time.Hour)
			s.changeFramework(metav1.ConditionTrue, 20*time.Second)
		}},
		"not while none can be made of the template": {stay: "a b c d e f", do: func(s *fixture) { s.cutOff("a", 8*time.Hour) },
			pool: func(p *v1alpha1.MesosNodePool) { p.Status.Conditions[1].Status = metav1.ConditionFalse }},
		"not while the pool's role is not subscribed": {stay: "a b c d e f", do: func(s *fixture) { s.cutOff("a", 8*time.Hour) },
			pool: func(p *v1alpha1.MesosNodePool) {
				p.Status.Conditions[0].Status, p.Status.Conditions[0].Reason = metav1.ConditionFalse, v1alpha1.ReasonRoleNotSubscribed
			}},
		"not just after the pool was changed": {stay: "a b c d e f", do: func(s *fixture) { s.cutOff("a", 8*time.Hour) },
			pool: func(p *v1alpha1.MesosNodePool) { p.Generation = 2 }},
		"the time before the launch does not count": {stay: "a b c d e f", next: 5 * time.Minute, do: func(s *fixture) {
			s.cutOff("a", 8*time.Hour)
			s.changeNodes("a", func(n *v1alpha1.MesosNode) { n.Status.Task.IntentTime = metav1.NewTime(noon.Add(-10 * time.Minute)) })
		}},
		"a rule does not shorten the time": {stay: "a b c d e f", next: 10 * time.Minute, do: func(s *fixture) {
			s.report("a", corev1.NodeReady, corev1.ConditionUnknown, time.Hour)
			s.cutOff("a", 5*time.Minute)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var change []func(*v1alpha1.MesosNodePool)
			if test.pool != nil {
				change = append(change, test.pool)
			}
			s := newFixture(t, "a b c d e f", change...)
			test.do(s)
			s.reconcile()
			s.expectStay(test.stay)
			if s.last.RequeueAfter != test.next {
				t.Errorf("looked at again after %s, want %s", s.last.RequeueAfter, test.next)
			}
		})
	}
}

func (s *fixture) changeFramework(ready metav1.ConditionStatus, ago time.Duration) {
	s.t.Helper()
	f := &v1alpha1.MesosFramework{}
	s.must(s.api.Get(s.t.Context(), client.ObjectKey{Name: "default"}, f))
	f.Status.Conditions[0].Status, f.Status.Conditions[0].LastTransitionTime = ready, metav1.NewTime(noon.Add(-ago))
	s.must(s.api.Status().Update(s.t.Context(), f))
}

func TestRackThatIsCutOffIsNotReplaced(t *testing.T) {
	s := newFixture(t, "r1/a r1/b r1/c r1/d r2/e r2/f r2/g r2/h r3/i r3/j r3/k r3/l")
	s.reconcile()
	s.recorded()
	s.cutOff("a b c d", 0)
	s.reconcile()
	s.expectPermitted(v1alpha1.ReasonTooManyUnhealthy, "4 of 12 nodes (3 may be), 4 of 4 nodes in zone r1 (1 may be) are unhealthy, and spec.repair.maxUnhealthy is 20%",
		"4 nodes are unhealthy: a, b, c and 1 more.")
	s.after(8 * time.Hour)
	s.restart()
	s.after(time.Hour)
	s.expectStay("a b c d e f g h i j k l")
	if got := s.recorded(); len(got) != 1 || !strings.HasPrefix(got[0], "Warning TooManyUnhealthy 4 of 12 nodes") {
		t.Errorf("the events are %q, want one", got)
	}

	// The agents come back one after the other; the last one does not.
	s.comeBack("a b")
	s.after(time.Second)
	s.expectPermitted(v1alpha1.ReasonTooManyUnhealthy, "2 of 4 nodes in zone r1 (1 may be) are unhealthy")
	s.comeBack("c")
	s.after(time.Second)
	s.expectPermitted(v1alpha1.ReasonFewUnhealthy, "1 node is unhealthy: d.")
	s.expectStay("a b c d e f g h i j k l")
	s.reconcile()
	if s.last.RequeueAfter != closedSettleTime {
		t.Errorf("looked at again after %s", s.last.RequeueAfter)
	}
	s.after(closedSettleTime - time.Second)
	s.expectStay("a b c d e f g h i j k l")
	s.after(time.Second)
	s.expectStay("a b c e f g h i j k l")
}

func TestZoneThatIsDarkDoesNotKeepOthersFromRepair(t *testing.T) {
	s := newFixture(t, "r1/a r1/b r1/c r2/d r2/e r2/f r2/g r3/h r3/i r3/j r3/k r3/l r3/m r3/n r3/o r3/p r3/q r3/r")
	s.cutOff("a b", time.Hour)
	s.report("d", corev1.NodeReady, corev1.ConditionUnknown, time.Hour)
	s.reconcile()
	s.expectPermitted(v1alpha1.ReasonTooManyUnhealthy, "2 of 3 nodes in zone r1 (1 may be) are unhealthy")
	s.expectStay("a b c e f g h i j k l m n o p q r")
}

func TestRuleThatMatchesEveryNodeReplacesNone(t *testing.T) {
	for name, test := range map[string]struct {
		rule   v1alpha1.RepairRule
		nodes  string
		reason string
		says   string
	}{
		"the breaker opens": {when("FrequentRestarts", corev1.ConditionTrue, time.Minute), "a b c", v1alpha1.ReasonTooManyUnhealthy, "3 of 3 nodes (1 may be)"},
		"nodes that work are not unhealthy": {when("Ready", corev1.ConditionTrue, time.Minute), "a", v1alpha1.ReasonRepairRuleInvalid,
			"spec.repair.rules has Ready=True, which every node matches that works: it is not applied."},
		"nor are those without pressure": {when("MemoryPressure", corev1.ConditionFalse, time.Minute), "a", v1alpha1.ReasonRepairRuleInvalid, "MemoryPressure=False"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, test.nodes, rules(test.rule))
			s.report(test.nodes, "FrequentRestarts", corev1.ConditionTrue, time.Hour)
			for range 5 {
				s.after(time.Hour)
			}
			s.expectStay(test.nodes)
			s.expectPermitted(test.reason, test.says)
		})
	}
}

func TestRepairIsSwitchedOffByMaxUnhealthy(t *testing.T) {
	for _, nothing := range []string{"0", "0%"} {
		s := newFixture(t, "a b c", most(nothing))
		s.report("a", corev1.NodeReady, corev1.ConditionUnknown, time.Hour)
		s.cutOff("b", time.Hour)
		s.reconcile()
		s.expectStay("a b c")
		s.expectPermitted(v1alpha1.ReasonRepairDisabled, "spec.repair.maxUnhealthy is 0", "2 nodes are unhealthy: a, b.")
		s.changePool(most("2"))
		s.reconcile()
		s.expectStay("c")
	}
}

// Nodes of a pool that start at the same time are no outage; if none of them ever becomes Ready,
// others in their places would not either.
func TestNodesThatNeverBecomeReady(t *testing.T) {
	s := newFixture(t, "a b c d")
	for _, name := range strings.Fields("a b c d") {
		s.report(name, corev1.NodeReady, corev1.ConditionFalse, 0)
		s.changeNodes(name, func(n *v1alpha1.MesosNode) {
			setCondition(n, v1alpha1.ConditionRegistered, metav1.ConditionFalse, v1alpha1.ReasonNodeNotFound, noon)
			setCondition(n, v1alpha1.ConditionRegistered, metav1.ConditionTrue, v1alpha1.ReasonNodeRegistered, noon)
		})
	}
	s.after(startGrace - time.Second)
	s.expectPermitted(v1alpha1.ReasonFewUnhealthy, "No node is unhealthy.")
	s.after(time.Second)
	s.expectPermitted(v1alpha1.ReasonTooManyUnhealthy, "4 of 4 nodes (1 may be)")
	s.after(time.Hour)
	s.expectStay("a b c d")
	s.report("b c d", corev1.NodeReady, corev1.ConditionTrue, 0)
	s.reconcile()
	s.after(closedSettleTime)
	s.expectStay("b c d")
}

func TestPoolThatIsGoneOrGoingIsLeftAlone(t *testing.T) {
	s := newFixture(t, "a b c", func(p *v1alpha1.MesosNodePool) { p.Finalizers = []string{v1alpha1.FinalizerNodes} })
	s.report("a", corev1.NodeReady, corev1.ConditionUnknown, time.Hour)
	s.must(s.api.Delete(t.Context(), s.pool()))
	s.reconcile()
	s.expectStay("a b c")
	s.changePool(func(p *v1alpha1.MesosNodePool) { p.Finalizers = nil })
	s.reconcile()
}

func TestFailedRemovalIsTriedAgain(t *testing.T) {
	s := newFixture(t, "a b c")
	failing := true
	s.api = interceptor.NewClient(s.api, interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if failing {
				return errors.New("no answer")
			}
			return c.Delete(ctx, o, opts...)
		},
	})
	s.restart()
	s.report("a", corev1.NodeReady, corev1.ConditionUnknown, time.Hour)
	if _, err := s.reconciler.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "general"}}); err == nil || !strings.Contains(err.Error(), "no answer") {
		t.Fatalf("the error is %v", err)
	}
	for _, e := range s.recorded() {
		if strings.Contains(e, v1alpha1.EventNodeReplaced) {
			t.Errorf("%q, though it was not", e)
		}
	}
	failing = false
	s.after(10 * time.Second)
	s.expectStay("b c")
}

func TestOnlyChangesThatMatterAreLookedAt(t *testing.T) {
	s := newFixture(t, "a")
	before := &corev1.Node{}
	s.must(s.api.Get(t.Context(), client.ObjectKey{Name: "a"}, before))
	for name, test := range map[string]struct {
		change func(*corev1.Node)
		passes bool
	}{
		"a heartbeat": {func(o *corev1.Node) { o.Status.Conditions[0].LastHeartbeatTime = metav1.NewTime(noon) }, false},
		"a label":     {func(o *corev1.Node) { o.Labels = map[string]string{"a": "b"} }, false},
		"a status":    {func(o *corev1.Node) { o.Status.Conditions[0].Status = corev1.ConditionUnknown }, true},
		"a further condition": {func(o *corev1.Node) {
			o.Status.Conditions = append(o.Status.Conditions, corev1.NodeCondition{Type: "X"})
		}, true},
		"a Node of another one": {func(o *corev1.Node) { o.Spec.ProviderID = "mesos://other/a.1" }, true},
	} {
		after := before.DeepCopy()
		test.change(after)
		if got := conditionChanges().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != test.passes {
			t.Errorf("%s passes: %t", name, got)
		}
	}
	if got := s.reconciler.poolOfObject(before); len(got) != 1 || got[0] != "general" {
		t.Errorf("the pool of Node a is %v", got)
	}
	before.Name, before.Labels = "foreign", map[string]string{v1alpha1.LabelPool: "general"}
	if got := s.reconciler.poolOfObject(before); len(got) > 0 {
		t.Errorf("the pool of a foreign Node is %v", got)
	}
	framework := newFramework()
	if got := s.reconciler.poolsOfFramework(t.Context(), framework); len(got) != 1 || got[0].Name != "general" {
		t.Errorf("the pools of the framework are %v", got)
	}
	changed := framework.DeepCopy()
	changed.Labels = map[string]string{"a": "b"}
	if frameworkChanges().Update(event.UpdateEvent{ObjectOld: framework, ObjectNew: changed}) {
		t.Error("a label of a framework passes")
	}
	changed.Status.Conditions[0].Status = metav1.ConditionFalse
	if !frameworkChanges().Update(event.UpdateEvent{ObjectOld: framework, ObjectNew: changed}) {
		t.Error("a condition of a framework does not pass")
	}
}
