package mesostest

import (
	"bytes"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/frameworkinfo"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskstatus"
)

// maxRetryInterval is where the doubling of the interval ends.
const maxRetryInterval = 10 * time.Minute

// update queues a status update of a task for the scheduler. It is sent when all
// before it are acknowledged, and again until it is itself.
func (t *agentTask) update(status mesos.TaskStatus) {
	a, f := t.executor.agent, t.executor.framework
	if f.terminating || taskstatus.IsTerminal(t.state) || t.received[string(status.UUID)] {
		return
	}
	if t.received == nil {
		t.received = map[string]bool{}
	}
	t.received[string(status.UUID)] = true
	f.setDrainReason(&status)
	status.AgentID = &mesos.AgentID{Value: a.record.id}
	if id := t.executor.id(); id != "" && *status.Source != mesos.SOURCE_EXECUTOR {
		status.ExecutorID = &mesos.ExecutorID{Value: id}
	}
	if status.Timestamp == nil {
		status.Timestamp = a.cluster.now()
	}
	t.state = *status.State
	if taskstatus.IsTerminal(t.state) {
		x := t.executor
		x.tasks = slices.DeleteFunc(x.tasks, func(o *agentTask) bool { return o == t })
	}
	t.pending = append(t.pending, status)
	if len(t.pending) == 1 {
		t.interval = a.cluster.options.UpdateRetryInterval
		t.forward()
	}
}

// forward sends the first pending update, and again when the interval has passed. An
// agent that is not registered holds it back: it sends all when it is.
func (t *agentTask) forward() {
	a := t.executor.agent
	if a.processState != processRunning {
		return
	}
	status, latest, frameworkID := t.pending[0], t.state, t.executor.framework.id
	a.report(func() { a.cluster.onTaskUpdate(frameworkID, status, latest) })
	t.stopRetry()
	t.retry = a.cluster.after(t.interval, func() {
		if len(t.pending) > 0 && !a.closed {
			t.interval = min(2*t.interval, maxRetryInterval)
			t.forward()
		}
	})
}

func (t *agentTask) stopRetry() {
	if t.retry != nil {
		t.retry.Stop()
	}
}

// acknowledged drops the update that the scheduler has, and sends the next one.
func (a *Agent) acknowledged(frameworkID, taskID string, uuid []byte) {
	f, ok := a.frameworks[frameworkID]
	if !ok {
		return
	}
	t, ok := f.tasks[taskID]
	if !ok || len(t.pending) == 0 || !bytes.Equal(t.pending[0].UUID, uuid) {
		return // unknown, or acknowledged before
	}
	t.stopRetry()
	t.pending = t.pending[1:]
	switch {
	case len(t.pending) > 0:
		t.interval = a.cluster.options.UpdateRetryInterval
		t.forward()
	case taskstatus.IsTerminal(t.state):
		delete(f.tasks, taskID)
		f.forget()
	}
}

// resend sends what is not acknowledged again at once.
func (a *Agent) resend(frameworkID string) {
	f, ok := a.frameworks[frameworkID]
	if !ok {
		return
	}
	for _, t := range valuesByKey(f.tasks) {
		if len(t.pending) > 0 {
			t.interval = a.cluster.options.UpdateRetryInterval
			t.forward()
		}
	}
}

// end makes the agent's own last update of a task.
func (t *agentTask) end(state mesos.TaskState, reason mesos.TaskStatus_Reason, message string) {
	if !frameworkinfo.HasCapability(&t.executor.framework.info, mesos.FrameworkInfo_Capability_PARTITION_AWARE) {
		state = taskstatus.BeforePartitionAware(state)
	}
	status := taskstatus.New(t.id(), state, mesos.SOURCE_AGENT, &reason, message)
	u := naming.NewUUID()
	status.UUID = u[:]
	t.update(status)
}

// dropUnknownTask ends a task that the master has on this agent and the agent does not
// have: its launch was lost, or the agent forgot it.
func (a *Agent) dropUnknownTask(info mesos.FrameworkInfo, taskID string) {
	f := a.framework(info)
	missing := &executorState{agent: a, framework: f}
	t := &agentTask{info: mesos.TaskInfo{TaskID: mesos.TaskID{Value: taskID}}, executor: missing}
	f.tasks[taskID] = t
	t.end(mesos.TASK_DROPPED, mesos.REASON_RECONCILIATION, "Reconciliation: task unknown to the agent")
}
