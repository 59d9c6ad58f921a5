package mesostest

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

type agentState int

const (
	agentActive       agentState = iota
	agentDisconnected            // cut off, not yet judged
	agentRecovered               // known to the registry, not back since the last election
	agentUnreachable
	agentRemoved
)

// registration is what the master knows of an agent.
type registration struct {
	id               string // empty before the first registration
	number           int    // in order of start
	state            agentState
	foreign          bool                // in another region than the master
	static           resource.Quantities // as it was configured
	total            resource.Quantities // with what was reserved of it since
	free             resource.Quantities // neither used nor offered
	offers           map[string]*offer
	tasks            map[*task]struct{}
	executors        map[string]map[string]*executorUsage // by framework and ID
	inversions       map[string]*inversion                // by framework
	lost             *time.Timer
	unreachableSince *mesos.TimeInfo

	registered, reregistered time.Time
}

// executorUsage is what an executor takes of its agent.
type executorUsage struct {
	info      *mesos.ExecutorInfo
	role      string
	resources resource.Quantities
}

func (r *registration) executorUsage(frameworkID, executorID string) *executorUsage {
	return r.executors[frameworkID][executorID]
}

func (r *registration) addExecutor(frameworkID string, info *mesos.ExecutorInfo, role string, q resource.Quantities) {
	if r.executors[frameworkID] == nil {
		r.executors[frameworkID] = map[string]*executorUsage{}
	}
	r.executors[frameworkID][info.ExecutorID.Value] = &executorUsage{info: info, role: role, resources: q}
}

// register makes a new agent known to the master.
func (m *Master) register(a *Agent, total resource.Quantities) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return errors.New("the master is closed")
	}
	a.setIdentity(len(m.agentsToClose))
	a.state = agentRemoved
	a.static, a.total = total, total.Clone()
	here, there := m.options.Domain, a.options.Domain
	a.foreign = here.Region != "" && there.Region != "" && here.Region != there.Region
	m.agentsToClose = append(m.agentsToClose, a)
	m.admitAgent(a)
	return nil
}

// enroll takes an agent on that has no tasks.
func (m *Master) enroll(a *Agent) {
	if a.id == "" {
		a.id = fmt.Sprintf("%s-S%d", m.leader.id, m.nextAgent)
		m.nextAgent++
	}
	a.state = agentActive
	a.begin()
	a.registered = m.options.Now()
	m.list(a)
	m.agentsByID[a.id] = a
	m.total.Add(a.total)
	m.log.Info("Registered agent", "agent", a.id, "hostname", a.options.Hostname)
	m.allocateSoon()
}

// begin makes what is known of the agent that of one without tasks.
func (r *registration) begin() {
	r.free = r.total.Clone()
	r.offers = map[string]*offer{}
	r.tasks = map[*task]struct{}{}
	r.executors = map[string]map[string]*executorUsage{}
	r.inversions = nil
}

// list puts the agent among the agents, in order of start.
func (m *Master) list(a *Agent) {
	i, _ := slices.BinarySearchFunc(m.agents, a, func(x, y *Agent) int { return x.number - y.number })
	m.agents = slices.Insert(m.agents, i, a)
}

func (m *Master) unlist(a *Agent) {
	same := func(x *Agent) bool { return x == a }
	m.agents = slices.DeleteFunc(m.agents, same)
	m.recovered = slices.DeleteFunc(m.recovered, same)
	delete(m.agentsByID, a.id)
}

// unregister forgets an agent that says farewell. Even PARTITION_AWARE frameworks
// are told TASK_LOST.
func (m *Master) unregister(a *Agent) { m.remove(a, "the agent unregistered") }

// remove forgets an agent, for the reason.
func (m *Master) remove(a *Agent, reason string) {
	if a.state == agentRemoved {
		return
	}
	a.administration = administration{}
	m.dropAgent(a)
	m.unlist(a)
	for _, t := range sortedTasks(a.tasks) {
		t.state = mesos.TASK_LOST
		m.tell(t.framework, t.notice(mesos.TASK_LOST, mesos.REASON_AGENT_REMOVED,
			fmt.Sprintf("Agent %s removed: %s", a.options.Hostname, reason)))
		m.removeTask(t)
	}
	if a.state != agentUnreachable {
		m.tellFailure(a)
	}
	a.state = agentRemoved
}

