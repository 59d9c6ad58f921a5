package simulation

import (
	"sort"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// blow is one thing that befalls the world.
type blow struct {
	name   string
	weight int
	strike func(*world, roll)
}

// blows that may befall, with how often they do.
var blows = []blow{
	{"scale", 6, (*world).blowScale},
	{"delete a pool", 1, (*world).blowDeletePool},
	{"delete a MesosNode", 2, (*world).blowDeleteMesosNode},
	{"delete a Node", 1, (*world).blowDeleteNode},
	{"part an agent", 3, (*world).blowPartition},
	{"lose an agent", 2, (*world).blowLoseAgent},
	{"have an agent leave", 1, (*world).blowLeave},
	{"maintain an agent", 1, (*world).blowMaintenance},
	{"pause an agent", 2, (*world).blowPauseAgent},
	{"restart an agent", 2, (*world).blowRestartAgent},
	{"declare an agent gone", 1, (*world).blowGone},
	{"drain an agent", 1, (*world).blowDrain},
	{"fail over", 2, (*world).blowFailOver},
	{"cut streams", 2, (*world).blowStreams},
	{"drop requests", 2, (*world).blowRequests},
	{"drop answers", 2, (*world).blowAnswers},
	{"drop events", 2, (*world).blowEvents},
	{"lose calls", 2, (*world).blowCalls},
	{"no leader", 2, (*world).blowNoLeader},
	{"API server down", 2, (*world).blowAPIDown},
	{"upgrade kubelets", 3, (*world).blowUpgrade},
	{"crash", 3, (*world).blowCrash},
	{"freeze", 2, (*world).blowFreeze},
}

// disturb is the chaos: bad weather, and blows at times that the seed says.
func (w *world) disturb() {
	w.weather.change(func(n *weatherNow) { *n = w.plan.weather })
	r := w.chance.of("chaos")
	times := make([]time.Duration, w.plan.blows)
	for i := range times {
		r = r.then()
		times[i] = r.between(0, w.plan.chaos)
	}
	sort.Slice(times, func(i, j int) bool { return times[i] < times[j] })
	began := time.Now()
	for i, at := range times {
		if !w.wait(at - time.Since(began)) {
			return
		}
		b, what := choose(w.chance.of("blow"))
		w.trace.add("CHAOS", "%d of %d: %s", i+1, len(times), b.name)
		b.strike(w, what)
	}
	w.wait(w.plan.chaos - time.Since(began))
	w.troubles.Wait()
}

func choose(r roll) (blow, roll) {
	total := 0
	for _, b := range blows {
		total += b.weight
	}
	n := r.below(total)
	for _, b := range blows {
		if n -= b.weight; n < 0 {
			return b, r.then()
		}
	}
	return blows[0], r.then()
}

// later ends a trouble after a while, unless the world has ended. Calm is not before.
func (w *world) later(r roll, most time.Duration, do func()) {
	d := r.between(time.Second, most)
	w.troubles.Go(func() {
		if sleep(w.context, d) == nil {
			do()
		}
	})
}

func (w *world) blowScale(r roll) {
	w.userScales(r.below(w.plan.pools), int32(r.then().below(w.plan.replicasMost+1)))
}

func (w *world) blowDeletePool(r roll) {
	i := r.below(w.plan.pools)
	w.userDeletes(kindPool, client.ObjectKey{Name: poolName(i)})
	w.later(r.then(), time.Minute, func() {
		w.userCreates(w.pool(i, int32(r.then().then().below(w.plan.replicasMost+1))))
	})
}

func (w *world) blowDeleteMesosNode(r roll) {
	if o := w.some(kindMesosNode, r); o != nil {
		w.userDeletes(kindMesosNode, client.ObjectKeyFromObject(o))
	}
}

func (w *world) blowDeleteNode(r roll) {
	if o := w.some(kindNode, r); o != nil {
		w.userDeletes(kindNode, client.ObjectKeyFromObject(o))
	}
}

func (w *world) blowPartition(r roll) {
	a := w.mesos.some(r)
	w.trace.add(a.Hostname(), "cut off")
	if r.then().under(0.5) {
		a.Disconnect()
	} else {
		a.MarkUnreachable()
	}
	w.later(r.then().then(), 4*time.Minute, func() {
		w.trace.add(a.Hostname(), "back")
		a.Reconnect()
	})
}

// blowLoseAgent is a machine that dies; another takes its place.
func (w *world) blowLoseAgent(r roll) {
	a := w.mesos.take(r)
	w.trace.add(a.Hostname(), "its machine dies")
	a.Disconnect()
	w.checks.destroy(a.ID())
}

// blowLeave is an agent that says farewell: its executors have their grace, and Mesos
// tells that their tasks are lost, which proves nothing.
func (w *world) blowLeave(r roll) {
	if time.Now().Before(w.mesos.starts[w.mesos.some(r)]) {
		return // who is not there cannot say farewell
	}
	a := w.mesos.take(r)
	w.trace.add(a.Hostname(), "leaves")
	w.mesos.left[a.ID()] = true
	a.Leave()
}

// blowMaintenance plans maintenance of an agent, and perhaps thinks better of it.
func (w *world) blowMaintenance(r roll) {
	leader := w.mesos.masters.Leader()
	if leader == nil {
		return
	}
	a := w.mesos.some(r)
	w.trace.add(a.Hostname(), "is to be maintained")
	window := mesostest.MaintenanceWindow{Agents: []*mesostest.Agent{a}, Start: time.Now().Add(r.then().between(2*time.Hour, 4*time.Hour)), Duration: time.Hour}
	if err := leader.ScheduleMaintenance(window); err != nil {
		w.trace.add(a.Hostname(), "planning maintenance: %v", err)
	}
	w.later(r.then().then(), 3*time.Minute, func() {
		if leader := w.mesos.masters.Leader(); leader != nil {
			w.trace.add(a.Hostname(), "is not to be maintained")
			_ = leader.ScheduleMaintenance() // a leader that is just recovering keeps the plan
		}
	})
}

func (w *world) blowPauseAgent(r roll) {
	a := w.mesos.some(r)
	w.trace.add(a.Hostname(), "paused")
	a.Pause()
	w.later(r.then(), 2*time.Minute, func() {
		w.trace.add(a.Hostname(), "resumed")
		a.Resume()
	})
}

// blowRestartAgent ends an agent's process, which comes back; its executors live on.
func (w *world) blowRestartAgent(r roll) {
	a, down := w.mesos.some(r), r.then().between(0, 2*time.Minute)
	w.trace.add(a.Hostname(), "restarts")
	a.Restart(down)
	w.mesos.starts[a] = time.Now().Add(down)
}

// blowGone is a person's word that an agent will not come back. It may run on.
func (w *world) blowGone(r roll) {
	a := w.mesos.take(r)
	w.trace.add(a.Hostname(), "declared gone")
	w.checks.forgive(a.ID())
	if leader := w.mesos.masters.Leader(); leader != nil {
		leader.MarkAgentGone(a.ID())
	}
}

// blowDrain has an agent drained; afterwards it may be used again.
func (w *world) blowDrain(r roll) {
	a := w.mesos.some(r)
	w.trace.add(a.Hostname(), "drained")
	a.Drain(mesostest.NoMaxGrace, false)
	w.troubles.Go(func() {
		for range 30 { // what is drained later is taken back in calm
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

func (w *world) blowStreams(roll) {
	for _, m := range w.mesos.masters.All() {
		m.CloseStreams()
	}
}

func (w *world) blowRequests(r roll) {
	w.mesos.inject(func(f *mesostest.Faults) { f.DropRequests += 1 + r.below(4) })
}

func (w *world) blowAnswers(r roll) {
	w.mesos.inject(func(f *mesostest.Faults) { f.DropResponses += 1 + r.below(4) })
}

// blowEvents loses events of a type that may get lost for a while.
func (w *world) blowEvents(r roll) {
	types := []string{"UPDATE", "FAILURE", "HEARTBEAT"}
	lost := types[r.below(len(types))]
	w.trace.add("CHAOS", "%s events are lost", lost)
	w.mesos.inject(func(f *mesostest.Faults) {
		f.DropEvents = func(event string) bool { return event == lost && w.chance.of("lost "+event).under(0.7) }
	})
	w.later(r.then(), 2*time.Minute, func() {
		w.mesos.inject(func(f *mesostest.Faults) { f.DropEvents = nil })
	})
}

// blowCalls loses calls of a type for a while that the master has taken: 202 promises no
// more. Not ACCEPT and DECLINE, whose offers would be out for ever.
func (w *world) blowCalls(r roll) {
	types := []string{"REVIVE", "SUPPRESS", "KILL", "RECONCILE", "ACKNOWLEDGE", "MESSAGE"}
	lost := types[r.below(len(types))]
	w.trace.add("CHAOS", "%s calls are lost", lost)
	w.mesos.inject(func(f *mesostest.Faults) {
		f.LoseCalls = func(call string) bool { return call == lost && w.chance.of("lost "+call).under(0.7) }
	})
	w.later(r.then(), 2*time.Minute, func() {
		w.mesos.inject(func(f *mesostest.Faults) { f.LoseCalls = nil })
	})
}

// blowFailOver kills the leading master: the next one knows nothing but the agents.
func (w *world) blowFailOver(r roll) {
	i := w.mesos.leader()
	if i < 0 {
		return
	}
	w.trace.add("mesos", "master %d dies", i)
	w.network.kill(address(masterIP(i), masterPort), true)
	w.mesos.masters.Kill(i)
	w.later(r, time.Minute, func() {
		w.trace.add("mesos", "master %d is back", i)
		w.network.kill(address(masterIP(i), masterPort), false)
		w.mesos.masters.Revive(i)
	})
}

// blowNoLeader has no master lead for a while.
func (w *world) blowNoLeader(r roll) {
	w.mesos.masters.Depose()
	w.later(r, time.Minute, func() {
		if w.mesos.masters.Leader() == nil {
			w.mesos.masters.Elect(r.then().below(w.plan.masters))
		}
	})
}

func (w *world) blowAPIDown(r roll) {
	w.weather.change(func(n *weatherNow) { n.down = true })
	w.later(r, time.Minute, func() { w.weather.change(func(n *weatherNow) { n.down = false }) })
}

// blowCrash has an operator's power go at one of its next messages.
func (w *world) blowCrash(r roll) {
	all := w.operators()
	if len(all) == 0 {
		return
	}
	p := all[r.below(len(all))]
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fuse, p.after = p.steps+1+r.then().below(30), r.then().then().under(0.5)
}

func (w *world) blowFreeze(r roll) {
	all := w.operators()
	if len(all) == 0 {
		return
	}
	p := all[r.below(len(all))]
	p.freeze()
	w.later(r.then(), time.Minute, p.wake)
}
