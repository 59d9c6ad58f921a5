package mesostest

import (
	"maps"
	"slices"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/cgroup"
)

// registrationDelay is what lies between the end of an agent's recovery and its
// registration.
const registrationDelay = 10 * time.Millisecond

// processState is what the process of an agent is doing.
type processState int

const (
	processRunning     processState = iota
	processDown                     // killed
	processRecovering               // its API is back, and it waits for its executors
	processRegistering              // it can be reached, but has not registered yet
)

// agentProcess is the agent's own process, which can be killed and started again.
type agentProcess struct {
	processState processState
	starts       int              // how often it was started again; older timers mean nothing
	restarted    chan struct{}    // closed when it is started again
	missedExits  []func()         // ends of executors that it was not there to see
	forgotten    []*executorState // of frameworks without checkpoint
}

// Stop kills the agent's process, as SIGKILL does. Executors of frameworks with
// checkpoint live on, and have the RecoveryTimeout to subscribe again; of other
// frameworks the agent will know nothing, and their tasks are lost at once. The
// master rescinds the agent's offers when the connection breaks, and judges it
// unreachable if it stays away.
func (a *Agent) Stop() {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	a.stop()
}

func (a *Agent) stop() {
	if a.processState == processDown || a.closed {
		return
	}
	a.processState = processDown
	a.starts++
	a.restarted = make(chan struct{})
	a.link.paused, a.link.held = false, nil
	a.record.disconnect()
	for _, f := range a.sortedFrameworks() {
		f.terminating = false
		for _, x := range f.sortedExecutors() {
			x.agentStopped()
		}
		for _, t := range f.tasks {
			t.stopRetry()
		}
		if !f.info.GetCheckpoint() {
			delete(a.frameworks, f.id)
		}
	}
	lives := a.starts
	a.cluster.after(a.options.RecoveryTimeout, func() { a.executorsGiveUp(lives) })
}

// Start ends a Stop: executors may subscribe at once, and when they have had the
// ExecutorReregistrationTimeout to do so the agent registers with the master. Start
// does not wait for that.
func (a *Agent) Start() {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	a.start()
}

// Restart is Stop, and Start when down has passed, for which it does not wait.
func (a *Agent) Restart(down time.Duration) {
	a.cluster.mu.Lock()
	defer a.cluster.mu.Unlock()
	a.stop()
	lives := a.starts
	a.cluster.after(down, func() {
		if a.starts == lives {
			a.start()
		}
	})
}

// Reboot is a Restart of the whole machine, with which all executors end at once. The
// agent keeps its ID, and sends TASK_FAILED for their tasks when it is back.
func (a *Agent) Reboot(down time.Duration) {
	a.cluster.mu.Lock()
	a.stop()
	for _, f := range a.sortedFrameworks() {
		for _, x := range f.sortedExecutors() {
			x.failed, x.message = true, "Abnormal executor termination: unknown container"
			x.destroy()
		}
	}
	for _, x := range a.forgotten {
		x.destroy()
	}
	a.cluster.mu.Unlock()
	a.Restart(down)
}

// supervisorInterval is the time after which a supervisor starts an agent again that could not
// start.
const supervisorInterval = time.Second

func (a *Agent) start() {
	if a.processState != processDown || a.closed {
		return
	}
	if err := a.recoverCgroups(); err != nil {
		a.cluster.log.Error(err, "Agent failed to recover", "agent", a.record.id)
		lives := a.starts
		a.cluster.after(supervisorInterval, func() {
			if a.starts == lives {
				a.start()
			}
		})
		return
	}
	a.processState = processRecovering
	for _, x := range a.forgotten {
		x.destroy()
	}
	missed := a.missedExits
	a.forgotten, a.missedExits = nil, nil
	for _, ended := range missed {
		ended()
	}
	for _, f := range a.sortedFrameworks() {
		for _, x := range f.sortedExecutors() {
			if x.isCommand() {
				x.phase = executorRunning // played by the agent, it is always in time
			}
		}
	}
	close(a.restarted)
	timeout, lives := a.options.ExecutorReregistrationTimeout, a.starts
	if len(a.frameworks) == 0 {
		timeout = 0
	}
	a.cluster.after(timeout, func() { a.recovered(lives) })
}

