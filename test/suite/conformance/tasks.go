package conformance

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

var taskChecks = []check{
	{"tasks/launch", "A launched task becomes TASK_RUNNING with an update that has a uuid and the agent's ID.", []int{17}, onShared(withTask(checkLaunch))},
	{"tasks/repetition", "An unacknowledged update is sent again with the same uuid, and later ones wait for its ACKNOWLEDGE.", []int{17}, onOwn(checkRepetition)},
	{"tasks/after-failover", "An unacknowledged update is sent again to the next scheduler that subscribes.", []int{17, 19}, onOwn(checkUnacknowledgedAfterwards)},
	{"tasks/finish", "A command that exits with 0 is TASK_FINISHED, and with 3 TASK_FAILED with the status in its message.", []int{27}, onShared(checkFinish)},
	{"tasks/kill", "KILL ends a task with TASK_KILLED.", []int{30}, onShared(withTask(checkKill))},
	{"tasks/kill-policy", "A task that ignores SIGTERM is killed when the grace period of its kill policy has passed, and not before.", []int{30}, onShared(withOffer(checkKillPolicy))},
	{"tasks/freed", "The resources of an ended task are offered again.", []int{32}, onOwn(withTask(checkFreed))},
}

func checkLaunch(p *probe, f *schedulerClient, task string, o offer) (string, error) {
	st, err := f.awaitState(p, task, "TASK_RUNNING")
	switch {
	case err != nil:
		return "", err
	case st.UUID == "":
		return "", fmt.Errorf("the update is %s", st)
	case st.AgentID == nil || *st.AgentID != o.AgentID:
		return "", errors.New("the update has no or another agent's ID")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var states []string
	for _, st := range f.updates {
		if st.TaskID.Value == task {
			states = append(states, st.State)
		}
	}
	return strings.Join(states, ", ") + " on " + o.Hostname, nil
}

// unacknowledged launches a task and does not acknowledge its first update.
func (s *schedulerClient) unacknowledged(p *probe) (task string, first status, err error) {
	o, err := s.anyOffer(p, 1)
	if err != nil {
		return "", first, err
	}
	s.update(func() { s.holdAcks = true })
	task, info := s.taskOn(o, sleeper)
	if err := s.launch(p, info, o.ID); err != nil {
		return "", first, err
	}
	first, err = s.status(p, task, 0, "the first update", func(st status) bool { return st.UUID != "" })
	return task, first, err
}

func checkRepetition(p *probe, f *schedulerClient) (string, error) {
	task, first, err := f.unacknowledged(p)
	if err != nil {
		return "", err
	}
	from := f.updateCount()
	again, err := f.status(p, task, from, "the same update again", func(st status) bool { return st.UUID != "" })
	switch {
	case err != nil:
		return "", err
	case again.UUID != first.UUID:
		return "", fmt.Errorf("%s came while %s was not acknowledged", again, first)
	}
	f.update(func() { f.holdAcks = false })
	from = f.updateCount()
	if err := f.acknowledge(p.ctx, first); err != nil {
		return "", err
	}
	if first.State == "TASK_RUNNING" {
		return "", nil
	}
	_, err = f.status(p, task, from, "the next update", func(st status) bool { return st.UUID != "" && st.UUID != first.UUID })
	return first.State + " came twice", err
}

func checkUnacknowledgedAfterwards(p *probe, f *schedulerClient) (string, error) {
	task, first, err := f.unacknowledged(p)
	if err != nil {
		return "", err
	}
	g, err := f.resubscribe(p, frameworkSpec{suppressed: true})
	if err != nil {
		return "", err
	}
	again, err := g.status(p, task, 0, "the update", func(st status) bool { return st.UUID == first.UUID })
	return again.State, err
}

// runToEnd runs a command and waits for one of the states.
func (s *schedulerClient) runToEnd(p *probe, command string, states ...string) (status, error) {
	o, err := s.anyOffer(p, 1)
	if err != nil {
		return status{}, err
	}
	task, info := s.taskOn(o, command)
	if err := s.launch(p, info, o.ID); err != nil {
		return status{}, err
	}
	return s.awaitState(p, task, states...)
}

func checkFinish(p *probe, f *schedulerClient) (string, error) {
	if _, err := f.runToEnd(p, "exit 0", "TASK_FINISHED"); err != nil {
		return "", err
	}
	st, err := f.runToEnd(p, "exit 3", "TASK_FAILED")
	if err == nil && !strings.Contains(st.Message, "status 3") {
		err = fmt.Errorf("the message is %q", st.Message)
	}
	return st.Message, err
}

func checkKill(p *probe, f *schedulerClient, task string, o offer) (string, error) {
	if err := f.kill(p.ctx, task, o.AgentID.Value); err != nil {
		return "", err
	}
	st, err := f.awaitState(p, task, "TASK_KILLED")
	if err == nil && st.UUID == "" {
		err = fmt.Errorf("the task is %s", st)
	}
	return st.String(), err
}

func checkKillPolicy(p *probe, f *schedulerClient, o offer) (string, error) {
	task, info := f.taskOn(o, `trap "" TERM; while :; do sleep 1; done`)
	const grace = time.Second
	info["kill_policy"] = object{"grace_period": object{"nanoseconds": grace.Nanoseconds()}}
	if err := f.launch(p, info, o.ID); err != nil {
		return "", err
	}
	if _, err := f.awaitState(p, task, "TASK_RUNNING"); err != nil {
		return "", err
	}
	// The task runs, but the shell may not have set its trap yet.
	if err := p.sleep(time.Second); err != nil {
		return "", err
	}
	start := time.Now()
	if err := f.kill(p.ctx, task, o.AgentID.Value); err != nil {
		return "", err
	}
	st, err := f.awaitState(p, task, "TASK_KILLED")
	took := time.Since(start)
	if err == nil && took < grace {
		err = fmt.Errorf("it was killed after %s, with a grace period of %s", took, grace)
	}
	return fmt.Sprintf("killed after %.1f s, with a grace period of %s: %s", took.Seconds(), grace, st), err
}

// checkFreed kills a task. The rest of its offer was declined with a long filter, so only
// what the task frees can be offered.
func checkFreed(p *probe, f *schedulerClient, task string, o offer) (string, error) {
	freed := f.offeredSince(o.AgentID, acceptAny)
	if err := f.kill(p.ctx, task, o.AgentID.Value); err != nil {
		return "", err
	}
	if _, err := f.awaitState(p, task, "TASK_KILLED"); err != nil {
		return "", err
	}
	_, err := await(p.ctx, f, p.Patience, "an offer of "+o.Hostname, freed)
	return o.Hostname, err
}
