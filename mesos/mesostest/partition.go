package mesostest

import "time"

// A network that is cut for minutes breaks no connection. The master goes on writing to the
// agent's connection until its pings are not answered for the AgentTimeout; what it wrote
// arrives when the network is back, on the old connection, beside what goes by the new one.
// Old connections that break only then make the master judge the agent unreachable again.

// lateInterval is the time between calls that arrive late, as seen on a real cluster.
const lateInterval = 10 * time.Millisecond

// NetworkReturn is the way in which a network comes back. In the zero value each call that
// waited arrives once, at once, and the agent stays.
type NetworkReturn struct {
	// LateBy is the time after which the calls that waited begin to arrive.
	LateBy time.Duration
	// Repeats is how many times more each of them arrives.
	Repeats int
	// Flaps is how many times the master judges the agent unreachable once more, and takes
	// it back.
	Flaps int
	// FlapInterval is the time before each of these changes. Default 5 s.
	FlapInterval time.Duration
}

// CutNetwork cuts the network between the agent and the masters until RestoreNetwork.
// Neither side's connection breaks, so offers stay out, and the agent is unreachable only
// after the AgentTimeout. KILL, SHUTDOWN and MESSAGE wait in the connection. LAUNCH and
// the agent's updates are lost: master and agent exchange what the other one missed when
// the agent registers again.
func (a *Agent) CutNetwork() {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	l := &a.link
	if l.cut {
		return
	}
	l.cut = true
	l.changes++
	if a.record.state != agentActive {
		return
	}
	change := l.changes
	a.record.unreachableTimer = a.cluster.after(a.cluster.options.AgentTimeout, func() {
		if l.cut && l.changes == change && a.record.state == agentActive {
			a.record.state = agentDisconnected
			a.record.markUnreachable()
		}
	})
}

// RestoreNetwork ends CutNetwork: the agent registers again, and what waited arrives.
func (a *Agent) RestoreNetwork(o NetworkReturn) {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	l := &a.link
	if !l.cut {
		return
	}
	late := l.late
	l.cut, l.late = false, nil
	l.changes++
	if !l.down && a.processState == processRunning {
		if a.record.state == agentActive {
			a.record.state = agentDisconnected
		}
		a.record.registerAgain()
	}
	starts := a.starts
	for i, call := range late {
		for n := range 1 + o.Repeats {
			delay := o.LateBy + time.Duration(i*(1+o.Repeats)+n)*lateInterval
			a.cluster.after(delay, func() {
				if a.starts == starts && !a.closed && !l.down && !l.cut {
					call()
				}
			})
		}
	}
	setDefault(&o.FlapInterval, 5*time.Second)
	a.flap(o.Flaps, o.FlapInterval)
}

// flap makes the agent unreachable and takes it back, some times, unless anything else
// happens to its connection or its process.
func (a *Agent) flap(times int, interval time.Duration) {
	if times <= 0 {
		return
	}
	l, change, starts := &a.link, a.link.changes, a.starts
	isSame := func() bool { return l.changes == change && a.starts == starts && !a.closed }
	a.cluster.after(interval, func() {
		if !isSame() || a.record.state != agentActive {
			return
		}
		a.record.disconnect()
		a.record.markUnreachable()
		a.cluster.after(interval, func() {
			if !isSame() || a.record.state != agentUnreachable {
				return
			}
			l.down = false
			a.record.registerAgain()
			a.flap(times-1, interval)
		})
	})
}
