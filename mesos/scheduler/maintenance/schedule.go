package maintenance

import (
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// maxAgents limits the agents that are remembered.
const maxAgents = 100000

// Config of a Schedule.
type Config struct {
	// OfferInterval is the time after which an inverse offer that was accepted is made
	// again, as long as its window stands.
	OfferInterval time.Duration
	// RescindDelay is how long a window is remembered after its inverse offer was
	// rescinded: a changed schedule rescinds all inverse offers and makes them anew.
	RescindDelay time.Duration
}

// Schedule holds the maintenance windows of agents. Use NewSchedule. It is not safe for
// concurrent use.
type Schedule struct {
	cfg    Config
	timers *timers.Queue
	// connectedAt is when the current stream began; zero without one.
	connectedAt time.Time
	windows     map[string]placement.MaintenanceWindow // by agent
	// announcedAt is when a window was last announced; zero if it was rescinded.
	announcedAt map[string]time.Time
	// offerOf are the inverse offers that the windows come from, by agent; agentOf is the
	// way back.
	offerOf map[string]string
	agentOf map[string]string
}

// NewSchedule returns an empty schedule. It sets the timer ReviewMaintenance, with the
// agent as its key.
func NewSchedule(cfg Config, q *timers.Queue) *Schedule {
	return &Schedule{
		cfg: cfg, timers: q, windows: map[string]placement.MaintenanceWindow{}, announcedAt: map[string]time.Time{},
		offerOf: map[string]string{}, agentOf: map[string]string{},
	}
}

// Window returns when an agent is to be unavailable; false if nothing is planned.
func (s *Schedule) Window(agentID string) (placement.MaintenanceWindow, bool) {
	w, planned := s.windows[agentID]
	return w, planned
}

// Windows returns all windows by agent. The map is the Schedule's own: it is not to be
// changed, nor kept.
func (s *Schedule) Windows() map[string]placement.MaintenanceWindow { return s.windows }

// Connected notes that a stream began.
func (s *Schedule) Connected(now time.Time) { s.connectedAt = now }

// Disconnected notes that the stream ended. Inverse offers are void without it; the windows
// stand.
func (s *Schedule) Disconnected() {
	s.connectedAt = time.Time{}
	clear(s.offerOf)
	clear(s.agentOf)
}

// Announce records the window in an offer or inverse offer of an agent; nil if there is no
// is planned. It reports whether Window answers something else than before.
func (s *Schedule) Announce(now time.Time, agentID string, w *placement.MaintenanceWindow) (changed bool) {
	before, planned := s.windows[agentID]
	switch {
	case w == nil && !planned:
		return false
	case w == nil || w.HasEnded(now):
		return s.forget(agentID)
	case !planned && len(s.windows) >= maxAgents:
		return false
	case !planned || before != *w:
		s.windows[agentID] = *w
		changed = true
	}
	s.announcedAt[agentID] = now
	s.timers.Stop(timers.ReviewMaintenance, agentID)
	return s.Review(now, agentID) || changed
}

// Offer notes from which inverse offer the window of an agent comes.
func (s *Schedule) Offer(agentID, offerID string) {
	s.unlink(agentID)
	if _, planned := s.windows[agentID]; planned {
		s.offerOf[agentID], s.agentOf[offerID] = offerID, agentID
	}
}

// Rescind notes that an inverse offer was taken back. Its window is forgotten soon, unless
// it is announced again.
func (s *Schedule) Rescind(now time.Time, offerID string) {
	if agentID, ok := s.agentOf[offerID]; ok {
		s.unlink(agentID)
		s.announcedAt[agentID] = time.Time{}
		s.timers.Set(timers.ReviewMaintenance, agentID, now.Add(s.cfg.RescindDelay))
	}
}

// Review forgets a window that is over, or was cancelled, and sets the timer for the next
// review. It reports whether a window was forgotten.
//
// Mesos does not report that a window was cancelled whose inverse offer was accepted. But as long
// as it stands, and has not begun, it is offered again. Without a stream it cannot be.
func (s *Schedule) Review(now time.Time, agentID string) (changed bool) {
	w, announced := s.windows[agentID], s.announcedAt[agentID]
	lapse := now.Add(2 * s.cfg.OfferInterval)
	if !s.connectedAt.IsZero() {
		lapse = timers.Later(announced, s.connectedAt).Add(2 * s.cfg.OfferInterval)
	}
	switch hasBegun := !w.Start.After(now); {
	case announced.IsZero() || w.HasEnded(now) || (!hasBegun && !lapse.After(now)):
		return s.forget(agentID)
	case !hasBegun:
		s.timers.Set(timers.ReviewMaintenance, agentID, timers.Earlier(w.Start, lapse))
	case w.Duration > 0:
		s.timers.Set(timers.ReviewMaintenance, agentID, w.Start.Add(w.Duration))
	}
	return false
}

func (s *Schedule) forget(agentID string) (changed bool) {
	if _, planned := s.windows[agentID]; planned {
		delete(s.windows, agentID)
		delete(s.announcedAt, agentID)
		changed = true
	}
	s.unlink(agentID)
	s.timers.Stop(timers.ReviewMaintenance, agentID)
	return changed
}

func (s *Schedule) unlink(agentID string) {
	delete(s.agentOf, s.offerOf[agentID])
	delete(s.offerOf, agentID)
}
