package conformance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

var identityChecks = []check{
	{"identity/resubscribe", "A SUBSCRIBE with the framework's ID keeps the ID and the running tasks.", []int{9, 12}, onOwn(withTask(checkResubscribe))},
	{"identity/failover", "A second scheduler with the same ID takes over: the first one gets ERROR \"Framework failed over\" and its stream ends; its calls are answered 400.", []int{4, 12}, onOwn(checkFailover)},
	{"identity/removed", "A framework that was torn down gets ERROR \"Framework has been removed\" on a stream answered 200.", []int{13}, onOwn(checkRemoved)},
	{"identity/teardown", "TEARDOWN ends the stream and the framework's tasks.", []int{14}, onOwn(withTask(checkTeardown))},
	{"identity/adopted", "A framework ID that the master does not know is accepted unchanged.", []int{11}, checkAdopted},
	{"identity/failover-timeout", "With a failover_timeout of 0 a disconnection removes the framework.", []int{14}, checkFailoverTimeout},
	{"identity/kept-values", "Another user or checkpoint in a SUBSCRIBE is ignored, and GET_FRAMEWORKS returns the values that the master keeps.", []int{15}, onOwn(checkKeptValues)},
}

func checkResubscribe(p *probe, f *schedulerClient, task string, o offer) (string, error) {
	if err := f.disconnect(p); err != nil {
		return "", err
	}
	g, err := f.resubscribe(p, frameworkSpec{suppressed: true})
	if err != nil {
		return "", err
	}
	if g.frameworkID != f.frameworkID {
		return "", fmt.Errorf("the ID was %s, and is %s", f.frameworkID, g.frameworkID)
	}
	st, err := g.reconcileTask(p, task, o.AgentID.Value)
	if err == nil && st.State != "TASK_RUNNING" {
		err = fmt.Errorf("the task is %s", st)
	}
	return "", err
}

func checkFailover(p *probe, f *schedulerClient) (string, error) {
	g, err := f.resubscribe(p, frameworkSpec{suppressed: true})
	if err != nil {
		return "", err
	}
	if err := f.awaitEnd(p); err != nil {
		return "", err
	}
	if f.errorMessage != "Framework failed over" {
		return "", fmt.Errorf("the first scheduler's ERROR is %q", f.errorMessage)
	}
	a, err := f.call(p.ctx, "SUPPRESS", nil)
	seen, err := expectAnswer(a, err, http.StatusBadRequest, "stream ID")
	if err != nil {
		return "", err
	}
	return seen, g.expectUsable(p)
}

func checkRemoved(p *probe, f *schedulerClient) (string, error) {
	if err := f.accepted(p.ctx, "TEARDOWN", nil); err != nil {
		return "", err
	}
	f.forget()
	return p.expectSubscribeError(frameworkSpec{id: f.frameworkID, suppressed: true}, "Framework has been removed")
}

func checkTeardown(p *probe, f *schedulerClient, task string, _ offer) (string, error) {
	if err := f.accepted(p.ctx, "TEARDOWN", nil); err != nil {
		return "", err
	}
	if err := f.awaitEnd(p); err != nil {
		return "", err
	}
	f.forget()
	return "", p.poll("waiting for the master to list the task no more among the active ones", func() (bool, error) {
		states, err := p.activeTasks()
		_, active := states[task]
		return err == nil && !active, err
	})
}

// activeTasks returns the states, by ID, of the active tasks that this principal may view.
func (p *probe) activeTasks() (map[string]string, error) {
	body, err := p.operatorRead(object{"type": "GET_TASKS"})
	if err != nil {
		return nil, err
	}
	var got struct {
		GetTasks struct {
			Tasks []status `json:"tasks"`
		} `json:"get_tasks"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return nil, fmt.Errorf("reading GET_TASKS: %w", err)
	}
	states := map[string]string{}
	for _, t := range got.GetTasks.Tasks {
		states[t.TaskID.Value] = t.State
	}
	return states, nil
}

func checkAdopted(p *probe) (string, error) {
	id := "k8sm-conformance-" + uuid()
	f, err := p.framework(frameworkSpec{id: id, suppressed: true})
	if err != nil {
		return "", err
	}
	if f.frameworkID != id {
		return "", fmt.Errorf("it became %s", f.frameworkID)
	}
	return "", nil
}

func checkFailoverTimeout(p *probe) (string, error) {
	f, err := p.framework(frameworkSpec{suppressed: true, failover: new(float64)})
	if err != nil {
		return "", err
	}
	f.close()
	err = p.poll("waiting for the removal of the framework", func() (bool, error) {
		a, err := f.call(p.ctx, "SUPPRESS", nil)
		return err == nil && a.status == http.StatusBadRequest && strings.Contains(string(a.body), "Framework cannot be found"), err
	})
	if err == nil {
		f.forget()
	}
	return "", err
}

func checkKeptValues(p *probe, f *schedulerClient) (string, error) {
	if _, err := f.resubscribe(p, frameworkSpec{suppressed: true, user: "k8sm-conformance", noCheckpoint: true}); err != nil {
		return "", err
	}
	body, err := p.operatorRead(object{"type": "GET_FRAMEWORKS"})
	if err != nil {
		return "", err
	}
	var got struct {
		GetFrameworks struct {
			Frameworks []struct {
				Info struct {
					ID         id     `json:"id"`
					User       string `json:"user"`
					Checkpoint bool   `json:"checkpoint"`
				} `json:"framework_info"`
			} `json:"frameworks"`
		} `json:"get_frameworks"`
	}
	if err := json.Unmarshal(body, &got); err != nil {
		return "", fmt.Errorf("reading GET_FRAMEWORKS: %w", err)
	}
	for _, g := range got.GetFrameworks.Frameworks {
		if g.Info.ID.Value != f.frameworkID {
			continue
		}
		if g.Info.User != p.User || !g.Info.Checkpoint {
			return "", fmt.Errorf("the master has user %q and checkpoint %t", g.Info.User, g.Info.Checkpoint)
		}
		return "user " + g.Info.User, nil
	}
	return "", skipf("GET_FRAMEWORKS does not show us our own framework: no right to view frameworks?")
}

// operatorRead makes a reading call of the leading master's operator API, and returns the
// body of the answer.
func (p *probe) operatorRead(call object) ([]byte, error) {
	leader, _, err := p.transport.leader(p.ctx, p.masters)
	if err != nil {
		return nil, err
	}
	a, err := p.transport.ask(p.ctx, request{to: leader.JoinPath(operatorPath), body: call})
	switch {
	case err != nil:
		return nil, err
	case a.status == http.StatusForbidden || a.status == http.StatusUnauthorized:
		return nil, skipf("the operator API answers %s", a)
	case a.status != http.StatusOK:
		return nil, fmt.Errorf("%s was answered %s", call["type"], a)
	}
	return a.body, nil
}