// Leave is the agent's farewell, as after SIGUSR1: the master forgets it at once,
// its executors get SHUTDOWN and their grace.
func (a *Agent) Leave() {
	a.master.mu.Lock()
	defer a.master.mu.Unlock()
	a.master.unregister(a)
	a.leave()
}

// leave is the end of the agent's process, after that of its executors.
func (a *Agent) leave() {
	for _, f := range a.sortedFrameworks() {
		a.shutdownFramework(f.id)
	}
	a.link.down = true
}

// dropAgent takes an agent out of the allocation.
func (m *Master) dropAgent(a *Agent) {
	if a.lost != nil {
		a.lost.Stop()
	}
	for _, o := range valuesByKey(a.offers) {
		m.rescind(o)
	}
	m.rescindInverse(a)
	for _, f := range m.sortedFrameworks() {
		m.recoverExecutors(a, f)
		delete(f.filters, a)
	}
	if a.state == agentActive || a.state == agentDisconnected {
		m.total.Subtract(a.total)
	}
}

func (m *Master) tellFailure(a *Agent) {
	for _, f := range m.sortedFrameworks() {
		m.send(f, failureEvent(a.id, "", 0))
	}
}

// recoverExecutors frees what the framework's executors on the agent take.
func (m *Master) recoverExecutors(a *Agent, f *framework) {
	for id := range a.executors[f.id] {
		m.recoverExecutor(a, f, id)
	}
}

func (m *Master) recoverExecutor(a *Agent, f *framework, executorID string) {
	x := a.executorUsage(f.id, executorID)
	if x == nil {
		return
	}
	f.deallocate(x.role, x.resources)
	a.free.Add(x.resources)
	delete(a.executors[f.id], executorID)
	if len(a.executors[f.id]) == 0 {
		delete(a.executors, f.id)
	}
}

// executorExited is what an agent reports of an executor.
func (m *Master) executorExited(a *Agent, frameworkID, executorID string, status int) {
	f, ok := m.frameworks[frameworkID]
	if !ok {
		return
	}
	m.recoverExecutor(a, f, executorID)
	m.send(f, failureEvent(a.id, executorID, int32(status)))
}

// Disconnect cuts the agent off from the master: its offers are rescinded at once,
// and after the master's AgentTimeout it is unreachable. Its containers run on.
func (a *Agent) Disconnect() {
	a.master.mu.Lock()
	defer a.master.mu.Unlock()
	a.master.disconnect(a)
}

func (m *Master) disconnect(a *Agent) {
	a.link.down, a.link.held = true, nil // what was held went with the connection
	if a.state != agentActive {
		return
	}
	a.state = agentDisconnected
	for _, o := range valuesByKey(a.offers) {
		m.rescind(o)
	}
	m.rescindInverse(a)
	for _, f := range m.sortedFrameworks() {
		if !f.info.GetCheckpoint() {
			m.loseTasks(a, f)
		}
	}
	a.lost = m.after(m.options.AgentTimeout, func() { m.markUnreachable(a) })
}

// loseTasks of a framework without checkpoint on an agent whose connection broke.
func (m *Master) loseTasks(a *Agent, f *framework) {
	for _, t := range a.sortedTasks() {
		if t.framework == f {
			t.state = mesos.TASK_LOST
			m.tell(f, t.notice(mesos.TASK_LOST, mesos.REASON_AGENT_DISCONNECTED,
				fmt.Sprintf("Agent %s disconnected", a.options.Hostname)))
			m.removeTask(t)
		}
	}
	m.recoverExecutors(a, f)
}

// MarkUnreachable is Disconnect with the AgentTimeout already over.
func (a *Agent) MarkUnreachable() {
	a.master.mu.Lock()
	defer a.master.mu.Unlock()
	a.master.disconnect(a)
	a.master.markUnreachable(a)
}

func (m *Master) markUnreachable(a *Agent) {
	if a.state != agentDisconnected {
		return
	}
	m.dropAgent(a)
	a.state = agentUnreachable
	a.unreachableSince = &mesos.TimeInfo{Nanoseconds: m.options.Now().UnixNano()}
	for _, t := range sortedTasks(a.tasks) {
		t.state = mesos.TASK_UNREACHABLE
		n := t.notice(mesos.TASK_UNREACHABLE, mesos.REASON_AGENT_REMOVED, "health check timed out")
		n.unreachable = a.unreachableSince
		status := m.tell(t.framework, n)
		status.ExecutorID = nil
		t.statuses = append(t.statuses, status)
		m.release(t)
		delete(t.framework.tasks, t.info.TaskID.Value)
		delete(a.tasks, t)
		t.framework.unreachable[t.info.TaskID.Value] = t
	}
	m.tellFailure(a)
}

