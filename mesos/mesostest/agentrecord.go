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

	"github.com/k8sm/k8sm/mesos/mesostest/internal/events"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskstatus"
)

type agentState int

const (
	agentActive       agentState = iota
	agentDisconnected            // its connection is broken, the AgentTimeout runs
	agentRecovered               // known to the registry, not back since the last election
	agentUnreachable
	agentRemoved
)

// agentRecord is what the master knows of an agent.
type agentRecord struct {
	cluster          *cluster
	agent            *Agent
	id               string // empty before the first registration
	number           int    // in order of start
	state            agentState
	foreign          bool                // in another region than the master
	configured       resource.Quantities // as it was configured
	total            resource.Quantities // with what was reserved of it since
	free             resource.Quantities // neither used nor offered
	offers           map[string]*offer
	tasks            map[*task]struct{}
	executors        map[string]map[string]*executorUsage // by framework and ID
	inverseOffers    map[string]*inverseOfferState        // by framework
	unreachableTimer *time.Timer
	unreachableSince *mesos.TimeInfo

	registered, reregistered time.Time
	operatorDecisions
}

// executorUsage is what an executor takes of its agent.
type executorUsage struct {
	info      *mesos.ExecutorInfo
	role      string
	resources resource.Quantities
}

func (r *agentRecord) executorUsage(frameworkID, executorID string) *executorUsage {
	return r.executors[frameworkID][executorID]
}

func (r *agentRecord) addExecutor(frameworkID string, info *mesos.ExecutorInfo, role string, q resource.Quantities) {
	if r.executors[frameworkID] == nil {
		r.executors[frameworkID] = map[string]*executorUsage{}
	}
	r.executors[frameworkID][info.ExecutorID.Value] = &executorUsage{info: info, role: role, resources: q}
}

// register makes a new agent known to the master.
func (r *agentRecord) register(total resource.Quantities) error {
	r.cluster.mu.Lock()
	defer r.cluster.mu.Unlock()
	if r.cluster.closed {
		return errors.New("the master is closed")
	}
	r.agent.setIdentity(len(r.cluster.agentsToClose))
	r.state = agentRemoved
	r.configured, r.total = total, total.Clone()
	here, there := r.cluster.options.Domain, r.agent.options.Domain
	r.foreign = here.Region != "" && there.Region != "" && here.Region != there.Region
	r.cluster.agentsToClose = append(r.cluster.agentsToClose, r.agent)
	r.admit()
	return nil
}

// enroll registers an agent that has no tasks.
func (r *agentRecord) enroll() {
	if r.id == "" {
		r.id = fmt.Sprintf("%s-S%d", r.cluster.leader.id, r.cluster.nextAgent)
		r.cluster.nextAgent++
	}
	r.state = agentActive
	r.reset()
	r.registered = r.cluster.options.Now()
	r.addToList()
	r.cluster.agentsByID[r.id] = r.agent
	r.cluster.total.Add(r.total)
	r.cluster.log.Info("Registered agent", "agent", r.id, "hostname", r.agent.options.Hostname)
	r.cluster.allocator.runSoon()
}

// reset resets the record to that of an agent without tasks.
func (r *agentRecord) reset() {
	r.free = r.total.Clone()
	r.offers = map[string]*offer{}
	r.tasks = map[*task]struct{}{}
	r.executors = map[string]map[string]*executorUsage{}
	r.inverseOffers = nil
}

// addToList puts the agent among the agents, in order of start.
func (r *agentRecord) addToList() {
	i, _ := slices.BinarySearchFunc(r.cluster.agents, r.agent, func(x, y *Agent) int { return x.record.number - y.record.number })
	r.cluster.agents = slices.Insert(r.cluster.agents, i, r.agent)
}

func (r *agentRecord) removeFromLists() {
	same := func(x *Agent) bool { return x == r.agent }
	r.cluster.agents = slices.DeleteFunc(r.cluster.agents, same)
	r.cluster.recovered = slices.DeleteFunc(r.cluster.recovered, same)
	delete(r.cluster.agentsByID, r.id)
}

// unregister forgets an agent that leaves by itself. Even PARTITION_AWARE frameworks get
// TASK_LOST.
func (r *agentRecord) unregister() { r.remove("the agent unregistered") }

