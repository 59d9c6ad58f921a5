package session

import (
	"context"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler"
)

// storeTimeout bounds one call to the store.
const storeTimeout = 30 * time.Second

// withCore feeds the core, and has done what it then asks for.
func (s *Session) withCore(f func(now time.Time)) {
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		return
	}
	f(s.cfg.Clock())
	if s.running {
		s.processReady()
	}
	changed := s.changed
	s.changed = false
	s.mu.Unlock()
	if changed && s.cfg.OnChange != nil {
		s.cfg.OnChange()
	}
}

func (s *Session) tick() {
	s.withCore(func(now time.Time) { s.core.Tick(now) })
}

// processReady does what the core asks for. Nothing in it waits: what takes time is handed to
// goroutines, whose answers are inputs.
func (s *Session) processReady() {
	for s.core.HasReady() {
		s.process(s.core.Ready())
		s.core.Advance()
	}
	s.updateMetrics()
	s.resetTimer()
}

func (s *Session) process(r scheduler.Ready) {
	if r.Disconnect {
		s.closeStream()
	}
	if r.StoreID != "" {
		s.store.do(func() { s.storeID(r.StoreID) })
	}
	if r.Subscribe != nil {
		s.openStream(r.Subscribe)
	}
	for _, in := range r.Intents {
		s.store.do(func() { s.prepare(in) })
	}
	for _, st := range r.Statuses {
		s.store.do(func() { s.record(st) })
	}
	if len(r.Calls) > 0 && s.current != nil {
		s.current.calls.send(r.Calls)
	}
	if r.Changed {
		s.changed = true
		s.handleStateChange()
	}
}

// handleStateChange logs the state when it changed, and ends the session when it is final.
func (s *Session) handleStateChange() {
	st := s.core.State()
	if st == s.state {
		return
	}
	before := s.state
	s.state = st
	if st.Reason != before.Reason || st.Master != before.Master {
		s.log.Info("Framework state changed", "reason", st.Reason, "message", st.Message, "frameworkID", st.FrameworkID, "master", st.Master)
	}
	if st.Subscribed && !before.Subscribed {
		s.metrics.subscription(scheduler.Subscribed)
		if s.current != nil && (before.FrameworkID != "" || s.cfg.Framework.ID != "") { // there was an earlier registration
			s.spawn(s.current.compareRegistration)
		}
	}
	if st.Final && !before.Final {
		s.metrics.subscription(st.Reason)
		close(s.finalState)
		s.running = false
	}
}

// resetTimer sets the timer to when the core wants to be woken.
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

func (s *Session) storeID(id string) {
	ctx, cancel := context.WithTimeout(s.ctx, storeTimeout)
	defer cancel()
	err := s.cfg.Store.StoreFrameworkID(ctx, id)
	if err != nil {
		s.log.Error(err, "Storing the framework ID failed", "frameworkID", id)
		s.metrics.storeError("frameworkID")
	}
	s.withCore(func(now time.Time) { s.core.IDStored(now, err) })
}

func (s *Session) prepare(in scheduler.Intent) {
	ctx, cancel := context.WithTimeout(s.ctx, storeTimeout)
	defer cancel()
	p, err := s.cfg.Store.Prepare(ctx, in)
	if err != nil {
		s.log.V(1).Info("Preparing a launch failed", "task", in.TaskID, "agent", in.AgentID, "reason", err.Error())
		s.metrics.storeError("prepare")
	}
	s.withCore(func(now time.Time) { s.core.Prepared(now, in.TaskID, p, err) })
}

func (s *Session) record(st scheduler.TaskStatus) {
	ctx, cancel := context.WithTimeout(s.ctx, storeTimeout)
	defer cancel()
	err := s.cfg.Store.Record(ctx, st)
	if err != nil {
		s.log.V(1).Info("Recording a status failed", "task", st.TaskID, "state", string(st.State), "reason", err.Error())
		s.metrics.storeError("record")
	}
	s.withCore(func(now time.Time) { s.core.Recorded(now, st.TaskID, err) })
}
