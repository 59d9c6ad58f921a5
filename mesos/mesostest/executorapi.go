package mesostest

import (
	"net/http"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/callcheck"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/eventstream"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/executortoken"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/httpapi"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// executorHeartbeats is the interval of heartbeats to executors, which no flag changes.
const executorHeartbeats = 30 * time.Minute

// executorAPI is what an agent serves to its executors.
type executorAPI struct{ agent *Agent }

// serveExecutor serves the executor API, /api/v1/executor.
func (p *executorAPI) serveExecutor(w http.ResponseWriter, r *http.Request) {
	caller, ok := p.authenticate(w, r)
	if !ok {
		return
	}
	call := &executor.Call{}
	if !httpapi.ReadCall(w, r, call) {
		return
	}
	if err := callcheck.Executor(call); err != nil {
		httpapi.Refuse(w, http.StatusBadRequest, "Failed to validate executor::Call: %v", err)
		return
	}
	// An agent looks at the IDs of no heartbeat, and at the Accept header of SUBSCRIBE only.
	if call.Type == executor.Call_HEARTBEAT {
		httpapi.WriteAccepted(w)
		return
	}
	mediaType := ""
	if call.Type == executor.Call_SUBSCRIBE {
		if mediaType, ok = httpapi.Negotiate(w, r); !ok {
			return
		}
	}
	x, status, err := p.findExecutor(call, caller)
	if err != nil {
		httpapi.Refuse(w, status, "%v", err)
		return
	}
	if call.Type == executor.Call_SUBSCRIBE {
		s := eventstream.New()
		x.subscribe(call.Subscribe, s)
		defer x.unsubscribed(s)
		httpapi.StartStream(w, mediaType, "")
		beat := func() { s.Send(events.ExecutorHeartbeat) }
		s.Serve(r.Context(), eventstream.Writer{Response: w, MediaType: mediaType}, beat, executorHeartbeats)
		return
	}
	x.execute(call)
	httpapi.WriteAccepted(w)
}

// findExecutor finds the executor that calls, and whether it may.
func (p *executorAPI) findExecutor(call *executor.Call, caller executortoken.Claims) (x *executorState, status int, err error) {
	p.agent.cluster.mu.Lock()
	defer p.agent.cluster.mu.Unlock()
	if p.agent.processState == processRecovering && call.Type != executor.Call_SUBSCRIBE {
		return nil, http.StatusServiceUnavailable, mesoserror.Errorf("Agent has not finished recovery")
	}
	f, ok := p.agent.frameworks[call.FrameworkID.Value]
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
	m := x.agent.cluster
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed || x.agent.closed || x.agent.processState == processDown {
		s.Abort()
		return
	}
	x.resubscribe(call, s)
}

// resubscribe makes s the executor's stream, for the first or another time.
func (x *executorState) resubscribe(call *executor.Call_Subscribe, s *eventstream.Stream) {
	lost := x.lostTasks(call)
	x.setStream(s)
	for _, u := range call.UnacknowledgedUpdates {
		x.updateFrom(s, u.Status)
	}
	for _, t := range lost {
		t.end(mesos.TASK_DROPPED, mesos.REASON_AGENT_RESTARTED, "Task launched during agent restart")
	}
}

// lostTasks lists tasks that were sent to the executor and that it does not mention: they
// never reached it.
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
		if t.delivered && t.state == mesos.TASK_STAGING && !reached[t.id()] {
			lost = append(lost, t)
		}
	}
	return lost
}

// unsubscribed is called when the executor's stream has ended, whoever ended it.
func (x *executorState) unsubscribed(s *eventstream.Stream) {
	m := x.agent.cluster
	m.mu.Lock()
	defer m.mu.Unlock()
	s.Abort()
	if x.stream == s {
		x.stream = nil
	}
}

func (x *executorState) execute(call *executor.Call) {
	m := x.agent.cluster
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
// the agent has it, not when the scheduler has. A real agent ignores an update that names
// another agent. It passes on, as if nothing were wrong, an update about a task that is not
// the executor's own.
func (x *executorState) updateFrom(s *eventstream.Stream, status mesos.TaskStatus) {
	if id := status.AgentID.GetValue(); id != "" && id != x.agent.record.id {
		return
	}
	id := status.TaskID.Value
	t, ok := x.framework.tasks[id]
	if ok && t.executor == x || !ok && x.hadTask[id] {
		if s != nil {
			s.Send(events.Acknowledged(id, status.UUID))
		}
		if !ok {
			return
		}
		status.ContainerStatus = x.containerStatus()
	}
	if !ok {
		missing := &executorState{agent: x.agent, framework: x.framework}
		t = &agentTask{info: mesos.TaskInfo{TaskID: mesos.TaskID{Value: id}}, executor: missing}
		x.framework.tasks[id] = t
	}
	t.update(status)
}

func (x *executorState) messageFrom(data []byte) {
	a, frameworkID := x.agent, x.framework.id
	a.report(func() {
		if f, ok := a.cluster.frameworks[frameworkID]; ok {
			f.send(events.Message(a.record.id, x.id(), data))
		}
	})
}