// remove forgets an agent, for the reason.
func (r *agentRecord) remove(reason string) {
	if r.state == agentRemoved {
		return
	}
	r.operatorDecisions = operatorDecisions{}
	r.stopAllocation()
	r.removeFromLists()
	for _, t := range sortedTasks(r.tasks) {
		t.state = mesos.TASK_LOST
		t.framework.sendNotice(t.notice(mesos.TASK_LOST, mesos.REASON_AGENT_REMOVED,
			fmt.Sprintf("Agent %s removed: %s", r.agent.options.Hostname, reason)))
		t.remove()
	}
	if r.state != agentUnreachable {
		r.sendFailure()
	}
	r.state = agentRemoved
}

// Leave makes the agent unregister, as after SIGUSR1: the master forgets it at once,
// its executors get SHUTDOWN and their grace.
func (a *Agent) Leave() {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	a.link.changes++
	a.record.unregister()
	a.shutDownAll()
}

// shutDownAll is the end of the agent's process, after that of its executors.
func (a *Agent) shutDownAll() {
	for _, f := range a.sortedFrameworks() {
		a.shutdownFramework(f.id)
	}
	a.link.down = true
}

// stopAllocation takes an agent out of the allocation.
func (r *agentRecord) stopAllocation() {
	if r.unreachableTimer != nil {
		r.unreachableTimer.Stop()
	}
	for _, o := range valuesByKey(r.offers) {
		o.rescind()
	}
	r.rescindInverseOffers()
	for _, f := range r.cluster.sortedFrameworks() {
		r.recoverExecutors(f)
		delete(f.filters, r.agent)
	}
	if r.state == agentActive || r.state == agentDisconnected {
		r.cluster.total.Subtract(r.total)
	}
}

func (r *agentRecord) sendFailure() {
	for _, f := range r.cluster.sortedFrameworks() {
		f.send(events.Failure(r.id, "", 0))
	}
}

// recoverExecutors frees what the framework's executors on the agent take.
func (r *agentRecord) recoverExecutors(f *framework) {
	for id := range r.executors[f.id] {
		r.recoverExecutor(f, id)
	}
}

func (r *agentRecord) recoverExecutor(f *framework, executorID string) {
	x := r.executorUsage(f.id, executorID)
	if x == nil {
		return
	}
	f.deallocate(x.role, x.resources)
	r.free.Add(x.resources)
	delete(r.executors[f.id], executorID)
	if len(r.executors[f.id]) == 0 {
		delete(r.executors, f.id)
	}
}

// executorExited is what an agent reports of an executor.
func (r *agentRecord) executorExited(frameworkID, executorID string, status int) {
	f, ok := r.cluster.frameworks[frameworkID]
	if !ok {
		return
	}
	r.recoverExecutor(f, executorID)
	f.send(events.Failure(r.id, executorID, int32(status)))
}

// Disconnect cuts the agent off from the master: its offers are rescinded at once,
// and after the master's AgentTimeout it is unreachable. Its containers run on.
func (a *Agent) Disconnect() {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	a.link.changes++
	a.record.disconnect()
}

func (r *agentRecord) disconnect() {
	r.agent.link.down, r.agent.link.held, r.agent.link.late = true, nil, nil // what was held back is lost with the connection
	if r.state != agentActive {
		return
	}
	r.state = agentDisconnected
	for _, o := range valuesByKey(r.offers) {
		o.rescind()
	}
	r.rescindInverseOffers()
	for _, f := range r.cluster.sortedFrameworks() {
		if !f.info.GetCheckpoint() {
			r.loseTasks(f)
		}
	}
	r.unreachableTimer = r.cluster.after(r.cluster.options.AgentTimeout, func() { r.markUnreachable() })
}

// loseTasks of a framework without checkpoint on an agent whose connection broke.
func (r *agentRecord) loseTasks(f *framework) {
	for _, t := range r.sortedTasks() {
		if t.framework == f {
			t.state = mesos.TASK_LOST
			f.sendNotice(t.notice(mesos.TASK_LOST, mesos.REASON_AGENT_DISCONNECTED,
				fmt.Sprintf("Agent %s disconnected", r.agent.options.Hostname)))
			t.remove()
		}
	}
	r.recoverExecutors(f)
}

// MarkUnreachable is Disconnect with the AgentTimeout already over.
func (a *Agent) MarkUnreachable() {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	a.link.changes++
	a.record.disconnect()
	a.record.markUnreachable()
}

