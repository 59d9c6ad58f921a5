package simulation

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errOff is what a process gets that has no power: nobody will hear of it.
var errOff = errors.New("simulation: the process has no power")

// process is one incarnation of an operator: power that can go at any message, and
// a clock hand that can be held. What it does passes its gates: calls to the API server,
// bytes to the masters, news from either.
type process struct {
	name  string
	world *world
	// cancel ends what runs in it, once it has no power.
	cancel context.CancelFunc

	mu    sync.Mutex
	off   bool
	thaw  chan struct{} // closed when it wakes; nil unless it is frozen
	news  []func()      // that arrived meanwhile
	steps int           // messages sent so far
	// fuse is the message at which the power goes, 0 for none; after says that it goes
	// behind it instead of before.
	fuse  int
	after bool
	conns []*conn
	// dialled counts the connections that were ever asked for.
	dialled int
}

// pass waits while the process is frozen, and fails once it has no power.
func (p *process) pass() error {
	for {
		p.mu.Lock()
		off, thaw := p.off, p.thaw
		p.mu.Unlock()
		if off {
			return errOff
		}
		if thaw == nil {
			return nil
		}
		<-thaw
	}
}

// step counts a message, and tells whether the power goes right before or behind it.
func (p *process) step(what string) (before, behind bool) {
	p.mu.Lock()
	p.steps++
	blown := p.fuse > 0 && p.steps == p.fuse
	before, behind = blown && !p.after, blown && p.after
	p.mu.Unlock()
	if before {
		p.powerOff("before " + what)
	}
	return before, behind
}

// powerOff ends the process: from now on nothing of it has effect.
func (p *process) powerOff(when string) {
	p.mu.Lock()
	if p.off {
		p.mu.Unlock()
		return
	}
	p.off = true
	if p.thaw != nil {
		close(p.thaw)
		p.thaw = nil
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

// freeze holds the process until it is woken.
func (p *process) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.off && p.thaw == nil {
		p.thaw = make(chan struct{})
		p.world.trace.add(p.name, "FROZEN")
		p.world.noteFreeze()
	}
}

// held keeps news for a process that is frozen or off; false if it is neither.
func (p *process) held(news func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thaw != nil {
		p.news = append(p.news, news)
	}
	return p.off || p.thaw != nil
}

// wake ends freeze: what arrived meanwhile is heard first, in its order.
func (p *process) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.thaw == nil {
		return
	}
	p.world.trace.add(p.name, "WOKEN")
	p.world.noteFreeze()
	for len(p.news) > 0 {
		news := p.news
		p.news = nil
		p.mu.Unlock()
		for _, hear := range news {
			hear()
		}
		p.mu.Lock()
	}
	if p.thaw != nil {
		close(p.thaw)
		p.thaw = nil
	}
}

func (p *process) isOff() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.off
}

// sleep waits, or fails with the context.
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
