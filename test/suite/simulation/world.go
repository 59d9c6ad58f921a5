package simulation

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"
)

// world is all that one seed makes: a Mesos cluster, an API server, operators, and
// those who disturb them. It lives in a bubble of virtual time.
type world struct {
	seed    uint64
	plan    plan
	chance  *chance
	trace   *trace
	weather *weather
	server  *apiServer
	network *network
	checks  *checks

	context context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
	// troubles are those that will end by themselves.
	troubles sync.WaitGroup

	mesos *mesosCluster
	pods  *workload

	mu        sync.Mutex
	processes []*process
	calm      bool
	failure   string
	frozen    time.Time // when a process was last frozen, or woken
}

func newWorld(ctx context.Context, seed uint64, live io.Writer) *world {
	w := &world{
		seed:    seed,
		plan:    newPlan(seed),
		chance:  newChance(seed),
		trace:   &trace{began: time.Now(), live: live},
		weather: &weather{},
		server:  newAPIServer(seed),
	}
	w.context, w.cancel = context.WithCancel(ctx)
	w.network = newNetwork(w)
	w.checks = newChecks(w)
	w.pods = newWorkload(w)
	w.server.changed = w.checks.changed
	return w
}

// run lets the world live: chaos, then calm until all has converged, then rest.
func (w *world) run() {
	w.trace.add("world", "%s", w.plan)
	cluster, err := newMesosCluster(w)
	if err != nil {
		w.fail("starting Mesos: %v", err)
		return
	}
	w.mesos = cluster
	w.furnish()
	for i := range w.plan.operators {
		w.goes(func() { w.operate(fmt.Sprintf("operator-%d", i+1)) })
	}
	w.goes(w.pods.run)
	w.disturb()
	if !w.failed() {
		w.comeToRest()
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
	w.troubles.Wait()
	w.running.Wait()
	if w.mesos != nil {
		w.mesos.close()
	}
}

// goes starts a goroutine that close waits for.
func (w *world) goes(f func()) { w.running.Go(f) }

// wait lets time pass; false once the world ends.
func (w *world) wait(d time.Duration) bool { return sleep(w.context, d) == nil }

func (w *world) isClosing() bool { return w.context.Err() != nil }

// fail notes the first thing that is wrong, and ends the world.
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

// froze is when a process was last frozen, or woken.
func (w *world) froze() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.frozen
}

func (w *world) noteFreeze() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.frozen = time.Now()
}

func (w *world) isCalm() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calm
}

func (w *world) began(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes = append(w.processes, p)
}

func (w *world) ended(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, other := range w.processes {
		if other == p {
			w.processes = append(w.processes[:i:i], w.processes[i+1:]...)
			return
		}
	}
}

// operators that run now.
func (w *world) operators() []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*process(nil), w.processes...)
}
