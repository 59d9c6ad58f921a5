package simulation

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errPoweredOff is returned by all calls of a process that was powered off.
var errPoweredOff = errors.New("simulation: the process has no power")

// process is one run of an operator. It can be powered off at any message, and frozen. All calls
// to the API server, bytes to the masters and events from either pass through its methods.
type process struct {
	name  string
	world *world
	// cancel ends its goroutines once it is powered off.
	cancel context.CancelFunc

	mu       sync.Mutex
	off      bool
	woken    chan struct{} // closed when it wakes; nil unless it is frozen
	deferred []func()      // events that arrived while it is frozen
	steps    int           // messages sent so far
	// crashAt is the number of the message at which it is powered off, 0 for none. With
	// crashAfter it is powered off after the message instead of before.
	crashAt    int
	crashAfter bool
	conns      []*conn
	// dialCount counts the connections that were requested.
	dialCount int
}

// waitWhileFrozen waits while the process is frozen, and fails once it is powered off.
func (p *process) waitWhileFrozen() error {
	for {
		p.mu.Lock()
		off, thaw := p.off, p.woken
		p.mu.Unlock()
		if off {
			return errPoweredOff
		}
		if thaw == nil {
			return nil
		}
		<-thaw
	}
}

// countMessage counts a message, and reports whether the process crashes right before or after it.
func (p *process) countMessage(what string) (before, behind bool) {
	p.mu.Lock()
	p.steps++
	blown := p.crashAt > 0 && p.steps == p.crashAt
	before, behind = blown && !p.crashAfter, blown && p.crashAfter
	p.mu.Unlock()
	if before {
		p.powerOff("before " + what)
	}
	return before, behind
}

// powerOff ends the process: nothing that it does has an effect any more.
func (p *process) powerOff(when string) {
	p.mu.Lock()
	if p.off {
		p.mu.Unlock()
		return
	}
	p.off = true
	if p.woken != nil {
		close(p.woken)
		p.woken = nil
	}
	conns := p.conns
	p.conns = nil
	p.mu.Unlock()
	p.world.trace.add(p.name, "POWER OFF %s", when)
	for _, c := range conns {
		_ = c.Close() // it ends anyway
	}
	p.cancel()
}

// freeze suspends the process until it is woken.
func (p *process) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.off && p.woken == nil {
		p.woken = make(chan struct{})
		p.world.trace.add(p.name, "FROZEN")
		p.world.recordFreeze()
	}
}

// deferWhileFrozen keeps an event for a frozen process. It reports whether the process is frozen
// or powered off.
func (p *process) deferWhileFrozen(news func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.woken != nil {
		p.deferred = append(p.deferred, news)
	}
	return p.off || p.woken != nil
}

// wake ends freeze. Events that arrived meanwhile are processed first, in order.
func (p *process) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.woken == nil {
		return
	}
	p.world.trace.add(p.name, "WOKEN")
	p.world.recordFreeze()
	for len(p.deferred) > 0 {
		news := p.deferred
		p.deferred = nil
		p.mu.Unlock()
		for _, hear := range news {
			hear()
		}
		p.mu.Lock()
	}
	if p.woken != nil {
		close(p.woken)
		p.woken = nil
	}
}

func (p *process) isOff() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.off
}

// sleep waits, or returns the context's error.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
