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

// plan has the agent's maintenance begin after a while.
func (s *story) plan(in, duration time.Duration) {
	s.windows = map[string]scheduler.Window{agentID: {Start: s.now.Add(in), Duration: duration}}
}

func (s *story) going() bool { return s.node() == nil || !s.node().DeletionTimestamp.IsZero() }

func TestANodeLeavesItsAgentBeforeTheMaintenance(t *testing.T) {
	for name, test := range map[string]struct {
		in, duration, timeout time.Duration
		goesAfter             time.Duration
	}{
		"half an hour before":                        {in: 3 * time.Hour, duration: time.Hour, goesAfter: 2*time.Hour + 30*time.Minute},
		"for a window without end":                   {in: 3 * time.Hour, goesAfter: 2*time.Hour + 30*time.Minute},
		"sooner if its drain may take longer":        {in: 3 * time.Hour, timeout: 45 * time.Minute, goesAfter: 2*time.Hour + 13*time.Minute},
		"but not before its agent is left out":       {in: 3 * time.Hour, timeout: 12 * time.Hour, goesAfter: 2*time.Hour + 5*time.Minute},
		"no later for a drain that is over soon":     {in: 3 * time.Hour, timeout: time.Minute, goesAfter: 2*time.Hour + 30*time.Minute},
		"at once when the maintenance begins sooner": {in: 10 * time.Minute},
		"at once when the window has begun":          {in: -time.Minute, duration: time.Hour},
		"never for a window that has passed":         {in: -time.Hour, duration: time.Minute, goesAfter: -1},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t)
			if test.timeout > 0 {
				withDrainTimeout(t, s, test.timeout)
			}
			s.running()
			s.plan(test.in, test.duration)
			if test.goesAfter > 0 {
				s.look()
				if s.last.RequeueAfter != test.goesAfter {
					t.Fatalf("looks again after %s, want %s", s.last.RequeueAfter, test.goesAfter)
				}
				s.after(test.goesAfter - time.Second)
			}
			if s.going() {
				t.Fatal("it goes too soon")
			}
			s.after(time.Second)
			if s.going() != (test.goesAfter >= 0) {
				t.Fatalf("it goes: %t", s.going())
			}
			if test.goesAfter >= 0 {
				s.is(v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonMaintenance)
				s.told(v1alpha1.ReasonMaintenance)
				if len(s.session.killed) > 0 {
					t.Error("killed before it was drained")
				}
			}
		})
	}
}

func TestADrainEndsBeforeTheMaintenance(t *testing.T) {
	for name, test := range map[string]struct {
		in, timeout, over time.Duration
	}{
		"two minutes before":                   {in: 20 * time.Minute, over: 18 * time.Minute},
		"sooner where the node's own time is":  {in: 20 * time.Minute, timeout: 5 * time.Minute, over: 5 * time.Minute},
		"not before the node's own time":       {in: 20 * time.Minute, timeout: time.Hour, over: 18 * time.Minute},
		"after a minute, though it has begun":  {in: -time.Second, over: time.Minute},
		"after a minute, though it is as near": {in: 2 * time.Minute, over: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			s := begin(t, podOn("web"))
			if test.timeout > 0 {
				withDrainTimeout(t, s, test.timeout)
			}
			s.running()
			s.evictions["web"] = errors.New("the budget web says no")
			s.plan(test.in, 0)
			s.look()
			s.look()
			s.is(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining)
			s.after(test.over - time.Second)
			s.is(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining)
			if len(s.session.killed) > 0 {
				t.Fatal("killed too soon")
			}
			s.after(time.Second)
			s.is(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDrainTimedOut)
			if s.session.killed[firstID] != agentID {
				t.Errorf("killed: %v", s.session.killed)
			}
		})
	}
}

func TestANodeOfADrainedAgentIsReplaced(t *testing.T) {
	s := begin(t, podOn("web"), podOn("db"))
	s.running()
	s.evictions["db"] = errors.New("the budget db says no")
	s.session.WithdrawDemand(firstID) // the session launched it
	draining := func(task *v1alpha1.MesosTask) { task.Reason = "REASON_AGENT_DRAINING" }
	s.mesos(scheduler.TaskKilling, draining)
	s.told(v1alpha1.ReasonAgentDraining)
	if !s.going() {
		t.Fatal("the pool does not hear of it")
	}
	s.look()
	if !s.object().Spec.Unschedulable {
		t.Error("the Node takes new pods")
	}
	s.is(v1alpha1.ConditionDrained, metav1.ConditionFalse, v1alpha1.ReasonDraining)
	var pods corev1.PodList
	if err := s.client.List(context.Background(), &pods); err != nil {
		t.Fatal(err)
	}
	if len(pods.Items) != 1 || pods.Items[0].Name != "db" {
		t.Errorf("pods that are left: %v", pods.Items)
	}
	if s.object() == nil {
		t.Fatal("the Node was deleted while its task may run")
	}
	s.mesos(scheduler.TaskKilled, draining)
	s.look()
	s.gone()
	if len(s.session.wanted) > 0 {
		t.Errorf("a task is wanted for a node that goes: %v", s.session.wanted)
	}
}

func TestATaskThatEndsBeforeItRegisteredIsTriedAgainThoughItWasKilled(t *testing.T) {
	s := begin(t)
	s.look()
	s.mesos(scheduler.TaskKilling)
	if s.going() {
		t.Error("the node was given up")
	}
}

func TestAMaintenanceConcernsTheNodesOfItsAgent(t *testing.T) {
	s := begin(t).running()
	news := &v1alpha1.MesosNode{Status: v1alpha1.MesosNodeStatus{Task: &v1alpha1.MesosTask{AgentID: agentID}}}
	if got := s.reconciler.requestsFor(context.Background(), news); len(got) != 1 || got[0].Name != nodeName {
		t.Errorf("it concerns %v", got)
	}
	news.Status.Task.AgentID = "another"
	if got := s.reconciler.requestsFor(context.Background(), news); len(got) != 0 {
		t.Errorf("that of another agent concerns %v", got)
	}
}
