package mesostest

import (
	"context"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/eventstream"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskstatus"
)

type executorPhase int

const (
	executorRegistering executorPhase = iota
	executorRunning
	executorTerminating
	executorTerminated
)

// agentFramework is what an agent has of a framework.
type agentFramework struct {
	agent       *Agent
	id          string
	info        mesos.FrameworkInfo
	executors   map[string]*executorState
	tasks       map[string]*agentTask // whose end is not yet acknowledged
	terminating bool
}

// executorState is an executor and its container. A command task has one to itself,
// played by the agent.
type executorState struct {
	agent       *Agent
	framework   *agentFramework
	info        mesos.ExecutorInfo
	command     *agentTask // the command task, if it is one
	containerID string
	phase       executorPhase
	stream      *eventstream.Stream
	queued      [][]*agentTask // launches to hand on: one task, or a group
	tasks       []*agentTask   // that have not ended
	hadTask     map[string]bool
	process     Process
	pid         int
	mustEnd     bool
	forgotten   bool // by its agent, which was killed and does not know it
	gaveUp      bool // because its agent stayed away for longer than its RecoveryTimeout
	sentTask    bool // ever
	killed      bool // a command that was sent SIGTERM
	cancel      context.CancelFunc
	timer       *time.Timer // of registration, then of shutdown

	failed   bool // by the agent's doing, for this reason
	endState mesos.TaskState
	reason   mesos.TaskStatus_Reason
	message  string
}

// agentTask is a task as its agent knows it.
type agentTask struct {
	info      mesos.TaskInfo
	executor  *executorState
	group     bool
	delivered bool // to the executor
	state     mesos.TaskState
	received  map[string]bool    // uuids of updates
	pending   []mesos.TaskStatus // unacknowledged; the first one is with the scheduler
	retry     *time.Timer
	interval  time.Duration
}

func (t *agentTask) id() string { return t.info.TaskID.Value }

func (t *agentTask) role() string { return roleOf(t.info.Resources) }

func (x *executorState) role() string { return roleOf(x.info.Resources) }

func roleOf(resources []mesos.Resource) string {
	if len(resources) == 0 {
		return "*"
	}
	return resources[0].AllocationInfo.GetRole()
}

func (x *executorState) id() string { return x.info.ExecutorID.Value }

func (x *executorState) isCommand() bool { return x.command != nil }

func (x *executorState) containerStatus() *mesos.ContainerStatus {
	ip := x.agent.ip
	protocol := mesos.IPv4
	status := &mesos.ContainerStatus{
		ContainerID: &mesos.ContainerID{Value: x.containerID},
		NetworkInfos: []mesos.NetworkInfo{{
			IPAddresses: []mesos.NetworkInfo_IPAddress{{Protocol: &protocol, IPAddress: &ip}},
		}},
	}
	if x.pid > 0 {
		pid := uint32(x.pid)
		status.ExecutorPID = &pid
	}
	return status
}

// framework that the agent knows, from now on if not before.
func (a *Agent) framework(info mesos.FrameworkInfo) *agentFramework {
	f, ok := a.frameworks[info.ID.Value]
	if !ok {
		f = &agentFramework{
			agent:     a,
			id:        info.ID.Value,
			executors: map[string]*executorState{},
			tasks:     map[string]*agentTask{},
		}
		a.frameworks[f.id] = f
	}
	f.info = info
	return f
}

// run launches tasks of one executor, which is started unless it is there.
func (a *Agent) run(info mesos.FrameworkInfo, infos []mesos.TaskInfo, group bool) {
	f := a.framework(info)
	var tasks []*agentTask
	for _, t := range infos {
		task := &agentTask{info: t, group: group, state: mesos.TASK_STAGING}
		f.tasks[task.id()] = task
		tasks = append(tasks, task)
	}
	if a.drainConfig != nil {
		f.dropTasksWhileDraining(tasks)
		return
	}
	x, ok := f.executors[executorIDOf(&infos[0])]
	if !ok {
		x = f.startExecutor(tasks)
	}
	for _, t := range tasks {
		t.executor = x
		x.tasks = append(x.tasks, t)
		if x.hadTask == nil {
			x.hadTask = map[string]bool{}
		}
		x.hadTask[t.id()] = true
	}
	switch x.phase {
	case executorRegistering:
		x.queued = append(x.queued, tasks)
	case executorRunning:
		x.deliver(tasks)
	default:
		for _, t := range tasks {
			t.end(mesos.TASK_DROPPED, mesos.REASON_EXECUTOR_TERMINATED, "Executor terminating")
		}
	}
}

// executorIDOf a task: a command task's own ID.
func executorIDOf(t *mesos.TaskInfo) string {
	if t.Executor != nil {
		return t.Executor.ExecutorID.Value
	}
	return t.TaskID.Value
}