func (r *agentRecord) markUnreachable() {
	if r.state != agentDisconnected {
		return
	}
	r.stopAllocation()
	r.state = agentUnreachable
	r.unreachableSince = &mesos.TimeInfo{Nanoseconds: r.cluster.options.Now().UnixNano()}
	for _, t := range sortedTasks(r.tasks) {
		t.state = mesos.TASK_UNREACHABLE
		n := t.notice(mesos.TASK_UNREACHABLE, mesos.REASON_AGENT_REMOVED, "health check timed out")
		n.unreachable = r.unreachableSince
		status := t.framework.sendNotice(n)
		status.ExecutorID = nil
		t.statuses = append(t.statuses, status)
		t.release()
		delete(t.framework.tasks, t.info.TaskID.Value)
		delete(r.tasks, t)
		t.framework.unreachable[t.info.TaskID.Value] = t
	}
	r.sendFailure()
}

// Reconnect ends a Disconnect, unless the agent is down: the agent registers again,
// with its tasks. After Leave it is registered without any, and keeps its ID; was it
// marked gone, it is shut down with its executors.
func (a *Agent) Reconnect() {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	if a.processState == processRunning {
		a.link.down = false
		a.link.changes++
		a.record.registerAgain()
	}
}

// registerAgain registers an agent, as its state at the master requires.
func (r *agentRecord) registerAgain() {
	if r.agent.link.cut {
		return // it registers when the network is back
	}
	r.reregistered = r.cluster.options.Now()
	switch r.state {
	case agentDisconnected:
		r.reregister()
	case agentUnreachable:
		r.returnFromUnreachable()
	default:
		r.admit()
	}
}

// reregister takes an agent back before its AgentTimeout has passed. Agent and master
// send each other what the other one missed.
func (r *agentRecord) reregister() {
	r.unreachableTimer.Stop()
	r.state = agentActive
	for _, t := range r.sortedTasks() {
		f, id := t.framework, t.info.TaskID.Value
		here, known := r.agent.task(f.id, id)
		switch {
		case !known:
			r.agent.deliver(func() { r.agent.dropUnknownTask(f.info, id) })
		case t.killed && !taskstatus.IsTerminal(here.state):
			r.agent.deliver(func() { r.agent.kill(f.id, id, nil) })
		}
	}
	for _, f := range r.cluster.sortedFrameworks() {
		for _, id := range r.executorIDs(f.id) {
			if !r.agent.hasExecutor(f.id, id.Value) {
				r.recoverExecutor(f, id.Value)
			}
		}
	}
	for _, f := range r.agent.sortedFrameworks() {
		if r.cluster.isCompleted(f.id) {
			r.agent.deliver(func() { r.agent.shutdownFramework(f.id) })
			continue
		}
		r.agent.resend(f.id)
		r.agent.resend(f.id) // twice, as Mesos does: once for registering, once when the master sends the framework
	}
	r.resendOperations()
	r.resumeDrain()
}

// sortedTasks that the master has on the agent.
func (r *agentRecord) sortedTasks() []*task {
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

// hasExecutor reports whether the agent itself has the executor.
func (a *Agent) hasExecutor(frameworkID, id string) bool {
	f, ok := a.frameworks[frameworkID]
	return ok && f.executors[id] != nil
}

// markGone removes an agent that an operator has declared gone.
func (r *agentRecord) markGone() {
	r.cluster.goneAgents[r.id] = true
	away := r.state == agentRecovered // its executors are shut down when it returns
	r.operatorDecisions = operatorDecisions{}
	r.stopAllocation()
	tasks := sortedTasks(r.tasks)
	for _, f := range r.cluster.sortedFrameworks() {
		for _, t := range valuesByKey(f.unreachable) {
			if t.agent == r.agent {
				tasks = append(tasks, t)
				delete(f.unreachable, t.info.TaskID.Value)
			}
		}
	}
	for _, t := range tasks {
		reason := mesos.REASON_AGENT_REMOVED
		if t.framework.hasCapability(mesos.FrameworkInfo_Capability_PARTITION_AWARE) {
			reason = mesos.REASON_AGENT_REMOVED_BY_OPERATOR
		}
		t.state = mesos.TASK_GONE_BY_OPERATOR
		t.framework.sendNotice(t.notice(mesos.TASK_GONE_BY_OPERATOR, reason, "Agent has been marked gone"))
		t.remove()
	}
	if r.state != agentUnreachable {
		r.sendFailure()
	}
	r.removeFromLists()
	r.state = agentRemoved
	for _, f := range r.agent.sortedFrameworks() {
		if !away {
			r.agent.deliver(func() { r.agent.shutdownFramework(f.id) })
		}
	}
}

// sortedTasks are a set of tasks by their IDs: what is sent must not depend on a map.
func sortedTasks(of map[*task]struct{}) []*task {
	return slices.SortedFunc(maps.Keys(of), func(x, y *task) int {
		return strings.Compare(x.info.TaskID.Value, y.info.TaskID.Value)
	})
}
