package conformance

import (
	"errors"
	"fmt"
)

var reconciliationChecks = []check{
	{"reconciliation/live", "For a running task, with and without its agent's ID, the master answers TASK_RUNNING without uuid.", []int{18, 19, 20}, onShared(withTask(checkReconcileLive))},
	{"reconciliation/finished", "A task that ended and was acknowledged is TASK_GONE on its agent.", []int{24}, onShared(checkReconcileFinished)},
	{"reconciliation/unknown", "An unknown task is TASK_GONE on a registered agent, TASK_UNKNOWN on an unknown agent and without agent.", []int{24}, onShared(withOffer(checkReconcileUnknown))},
	{"reconciliation/implicit", "Implicit reconciliation returns the running tasks, and no others.", []int{21}, onOwn(checkReconcileImplicit)},
	{"reconciliation/unacknowledged", "While an update is not acknowledged, reconciliation returns its state.", []int{17, 20}, onOwn(checkReconcileUnacknowledged)},
}

// reconcileTask reconciles one task explicitly, and returns the answer.
func (s *schedulerClient) reconcileTask(p *probe, task, agent string) (status, error) {
	from := s.updateCount()
	asked := object{"task_id": idOf(task)}
	if agent != "" {
		asked["agent_id"] = idOf(agent)
	}
	if err := s.accepted(p.ctx, "RECONCILE", object{"reconcile": object{"tasks": []object{asked}}}); err != nil {
		return status{}, err
	}
	st, err := s.status(p, task, from, "the answer to RECONCILE", func(st status) bool { return st.UUID == "" })
	if err == nil && st.Reason != "REASON_RECONCILIATION" {
		err = fmt.Errorf("the answer to RECONCILE is %s", st)
	}
	return st, err
}

func checkReconcileLive(p *probe, f *schedulerClient, task string, o offer) (string, error) {
	if _, err := f.expectReconciled(p, task, o.AgentID.Value, "TASK_RUNNING"); err != nil {
		return "", err
	}
	return f.expectReconciled(p, task, "", "TASK_RUNNING")
}

// expectReconciled reconciles a task, and returns an error if its state is another.
func (s *schedulerClient) expectReconciled(p *probe, task, agent, state string) (string, error) {
	st, err := s.reconcileTask(p, task, agent)
	if err == nil && st.State != state {
		err = fmt.Errorf("reconciled with agent %q the task is %s", agent, st)
	}
	return st.String(), err
}

func checkReconcileFinished(p *probe, f *schedulerClient) (string, error) {
	st, err := f.runToEnd(p, "exit 0", "TASK_FINISHED")
	if err != nil {
		return "", err
	}
	// The master knows of the acknowledgement only after the agent has reported it.
	seen := ""
	return seen, p.poll("waiting for TASK_GONE", func() (bool, error) {
		now, err := f.reconcileTask(p, st.TaskID.Value, st.AgentID.Value)
		seen = now.String()
		if err == nil && now.State != "TASK_GONE" && now.State != st.State {
			err = fmt.Errorf("the finished task is %s", now)
		}
		return now.State == "TASK_GONE", err
	})
}

func checkReconcileUnknown(p *probe, f *schedulerClient, o offer) (string, error) {
	if err := f.decline(p.ctx, declineSeconds, o.ID); err != nil {
		return "", err
	}
	for _, c := range []struct{ agent, state string }{
		{o.AgentID.Value, "TASK_GONE"}, {"k8sm-conformance-no-such-agent", "TASK_UNKNOWN"}, {"", "TASK_UNKNOWN"},
	} {
		if _, err := f.expectReconciled(p, p.name(), c.agent, c.state); err != nil {
			return "", err
		}
	}
	return "", nil
}

func checkReconcileImplicit(p *probe, f *schedulerClient) (string, error) {
	ended, err := f.runToEnd(p, "exit 0", "TASK_FINISHED")
	if err != nil {
		return "", err
	}
	task, _, err := f.runTask(p)
	if err != nil {
		return "", err
	}
	if err := p.poll("waiting for TASK_GONE of the finished task", func() (bool, error) {
		st, err := f.reconcileTask(p, ended.TaskID.Value, ended.AgentID.Value)
		return st.State == "TASK_GONE", err
	}); err != nil {
		return "", err
	}
	from := f.updateCount()
	if err := f.accepted(p.ctx, "RECONCILE", object{"reconcile": object{"tasks": []object{}}}); err != nil {
		return "", err
	}
	if _, err := f.status(p, task, from, "the task that runs", func(st status) bool { return st.Reason == "REASON_RECONCILIATION" }); err != nil {
		return "", err
	}
	return "", expectNone(p, f, "another task", func() (string, bool) {
		for _, st := range f.updates[from:] {
			if st.TaskID.Value != task {
				return st.TaskID.Value + " " + st.String(), true
			}
		}
		return "", false
	})
}

func checkReconcileUnacknowledged(p *probe, f *schedulerClient) (string, error) {
	task, first, err := f.unacknowledged(p)
	if err != nil {
		return "", err
	}
	if first.State == "TASK_RUNNING" {
		return "", skipf("this agent's first update is TASK_RUNNING")
	}
	st, err := f.reconcileTask(p, task, first.AgentID.Value)
	if err == nil && st.State != first.State {
		err = errors.New("the answer is " + st.String())
	}
	return st.String(), err
}
