package mesostest

import (
	"context"
	"path/filepath"
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/eventstream"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// startExecutor starts the container of the tasks' executor.
func (f *agentFramework) startExecutor(tasks []*agentTask) *executorState {
	x := &executorState{
		agent:       f.agent,
		framework:   f,
		containerID: naming.NewUUID().String(),
		endState:    mesos.TASK_FAILED,
		reason:      mesos.REASON_EXECUTOR_TERMINATED,
		message:     "Executor terminated",
	}
	first := &tasks[0].info
	if first.Executor != nil {
		x.info = *first.Executor
	} else {
		x.command = tasks[0]
		x.info = mesos.ExecutorInfo{
			ExecutorID:  mesos.ExecutorID{Value: first.TaskID.Value},
			FrameworkID: f.info.ID,
			Command:     first.Command,
		}
	}
	f.executors[x.id()] = x
	timeout := f.agent.options.ExecutorRegistrationTimeout
	x.timer = f.agent.cluster.after(timeout, func() {
		if x.phase == executorRegistering {
			x.fail(mesos.REASON_EXECUTOR_REGISTRATION_TIMEOUT, "Executor did not register within "+mesosDuration(timeout))
		}
	})
	ctx, cancel := context.WithCancel(context.Background())
	x.cancel = cancel
	c := x.container(tasks)
	f.agent.containers.Add(1)
	go func() {
		defer f.agent.containers.Done()
		defer cancel()
		x.runContainer(ctx, f.agent.options.Launcher, c)
	}()
	return x
}

func (x *executorState) container(tasks []*agentTask) Container {
	resources := slices.Clone(x.info.Resources)
	for _, t := range tasks {
		resources = append(resources, t.info.Resources...)
	}
	c := Container{
		ID:        x.containerID,
		Framework: x.framework.info,
		Executor:  x.info,
		Resources: resources,
		Sandbox:   x.sandbox(),
		Env:       x.environment(),
		NetNS:     x.agent.options.NetNS,
	}
	if x.info.Command != nil {
		c.Command = *x.info.Command
	}
	if !x.isCommand() {
		c.Conn = &Conn{executor: x, stream: eventstream.New()}
	}
	return c
}

func (x *executorState) sandbox() string {
	return filepath.Join(x.agent.options.WorkDir, "slaves", x.agent.record.id, "frameworks", x.framework.id,
		"executors", x.id(), "runs", x.containerID)
}

// runContainer takes the container from its start to its end. It does not hold the lock.
func (x *executorState) runContainer(ctx context.Context, launcher Launcher, c Container) {
	process, err := launcher.Launch(ctx, c)
	if err != nil {
		x.onExited(256, mesoserror.Errorf("Failed to launch container: %v", err))
		return
	}
	if mustEnd := x.onStarted(process); mustEnd {
		x.agent.recordFailure(process.Destroy())
	}
	if l, ok := process.(memoryLimited); ok {
		x.agent.containers.Go(func() { x.memoryLimitReached(l.AwaitMemoryLimit()) })
	}
	status := process.Wait()
	x.agent.recordFailure(process.Destroy()) // everything else in the container
	x.onExited(status, nil)
}

// memoryLimited is a Process whose memory has a limit.
type memoryLimited interface {
	// AwaitMemoryLimit blocks until the limit is reached, and returns a message, or until
	// the process has exited, and returns nothing.
	AwaitMemoryLimit() string
}

func (x *executorState) memoryLimitReached(what string) {
	m := x.agent.cluster
	m.mu.Lock()
	defer m.mu.Unlock()
	if what != "" && x.phase < executorTerminating {
		x.fail(mesos.REASON_CONTAINER_LIMITATION_MEMORY, what)
	}
}

func (a *Agent) recordFailure(err error) {
	if err == nil {
		return
	}
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	a.cleanupErrors = append(a.cleanupErrors, err)
}

func (x *executorState) onStarted(p Process) (mustEnd bool) {
	m := x.agent.cluster
	m.mu.Lock()
	defer m.mu.Unlock()
	x.process, x.pid = p, p.PID()
	if x.mustEnd {
		return true
	}
	if x.isCommand() && x.phase == executorRegistering {
		x.commandStarted()
	}
	return false
}

// destroy ends the container and all in it. The rest follows when it has ended.
func (x *executorState) destroy() {
	x.mustEnd = true
	x.cancel()
	if p := x.process; p != nil {
		x.agent.containers.Add(1)
		go func() {
			defer x.agent.containers.Done()
			x.agent.recordFailure(p.Destroy())
		}()
	}
}

// fail ends the container. The reason goes into the final statuses of its tasks.
func (x *executorState) fail(reason mesos.TaskStatus_Reason, message string) {
	x.failed, x.reason, x.message = true, reason, message
	x.phase = executorTerminating
	x.destroy()
}

// onExited is the end of an executor: its tasks have failed, unless the command of a
// command task ended otherwise. An agent that is down sees it when it is back.
func (x *executorState) onExited(status int, launchError error) {
	a := x.agent
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	switch {
	case x.forgotten:
		x.phase = executorTerminated
	case a.processState == processDown:
		a.missedExits = append(a.missedExits, func() { x.finish(status, launchError) })
	default:
		x.finish(status, launchError)
	}
}

// finish is what the agent makes of it.
func (x *executorState) finish(status int, launchError error) {
	a := x.agent
	if launchError != nil && !x.mustEnd {
		x.reason, x.message = mesos.REASON_CONTAINER_LAUNCH_FAILED, launchError.Error()
	}
	a.cluster.log.V(1).Info("Executor exited", "executor", x.id(), "status", status)
	x.phase = executorTerminated
	x.timer.Stop()
	if x.stream != nil {
		x.stream.End()
	}
	delete(x.framework.executors, x.id())
	if !x.isCommand() {
		a.report(func() { a.record.executorExited(x.framework.id, x.id(), status) })
	} else if launchError == nil && !x.failed {
		x.commandExited(status)
	}
	for _, t := range slices.Clone(x.tasks) {
		t.end(x.endState, x.reason, x.message)
	}
	x.framework.forget()
}