// recoverCgroups has the launcher look for containers, where it does.
func (a *Agent) recoverCgroups() error {
	launcher, ok := a.options.Launcher.(ProcessLauncher)
	if !ok {
		return nil
	}
	var known []string
	for _, f := range a.sortedFrameworks() {
		for _, x := range f.sortedExecutors() {
			known = append(known, x.containerID)
		}
	}
	return cgroup.Recover(launcher.CgroupRoot, known)
}

// recovered is the end of the time that executors have to subscribe again. The agent
// waits for all of it, though all may be there.
func (a *Agent) recovered(lives int) {
	if a.starts != lives || a.processState != processRecovering {
		return
	}
	for _, f := range a.sortedFrameworks() {
		for _, x := range f.sortedExecutors() {
			if x.phase == executorRegistering {
				x.endState = mesos.TASK_GONE
				x.fail(mesos.REASON_EXECUTOR_REREGISTRATION_TIMEOUT,
					"Executor did not reregister within "+mesosDuration(a.options.ExecutorReregistrationTimeout))
			}
		}
	}
	if a.drainConfig != nil {
		a.drain(*a.drainConfig)
	}
	a.processState = processRegistering
	a.link.down = false
	a.cluster.after(registrationDelay, func() {
		if a.starts == lives && a.processState == processRegistering {
			a.processState = processRunning
			a.record.registerAgain()
		}
	})
}

// executorsGiveUp ends the executors that this package plays when the RecoveryTimeout has
// passed. Executors that are processes end themselves.
func (a *Agent) executorsGiveUp(lives int) {
	if a.starts != lives || a.processState != processDown {
		return
	}
	for _, f := range a.sortedFrameworks() {
		for _, x := range f.sortedExecutors() {
			x.gaveUp = true
			if x.isCommand() {
				x.failed = true
				x.destroy()
			}
		}
	}
	close(a.restarted)
	a.restarted = make(chan struct{})
}

// agentStopped is the end of the agent's process, as its executor feels it. What the
// executor was not yet given is forgotten; so is an executor that was still being
// started, or whose framework has no checkpoint.
func (x *executorState) agentStopped() {
	x.timer.Stop()
	if x.stream != nil {
		x.stream.Abort()
		x.stream = nil
	}
	for _, tasks := range x.queued {
		for _, t := range tasks {
			delete(x.framework.tasks, t.id())
			x.tasks = slices.DeleteFunc(x.tasks, func(o *agentTask) bool { return o == t })
		}
	}
	x.queued = nil
	checkpoint := x.framework.info.GetCheckpoint()
	if x.process == nil || !checkpoint {
		x.forgotten = true
		delete(x.framework.executors, x.id())
		for _, t := range x.tasks {
			delete(x.framework.tasks, t.id())
		}
		x.agent.forgotten = append(x.agent.forgotten, x)
		if x.isCommand() && !checkpoint {
			x.destroy() // its executor ends itself
		}
		return
	}
	x.phase = executorRegistering
}

func (a *Agent) sortedFrameworks() []*agentFramework {
	return valuesByKey(a.frameworks)
}

func (f *agentFramework) sortedExecutors() []*executorState {
	return valuesByKey(f.executors)
}

// valuesByKey lists a map's values in the order of their keys: what is done to each
// can be seen from outside.
func valuesByKey[V any](of map[string]V) []V {
	out := make([]V, 0, len(of))
	for _, key := range slices.Sorted(maps.Keys(of)) {
		out = append(out, of[key])
	}
	return out
}
