package mesostest

import (
	"bytes"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskstatus"
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

	state           mesos.TaskState // the last one that was sent to the scheduler
	updateState     mesos.TaskState // of the agent's last update
	uuid            []byte          // of that update
	statuses        []mesos.TaskStatus
	containerStatus *mesos.ContainerStatus
}

func (f *framework) addTask(a *Agent, info mesos.TaskInfo, role string, q resource.Quantities) {
	info.Data = nil
	t := &task{info: info, framework: f, agent: a, role: role, resources: q, state: mesos.TASK_STAGING, updateState: mesos.TASK_STAGING}
	f.tasks[info.TaskID.Value] = t
	a.record.tasks[t] = struct{}{}
}

// release frees the resources of a task, once.
func (t *task) release() {
	if t.released {
		return
	}
	t.released = true
	t.framework.deallocate(t.role, t.resources)
	t.agent.record.free.Add(t.resources)
}

// remove forgets a task, but for the operators to see that there was one.
func (t *task) remove() {
	t.release()
	delete(t.framework.tasks, t.info.TaskID.Value)
	delete(t.agent.record.tasks, t)
	f := t.framework
	if f.finished = append(f.finished, t); len(f.finished) > maxFinished {
		f.finished = f.finished[1:]
	}
	t.agent.record.checkDrained()
}

func (t *task) executorID() *mesos.ExecutorID {
	if t.info.Executor == nil {
		return nil
	}
	return &t.info.Executor.ExecutorID
}

// notice is a status update that the master makes. It has no UUID, and needs no
// acknowledgement.
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
		agentID:    &mesos.AgentID{Value: t.agent.record.id},
		state:      state,
		reason:     reason,
		message:    message,
		executorID: t.executorID(),
	}
}

// sendNotice sends a notice. Frameworks that are not PARTITION_AWARE know no other loss
// than TASK_LOST.
func (f *framework) sendNotice(n notice) mesos.TaskStatus {
	if !f.hasCapability(mesos.FrameworkInfo_Capability_PARTITION_AWARE) {
		n.state = taskstatus.BeforePartitionAware(n.state)
	}
	status := taskstatus.New(n.taskID, n.state, mesos.SOURCE_MASTER, &n.reason, n.message)
	status.AgentID = n.agentID
	status.ExecutorID = n.executorID
	status.ContainerStatus = n.containerStatus
	status.UnreachableTime = n.unreachable
	status.Timestamp = f.cluster.now()
	f.send(events.Update(status))
	return status
}

// onTaskUpdate takes a status update from an agent, which knows of the task's latest
// state, though it hands on one update at a time.
func (c *cluster) onTaskUpdate(frameworkID string, status mesos.TaskStatus, latest mesos.TaskState) {
	f, ok := c.frameworks[frameworkID]
	if !ok {
		return // the agent shuts its executors down when it registers
	}
	switch t, ok := f.tasks[status.TaskID.Value]; {
	case ok && t.agent.record.id != status.AgentID.Value:
		// A real master believes the state of any agent's update, and frees nothing.
		t.state, t.updateState, t.uuid = *status.State, *status.State, status.UUID
	case ok:
		t.record(status)
		if taskstatus.IsTerminal(latest) {
			t.release()
		}
	}
	f.send(events.Update(status))
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
func (f *framework) acknowledge(call *schedulerpb.Call_Acknowledge) {
	a, ok := f.cluster.agentsByID[call.AgentID.Value]
	if !ok || a.record.state != agentActive {
		return // the agent will send the update again
	}
	taskID := call.TaskID.Value
	if t, ok := f.tasks[taskID]; ok && t.agent == a && taskstatus.IsTerminal(t.state) && bytes.Equal(t.uuid, call.UUID) {
		t.remove()
	}
	a.deliver(func() { a.acknowledged(f.id, taskID, call.UUID) })
}

// reconcileTasks answers with the state of the tasks, of all if none is named.
func (f *framework) reconcileTasks(tasks []schedulerpb.Call_Reconcile_Task) {
	for _, t := range tasks {
		f.reconcileTask(t.TaskID.Value, t.AgentID)
	}
	if len(tasks) == 0 {
		for _, t := range valuesByKey(f.tasks) {
			t.sendLatestState()
		}
	}
}

func (f *framework) reconcileTask(taskID string, agentID *mesos.AgentID) {
	if t, ok := f.tasks[taskID]; ok {
		t.sendLatestState()
		return
	}
	n := notice{
		taskID:  taskID,
		agentID: agentID,
		state:   mesos.TASK_UNKNOWN,
		reason:  mesos.REASON_RECONCILIATION,
		message: "Reconciliation: Task is unknown",
	}
	if agentID == nil && len(f.cluster.recovered) > 0 {
		return // one of them may have the task
	}
	if agentID != nil {
		a, known := f.cluster.agentsByID[agentID.Value]
		switch {
		case known && a.record.state == agentRecovered:
			return // it may have the task
		case known && a.record.state == agentUnreachable:
			n.state, n.message, n.unreachable = mesos.TASK_UNREACHABLE, "Reconciliation: Task is unreachable", a.record.unreachableSince
		case known:
			n.state, n.message = mesos.TASK_GONE, "Reconciliation: Task is unknown to the agent"
		case f.cluster.goneAgents[agentID.Value]:
			n.state, n.message = mesos.TASK_GONE_BY_OPERATOR, "Reconciliation: Task is gone"
		}
	}
	f.sendNotice(n)
}

func (t *task) sendLatestState() {
	n := t.notice(t.state, mesos.REASON_RECONCILIATION, "Reconciliation: Latest task state")
	n.containerStatus = t.containerStatus
	t.framework.sendNotice(n)
}

// kill hands a KILL on, or answers it like a reconciliation if the task is unknown.
// If the agent is away it gets it when it registers again, without the policy.
func (f *framework) kill(call *schedulerpb.Call_Kill) {
	t, ok := f.tasks[call.TaskID.Value]
	if !ok {
		f.reconcileTask(call.TaskID.Value, call.AgentID)
		return
	}
	if call.AgentID != nil && call.AgentID.Value != t.agent.record.id {
		return // there is no answer to this
	}
	taskID, policy := call.TaskID.Value, call.KillPolicy
	t.killed = true
	if t.agent.record.state == agentActive {
		t.agent.deliverLate(func() { t.agent.kill(f.id, taskID, policy) })
	}
}

func (f *framework) shutdown(call *schedulerpb.Call_Shutdown) {
	if a, ok := f.cluster.agentsByID[call.AgentID.Value]; ok {
		a.deliverLate(func() { a.shutdownExecutor(f.id, call.ExecutorID.Value) })
	}
}

// message sends data to an executor. It is lost if the executor is not there.
func (f *framework) message(call *schedulerpb.Call_Message) {
	if a, ok := f.cluster.agentsByID[call.AgentID.Value]; ok {
		a.deliverLate(func() { a.messageTo(f.id, call.ExecutorID.Value, call.Data) })
	}
}

// resendUpdates makes agents send again what the framework has not acknowledged.
func (f *framework) resendUpdates() {
	notified := map[*Agent]bool{}
	for _, t := range valuesByKey(f.tasks) {
		if !notified[t.agent] {
			notified[t.agent] = true
			t.agent.deliver(func() { t.agent.resend(f.id) })
		}
	}
}
