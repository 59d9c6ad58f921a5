package mesostest

import (
	"net/http"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/eventstream"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/executortoken"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
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
	if !httpapi.ReadCall(w, r, call) {
		return
	}
	if err := validateExecutorCall(call); err != nil {
		httpapi.Refuse(w, http.StatusBadRequest, "Failed to validate executor::Call: %v", err)
		return
	}
	mediaType, ok := httpapi.Negotiate(w, r)
	if !ok {
		return
	}
	x, status, err := a.findExecutor(call, caller)
	if err != nil {
		httpapi.Refuse(w, status, "%v", err)
		return
	}
	if call.Type == executor.Call_HEARTBEAT {
		httpapi.WriteAccepted(w)
		return
	}
	if call.Type == executor.Call_SUBSCRIBE {
		s := eventstream.New()
		x.subscribe(call.Subscribe, s)
		defer x.unsubscribed(s)
		httpapi.StartStream(w, mediaType, "")
		beat := func() { s.Send(executorHeartbeat) }
		s.Serve(r.Context(), eventstream.Writer{Response: w, MediaType: mediaType}, beat, executorHeartbeats)
		return
	}
	x.execute(call)
	httpapi.WriteAccepted(w)
}

func validateExecutorCall(call *executor.Call) error {
	switch call.Type {
	case executor.Call_UNKNOWN:
		return mesoserror.Errorf("Expecting 'type' to be present")
	case executor.Call_SUBSCRIBE:
		if call.Subscribe == nil {
			return mesoserror.Errorf("Expecting 'subscribe' to be present")
		}
	case executor.Call_MESSAGE:
		if call.Message == nil {
			return mesoserror.Errorf("Expecting 'message' to be present")
		}
	case executor.Call_UPDATE:
		if call.Update == nil {
			return mesoserror.Errorf("Expecting 'update' to be present")
		}
		return validateExecutorUpdate(call)
	}
	return nil
}

func validateExecutorUpdate(call *executor.Call) error {
	status := &call.Update.Status
	switch {
	case status.UUID == nil:
		return mesoserror.Errorf("Expecting 'uuid' to be present")
	case len(status.UUID) != len(naming.UUID{}):
		return mesoserror.Errorf("Not a valid UUID")
	case status.ExecutorID != nil && status.ExecutorID.Value != call.ExecutorID.Value:
		return mesoserror.Errorf("ExecutorID in Call: %s does not match ExecutorID in TaskStatus: %s",
			call.ExecutorID.Value, status.ExecutorID.Value)
	case status.Source == nil || *status.Source != mesos.SOURCE_EXECUTOR:
		return mesoserror.Errorf("Received Call from executor %s of framework %s with invalid source, expecting 'SOURCE_EXECUTOR'",
			call.ExecutorID.Value, call.FrameworkID.Value)
	case status.GetState() == mesos.TASK_STAGING:
		return mesoserror.Errorf("Received TASK_STAGING from executor %s of framework %s which is not allowed",
			call.ExecutorID.Value, call.FrameworkID.Value)
	}
	return nil
}

// findExecutor finds the executor that calls, and whether it may.
func (a *Agent) findExecutor(call *executor.Call, caller executortoken.Claims) (x *executorState, status int, err error) {
	a.master.mu.Lock()
	defer a.master.mu.Unlock()
	if a.life == lifeRecovering && call.Type != executor.Call_SUBSCRIBE {
		return nil, http.StatusServiceUnavailable, mesoserror.Errorf("Agent has not finished recovery")
	}
	f, ok := a.frameworks[call.FrameworkID.Value]
	if !ok {
		return nil, http.StatusBadRequest, mesoserror.Errorf("Framework cannot be found")
	}
	x, ok = f.executors[call.ExecutorID.Value]
	if !ok || x.isCommand() {
		return nil, http.StatusBadRequest, mesoserror.Errorf("Executor cannot be found")
	}
	if err := x.authorize(caller); err != nil {
		return nil, http.StatusForbidden, err
	}
	if call.Type != executor.Call_SUBSCRIBE && x.phase == executorRegistering {
		return nil, http.StatusForbidden, mesoserror.Errorf("Executor is not subscribed")
	}
	return x, 0, nil
}

func (x *executorState) subscribe(call *executor.Call_Subscribe, s *eventstream.Stream) {
	m := x.agent.master
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || x.agent.closed || x.agent.life == lifeDown {
		s.Abort()
		return
	}
	x.subscribeAnew(call, s)
}

// subscribeAnew makes s the executor's stream, for the first or another time.
func (x *executorState) subscribeAnew(call *executor.Call_Subscribe, s *eventstream.Stream) {
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
func (x *executorState) unsubscribed(s *eventstream.Stream) {
	m := x.agent.master
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Abort()
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
func (x *executorState) updateFrom(s *eventstream.Stream, status mesos.TaskStatus) {
	if s != nil {
		s.Send(acknowledgedEvent(status.TaskID.Value, status.UUID))
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
