package simulation

import (
	"sort"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// fault is one kind of disturbance of the world.
type fault struct {
	name   string
	weight int
	inject func(*world, roll)
}

// faults lists all kinds with their weights.
var faults = []fault{
	{"scale", 6, (*world).injectScale},
	{"delete a pool", 1, (*world).injectPoolDeletion},
	{"delete a MesosNode", 2, (*world).injectMesosNodeDeletion},
	{"delete a Node", 1, (*world).injectNodeDeletion},
	{"part an agent", 3, (*world).injectPartition},
	{"cut an agent's network", 3, (*world).injectCutNetwork},
	{"lose an agent", 2, (*world).injectAgentLoss},
	{"have an agent leave", 1, (*world).injectAgentLeave},
	{"maintain an agent", 1, (*world).injectMaintenance},
	{"pause an agent", 2, (*world).injectAgentPause},
	{"restart an agent", 2, (*world).injectAgentRestart},
	{"declare an agent gone", 1, (*world).injectAgentGone},
	{"drain an agent", 1, (*world).injectDrain},
	{"fail over", 2, (*world).injectFailover},
	{"cut streams", 2, (*world).injectClosedStreams},
	{"drop requests", 2, (*world).injectDroppedRequests},
	{"drop answers", 2, (*world).injectDroppedResponses},
	{"drop events", 2, (*world).injectLostEvents},
	{"lose calls", 2, (*world).injectLostCalls},
	{"no leader", 2, (*world).injectNoLeader},
	{"API server down", 2, (*world).injectAPIOutage},
	{"upgrade kubelets", 3, (*world).injectKubeletUpgrade},
	{"relabel", 3, (*world).injectRelabeling},
	{"crash", 3, (*world).injectCrash},
	{"freeze", 2, (*world).injectFreeze},
}

// injectFaults sets the failure rates of the plan, and injects faults at times that the seed
// determines.
func (w *world) injectFaults() {
	w.conditions.change(func(n *failureRates) { *n = w.plan.rates })
	r := w.rng.of("chaos")
	times := make([]time.Duration, w.plan.faults+w.plan.rollouts)
	for i := range times {
		r = r.then()
		times[i] = r.between(0, w.plan.chaos)
	}
	ofUsers := map[time.Duration]bool{} // times at which a rollout begins, or changes
	for _, at := range times[w.plan.faults:] {
		ofUsers[at] = true
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	began := time.Now()
	for i, at := range times {
		if !w.wait(at - time.Since(began)) {
			return
		}
		b, what := chooseFault(faults, w.rng.of("blow"))
		if ofUsers[at] {
			b, what = chooseFault(rolloutActions, w.rng.of("rollout"))
		}
		w.trace.add("CHAOS", "%d of %d: %s", i+1, len(times), b.name)
		b.inject(w, what)
	}
	w.wait(w.plan.chaos - time.Since(began))
	w.activeFaults.Wait()
}

func chooseFault(from []fault, r roll) (fault, roll) {
	total := 0
	for _, b := range from {
		total += b.weight
	}
	n := r.below(total)
	for _, b := range from {
		if n -= b.weight; n < 0 {
			return b, r.then()
		}
	}
	return from[0], r.then()
}

// repairLater ends a fault after a while, unless the world has ended. Healing waits for it.
func (w *world) repairLater(r roll, most time.Duration, do func()) {
	d := r.between(time.Second, most)
	w.activeFaults.Go(func() {
		if sleep(w.context, d) == nil {
			do()
		}
	})
}

func (w *world) injectScale(r roll) {
	w.userScales(r.below(w.plan.pools), int32(r.then().below(w.plan.maxReplicas+1)))
}

func (w *world) injectPoolDeletion(r roll) {
	i := r.below(w.plan.pools)
	w.userDeletes(kindPool, client.ObjectKey{Name: poolName(i)})
	w.repairLater(r.then(), time.Minute, func() {
		w.userCreates(w.pool(i, int32(r.then().then().below(w.plan.maxReplicas+1))))
	})
}

func (w *world) injectMesosNodeDeletion(r roll) {
	if o := w.anyObject(kindMesosNode, r); o != nil {
		w.userDeletes(kindMesosNode, client.ObjectKeyFromObject(o))
	}
}

func (w *world) injectNodeDeletion(r roll) {
	if o := w.anyObject(kindNode, r); o != nil {
		w.userDeletes(kindNode, client.ObjectKeyFromObject(o))
	}
}

func (w *world) injectPartition(r roll) {
	a := w.mesos.anyAgent(r)
	w.trace.add(a.Hostname(), "cut off")
	if r.then().happens(0.5) {
		a.Disconnect()
	} else {
		a.MarkUnreachable()
	}
	w.repairLater(r.then().then(), 4*time.Minute, func() {
		w.trace.add(a.Hostname(), "back")
		a.Reconnect()
	})
}

// injectCutNetwork cuts an agent's network without breaking its connections. When it is back,
// KILLs arrive late and more than once, and the tasks are unreachable and back a few times.
func (w *world) injectCutNetwork(r roll) {
	a := w.mesos.anyAgent(r)
	w.trace.add(a.Hostname(), "its network is cut")
	a.CutNetwork()
	r = r.then()
	back := mesostest.NetworkReturn{Flaps: r.below(4), FlapInterval: r.then().between(time.Second, 10*time.Second)}
	r = r.then().then()
	back.LateBy, back.Repeats = r.between(0, time.Minute), r.then().below(3)
	w.repairLater(r.then().then(), 4*time.Minute, func() {
		w.trace.add(a.Hostname(), "its network is back: %+v", back)
		a.RestoreNetwork(back)
		w.wait(back.LateBy + time.Duration(2*back.Flaps+1)*back.FlapInterval)
	})
}

// injectAgentLoss ends an agent's machine for good; a new agent replaces it.
func (w *world) injectAgentLoss(r roll) {
	a := w.mesos.replaceAgent(r)
	w.trace.add(a.Hostname(), "its machine dies")
	a.Disconnect()
	w.checks.machineDied(a.ID())
}

// injectAgentLeave makes an agent unregister: its executors have their grace period, and Mesos
// reports their tasks as lost, which does not prove that they have ended.
func (w *world) injectAgentLeave(r roll) {
	if time.Now().Before(w.mesos.restarted[w.mesos.anyAgent(r)]) {
		return // an agent that is down cannot unregister
	}
	a := w.mesos.replaceAgent(r)
	w.trace.add(a.Hostname(), "leaves")
	w.mesos.leftAgents[a.ID()] = true
	a.Leave()
}

// injectMaintenance schedules maintenance of an agent, and cancels it later.
func (w *world) injectMaintenance(r roll) {
	leader := w.mesos.masters.Leader()
	if leader == nil {
		return
	}
	a := w.mesos.anyAgent(r)
	w.trace.add(a.Hostname(), "is to be maintained")
	window := mesostest.MaintenanceWindow{Agents: []*mesostest.Agent{a}, Start: time.Now().Add(r.then().between(2*time.Hour, 4*time.Hour)), Duration: time.Hour}
	if err := leader.ScheduleMaintenance(window); err != nil {
		w.trace.add(a.Hostname(), "planning maintenance: %v", err)
	}
	w.repairLater(r.then().then(), 3*time.Minute, func() {
		if leader := w.mesos.masters.Leader(); leader != nil {
			w.trace.add(a.Hostname(), "is not to be maintained")
			_ = leader.ScheduleMaintenance() // a leader that is just recovering keeps the plan
		}
	})
}

func (w *world) injectAgentPause(r roll) {
	a := w.mesos.anyAgent(r)
	w.trace.add(a.Hostname(), "paused")
	a.Pause()
	w.repairLater(r.then(), 2*time.Minute, func() {
		w.trace.add(a.Hostname(), "resumed")
		a.Resume()
	})
}

// injectAgentRestart restarts an agent's process; its executors go on.
func (w *world) injectAgentRestart(r roll) {
	a, down := w.mesos.anyAgent(r), r.then().between(0, 2*time.Minute)
	w.trace.add(a.Hostname(), "restarts")
	a.Restart(down)
	w.mesos.restarted[a] = time.Now().Add(down)
}

// injectAgentGone marks an agent as gone, as an administrator may. The agent may still run.
func (w *world) injectAgentGone(r roll) {
	a := w.mesos.replaceAgent(r)
	w.trace.add(a.Hostname(), "declared gone")
	w.checks.declareAgentGone(a.ID())
	if leader := w.mesos.masters.Leader(); leader != nil {
		leader.MarkAgentGone(a.ID())
	}
}

// injectDrain drains an agent, and reactivates it when it is drained.
func (w *world) injectDrain(r roll) {
	a := w.mesos.anyAgent(r)
	w.trace.add(a.Hostname(), "drained")
	a.Drain(mesostest.NoMaxGrace, false)
	w.activeFaults.Go(func() {
		for range 30 { // heal reactivates what is drained later
			if !w.wait(10 * time.Second) {
				return
			}
			if a.Reactivate() == nil {
				w.trace.add(a.Hostname(), "reactivated")
				return
			}
		}
	})
}

func (w *world) injectClosedStreams(roll) {
	for _, m := range w.mesos.masters.All() {
		m.CloseStreams()
	}
}

func (w *world) injectDroppedRequests(r roll) {
	w.mesos.inject(func(f *mesostest.Faults) { f.DropRequests += 1 + r.below(4) })
}

func (w *world) injectDroppedResponses(r roll) {
	w.mesos.inject(func(f *mesostest.Faults) { f.DropResponses += 1 + r.below(4) })
}

// injectLostEvents drops most events of one type for a while.
func (w *world) injectLostEvents(r roll) {
	types := []string{"UPDATE", "FAILURE", "HEARTBEAT"}
	lost := types[r.below(len(types))]
	w.trace.add("CHAOS", "%s events are lost", lost)
	w.mesos.inject(func(f *mesostest.Faults) {
		f.DropEvents = func(event string) bool { return event == lost && w.rng.of("lost "+event).happens(0.7) }
	})
	w.repairLater(r.then(), 2*time.Minute, func() {
		w.mesos.inject(func(f *mesostest.Faults) { f.DropEvents = nil })
	})
}

// injectLostCalls loses most calls of one type for a while after the master has answered 202.
// ACCEPT and DECLINE are not among them, since their offers would stay outstanding forever.
func (w *world) injectLostCalls(r roll) {
	types := []string{"REVIVE", "SUPPRESS", "KILL", "RECONCILE", "ACKNOWLEDGE", "MESSAGE"}
	lost := types[r.below(len(types))]
	w.trace.add("CHAOS", "%s calls are lost", lost)
	w.mesos.inject(func(f *mesostest.Faults) {
		f.LoseCalls = func(call string) bool { return call == lost && w.rng.of("lost "+call).happens(0.7) }
	})
	w.repairLater(r.then(), 2*time.Minute, func() {
		w.mesos.inject(func(f *mesostest.Faults) { f.LoseCalls = nil })
	})
}

// injectFailover kills the leading master. The next leader knows only the agents.
func (w *world) injectFailover(r roll) {
	i := w.mesos.leader()
	if i < 0 {
		return
	}
	w.trace.add("mesos", "master %d dies", i)
	w.network.setDown(address(masterIP(i), masterPort), true)
	w.mesos.masters.Kill(i)
	w.repairLater(r, time.Minute, func() {
		w.trace.add("mesos", "master %d is back", i)
		w.network.setDown(address(masterIP(i), masterPort), false)
		w.mesos.masters.Revive(i)
	})
}

// injectNoLeader leaves Mesos without a leading master for a while.
func (w *world) injectNoLeader(r roll) {
	w.mesos.masters.Depose()
	w.repairLater(r, time.Minute, func() {
		if w.mesos.masters.Leader() == nil {
			w.mesos.masters.Elect(r.then().below(w.plan.masters))
		}
	})
}

func (w *world) injectAPIOutage(r roll) {
	w.recordOutage()
	w.conditions.change(func(n *failureRates) { n.down = true })
	w.repairLater(r, time.Minute, func() {
		w.recordOutage()
		w.conditions.change(func(n *failureRates) { n.down = false })
	})
}

// injectCrash ends an operator at one of its next messages.
func (w *world) injectCrash(r roll) {
	all := w.operators()
	if len(all) == 0 {
		return
	}
	p := all[r.below(len(all))]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.crashAt, p.crashAfter = p.steps+1+r.then().below(30), r.then().then().happens(0.5)
}

func (w *world) injectFreeze(r roll) {
	all := w.operators()
	if len(all) == 0 {
		return
	}
	p := all[r.below(len(all))]
	p.freeze()
	w.repairLater(r.then(), time.Minute, p.wake)
}
