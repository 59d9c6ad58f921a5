package mesostest

import (
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskstatus"
)

// forgetLeader drops what the leader knew, when it has ended. Of the agents it is only
// known that they were registered, or unreachable since when.
func (c *cluster) forgetLeader() {
	for _, f := range c.sortedFrameworks() {
		f.stream = nil
		f.offers = map[string]*offer{} // its stream's end must not give them back
		f.stopFailover()
	}
	for _, o := range c.offers {
		o.stopTimeout()
	}
	unreachable := slices.DeleteFunc(slices.Clone(c.agents), func(a *Agent) bool { return a.record.state != agentUnreachable })
	recovered := slices.DeleteFunc(c.agents, func(a *Agent) bool { return a.record.state == agentUnreachable })
	recovered = append(recovered, c.recovered...)
	c.leaderMemory = newLeaderMemory()
	c.recovered, c.agents = recovered, unreachable
	for _, a := range slices.Concat(recovered, unreachable) {
		c.agentsByID[a.record.id] = a
		a.loseLeader()
		if a.record.state != agentUnreachable {
			a.record.state = agentRecovered
		}
	}
}

// loseLeader drops what the old leader knew of the agent, and what was on its way
// between the two.
func (a *Agent) loseLeader() {
	if a.record.unreachableTimer != nil {
		a.record.unreachableTimer.Stop()
	}
	a.record.reset()
	a.link.held, a.link.late = nil, nil
}

// finishRecovery ends the leader's recovery: from now on it takes calls, and agents may
// register. Agents that do not return are unreachable after a time.
func (m *Master) finishRecovery() {
	m.recovering = false
	term := m.id
	inTerm := func(f func()) func() {
		return func() {
			if m.leader == m && m.id == term {
				f()
			}
		}
	}
	m.after(m.options.AgentReregisterTimeout, inTerm(m.markRecoveredUnreachable))
	m.after(m.options.AgentReturn, inTerm(func() {
		for _, a := range m.agentsToClose {
			a.link.send(inTerm(func() { a.record.admit() }))
		}
	}))
}

// acceptsAgents reports whether there is a leader that agents can register with.
func (c *cluster) acceptsAgents() bool { return c.leader != nil && !c.leader.recovering }

// admit lets an agent register that is not registered: a new one, or one that was
// there before the leader.
func (r *agentRecord) admit() {
	if !r.cluster.acceptsAgents() || r.agent.closed || r.cluster.maintenance.plan.IsDown(r.agent.machine()) {
		return
	}
	switch r.state {
	case agentRecovered:
		r.readmit()
	case agentRemoved:
		for _, f := range r.agent.sortedFrameworks() {
			r.agent.shutdownFramework(f.id)
		}
		if !r.cluster.goneAgents[r.id] {
			r.enroll()
		}
	}
}

// readmit takes back an agent that was there before the leader, with its tasks. No
// framework gets a status of them; unacknowledged updates come again.
func (r *agentRecord) readmit() {
	r.cluster.recovered = slices.DeleteFunc(r.cluster.recovered, func(x *Agent) bool { return x == r.agent })
	r.state = agentActive
	r.reregistered = r.cluster.options.Now()
	r.addToList()
	r.cluster.total.Add(r.total)
	r.cluster.log.Info("Registered agent again", "agent", r.id, "hostname", r.agent.options.Hostname)
	for _, af := range r.agent.sortedFrameworks() {
		f := r.cluster.frameworkOfAgent(af)
		if f == nil {
			r.agent.shutdownFramework(af.id)
			continue
		}
		r.takeBack(f, af)
		r.agent.resend(af.id)
	}
	r.resendOperations()
	r.resumeDrain()
	r.cluster.allocator.runSoon()
}

// frameworkOfAgent is the framework that an agent reports. One that has not
// subscribed since the last election is known from then on; one that was removed is
// none.
func (c *cluster) frameworkOfAgent(af *agentFramework) *framework {
	if f, ok := c.frameworks[af.id]; ok {
		return f
	}
	if c.isCompleted(af.id) {
		return nil
	}
	f := c.addFramework(af.info)
	f.recovered = true
	return f
}

// markRecoveredUnreachable judges agents unreachable that have not come back.
func (c *cluster) markRecoveredUnreachable() {
	for _, a := range c.recovered {
		a.record.state = agentUnreachable
		a.record.unreachableSince = &mesos.TimeInfo{Nanoseconds: c.options.Now().UnixNano()}
		a.record.addToList()
		a.record.sendFailure()
	}
	c.recovered = nil
}

// returnFromUnreachable takes back an agent that was unreachable. The master sends each
// task's state, then the agent its unacknowledged updates, twice.
func (r *agentRecord) returnFromUnreachable() {
	r.state, r.unreachableSince = agentActive, nil
	r.free = r.total.Clone()
	r.cluster.total.Add(r.total)
	for _, af := range r.agent.sortedFrameworks() {
		f := r.cluster.frameworkOfAgent(af)
		if f == nil {
			r.agent.shutdownFramework(af.id)
			continue
		}
		for _, t := range r.takeBack(f, af) {
			n := t.notice(t.state, mesos.REASON_AGENT_REREGISTERED, "Unreachable agent re-reregistered")
			n.containerStatus = t.containerStatus
			f.sendNotice(n)
		}
		r.agent.resend(af.id)
		r.agent.resend(af.id)
	}
	r.resendOperations()
	r.resumeDrain()
	r.cluster.allocator.runSoon()
}

// takeBack makes what the agent has of the framework known to the master again.
func (r *agentRecord) takeBack(f *framework, af *agentFramework) []*task {
	for _, x := range af.sortedExecutors() {
		if !x.isCommand() {
			own := resource.QuantitiesOf(x.info.Resources...)
			r.addExecutor(f.id, &x.info, x.role(), own)
			r.free.Subtract(own)
			f.allocate(x.role(), own)
		}
	}
	var tasks []*task
	for _, at := range valuesByKey(af.tasks) {
		id := at.id()
		delete(f.unreachable, id)
		need := resource.QuantitiesOf(at.info.Resources...)
		f.addTask(r.agent, at.info, at.role(), need)
		t := f.tasks[id]
		f.allocate(t.role, need)
		r.free.Subtract(need)
		t.state, t.containerStatus = at.state, at.executor.containerStatus()
		if taskstatus.IsTerminal(at.state) {
			t.release()
		}
		tasks = append(tasks, t)
	}
	return tasks
}
