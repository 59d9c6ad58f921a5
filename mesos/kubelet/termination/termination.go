// Package termination ends the containers of a node in order and in time: first the containers
// of ordinary pods, then the containers of critical pods, each with SIGTERM and, when the time is over,
// with SIGKILL.
//
// It refuses to know how containers are found and which pods are critical. Package kubelet
// calls it when its node ends.
package termination

import (
	"slices"
	"syscall"
	"time"
)

// Container that runs on the node.
type Container struct {
	PID    int    // of its first process
	PodUID string // empty if it belongs to no pod
}

// pollEvery is the time between two looks at the containers that are left.
const pollEvery = 50 * time.Millisecond

// criticalReserve is the maximum time that is kept for critical pods.
const criticalReserve = 10 * time.Second

// Terminator ends containers.
type Terminator struct {
	// List returns the containers that run.
	List func() []Container
	// TimeLeft is the time until what still runs is killed. It may shrink at any moment.
	TimeLeft func() time.Duration

	// asked are the containers that were sent SIGTERM, and what they then did about it.
	asked map[int]signalDisposition
}

// Terminate ends all containers within the remaining time: first the containers of ordinary
// pods, then, with a third of the time or ten seconds, the containers of critical pods. It asks which pods
// are critical only if containers run.
func (t *Terminator) Terminate(criticalPods func() map[string]bool) {
	running := t.List()
	if len(running) == 0 {
		return
	}
	critical := criticalPods()
	isCritical := func(c Container) bool { return critical[c.PodUID] }
	if slices.ContainsFunc(running, isCritical) {
		isOrdinary := func(c Container) bool { return !isCritical(c) }
		t.end(isOrdinary, min(t.TimeLeft()/3, criticalReserve))
	}
	t.end(func(Container) bool { return true }, 0)
}

// end sends SIGTERM to the selected containers, waits for them until no more than reserve is
// left of the time, and then kills them.
func (t *Terminator) end(selected func(Container) bool, reserve time.Duration) {
	for {
		left := slices.DeleteFunc(t.List(), func(c Container) bool { return !selected(c) })
		if len(left) == 0 {
			return
		}
		over := t.TimeLeft() <= reserve
		for _, c := range left {
			if over {
				signal(c.PID, syscall.SIGKILL)
			} else {
				t.ask(c)
			}
		}
		if over {
			return
		}
		time.Sleep(pollEvery)
	}
}

// ask sends SIGTERM once, because many programs take a second one for impatience. But a
// process that has only just begun has no handler yet: it is sent another when it has.
func (t *Terminator) ask(c Container) {
	if t.asked == nil {
		t.asked = map[int]signalDisposition{}
	}
	if disposition := dispositionOf(c.PID); disposition > t.asked[c.PID] {
		signal(c.PID, syscall.SIGTERM)
		t.asked[c.PID] = disposition
	}
}

// signalDisposition is what a process does about a SIGTERM.
type signalDisposition int

// The first process of a PID namespace never sees a signal that it does not handle. One that
// blocks it may ask for it later, or never.
const (
	ignored signalDisposition = iota + 1
	blocked
	handled
)
