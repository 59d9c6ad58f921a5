package mesosnodepool

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/controllers/poolnodes"
)

// unreachableNode is a node whose agent has been unreachable for some minutes.
func unreachableNode(name string, minutes int) *v1alpha1.MesosNode {
	n := aged(name, 60, isRegistered, metav1.Condition{
		Type: v1alpha1.ConditionLaunched, Status: metav1.ConditionUnknown, Reason: v1alpha1.ReasonTaskUnreachable,
		LastTransitionTime: metav1.NewTime(noon.Add(-time.Duration(minutes) * time.Minute)),
	})
	n.Status.Task.IntentTime = metav1.NewTime(noon.Add(-time.Hour))
	return n
}

func TestLostNodes(t *testing.T) {
	longReady := func(f *v1alpha1.MesosFramework) {}
	tests := map[string]struct {
		nodes     []*v1alpha1.MesosNode
		after     time.Duration // replaceAfter
		framework func(*v1alpha1.MesosFramework)
		pool      func(*v1alpha1.MesosNodePool)
		lost      []string
		next      time.Duration
	}{
		"nodes are lost once they were unreachable for replaceAfter": {
			after: 15 * time.Minute, nodes: []*v1alpha1.MesosNode{unreachableNode("a", 15), unreachableNode("b", 14), unreachableNode("c", 10), aged("d", 5, isRegistered, isReady)},
			lost: []string{"a"}, next: time.Minute,
		},
		"no node is lost if replaceAfter is 0": {after: 0, nodes: []*v1alpha1.MesosNode{unreachableNode("a", 500)}},
		"no node of a paused pool is lost": {
			after: time.Minute, nodes: []*v1alpha1.MesosNode{unreachableNode("a", 500)}, pool: func(p *v1alpha1.MesosNodePool) { p.Spec.Paused = true },
		},
		"no node is lost while the framework is not ready": {
			after: time.Minute, nodes: []*v1alpha1.MesosNode{unreachableNode("a", 500)},
			framework: func(f *v1alpha1.MesosFramework) { f.Status.Conditions[0].Status = metav1.ConditionFalse },
		},
		"no node is lost just after the framework became ready again": {
			after: time.Minute, nodes: []*v1alpha1.MesosNode{unreachableNode("a", 500)}, next: 40 * time.Second,
			framework: func(f *v1alpha1.MesosFramework) {
				f.Status.Conditions[0].LastTransitionTime = metav1.NewTime(noon.Add(-20 * time.Second))
			},
		},
		"the time before the launch does not count": {
			after: 15 * time.Minute, next: 5 * time.Minute,
			nodes: []*v1alpha1.MesosNode{func() *v1alpha1.MesosNode {
				n := unreachableNode("a", 500)
				n.Status.Task.IntentTime = metav1.NewTime(noon.Add(-10 * time.Minute))
				return n
			}()},
		},
		"no node without a launch is lost": {
			after: time.Minute, nodes: []*v1alpha1.MesosNode{aged("a", 60, isUnheard)},
		},
		"no node is lost while the framework is being deleted": {
			after: time.Minute, nodes: []*v1alpha1.MesosNode{unreachableNode("a", 500)},
			framework: func(f *v1alpha1.MesosFramework) { f.DeletionTimestamp = &metav1.Time{Time: noon} },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			framework, pool := newReadyFramework(), newPool(3)
			framework.Status.Conditions[0].LastTransitionTime = metav1.NewTime(noon.Add(-time.Hour))
			if test.framework == nil {
				test.framework = longReady
			}
			test.framework(framework)
			pool.Spec.Unreachable.ReplaceAfter = &metav1.Duration{Duration: test.after}
			if test.pool != nil {
				test.pool(pool)
			}
			o := observation{pool: pool, framework: framework, nodes: poolnodes.Inventory{Alive: test.nodes}, now: metav1.NewTime(noon)}
			lost, next := o.lostNodes()
			var names []string
			for _, n := range lost {
				names = append(names, n.Name)
			}
			if diff := cmp.Diff(test.lost, names); diff != "" || next != test.next {
				t.Errorf("lost (-want +got), the next after %s, want %s:\n%s", next, test.next, diff)
			}
		})
	}
}

func TestLostNodeIsReplacedWithinTheReplicas(t *testing.T) {
	framework := newReadyFramework()
	framework.Status.Conditions[0].LastTransitionTime = metav1.NewTime(noon.Add(-time.Hour))
	s := newFixture(t, 2, framework)
	s.update(func(p *v1alpha1.MesosNodePool) {
		p.Spec.Unreachable.ReplaceAfter = &metav1.Duration{Duration: 15 * time.Minute}
	})
	s.reconcile()
	lost, stays := s.alive()[0], s.alive()[1]
	s.setConditions(stays, isRegistered, isReady)
	gone := unreachableNode(lost, 0)
	s.setConditions(lost, gone.Status.Conditions...)
	s.reconcile()
	if s.last.RequeueAfter != 15*time.Minute {
		t.Errorf("looked at again after %s", s.last.RequeueAfter)
	}
	s.now = noon.Add(15 * time.Minute)
	for range 5 {
		s.reconcile()
		if n := len(s.alive()); n > 2 {
			t.Fatalf("%d nodes are alive", n)
		}
	}
	alive := s.alive()
	if len(alive) != 2 || alive[0] == lost || alive[1] == lost {
		t.Errorf("alive are %v; %s was to be replaced", alive, lost)
	}
	if len(s.nodes()) != 3 {
		t.Errorf("%d MesosNodes are there: the lost one must stay until Mesos confirms its end", len(s.nodes()))
	}
	// The late returner is a node that goes: nothing takes its deletion back.
	s.setConditions(lost, isReady, metav1.Condition{Type: v1alpha1.ConditionLaunched, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonTaskRunning})
	s.reconcile()
	if n := len(s.alive()); n != 2 {
		t.Errorf("%d nodes are alive after its return", n)
	}
}
