package simulation

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// world is the simulated system of one seed: a Mesos cluster, an API server, operators, pods and
// injected faults. It runs in virtual time, in a bubble of testing/synctest.
type world struct {
	seed       uint64
	plan       plan
	rng        *rng
	trace      *trace
	conditions *networkConditions
	server     *apiServer
	network    *network
	checks     *checks

	context context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	// activeFaults counts the faults that end by themselves.
	activeFaults sync.WaitGroup

	mesos *mesosCluster
	pods  *workload

	mu            sync.Mutex
	processes     []*process
	healed        bool
	failure       string
	frozenOrWoken time.Time // when a process was last frozen or woken
	outage        time.Time // when an outage of the API server last began or ended
}

func newWorld(ctx context.Context, seed uint64, live io.Writer) *world {
	w := &world{
		seed:       seed,
		plan:       newPlan(seed),
		rng:        newRNG(seed),
		trace:      &trace{began: time.Now(), live: live},
		conditions: &networkConditions{},
		server:     newAPIServer(seed),
	}
	w.context, w.cancel = context.WithCancel(ctx)
	w.network = newNetwork(w)
	w.checks = newChecks(w)
	w.pods = newWorkload(w)
	w.server.changed = w.checks.objectChanged
	return w
}

// run injects faults, heals them, and waits until everything has converged and is at rest.
func (w *world) run() {
	w.trace.add("world", "%s", w.plan)
	cluster, err := newMesosCluster(w)
	if err != nil {
		w.fail("starting Mesos: %v", err)
		return
	}
	w.mesos = cluster
	w.createInitialObjects()
	for i := range w.plan.operators {
		w.spawn(func() { w.runOperators(fmt.Sprintf("operator-%d", i+1)) })
	}
	w.spawn(w.pods.run)
	w.injectFaults()
	if !w.failed() {
		w.quiesce()
	}
}

// close ends all that runs.
func (w *world) close() {
	processes := w.operators()
	w.trace.end()
	w.cancel()
	for _, p := range processes {
		p.powerOff("with the world")
	}
	w.activeFaults.Wait()
	w.running.Wait()
	if w.mesos != nil {
		w.mesos.close()
	}
}

// spawn starts a goroutine for which close waits.
func (w *world) spawn(f func()) { w.running.Go(f) }

// wait lets virtual time pass. It returns false once the world ends.
func (w *world) wait(d time.Duration) bool { return sleep(w.context, d) == nil }

func (w *world) isClosing() bool { return w.context.Err() != nil }

// fail records the first failure, and ends the world.
func (w *world) fail(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	w.trace.add("INVARIANT", "%s", text)
	w.mu.Lock()
	if w.failure == "" {
		w.failure = text
	}
	w.mu.Unlock()
	w.cancel()
}

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failure != ""
}

// lastFreeze returns when a process was last frozen or woken.
func (w *world) lastFreeze() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.frozenOrWoken
}

func (w *world) recordFreeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozenOrWoken = time.Now()
}

func (w *world) recordOutage() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.outage = time.Now()
}

// lastDisturbance returns when a process was last frozen or woken, or an outage of the API server
// last began or ended.
func (w *world) lastDisturbance() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.outage.After(w.frozenOrWoken) {
		return w.outage
	}
	return w.frozenOrWoken
}

func (w *world) isHealed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.healed
}

func (w *world) addProcess(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes = append(w.processes, p)
}

func (w *world) removeProcess(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, other := range w.processes {
		if other == p {
			w.processes = append(w.processes[:i:i], w.processes[i+1:]...)
			return
		}
	}
}

// operators returns the running operators.
func (w *world) operators() []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*process(nil), w.processes...)
}
