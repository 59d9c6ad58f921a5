package conformance

import "fmt"

var refusalChecks = []check{
	{"refusals/too-much", "A task with more resources than the offer is TASK_ERROR, REASON_TASK_INVALID, without uuid.", []int{18, 26}, checkTooMuch},
	{"refusals/bad-id", "A task ID with a slash is TASK_ERROR.", []int{29}, checkBadID},
	{"refusals/duplicate-id", "A task with the ID of a running task is TASK_ERROR, and the running task is not affected.", []int{29}, onOwn(withTask(checkDuplicateID))},
	{"refusals/wrong-agent", "A task for another agent than the offer's is TASK_ERROR.", []int{26}, checkWrongAgent},
	{"refusals/kill-unknown", "KILL of an unknown task is answered like its reconciliation.", []int{24, 30}, onShared(withOffer(checkKillUnknown))},
}

// expectTaskError launches a task after change, and returns an error unless it becomes
// TASK_ERROR.
func (p *probe) expectTaskError(change func(task object)) (string, error) {
	f, err := p.shared()
	if err != nil {
		return "", err
	}
	o, err := f.anyOffer(p, 1)
	if err != nil {
		return "", err
	}
	_, info := f.taskOn(o, sleeper)
	change(info)
	if err := f.launch(p, info, o.ID); err != nil {
		return "", err
	}
	st, err := f.awaitState(p, info["task_id"].(object)["value"].(string), "TASK_ERROR")
	switch {
	case err != nil:
		return "", err
	case st.UUID != "" || st.Reason != "REASON_TASK_INVALID":
		return "", fmt.Errorf("the task is %s", st)
	}
	return st.Message, nil
}

func checkTooMuch(p *probe) (string, error) {
	return p.expectTaskError(func(task object) {
		resources := task["resources"].([]resource)
		resources[0] = resources[0].part(1e6)
	})
}

func checkBadID(p *probe) (string, error) {
	return p.expectTaskError(func(task object) { task["task_id"] = idOf(p.name() + "/slash") })
}

func checkWrongAgent(p *probe) (string, error) {
	return p.expectTaskError(func(task object) { task["agent_id"] = id{"k8sm-conformance-no-such-agent"} })
}

// checkDuplicateID has a framework of its own: TASK_ERROR has the ID of the running task,
// which afterwards counts as ended in the client.
func checkDuplicateID(p *probe, f *schedulerClient, task string, _ offer) (string, error) {
	o, err := f.anyOffer(p, 1)
	if err != nil {
		return "", err
	}
	_, info := f.taskOn(o, sleeper)
	info["task_id"] = idOf(task)
	if err := f.launch(p, info, o.ID); err != nil {
		return "", err
	}
	st, err := f.awaitState(p, task, "TASK_ERROR")
	if err != nil {
		return "", err
	}
	now, err := f.reconcileTask(p, task, "")
	if err == nil && now.State != "TASK_RUNNING" {
		err = fmt.Errorf("the task that ran is %s", now)
	}
	return st.Message, err
}

func checkKillUnknown(p *probe, f *schedulerClient, o offer) (string, error) {
	if err := f.decline(p.ctx, declineSeconds, o.ID); err != nil {
		return "", err
	}
	task := p.name()
	if err := f.kill(p.ctx, task, o.AgentID.Value); err != nil {
		return "", err
	}
	st, err := f.status(p, task, 0, "an answer", func(status) bool { return true })
	if err == nil && (st.State != "TASK_GONE" || st.UUID != "") {
		err = fmt.Errorf("the answer is %s", st)
	}
	return st.String(), err
}