// forget drops a framework of which nothing is left.
func (f *agentFramework) forget() {
	if len(f.executors) == 0 && (len(f.tasks) == 0 || f.terminating) {
		for _, t := range f.tasks {
			t.stopRetry()
		}
		delete(f.agent.frameworks, f.id)
		f.agent.checkDrained()
	}
}

// deliver gives one launch to the executor.
func (x *executorState) deliver(tasks []*agentTask) {
	x.sentTask = true
	var infos []mesos.TaskInfo
	for _, t := range tasks {
		t.delivered = true
		infos = append(infos, t.info)
	}
	switch {
	case x.stream == nil: // lost; when it subscribes again its tasks are dropped
	case tasks[0].group:
		x.stream.Send(events.LaunchGroup(infos))
	default:
		x.stream.Send(events.Launch(infos[0]))
	}
}

// setStream makes s the executor's stream. An executor that is to end gets
// nothing but SHUTDOWN, and so does one that has never had a task and has none
// coming, as its agent forgot them.
func (x *executorState) setStream(s *eventstream.Stream) {
	if x.stream != nil && x.stream != s {
		x.stream.End()
	}
	x.stream = s
	if x.phase == executorTerminating {
		s.Send(events.Shutdown)
		s.End()
		return
	}
	if x.phase == executorRegistering {
		x.phase = executorRunning
		x.timer.Stop()
	}
	if !x.sentTask && len(x.queued) == 0 {
		x.requestShutdown()
		return
	}
	s.Send(&executor.Event{Type: executor.Event_SUBSCRIBED, Subscribed: &executor.Event_Subscribed{
		ExecutorInfo:  x.info,
		FrameworkInfo: x.framework.info,
		AgentInfo:     x.agent.info(),
		ContainerID:   &mesos.ContainerID{Value: x.containerID},
	}})
	queued := x.queued
	x.queued = nil
	for _, tasks := range queued {
		x.deliver(tasks)
	}
}

// kill ends a task: by its executor, or here if it was not yet handed over.
func (a *Agent) kill(frameworkID, taskID string, policy *mesos.KillPolicy) {
	f, ok := a.frameworks[frameworkID]
	if !ok {
		return
	}
	t, ok := f.tasks[taskID]
	if !ok || taskstatus.IsTerminal(t.state) {
		return
	}
	x := t.executor
	i := slices.IndexFunc(x.queued, func(tasks []*agentTask) bool { return slices.Contains(tasks, t) })
	switch {
	case i >= 0:
		tasks := x.queued[i]
		x.queued = slices.Delete(x.queued, i, i+1)
		for _, t := range tasks {
			t.end(mesos.TASK_KILLED, mesos.REASON_TASK_KILLED_DURING_LAUNCH, "Killed before delivery to the executor")
		}
		if x.phase == executorRegistering && len(x.queued) == 0 {
			x.requestShutdown()
		}
	case x.isCommand():
		x.killCommand(policy)
	case x.stream != nil:
		x.stream.Send(events.Kill(taskID, policy))
	}
}

// requestShutdown asks the executor to end, and ends it when its grace is over.
func (x *executorState) requestShutdown() {
	if x.phase >= executorTerminating {
		return
	}
	started := x.process != nil
	x.phase = executorTerminating
	x.timer.Stop()
	switch {
	case x.isCommand() && !started:
		x.destroy()
		return
	case x.isCommand():
		x.killed = true
		x.process.Terminate()
	case x.stream != nil:
		x.stream.Send(events.Shutdown)
	}
	x.timer = x.agent.cluster.after(x.gracePeriod(), x.destroy)
}

func (x *executorState) gracePeriod() time.Duration {
	if d := x.info.ShutdownGracePeriod; d != nil {
		return time.Duration(d.Nanoseconds)
	}
	return x.agent.options.ExecutorShutdownGracePeriod
}

func (a *Agent) shutdownExecutor(frameworkID, executorID string) {
	if f, ok := a.frameworks[frameworkID]; ok {
		if x, ok := f.executors[executorID]; ok {
			x.requestShutdown()
		}
	}
}

func (a *Agent) shutdownFramework(frameworkID string) {
	f, ok := a.frameworks[frameworkID]
	if !ok {
		return
	}
	f.terminating = true
	for _, x := range f.sortedExecutors() {
		x.requestShutdown()
	}
	f.forget()
}

func (a *Agent) messageTo(frameworkID, executorID string, data []byte) {
	if f, ok := a.frameworks[frameworkID]; ok {
		if x, ok := f.executors[executorID]; ok && x.stream != nil && x.phase == executorRunning {
			x.stream.Send(events.ExecutorMessage(data))
		}
	}
}
