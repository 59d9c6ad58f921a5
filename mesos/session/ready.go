package session

import (
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// withCore gives the core one input and carries out what the core returns for it. Every
// change of the core goes through here.
func (s *Session) withCore(input func(now time.Time)) {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	input(s.cfg.Clock())
	if s.running {
		s.processReady()
	}
	changed := s.hasChanged
	s.hasChanged = false
	s.mu.Unlock()
	if changed && s.cfg.OnChange != nil {
		s.cfg.OnChange() // without the lock, so that it may call the session
	}
}

func (s *Session) tick() {
	s.withCore(func(now time.Time) { s.core.Tick(now) })
}

// processReady carries out everything that the core returns. It never waits: what takes time
// runs in goroutines, whose answers are inputs.
func (s *Session) processReady() {
	for s.core.HasReady() {
		s.process(s.core.Ready())
		s.core.Advance()
	}
	s.updateMetrics()
	s.resetTimer()
}

// process carries out one Ready, in the order that the core prescribes.
func (s *Session) process(r scheduler.Ready) {
	if r.Disconnect {
		s.closeStream()
	}
	if r.StoreID != "" {
		s.store.submit(func() { s.storeID(r.StoreID) })
	}
	if r.Subscribe != nil {
		s.openStream(r.Subscribe)
	}
	for _, in := range r.Intents {
		s.store.submit(func() { s.prepare(in) })
	}
	for _, st := range r.Statuses {
		s.store.submit(func() { s.record(st) })
	}
	if len(r.Calls) > 0 && s.current != nil {
		s.current.calls.send(r.Calls)
	}
	if r.Changed {
		s.hasChanged = true
		s.handleStateChange()
	}
}

// handleStateChange logs and counts the state if it changed, and ends the session if the
// state is final.
func (s *Session) handleStateChange() {
	st := s.core.State()
	if st == s.lastState {
		return
	}
	before := s.lastState
	s.lastState = st
	if st.Reason != before.Reason || st.Master != before.Master {
		s.log.Info("Framework state changed", "reason", st.Reason, "message", st.Message, "frameworkID", st.FrameworkID, "master", st.Master)
	}
	if st.Subscribed && !before.Subscribed {
		s.metrics.countSubscription(scheduler.Subscribed)
		hadRegistration := before.FrameworkID != "" || s.cfg.Framework.ID != ""
		if s.current != nil && hadRegistration {
			s.spawn(s.current.compareRegistration)
		}
	}
	if st.Final && !before.Final {
		s.metrics.countSubscription(st.Reason)
		close(s.finalState)
		s.running = false
	}
}

// resetTimer sets the timer to when the core wants its next Tick.
func (s *Session) resetTimer() {
	wake := s.core.NextTick()
	if s.timer != nil {
		s.timer.Stop()
	}
	if wake.IsZero() || !s.running {
		return
	}
	d := max(wake.Sub(s.cfg.Clock()), 0)
	if s.timer == nil {
		s.timer = time.AfterFunc(d, s.tick)
		return
	}
	s.timer.Reset(d)
}
