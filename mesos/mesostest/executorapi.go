package mesostest

import (
	"net/http"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
)

// executorHeartbeats is the interval of heartbeats to executors, which no flag changes.
const executorHeartbeats = 30 * time.Minute

var executorHeartbeat = &executor.Event{Type: executor.Event_HEARTBEAT}

// serveExecutor serves the executor API, /api/v1/executor.
func (a *Agent) serveExecutor(w http.ResponseWriter, r *http.Request) {
	caller, ok := a.authenticate(w, r)
	if !ok {
		return
	}
	call := &executor.Call{}
	if !readCall(w, r, call) {
		return
	}
	if err := validateExecutorCall(call); err != nil {
		refuse(w, http.StatusBadRequest, "Failed to validate executor::Call: %v", err)
		return
	}
	mediaType, ok := negotiate(w, r)
	if !ok {
		return
	}
	x, status, err := a.findExecutor(call, caller)
	if err != nil {
		refuse(w, status, "%v", err)
		return
	}
	if call.Type == executor.Call_HEARTBEAT {
		accepted(w)
		return
	}
	if call.Type == executor.Call_SUBSCRIBE {
		s := newStream()
		x.subscribe(call.Subscribe, s)
		defer x.unsubscribed(s)
		startStream(w, mediaType, "")
		beat := func() { s.send(executorHeartbeat) }
		s.serve(r.Context(), recordWriter{w: w, mediaType: mediaType}, beat, executorHeartbeats)
		return
	}
	x.execute(call)
	accepted(w)
}

func validateExecutorCall(call *executor.Call) error {
	switch call.Type {
	case executor.Call_UNKNOWN:
		return worded("Expecting 'type' to be present")
	case executor.Call_SUBSCRIBE:
		if call.Subscribe == nil {
			return worded("Expecting 'subscribe' to be present")
		}
	case executor.Call_MESSAGE:
		if call.Message == nil {
			return worded("Expecting 'message' to be present")
		}
	case executor.Call_UPDATE:
		if call.Update == nil {
			return worded("Expecting 'update' to be present")
		}
		return validateExecutorUpdate(call)
	}
	return nil
}

func validateExecutorUpdate(call *executor.Call) error {
	status := &call.Update.Status
	switch {
	case status.UUID == nil:
		return worded("Expecting 'uuid' to be present")
	case len(status.UUID) != len(uuid{}):
		return worded("Not a valid UUID")
	case status.ExecutorID != nil && status.ExecutorID.Value != call.ExecutorID.Value:
		return worded("ExecutorID in Call: %s does not match ExecutorID in TaskStatus: %s",
			call.ExecutorID.Value, status.ExecutorID.Value)
	case status.Source == nil || *status.Source != mesos.SOURCE_EXECUTOR:
		return worded("Received Call from executor %s of framework %s with invalid source, expecting 'SOURCE_EXECUTOR'",
			call.ExecutorID.Value, call.FrameworkID.Value)
	case status.GetState() == mesos.TASK_STAGING:
		return worded("Received TASK_STAGING from executor %s of framework %s which is not allowed",
			call.ExecutorID.Value, call.FrameworkID.Value)
	}
	return nil
}

// findExecutor finds the executor that calls, and whether it may.
func (a *Agent) findExecutor(call *executor.Call, caller claims) (x *executorState, status int, err error) {
	a.master.mu.Lock()
	defer a.master.mu.Unlock()
	if a.life == lifeRecovering && call.Type != executor.Call_SUBSCRIBE {
		return nil, http.StatusServiceUnavailable, worded("Agent has not finished recovery")
	}
	f, ok := a.frameworks[call.FrameworkID.Value]
	if !ok {
		return nil, http.StatusBadRequest, worded("Framework cannot be found")
	}
	x, ok = f.executors[call.ExecutorID.Value]
	if !ok || x.isCommand() {
		return nil, http.StatusBadRequest, worded("Executor cannot be found")
	}
	if err := caller.mayBe(x); err != nil {
		return nil, http.StatusForbidden, err
	}
	if call.Type != executor.Call_SUBSCRIBE && x.phase == executorRegistering {
		return nil, http.StatusForbidden, worded("Executor is not subscribed")
	}
	return x, 0, nil
}

func (x *executorState) subscribe(call *executor.Call_Subscribe, s *stream) {
	m := x.agent.master
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || x.agent.closed || x.agent.life == lifeDown {
		s.abort()
		return
	}
	x.subscribeAnew(call, s)
}

// subscribeAnew makes s the executor's stream, for the first or another time.
func (x *executorState) subscribeAnew(call *executor.Call_Subscribe, s *stream) {
	lost := x.lostTasks(call)
	x.subscribed(s)
	for _, u := range call.UnacknowledgedUpdates {
		x.updateFrom(s, u.Status)
	}
	for _, t := range lost {
		x.agent.endTask(t, mesos.TASK_DROPPED, mesos.REASON_AGENT_RESTARTED, "Task launched during agent restart")
	}
}

// lostTasks were handed to the executor, and never reached it by what it says.
func (x *executorState) lostTasks(call *executor.Call_Subscribe) []*agentTask {
	reached := map[string]bool{}
	for i := range call.UnacknowledgedTasks {
		reached[call.UnacknowledgedTasks[i].TaskID.Value] = true
	}
	for i := range call.UnacknowledgedUpdates {
		reached[call.UnacknowledgedUpdates[i].Status.TaskID.Value] = true
	}
	var lost []*agentTask
	for _, t := range x.tasks {
		if t.handed && t.state == mesos.TASK_STAGING && !reached[t.id()] {
			lost = append(lost, t)
		}
	}
	return lost
}

// unsubscribed is called when the executor's stream has ended, whoever ended it.
func (x *executorState) unsubscribed(s *stream) {
	m := x.agent.master
	m.mu.Lock()
	defer m.mu.Unlock()
	s.abort()
	if x.stream == s {
		x.stream = nil
	}
}

func (x *executorState) execute(call *executor.Call) {
	m := x.agent.master
	m.mu.Lock()
	defer m.mu.Unlock()
	switch call.Type {
	case executor.Call_UPDATE:
		x.updateFrom(x.stream, call.Update.Status)
	case executor.Call_MESSAGE:
		x.messageFrom(call.Message.Data)
	}
}

// updateFrom takes a status update from the executor. It is acknowledged to it when
// the agent has it, not when the scheduler has.
func (x *executorState) updateFrom(s *stream, status mesos.TaskStatus) {
	if s != nil {
		s.send(acknowledgedEvent(status.TaskID.Value, status.UUID))
	}
	t, ok := x.framework.tasks[status.TaskID.Value]
	if !ok || t.executor != x {
		return
	}
	status.ContainerStatus = x.containerStatus()
	x.agent.update(t, status)
}

func (x *executorState) messageFrom(data []byte) {
	a, frameworkID := x.agent, x.framework.id
	a.report(func() {
		if f, ok := a.master.frameworks[frameworkID]; ok {
			a.master.send(f, messageEvent(a.id, x.id(), data))
		}
	})
}
