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
	{"executors/environment", "An executor has the environment variables with its agent's address and its own IDs.", []int{41, 42}, onShared(checkEnvironment)},
	{"executors/exit", "An executor that exits without having subscribed fails its task, and a FAILURE event contains its raw wait status.", []int{27, 39, 42}, onShared(checkExecutorExit)},
	{"executors/missing-file", "A URI that cannot be fetched fails the task, with a reason.", []int{27, 42}, onShared(checkMissingFile)},
	{"executors/output-file", "A URI with an output file is fetched under that name, and can be executed.", []int{42}, onShared(checkOutputFile)},
	{"executors/lifecycle", "An executor subscribes, gets LAUNCH with the task's data, sends TASK_RUNNING, gets KILL, sends TASK_KILLED, and ends.", []int{30, 42}, onShared(checkExecutorLife)},
	{"executors/kill-policy", "The kill policy of a KILL reaches the executor.", []int{30, 43}, onShared(checkExecutorKillPolicy)},
	{"executors/kill-before-subscription", "KILL ends a task whose executor has not subscribed yet.", []int{30}, onShared(checkKillBeforeSubscription)},
	{"executors/shutdown", "SHUTDOWN ends an executor, and its task with it.", []int{30}, onShared(checkShutdown)},
	{"executors/unknown", "An agent answers an executor that it does not know with 4xx.", []int{41}, checkUnknownExecutor},
}

// variables are the environment variables that mesos/executor reads.
var variables = []string{
	"MESOS_FRAMEWORK_ID", "MESOS_EXECUTOR_ID", "MESOS_AGENT_ENDPOINT", "MESOS_SLAVE_ID", "MESOS_DIRECTORY", "MESOS_SANDBOX",
	"MESOS_CHECKPOINT", "MESOS_RECOVERY_TIMEOUT", "MESOS_SUBSCRIPTION_BACKOFF_MAX", "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD",
}

const (
	exitAllPresent   = 40 // exit code of an executor that found all variables
	exitFirstMissing = 50 // exit code if the first variable is missing; the next code is for the second
)

// launchExecutor launches a task whose custom executor is a shell command.
func (s *schedulerClient) launchExecutor(p *probe, command string, change func(task object)) (task string, o offer, err error) {
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

// runExitingExecutor runs an executor that exits by itself. It returns the last status of
// its task, and the exit code in its FAILURE event.
func (s *schedulerClient) runExitingExecutor(p *probe, command string) (st status, exit int, err error) {
	task, _, err := s.launchExecutor(p, command, nil)
	if err != nil {
		return st, 0, err
	}
	if st, err = s.awaitState(p, task, "TASK_FAILED"); err != nil {
		return st, 0, err
	}
	f, err := s.awaitFailure(p, task)
	return st, f.exit(), err
}

func (s *schedulerClient) awaitFailure(p *probe, executor string) (failure, error) {
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
		fmt.Fprintf(&script, "[ -n \"$%s\" ] || exit %d\n", v, exitFirstMissing+i)
	}
	fmt.Fprintf(&script, "exit %d", exitAllPresent)
	_, exit, err := f.runExitingExecutor(p, script.String())
	switch i := exit - exitFirstMissing; {
	case err != nil:
		return "", err
	case exit == exitAllPresent:
		return strings.Join(variables, ", "), nil
	case i >= 0 && i < len(variables):
		return "", fmt.Errorf("%s is missing", variables[i])
	}
	return "", fmt.Errorf("the shell that looked for them exited with %d", exit)
}

func checkExecutorExit(p *probe, f *schedulerClient) (string, error) {
	st, exit, err := f.runExitingExecutor(p, "exit 3")
	switch {
	case err != nil:
		return "", err
	case exit != 3:
		return "", fmt.Errorf("the FAILURE event has exit code %d, not 3", exit)
	case st.Reason != "REASON_EXECUTOR_TERMINATED":
		return "", fmt.Errorf("the task is %s", st)
	}
	return st.String(), nil
}

