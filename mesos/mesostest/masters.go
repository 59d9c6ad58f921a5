package mesostest

import (
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
)

// Masters are several masters of one cluster, of which one leads or none. The first
// leads from the start.
//
// There is no ZooKeeper: the test chooses the leader, or, with
// [MasterOptions].ElectAfter, the masters elect a new leader after the end of one.
//
// A master that does not lead answers every call but /health with 307 to the one
// that it takes for the leader, or with 503 when there is none. When the leader ends,
// what it had in its memory is gone: frameworks with their offers, filters and
// failover_timeout, tasks, removed frameworks. The next one knows of the agents that
// there were, and waits for them to register again.
type Masters struct{ cluster *cluster }

// NewMasters starts n masters. Each has the options o, but for the Listener, which
// comes from Listeners.
func NewMasters(n int, o MasterOptions) (*Masters, error) {
	if n < 1 || len(o.Listeners) > 0 && len(o.Listeners) != n {
		return nil, fmt.Errorf("starting %d masters with %d listeners", n, len(o.Listeners))
	}
	c := newCluster(o)
	for i := range n {
		own := o
		if len(o.Listeners) > 0 {
			own.Listener = o.Listeners[i]
		}
		if _, err := c.startMaster(own); err != nil {
			for _, m := range c.masters {
				_ = m.listener.Close()
			}
			return nil, err
		}
	}
	c.leader, c.presumedLeader = c.masters[0], c.masters[0]
	c.start()
	return &Masters{c}, nil
}

// All masters, dead ones too, in order of their start.
func (ms *Masters) All() []*Master { return slices.Clone(ms.cluster.masters) }

// Leader is the master that leads, even if it has not finished recovery; nil if none
// does.
func (ms *Masters) Leader() *Master {
	ms.cluster.mu.Lock()
	defer ms.cluster.mu.Unlock()
	return ms.cluster.leader
}

// AddAgent starts an agent. It registers with the leader, at once or when there is
// one: before it has no ID.
func (ms *Masters) AddAgent(o AgentOptions) (*Agent, error) {
	return ms.cluster.masters[0].AddAgent(o)
}

// Agents that are registered, disconnected or unreachable, in order of their start.
func (ms *Masters) Agents() []*Agent { return ms.cluster.masters[0].Agents() }

// Close ends all agents and all masters, as [Master.Close] does.
func (ms *Masters) Close() error { return ms.cluster.close() }

// Elect makes the master with that number lead, at once, and revives it if it is
// dead. The one that led before ends, and starts again as a master that does not.
// To elect the leader again changes nothing.
func (ms *Masters) Elect(i int) {
	c := ms.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.masters[i]
	if c.leader == m || c.closed {
		return
	}
	if m.process.isDead() {
		m.startProcess()
		m.process.revive()
	}
	c.depose()
	c.elect(m)
}

// Depose ends the leader's term, as when ZooKeeper is lost: its process ends and
// starts again. Until the next Elect no master leads, and all answer with 503.
func (ms *Masters) Depose() {
	c := ms.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	c.depose()
}

// Kill ends the process of the master with that number: connections to it break, new
// ones too. Was it the leader, the others redirect to it until the next Elect or
// Depose, or until ElectAfter has passed.
func (ms *Masters) Kill(i int) {
	c := ms.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.masters[i]
	m.abortAll()
	m.process.kill()
	if c.leader != m {
		return
	}
	c.leader = nil
	c.forgetLeader()
	c.scheduleElection()
}

// Revive starts the master with that number again after a Kill. It does not lead.
func (ms *Masters) Revive(i int) {
	c := ms.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.masters[i]
	if !m.process.isDead() {
		return
	}
	m.startProcess()
	m.process.revive()
	if c.presumedLeader == m { // it leads no more
		c.presumedLeader = nil
	}
	if c.allDead {
		c.scheduleElection()
	}
}

// elect makes m the leader of a cluster that has none.
func (c *cluster) elect(m *Master) {
	c.stopElection()
	c.leader, c.presumedLeader = m, m
	m.elected = m.options.Now()
	m.recovering = true
	m.log.Info("Elected master", "master", m.Addr())
	if m.options.RecoveryTime == 0 {
		m.finishRecovery()
		return
	}
	id := m.id
	c.after(m.options.RecoveryTime, func() {
		if c.leader == m && m.id == id {
			m.finishRecovery()
		}
	})
}

// scheduleElection finds the next leader when ElectAfter has passed: the master whose
// process is the oldest.
func (c *cluster) scheduleElection() {
	c.stopElection()
	wait := c.masters[0].options.ElectAfter
	if wait == 0 {
		return
	}
	c.electionTimer = c.after(wait, func() {
		if c.leader != nil {
			return
		}
		c.presumedLeader = nil
		living := slices.DeleteFunc(slices.Clone(c.masters), func(m *Master) bool { return m.process.isDead() })
		if c.allDead = len(living) == 0; !c.allDead {
			c.elect(slices.MinFunc(living, func(a, b *Master) int { return a.started.Compare(b.started) }))
		}
	})
}

func (c *cluster) stopElection() {
	if c.electionTimer != nil {
		c.electionTimer.Stop()
	}
	c.allDead = false
}

// depose ends the leader, if there is one, and has it start again.
func (c *cluster) depose() {
	c.stopElection()
	if m := c.leader; m != nil {
		m.abortAll()
		m.process.breakConnections()
		m.startProcess()
		c.forgetLeader()
	}
	c.leader, c.presumedLeader = nil, nil
}

// abortAll breaks off all that the master's process serves.
func (m *Master) abortAll() {
	m.recovering = false
	m.abortStreams()
}

func (m *Master) abortStreams() {
	for s := range m.connections {
		s.Abort()
	}
}

// masterProcess is the process of a master as its clients see it: while it is dead, each
// connection is broken as soon as it is made.
type masterProcess struct {
	mu    sync.Mutex
	dead  bool
	conns map[net.Conn]struct{}
}

// connState keeps the connections, as a http.Server's hook.
func (p *masterProcess) connState(c net.Conn, state http.ConnState) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case state == http.StateNew && p.dead:
		_ = c.Close()
	case state == http.StateNew:
		if p.conns == nil {
			p.conns = map[net.Conn]struct{}{}
		}
		p.conns[c] = struct{}{}
	case state == http.StateClosed:
		delete(p.conns, c)
	}
}

func (p *masterProcess) breakConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *masterProcess) kill() {
	p.breakConnections()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
}

func (p *masterProcess) revive() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = false
}

func (p *masterProcess) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}
