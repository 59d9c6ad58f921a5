package mesosnode

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// planMaintenance has the agent's maintenance begin after a while.
func (s *fixture) planMaintenance(in, duration time.Duration) {
	s.windows = map[string]scheduler.Window{agentID: {Start: s.now.Add(in), Duration: duration}}
}

func (s *fixture) isBeingDeleted() bool {
	return s.mesosNode() == nil || !s.mesosNode().DeletionTimestamp.IsZero()
}

func TestNodeIsDrainedBeforeMaintenance(t *testing.T) {
	for name, test := range map[string]struct {
		in, duration, timeout time.Duration
		goesAfter             time.Duration
	}{
		"half an hour before the maintenance":                     {in: 3 * time.Hour, duration: time.Hour, goesAfter: 2*time.Hour + 30*time.Minute},
		"half an hour before a maintenance without end":           {in: 3 * time.Hour, goesAfter: 2*time.Hour + 30*time.Minute},
		"earlier for a longer drain timeout":                      {in: 3 * time.Hour, timeout: 45 * time.Minute, goesAfter: 2*time.Hour + 13*time.Minute},
		"not before new nodes avoid the agent":                    {in: 3 * time.Hour, timeout: 12 * time.Hour, goesAfter: 2*time.Hour + 5*time.Minute},
		"not later for a shorter drain timeout":                   {in: 3 * time.Hour, timeout: time.Minute, goesAfter: 2*time.Hour + 30*time.Minute},
		"at once when the maintenance begins within half an hour": {in: 10 * time.Minute},
		"at once during the maintenance":                          {in: -time.Minute, duration: time.Hour},
		"never after the maintenance":                             {in: -time.Hour, duration: time.Minute, goesAfter: -1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t)
			if test.timeout > 0 {
				withDrainTimeout(t, s, test.timeout)
			}
			s.makeReady()
			s.planMaintenance(test.in, test.duration)
			if test.goesAfter > 0 {
				s.reconcile()
				if s.last.RequeueAfter != test.goesAfter {
					t.Fatalf("looks again after %s, want %s", s.last.RequeueAfter, test.goesAfter)
				}
				s.reconcileAfter(test.goesAfter - time.Second)
			}
			if s.isBeingDeleted() {
				t.Fatal("it goes too soon")
			}
			s.reconcileAfter(time.Second)
			if s.isBeingDeleted() != (test.goesAfter >= 0) {
				t.Fatalf("it goes: %t", s.isBeingDeleted())
			}
			if test.goesAfter >= 0 {
				s.expectCondition(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMaintenance)
				s.expectEvent(v1alpha1.ReasonMaintenance)
				if len(s.session.killed) > 0 {
					t.Error("killed before it was drained")
				}
			}
		})
	}
}

func TestDrainTimesOutBeforeMaintenance(t *testing.T) {
	for name, test := range map[string]struct {
		in, timeout, over time.Duration
	}{
		"two minutes before the maintenance":                                           {in: 20 * time.Minute, over: 18 * time.Minute},
		"at the drain timeout of the node if it is earlier":                            {in: 20 * time.Minute, timeout: 5 * time.Minute, over: 5 * time.Minute},
		"two minutes before the maintenance if the drain timeout of the node is later": {in: 20 * time.Minute, timeout: time.Hour, over: 18 * time.Minute},
		"after a minute if the maintenance has begun":                                  {in: -time.Second, over: time.Minute},
		"after a minute if the maintenance begins in two minutes":                      {in: 2 * time.Minute, over: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFixture(t, podOn("web"))
			if test.timeout > 0 {
				withDrainTimeout(t, s, test.timeout)
			}
			s.makeReady()
			s.evictions["web"] = errors.New("the budget web forbids it")
			s.planMaintenance(test.in, 0)
			s.reconcile()
			s.reconcile()
			s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining)
			s.reconcileAfter(test.over - time.Second)
			s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining)
			if len(s.session.killed) > 0 {
				t.Fatal("killed too soon")
			}
			s.reconcileAfter(time.Second)
			s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDrainTimedOut)
			if s.session.killed[firstID] != agentID {
				t.Errorf("killed: %v", s.session.killed)
			}
		})
	}
}

func TestNodeOfADrainedAgentIsReplaced(t *testing.T) {
	s := newFixture(t, podOn("web"), podOn("db"))
	s.makeReady()
	s.evictions["db"] = errors.New("the budget db forbids it")
	s.session.WithdrawDemand(firstID) // the session launched it
	draining := func(task *v1alpha1.MesosTask) { task.Reason = "REASON_AGENT_DRAINING" }
	s.setTaskState(scheduler.TaskKilling, draining)
	s.expectEvent(v1alpha1.ReasonAgentDraining)
	if !s.isBeingDeleted() {
		t.Fatal("the pool does not hear of it")
	}
	s.reconcile()
	if !s.kubernetesNode().Spec.Unschedulable {
		t.Error("the Node takes new pods")
	}
	s.expectCondition(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining)
	var pods corev1.PodList
	if err := s.client.List(context.Background(), &pods); err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 || pods.Items[0].Name != "db" {
		t.Errorf("pods that are left: %v", pods.Items)
	}
	if s.kubernetesNode() == nil {
		t.Fatal("the Node was deleted while its task may run")
	}
	s.setTaskState(scheduler.TaskKilled, draining)
	s.reconcile()
	s.expectReleased()
	if len(s.session.demands) > 0 {
		t.Errorf("a task is wanted for a node that goes: %v", s.session.demands)
	}
}

func TestKilledTaskIsRetriedIfItsNodeNeverRegistered(t *testing.T) {
	s := newFixture(t)
	s.reconcile()
	s.setTaskState(scheduler.TaskKilling)
	if s.isBeingDeleted() {
		t.Error("the node was given up")
	}
}

func TestAMaintenanceConcernsTheNodesOfItsAgent(t *testing.T) {
	s := newFixture(t).makeReady()
	news := &v1alpha1.MesosNode{Status: v1alpha1.MesosNodeStatus{Task: &v1alpha1.MesosTask{AgentID: agentID}}}
	if got := s.reconciler.requestsFor(context.Background(), news); len(got) != 1 || got[0].Name != nodeName {
		t.Errorf("it concerns %v", got)
	}
	news.Status.Task.AgentID = "another"
	if got := s.reconciler.requestsFor(context.Background(), news); len(got) != 0 {
		t.Errorf("that of another agent concerns %v", got)
	}
}