// Reconnect ends a Disconnect, unless the agent is down: the agent registers again,
// with its tasks. After Leave it is registered without any, and keeps its ID; was it
// marked gone, it is shut down with its executors.
func (a *Agent) Reconnect() {
	a.master.mu.Lock()
	defer a.master.mu.Unlock()
	if a.life == lifeRunning {
		a.link.down = false
		a.master.comeBack(a)
	}
}

// comeBack takes an agent back on, as whatever the master has it.
func (m *Master) comeBack(a *Agent) {
	a.reregistered = m.options.Now()
	switch a.state {
	case agentDisconnected:
		m.reregister(a)
	case agentUnreachable:
		m.returned(a)
	default:
		m.admitAgent(a)
	}
}

// reregister takes an agent back that was not yet judged. Agent and master tell each
// other what the other one missed.
func (m *Master) reregister(a *Agent) {
	a.lost.Stop()
	a.state = agentActive
	for _, t := range a.sortedTasks() {
		f, id := t.framework, t.info.TaskID.Value
		here, known := a.task(f.id, id)
		switch {
		case !known:
			a.deliver(func() { a.disown(f.info, id) })
		case t.killed && !terminal(here.state):
			a.deliver(func() { a.kill(f.id, id, nil) })
		}
	}
	for _, f := range m.sortedFrameworks() {
		for _, id := range a.executorIDs(f.id) {
			if !a.hasExecutor(f.id, id.Value) {
				m.recoverExecutor(a, f, id.Value)
			}
		}
	}
	for _, f := range a.sortedFrameworks() {
		if m.isCompleted(f.id) {
			a.deliver(func() { a.shutdownFramework(f.id) })
			continue
		}
		a.resend(f.id)
		a.resend(f.id) // really: once for registering, once for the master's news of the framework
	}
	m.resendOperations(a)
	m.redrain(a)
}

// sortedTasks that the master has on the agent.
func (r *registration) sortedTasks() []*task {
	return slices.SortedFunc(maps.Keys(r.tasks), func(a, b *task) int {
		return cmp.Or(strings.Compare(a.framework.id, b.framework.id), strings.Compare(a.info.TaskID.Value, b.info.TaskID.Value))
	})
}

// task that the agent itself has.
func (a *Agent) task(frameworkID, id string) (*agentTask, bool) {
	f, ok := a.frameworks[frameworkID]
	if !ok {
		return nil, false
	}
	t, ok := f.tasks[id]
	return t, ok
}

// hasExecutor says whether the agent itself has the executor.
func (a *Agent) hasExecutor(frameworkID, id string) bool {
	f, ok := a.frameworks[frameworkID]
	return ok && f.executors[id] != nil
}

// markGone is an operator's word that the agent will not come back.
func (m *Master) markGone(a *Agent) {
	m.gone[a.id] = true
	away := a.state == agentRecovered // told when it returns
	a.administration = administration{}
	m.dropAgent(a)
	tasks := sortedTasks(a.tasks)
	for _, f := range m.sortedFrameworks() {
		for _, t := range valuesByKey(f.unreachable) {
			if t.agent == a {
				tasks = append(tasks, t)
				delete(f.unreachable, t.info.TaskID.Value)
			}
		}
	}
	for _, t := range tasks {
		reason := mesos.REASON_AGENT_REMOVED
		if t.framework.capable(mesos.FrameworkInfo_Capability_PARTITION_AWARE) {
			reason = mesos.REASON_AGENT_REMOVED_BY_OPERATOR
		}
		t.state = mesos.TASK_GONE_BY_OPERATOR
		m.tell(t.framework, t.notice(mesos.TASK_GONE_BY_OPERATOR, reason, "Agent has been marked gone"))
		m.removeTask(t)
	}
	if a.state != agentUnreachable {
		m.tellFailure(a)
	}
	m.unlist(a)
	a.state = agentRemoved
	for _, f := range a.sortedFrameworks() {
		if !away {
			a.deliver(func() { a.shutdownFramework(f.id) })
		}
	}
}

// sortedTasks are a set of tasks by their IDs: what is sent must not depend on a map.
func sortedTasks(of map[*task]struct{}) []*task {
	return slices.SortedFunc(maps.Keys(of), func(x, y *task) int {
		return strings.Compare(x.info.TaskID.Value, y.info.TaskID.Value)
	})
}
