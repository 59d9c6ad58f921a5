package conformance

import (
	_ "embed"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

var executorChecks = []check{
	{"executors/environment", "An executor finds the variables by which it reaches its agent and knows who it is.", []int{41, 42}, onShared(checkEnvironment)},
	{"executors/exit", "An executor that exits without having subscribed fails its task, and a FAILURE event tells its raw wait status.", []int{27, 39, 42}, onShared(checkExecutorExit)},
	{"executors/missing-file", "A URI that cannot be fetched fails the task, with a reason.", []int{27, 42}, onShared(checkMissingFile)},
	{"executors/life", "An executor subscribes, gets LAUNCH with the task's data, tells TASK_RUNNING, gets KILL, tells TASK_KILLED, and ends.", []int{30, 42}, onShared(checkExecutorLife)},
	{"executors/kill-policy", "The kill policy of a KILL reaches the executor.", []int{30, 43}, onShared(checkExecutorKillPolicy)},
	{"executors/kill-before-subscription", "KILL ends a task whose executor has not subscribed yet.", []int{30}, onShared(checkKillBeforeSubscription)},
	{"executors/shutdown", "SHUTDOWN ends an executor, and its task with it.", []int{30}, onShared(checkShutdown)},
	{"executors/strangers", "An agent answers an executor that it does not know with 4xx.", []int{41}, checkStrangers},
}

// variables are what mesos/executor reads.
var variables = []string{
	"MESOS_FRAMEWORK_ID", "MESOS_EXECUTOR_ID", "MESOS_AGENT_ENDPOINT", "MESOS_SLAVE_ID", "MESOS_DIRECTORY", "MESOS_SANDBOX",
	"MESOS_CHECKPOINT", "MESOS_RECOVERY_TIMEOUT", "MESOS_SUBSCRIPTION_BACKOFF_MAX", "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD",
}

const (
	allThere     = 40 // exit code of an executor that found all variables
	firstMissing = 50 // and of one that missed the first; the second gives the next
)

// executed launches a task with a custom executor that is a shell command.
func (s *schedulerClient) executed(p *probe, command string, change func(task object)) (task string, o offer, err error) {
	if o, err = s.anyOffer(p, 2); err != nil {
		return "", o, err
	}
	task, info := s.taskOn(o, command)
	info = s.withExecutor(o, info)
	if change != nil {
		change(info)
	}
	return task, o, s.launch(p, info, o.ID)
}

// exited runs an executor that exits by itself, and gives the FAILURE that tells of it.
func (s *schedulerClient) exited(p *probe, command string) (st status, exit int, err error) {
	task, _, err := s.executed(p, command, nil)
	if err != nil {
		return st, 0, err
	}
	if st, err = s.reached(p, task, "TASK_FAILED"); err != nil {
		return st, 0, err
	}
	f, err := s.failed(p, task)
	return st, f.exit(), err
}

func (s *schedulerClient) failed(p *probe, executor string) (failure, error) {
	return await(p.ctx, s, p.Patience, "the FAILURE event of the executor", func() (failure, bool) {
		i := slices.IndexFunc(s.failures, func(f failure) bool { return f.ExecutorID != nil && f.ExecutorID.Value == executor })
		if i < 0 {
			return failure{}, false
		}
		return s.failures[i], true
	})
}

func checkEnvironment(p *probe, f *schedulerClient) (string, error) {
	var script strings.Builder
	for i, v := range variables {
		fmt.Fprintf(&script, "[ -n \"$%s\" ] || exit %d\n", v, firstMissing+i)
	}
	fmt.Fprintf(&script, "exit %d", allThere)
	_, exit, err := f.exited(p, script.String())
	switch i := exit - firstMissing; {
	case err != nil:
		return "", err
	case exit == allThere:
		return strings.Join(variables, ", "), nil
	case i >= 0 && i < len(variables):
		return "", fmt.Errorf("%s is missing", variables[i])
	}
	return "", fmt.Errorf("the shell that looked for them exited with %d", exit)
}

func checkExecutorExit(p *probe, f *schedulerClient) (string, error) {
	st, exit, err := f.exited(p, "exit 3")
	switch {
	case err != nil:
		return "", err
	case exit != 3:
		return "", fmt.Errorf("the FAILURE tells %d, not 3", exit)
	case st.Reason != "REASON_EXECUTOR_TERMINATED":
		return "", fmt.Errorf("the task is %s", st)
	}
	return st.String(), nil
}

func checkMissingFile(p *probe, f *schedulerClient) (string, error) {
	task, _, err := f.executed(p, sleeper, func(task object) {
		command := task["executor"].(object)["command"].(object)
		command["uris"] = []object{{"value": "file:///k8sm-conformance/no-such-file"}}
	})
	if err != nil {
		return "", err
	}
	st, err := f.reached(p, task, "TASK_FAILED")
	if err == nil && st.Reason == "" {
		err = fmt.Errorf("the task is %s", st)
	}
	return st.String(), err
}

//go:embed executor.sh
var shellExecutor string

// excuses are exit codes by which the shell executor says that it cannot work there.
var excuses = map[int]string{
	41: "the agent has no bash",
	42: "the agent's bash cannot open connections",
	43: "the agent speaks TLS with its executors",
	44: "the agent has no head, base64 or /dev/urandom",
}

// subscribedExecutor launches a task on the shell executor, and waits until it runs.
func (s *schedulerClient) subscribedExecutor(p *probe, change func(task object)) (task string, o offer, running status, err error) {
	if p.noShell != "" {
		return "", o, running, skipped(p.noShell)
	}
	if task, o, err = s.executed(p, shellExecutor, change); err != nil {
		return "", o, running, err
	}
	running, err = s.reached(p, task, "TASK_RUNNING")
	if err == nil || running.State != "TASK_FAILED" {
		return task, o, running, err
	}
	if f, failedErr := s.failed(p, task); failedErr == nil {
		p.noShell = excuses[f.exit()]
		err = fmt.Errorf("%w; the executor exited with %d", err, f.exit())
	}
	if p.noShell != "" {
		err = skipped(p.noShell)
	}
	return task, o, running, err
}

func checkExecutorLife(p *probe, f *schedulerClient) (string, error) {
	data := base64.StdEncoding.EncodeToString([]byte(p.name()))
	task, o, running, err := f.subscribedExecutor(p, func(task object) { task["data"] = data })
	switch {
	case err != nil:
		return "", err
	case !strings.Contains(running.Message, data):
		return "", fmt.Errorf("LAUNCH does not hold the task's data: %.300s", running.Message)
	}
	if err := f.kill(p.ctx, task, o.AgentID.Value); err != nil {
		return "", err
	}
	if _, err := f.reached(p, task, "TASK_KILLED"); err != nil {
		return "", err
	}
	failure, err := f.failed(p, task)
	if err == nil && failure.exit() != 0 {
		err = fmt.Errorf("the executor exited with %d instead of 0: TASK_KILLED was not ACKNOWLEDGED", failure.exit())
	}
	return o.Hostname, err
}

func checkExecutorKillPolicy(p *probe, f *schedulerClient) (string, error) {
	task, o, _, err := f.subscribedExecutor(p, nil)
	if err != nil {
		return "", err
	}
	const grace = 7_654_321_000
	err = f.accepted(p.ctx, "KILL", object{"kill": object{
		"task_id": idOf(task), "agent_id": o.AgentID, "kill_policy": object{"grace_period": object{"nanoseconds": grace}},
	}})
	if err != nil {
		return "", err
	}
	st, err := f.reached(p, task, "TASK_KILLED")
	if err == nil && !strings.Contains(st.Message, fmt.Sprint(grace)) {
		err = fmt.Errorf("the executor got %s", st.Message)
	}
	return st.Message, err
}

func checkKillBeforeSubscription(p *probe, f *schedulerClient) (string, error) {
	task, o, err := f.executed(p, sleeper, nil)
	if err != nil {
		return "", err
	}
	if err := f.kill(p.ctx, task, o.AgentID.Value); err != nil {
		return "", err
	}
	st, err := f.reached(p, task, "TASK_KILLED")
	return st.String(), err
}

func checkShutdown(p *probe, f *schedulerClient) (string, error) {
	task, o, _, err := f.subscribedExecutor(p, nil)
	if err != nil {
		return "", err
	}
	if err := f.accepted(p.ctx, "SHUTDOWN", object{"shutdown": object{"executor_id": idOf(task), "agent_id": o.AgentID}}); err != nil {
		return "", err
	}
	st, err := f.reached(p, task, "TASK_FAILED")
	if err == nil && st.Reason != "REASON_EXECUTOR_TERMINATED" {
		err = fmt.Errorf("the task is %s", st)
	}
	return st.String(), err
}

// checkStrangers calls as an executor that never was: nothing can come of it.
func checkStrangers(p *probe) (string, error) {
	agent, err := p.reachableAgent()
	if err != nil {
		return "", err
	}
	a, err := p.transport.ask(p.ctx, request{to: agent.JoinPath(executorPath), body: object{
		"type": "SUBSCRIBE", "subscribe": object{}, "framework_id": idOf(p.name()), "executor_id": idOf(p.name()),
	}})
	switch {
	case err != nil:
		return "", err
	case a.status/100 != 4 && a.status != http.StatusServiceUnavailable:
		return "", fmt.Errorf("it was answered %s", a)
	}
	return a.String(), nil
}