func checkMissingFile(p *probe, f *schedulerClient) (string, error) {
	task, _, err := f.launchExecutor(p, sleeper, func(task object) {
		command := task["executor"].(object)["command"].(object)
		command["uris"] = []object{{"value": "file:///k8sm-conformance/no-such-file"}}
	})
	if err != nil {
		return "", err
	}
	st, err := f.awaitState(p, task, "TASK_FAILED")
	if err == nil && st.Reason == "" {
		err = fmt.Errorf("the task is %s", st)
	}
	return st.String(), err
}

// checkOutputFile fetches a file that each agent has. The executors of a runtime for several
// architectures may have one name in their URIs.
func checkOutputFile(p *probe, f *schedulerClient) (string, error) {
	const file = "k8sm-conformance-sh"
	task, _, err := f.launchExecutor(p, fmt.Sprintf("[ -x ./%s ] && exit %d; exit %d", file, exitAllPresent, exitFirstMissing), func(task object) {
		command := task["executor"].(object)["command"].(object)
		command["uris"] = []object{{"value": "file:///bin/sh", "executable": true, "extract": false, "output_file": file}}
	})
	if err != nil {
		return "", err
	}
	if _, err := f.awaitState(p, task, "TASK_FAILED"); err != nil {
		return "", err
	}
	failure, err := f.awaitFailure(p, task)
	if err == nil && failure.exit() != exitAllPresent {
		err = fmt.Errorf("the sandbox has no executable file of that name: the shell that looked for it exited with %d", failure.exit())
	}
	return file, err
}

//go:embed executor.sh
var shellExecutor string

// unsupportedExits are the exit codes of the shell executor on agents where it cannot work.
var unsupportedExits = map[int]string{
	41: "the agent has no bash",
	42: "the agent's bash cannot open connections",
	43: "the agent uses TLS with its executors",
	44: "the agent has no base64 or /proc/sys/kernel/random/uuid",
}

// subscribedExecutor launches a task on the shell executor, and waits until it runs.
func (s *schedulerClient) subscribedExecutor(p *probe, change func(task object)) (task string, o offer, running status, err error) {
	if p.noShellReason != "" {
		return "", o, running, skipError(p.noShellReason)
	}
	if task, o, err = s.launchExecutor(p, shellExecutor, change); err != nil {
		return "", o, running, err
	}
	running, err = s.awaitState(p, task, "TASK_RUNNING")
	if err == nil || running.State != "TASK_FAILED" {
		return task, o, running, err
	}
	if f, failedErr := s.awaitFailure(p, task); failedErr == nil {
		p.noShellReason = unsupportedExits[f.exit()]
		err = fmt.Errorf("%w; the executor exited with %d", err, f.exit())
	}
	if p.noShellReason != "" {
		err = skipError(p.noShellReason)
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
		return "", fmt.Errorf("LAUNCH does not contain the task's data: %.300s", running.Message)
	}
	if err := f.kill(p.ctx, task, o.AgentID.Value); err != nil {
		return "", err
	}
	if _, err := f.awaitState(p, task, "TASK_KILLED"); err != nil {
		return "", err
	}
	failure, err := f.awaitFailure(p, task)
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
	st, err := f.awaitState(p, task, "TASK_KILLED")
	if err == nil && !strings.Contains(st.Message, fmt.Sprint(grace)) {
		err = fmt.Errorf("the executor got %s", st.Message)
	}
	return st.Message, err
}

func checkKillBeforeSubscription(p *probe, f *schedulerClient) (string, error) {
	task, o, err := f.launchExecutor(p, sleeper, nil)
	if err != nil {
		return "", err
	}
	if err := f.kill(p.ctx, task, o.AgentID.Value); err != nil {
		return "", err
	}
	st, err := f.awaitState(p, task, "TASK_KILLED")
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
	st, err := f.awaitState(p, task, "TASK_FAILED")
	if err == nil && st.Reason != "REASON_EXECUTOR_TERMINATED" {
		err = fmt.Errorf("the task is %s", st)
	}
	return st.String(), err
}

// checkUnknownExecutor subscribes with the IDs of an executor that was never launched.
func checkUnknownExecutor(p *probe) (string, error) {
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
