package capacity

import (
	"maps"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// maxObservations limits what is remembered, since a master may report any number of
// agents.
const maxObservations = 100000

// agentRole is an agent, as one role sees it.
type agentRole struct{ role, agentID string }

// observation is what was known to be free at a time.
type observation struct {
	agent *placement.Offer
	at    time.Time
	// offerID is the last offer that it comes from; empty when the master reported it.
	offerID string
}

// Observations are what agents were last seen to have free. Use NewObservations. It is not
// safe for concurrent use.
type Observations struct {
	timers *timers.Queue
	maxAge time.Duration
	free   map[agentRole]observation
	// totals of all agents, and when the master was asked for them; zero if they are not
	// known.
	totals     []*placement.Offer
	surveyedAt time.Time
}

// NewObservations returns observations that are believed for maxAge. That must not be
// longer than the filter of a declined offer: an agent from which others have taken would
// not be offered again without a change. It sets the timer ExpireObservations.
func NewObservations(maxAge time.Duration, q *timers.Queue) *Observations {
	return &Observations{timers: q, maxAge: maxAge, free: map[agentRole]observation{}}
}

// OfferSeen remembers an offer. Offers of one agent that are out together count together:
// isFree reports whether an earlier one still is.
func (s *Observations) OfferSeen(now time.Time, o *placement.Offer, isFree func(offerID string) bool) {
	key := agentRole{o.Role, o.Agent.ID}
	before, known := s.free[key]
	if !known && len(s.free) >= maxObservations {
		return
	}
	seen := observation{agent: o.ToSynthetic(), at: now, offerID: o.ID}
	if isFree(before.offerID) {
		seen.agent = before.agent.Plus(o)
	}
	s.free[key] = seen
	s.expireLater(now)
}

// Placed notes that resources of an agent were taken.
func (s *Observations) Placed(now time.Time, role, agentID string, taken placement.Resources) {
	key := agentRole{role, agentID}
	if seen, known := s.free[key]; known {
		seen.agent, seen.at = seen.agent.Minus(taken), now
		s.free[key] = seen
	}
}

// Forget forgets an agent in some roles: nothing is certain about it any more.
func (s *Observations) Forget(agentID string, roles ...string) {
	for _, role := range roles {
		delete(s.free, agentRole{role, agentID})
	}
}

// Survey takes what the master answered about all agents when it was asked: what they have
// in total and free, in each role. What was seen after the question stands. An older
// answer than the last is ignored.
func (s *Observations) Survey(asked time.Time, totals, free []*placement.Offer) {
	if !asked.After(s.surveyedAt) {
		return
	}
	maps.DeleteFunc(s.free, func(_ agentRole, o observation) bool { return o.at.Before(asked) })
	for _, o := range free {
		key := agentRole{o.Role, o.Agent.ID}
		if _, seenLater := s.free[key]; !seenLater && len(s.free) < maxObservations {
			s.free[key] = observation{agent: o, at: asked}
		}
	}
	s.totals, s.surveyedAt = totals, asked
	s.expireLater(asked)
}

func (s *Observations) expireLater(now time.Time) {
	if !s.timers.Has(timers.ExpireObservations, "") {
		s.timers.Set(timers.ExpireObservations, "", now.Add(s.maxAge))
	}
}

// Expire forgets what is too old, and sets the timer for the next.
func (s *Observations) Expire(now time.Time) {
	next := time.Time{}
	isFresh := func(at time.Time) bool {
		until := at.Add(s.maxAge)
		if !until.After(now) {
			return false
		}
		if next.IsZero() || until.Before(next) {
			next = until
		}
		return true
	}
	maps.DeleteFunc(s.free, func(_ agentRole, o observation) bool { return !isFresh(o.at) })
	if !s.surveyedAt.IsZero() && !isFresh(s.surveyedAt) {
		s.totals, s.surveyedAt = nil, time.Time{}
	}
	if !next.IsZero() {
		s.timers.Set(timers.ExpireObservations, "", next)
	}
}

// Free returns what agents are believed to have free, sorted.
func (s *Observations) Free(now time.Time) []*placement.Offer {
	var out []*placement.Offer
	for _, o := range s.free {
		if now.Sub(o.at) < s.maxAge {
			out = append(out, o.agent)
		}
	}
	placement.SortOffers(out)
	return out
}

// Totals returns what the master last reported that agents have in total, and when it was
// asked; the zero time if that is too long ago.
func (s *Observations) Totals(now time.Time) (totals []*placement.Offer, surveyedAt time.Time) {
	if now.Sub(s.surveyedAt) < s.maxAge {
		surveyedAt = s.surveyedAt
	}
	return s.totals, surveyedAt
}
