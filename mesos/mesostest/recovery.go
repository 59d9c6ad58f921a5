package mesostest

import (
	"slices"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// forget drops what the leader knew, when it has ended. Of the agents it is only
// known that they were registered, or unreachable since when.
func (c *cluster) forget() {
	for _, f := range c.sortedFrameworks() {
		f.stream = nil
		f.offers = map[string]*offer{} // its stream's end must not give them back
		f.stopFailover()
	}
	for _, o := range c.offers {
		o.stopTimeout()
	}
	unreachable := slices.DeleteFunc(slices.Clone(c.agents), func(a *Agent) bool { return a.state != agentUnreachable })
	recovered := slices.DeleteFunc(c.agents, func(a *Agent) bool { return a.state == agentUnreachable })
	recovered = append(recovered, c.recovered...)
	c.knowledge = newKnowledge()
	c.recovered, c.agents = recovered, unreachable
	for _, a := range slices.Concat(recovered, unreachable) {
		c.agentsByID[a.id] = a
		a.loseLeader()
		if a.state != agentUnreachable {
			a.state = agentRecovered
		}
	}
}

// loseLeader drops what the old leader knew of the agent, and what was on its way
// between the two.
func (a *Agent) loseLeader() {
	if a.lost != nil {
		a.lost.Stop()
	}
	a.begin()
	a.link.held = nil
}

// finishRecovery ends the leader's recovery: from now on it takes calls, and agents may
// register. Those that do not come back are unreachable after a time.
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
	m.after(m.options.AgentReregisterTimeout, inTerm(m.giveUpRecovered))
	m.after(m.options.AgentReturn, inTerm(func() {
		for _, a := range m.agentsToClose {
			a.link.pass(inTerm(func() { m.admitAgent(a) }))
		}
	}))
}

// takesAgents says whether there is a leader that agents can register with.
func (m *Master) takesAgents() bool { return m.leader != nil && !m.leader.recovering }

// admitAgent lets an agent register that is not registered: a new one, or one that was
// there before the leader.
func (m *Master) admitAgent(a *Agent) {
	if !m.takesAgents() || a.closed || m.isDown(a) {
		return
	}
	switch a.state {
	case agentRecovered:
		m.readmit(a)
	case agentRemoved:
		for _, f := range a.sortedFrameworks() {
			a.shutdownFramework(f.id)
		}
		if !m.gone[a.id] {
			m.enroll(a)
		}
	}
}

// readmit takes back an agent that was there before the leader, with its tasks. No
// framework is told; unacknowledged updates come again.
func (m *Master) readmit(a *Agent) {
	m.recovered = slices.DeleteFunc(m.recovered, func(x *Agent) bool { return x == a })
	a.state = agentActive
	a.reregistered = m.options.Now()
	m.list(a)
	m.total.Add(a.total)
	m.log.Info("Registered agent again", "agent", a.id, "hostname", a.options.Hostname)
	for _, af := range a.sortedFrameworks() {
		f := m.frameworkOfAgent(af)
		if f == nil {
			a.shutdownFramework(af.id)
			continue
		}
		m.takeBack(a, f, af)
		a.resend(af.id)
	}
	m.resendOperations(a)
	m.redrain(a)
	m.allocateSoon()
}

// frameworkOfAgent is the framework that an agent tells of. One that has not
// subscribed since the last election is known from then on; one that was removed is
// none.
func (m *Master) frameworkOfAgent(af *agentFramework) *framework {
	if f, ok := m.frameworks[af.id]; ok {
		return f
	}
	if m.isCompleted(af.id) {
		return nil
	}
	f := m.addFramework(af.info)
	f.recovered = true
	return f
}

// giveUpRecovered judges agents unreachable that have not come back.
func (m *Master) giveUpRecovered() {
	for _, a := range m.recovered {
		a.state = agentUnreachable
		a.unreachableSince = &mesos.TimeInfo{Nanoseconds: m.options.Now().UnixNano()}
		m.list(a)
		m.tellFailure(a)
	}
	m.recovered = nil
}

// returned takes back an agent that was unreachable. The master tells each task's
// state, then the agent sends its unacknowledged updates, and again.
func (m *Master) returned(a *Agent) {
	a.state, a.unreachableSince = agentActive, nil
	a.free = a.total.Clone()
	m.total.Add(a.total)
	for _, af := range a.sortedFrameworks() {
		f := m.frameworkOfAgent(af)
		if f == nil {
			a.shutdownFramework(af.id)
			continue
		}
		for _, t := range m.takeBack(a, f, af) {
			n := t.notice(t.state, mesos.REASON_AGENT_REREGISTERED, "Unreachable agent re-reregistered")
			n.containerStatus = t.containerStatus
			m.tell(f, n)
		}
		a.resend(af.id)
		a.resend(af.id)
	}
	m.resendOperations(a)
	m.redrain(a)
	m.allocateSoon()
}

// takeBack makes what the agent has of the framework known to the master again.
func (m *Master) takeBack(a *Agent, f *framework, af *agentFramework) []*task {
	for _, x := range af.sortedExecutors() {
		if !x.isCommand() {
			own := resource.QuantitiesOf(x.info.Resources...)
			a.addExecutor(f.id, &x.info, x.role(), own)
			a.free.Subtract(own)
			f.allocate(x.role(), own)
		}
	}
	var tasks []*task
	for _, at := range valuesByKey(af.tasks) {
		id := at.id()
		delete(f.unreachable, id)
		need := resource.QuantitiesOf(at.info.Resources...)
		m.addTask(f, a, at.info, at.role(), need)
		t := f.tasks[id]
		f.allocate(t.role, need)
		a.free.Subtract(need)
		t.state, t.containerStatus = at.state, at.executor.containerStatus()
		if terminal(at.state) {
			m.release(t)
		}
		tasks = append(tasks, t)
	}
	return tasks
}
