package mesostest

import (
	"bytes"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
)

// maxRetryInterval is where the doubling of the interval ends.
const maxRetryInterval = 10 * time.Minute

// update queues a status update of a task for the scheduler. It is sent when all
// before it are acknowledged, and again until it is itself.
func (a *Agent) update(t *agentTask, status mesos.TaskStatus) {
	f := t.executor.framework
	if f.terminating || terminal(t.state) || t.received[string(status.UUID)] {
		return
	}
	if t.received == nil {
		t.received = map[string]bool{}
	}
	t.received[string(status.UUID)] = true
	a.explainAsDraining(f, &status)
	status.AgentID = &mesos.AgentID{Value: a.id}
	if id := t.executor.id(); id != "" {
		status.ExecutorID = &mesos.ExecutorID{Value: id}
	}
	if status.Timestamp == nil {
		status.Timestamp = a.master.now()
	}
	t.state = *status.State
	if terminal(t.state) {
		x := t.executor
		x.tasks = slices.DeleteFunc(x.tasks, func(o *agentTask) bool { return o == t })
	}
	t.pending = append(t.pending, status)
	if len(t.pending) == 1 {
		t.interval = a.master.options.UpdateRetryInterval
		a.forward(t)
	}
}

// forward sends the first pending update, and again when the interval has passed. An
// agent that is not registered holds it back: it sends all when it is.
func (a *Agent) forward(t *agentTask) {
	if a.life != lifeRunning {
		return
	}
	status, latest, frameworkID := t.pending[0], t.state, t.executor.framework.id
	a.report(func() { a.master.updated(frameworkID, status, latest) })
	t.stopRetry()
	t.retry = a.master.after(t.interval, func() {
		if len(t.pending) > 0 && !a.closed {
			t.interval = min(2*t.interval, maxRetryInterval)
			a.forward(t)
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
		t.interval = a.master.options.UpdateRetryInterval
		a.forward(t)
	case terminal(t.state):
		delete(f.tasks, taskID)
		a.forget(f)
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
			t.interval = a.master.options.UpdateRetryInterval
			a.forward(t)
		}
	}
}

// endTask makes the agent's own last update of a task.
func (a *Agent) endTask(t *agentTask, state mesos.TaskState, reason mesos.TaskStatus_Reason, message string) {
	if !capable(&t.executor.framework.info, mesos.FrameworkInfo_Capability_PARTITION_AWARE) {
		state = beforePartitionAware(state)
	}
	status := statusOf(t.id(), state, mesos.SOURCE_AGENT, &reason, message)
	u := naming.NewUUID()
	status.UUID = u[:]
	a.update(t, status)
}

// disown ends a task that the master says is here, and is not: its launch was lost,
// or the agent forgot it.
func (a *Agent) disown(info mesos.FrameworkInfo, taskID string) {
	f := a.framework(info)
	nobody := &executorState{agent: a, framework: f}
	t := &agentTask{info: mesos.TaskInfo{TaskID: mesos.TaskID{Value: taskID}}, executor: nobody}
	f.tasks[taskID] = t
	a.endTask(t, mesos.TASK_DROPPED, mesos.REASON_RECONCILIATION, "Reconciliation: task unknown to the agent")
}
