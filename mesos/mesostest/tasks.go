package mesostest

import (
	"bytes"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// task is what the master knows of a task that has not ended, or whose end has
// not been acknowledged.
type task struct {
	info      mesos.TaskInfo // without its data: that is not for operators to read
	framework *framework
	agent     *Agent
	role      string
	resources resource.Quantities
	released  bool
	killed    bool // the framework wants it killed

	state           mesos.TaskState // as the scheduler was told
	updateState     mesos.TaskState // of the agent's last update
	uuid            []byte          // of that update
	statuses        []mesos.TaskStatus
	containerStatus *mesos.ContainerStatus
}

func (m *Master) addTask(f *framework, a *Agent, info mesos.TaskInfo, role string, q resource.Quantities) {
	info.Data = nil
	t := &task{info: info, framework: f, agent: a, role: role, resources: q, state: mesos.TASK_STAGING, updateState: mesos.TASK_STAGING}
	f.tasks[info.TaskID.Value] = t
	a.tasks[t] = struct{}{}
}

// release frees the resources of a task, once.
func (m *Master) release(t *task) {
	if t.released {
		return
	}
	t.released = true
	t.framework.deallocate(t.role, t.resources)
	t.agent.free.Add(t.resources)
}

// removeTask forgets a task, but for the operators to see that there was one.
func (m *Master) removeTask(t *task) {
	m.release(t)
	delete(t.framework.tasks, t.info.TaskID.Value)
	delete(t.agent.tasks, t)
	f := t.framework
	if f.finished = append(f.finished, t); len(f.finished) > maxFinished {
		f.finished = f.finished[1:]
	}
	m.checkDrained(t.agent)
}

func (t *task) executorID() *mesos.ExecutorID {
	if t.info.Executor == nil {
		return nil
	}
	return &t.info.Executor.ExecutorID
}

// notice is an update that the master makes. It has no uuid: nobody acknowledges it.
type notice struct {
	taskID          string
	agentID         *mesos.AgentID
	state           mesos.TaskState
	reason          mesos.TaskStatus_Reason
	message         string
	executorID      *mesos.ExecutorID
	containerStatus *mesos.ContainerStatus
	unreachable     *mesos.TimeInfo
}

// notice about a task that the master knows.
func (t *task) notice(state mesos.TaskState, reason mesos.TaskStatus_Reason, message string) notice {
	return notice{
		taskID:     t.info.TaskID.Value,
		agentID:    &mesos.AgentID{Value: t.agent.id},
		state:      state,
		reason:     reason,
		message:    message,
		executorID: t.executorID(),
	}
}

// tell sends a notice. Frameworks that are not PARTITION_AWARE know no other loss
// than TASK_LOST.
func (m *Master) tell(f *framework, n notice) mesos.TaskStatus {
	if !f.capable(mesos.FrameworkInfo_Capability_PARTITION_AWARE) {
		n.state = beforePartitionAware(n.state)
	}
	status := statusOf(n.taskID, n.state, mesos.SOURCE_MASTER, &n.reason, n.message)
	status.AgentID = n.agentID
	status.ExecutorID = n.executorID
	status.ContainerStatus = n.containerStatus
	status.UnreachableTime = n.unreachable
	status.Timestamp = m.now()
	m.send(f, updateEvent(status))
	return status
}

func beforePartitionAware(state mesos.TaskState) mesos.TaskState {
	switch state {
	case mesos.TASK_DROPPED, mesos.TASK_GONE, mesos.TASK_GONE_BY_OPERATOR, mesos.TASK_UNKNOWN, mesos.TASK_UNREACHABLE:
		return mesos.TASK_LOST
	}
	return state
}

// updated takes a status update from an agent, which knows of the task's latest
// state, though it hands on one update at a time.
func (m *Master) updated(frameworkID string, status mesos.TaskStatus, latest mesos.TaskState) {
	f, ok := m.frameworks[frameworkID]
	if !ok {
		return // the agent is told in its own time
	}
	if t, ok := f.tasks[status.TaskID.Value]; ok {
		t.record(status)
		if terminal(latest) {
			m.release(t)
		}
	}
	m.send(f, updateEvent(status))
}

func (t *task) record(status mesos.TaskStatus) {
	t.state, t.updateState = *status.State, *status.State
	if status.ContainerStatus != nil {
		t.containerStatus = status.ContainerStatus
	}
	if bytes.Equal(t.uuid, status.UUID) && status.UUID != nil {
		return // sent again
	}
	t.uuid = status.UUID
	status.Data = nil
	t.statuses = append(t.statuses, status)
}

// acknowledge hands an acknowledgement on. Once its end is acknowledged the task
// is unknown to the master.
func (m *Master) acknowledge(f *framework, call *schedulerpb.Call_Acknowledge) {
	a, ok := m.agentsByID[call.AgentID.Value]
	if !ok || a.state != agentActive {
		return // the agent will send the update again
	}
	taskID := call.TaskID.Value
	if t, ok := f.tasks[taskID]; ok && terminal(t.state) && bytes.Equal(t.uuid, call.UUID) {
		m.removeTask(t)
	}
	a.deliver(func() { a.acknowledged(f.id, taskID, call.UUID) })
}

// reconcile answers with the state of the tasks, of all if none is named.
func (m *Master) reconcile(f *framework, tasks []schedulerpb.Call_Reconcile_Task) {
	for _, t := range tasks {
		m.reconcileOne(f, t.TaskID.Value, t.AgentID)
	}
	if len(tasks) == 0 {
		for _, t := range valuesByKey(f.tasks) {
			m.tellLatest(t)
		}
	}
}

func (m *Master) reconcileOne(f *framework, taskID string, agentID *mesos.AgentID) {
	if t, ok := f.tasks[taskID]; ok {
		m.tellLatest(t)
		return
	}
	n := notice{
		taskID:  taskID,
		agentID: agentID,
		state:   mesos.TASK_UNKNOWN,
		reason:  mesos.REASON_RECONCILIATION,
		message: "Reconciliation: Task is unknown",
	}
	if agentID == nil && len(m.recovered) > 0 {
		return // one of them may have the task
	}
	if agentID != nil {
		a, known := m.agentsByID[agentID.Value]
		switch {
		case known && a.state == agentRecovered:
			return // it may have the task
		case known && a.state == agentUnreachable:
			n.state, n.message, n.unreachable = mesos.TASK_UNREACHABLE, "Reconciliation: Task is unreachable", a.unreachableSince
		case known:
			n.state, n.message = mesos.TASK_GONE, "Reconciliation: Task is unknown to the agent"
		case m.gone[agentID.Value]:
			n.state, n.message = mesos.TASK_GONE_BY_OPERATOR, "Reconciliation: Task is gone"
		}
	}
	m.tell(f, n)
}

func (m *Master) tellLatest(t *task) {
	n := t.notice(t.state, mesos.REASON_RECONCILIATION, "Reconciliation: Latest task state")
	n.containerStatus = t.containerStatus
	m.tell(t.framework, n)
}

// kill hands a KILL on, or answers it like a reconciliation if the task is unknown.
// If the agent is away it gets it when it registers again, without the policy.
func (m *Master) kill(f *framework, call *schedulerpb.Call_Kill) {
	t, ok := f.tasks[call.TaskID.Value]
	if !ok {
		m.reconcileOne(f, call.TaskID.Value, call.AgentID)
		return
	}
	if call.AgentID != nil && call.AgentID.Value != t.agent.id {
		return // that is all: no answer tells of it
	}
	taskID, policy := call.TaskID.Value, call.KillPolicy
	t.killed = true
	if t.agent.state == agentActive {
		t.agent.deliver(func() { t.agent.kill(f.id, taskID, policy) })
	}
}

func (m *Master) shutdown(f *framework, call *schedulerpb.Call_Shutdown) {
	if a, ok := m.agentsByID[call.AgentID.Value]; ok {
		a.deliver(func() { a.shutdownExecutor(f.id, call.ExecutorID.Value) })
	}
}

// message hands data on to an executor. If it is not there, that is all.
func (m *Master) message(f *framework, call *schedulerpb.Call_Message) {
	if a, ok := m.agentsByID[call.AgentID.Value]; ok {
		a.deliver(func() { a.messageTo(f.id, call.ExecutorID.Value, call.Data) })
	}
}

// resendUpdates makes agents send again what the framework has not acknowledged.
func (m *Master) resendUpdates(f *framework) {
	told := map[*Agent]bool{}
	for _, t := range valuesByKey(f.tasks) {
		if !told[t.agent] {
			told[t.agent] = true
			t.agent.deliver(func() { t.agent.resend(f.id) })
		}
	}
}
