// Package offers holds the offers that the master has made and that were neither accepted
// nor declined: for a few seconds each, since others wait for the resources. It does not
// know the demands, and declines nothing itself: mesos/scheduler decides, and takes the
// offers out.
package offers

import (
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// Offer is an offer that was neither accepted nor declined yet.
type Offer struct {
	*placement.Offer
	ArrivedAt time.Time
	// Batch is the ID of the batch that uses the offer; empty while nothing does.
	Batch string
	// Removed offers are gone, or were given back.
	Removed bool
}

// Set holds offers in the order in which they arrived. Use New. It is not safe for
// concurrent use.
type Set struct {
	timers *timers.Queue
	hold   time.Duration
	byID   map[string]*Offer
	// arrivals holds the offers as they came, and some that were removed.
	arrivals []*Offer
}

// New returns an empty set, in which an unused offer is stale once it was held for some
// time. It sets the timer DeclineOffers for the first that is.
func New(hold time.Duration, q *timers.Queue) *Set {
	return &Set{timers: q, hold: hold, byID: map[string]*Offer{}}
}

// Len returns the number of offers.
func (s *Set) Len() int { return len(s.byID) }

// Get returns an offer; nil if it is not held.
func (s *Set) Get(id string) *Offer { return s.byID[id] }

// IsFree reports whether an offer is held, and nothing uses it.
func (s *Set) IsFree(id string) bool {
	o := s.byID[id]
	return o != nil && o.Batch == ""
}

// Add holds an offer from now on.
func (s *Set) Add(now time.Time, o *placement.Offer) {
	added := &Offer{Offer: o, ArrivedAt: now}
	s.byID[o.ID] = added
	s.arrivals = append(s.arrivals, added)
}

// ExpireSoon sets the timer for the offers that have just arrived.
func (s *Set) ExpireSoon(now time.Time) {
	s.timers.SetNoLater(timers.DeclineOffers, "", now.Add(s.hold))
}

// Remove takes an offer out.
func (s *Set) Remove(o *Offer) {
	o.Removed = true
	delete(s.byID, o.ID)
}

// Free returns the offers that nothing uses, in the order in which they arrived.
func (s *Set) Free() []*placement.Offer {
	out := make([]*placement.Offer, 0, len(s.arrivals))
	for _, o := range s.arrivals {
		if !o.Removed && o.Batch == "" {
			out = append(out, o.Offer)
		}
	}
	return out
}

// TakeStale takes out the unused offers that were held long enough, in the order in which
// they arrived, and sets the timer for the next.
func (s *Set) TakeStale(now time.Time) []*Offer {
	var stale []*Offer
	for len(s.arrivals) > 0 {
		o := s.arrivals[0]
		if until := o.ArrivedAt.Add(s.hold); until.After(now) {
			s.timers.Set(timers.DeclineOffers, "", until)
			break
		}
		if !o.Removed && o.Batch == "" {
			s.Remove(o)
			stale = append(stale, o)
		}
		s.arrivals = s.arrivals[1:]
	}
	return stale
}

// TakeFree takes out the unused offers to a role, and returns their IDs in the order in
// which they arrived.
func (s *Set) TakeFree(role string) []string {
	var ids []string
	for _, o := range s.arrivals {
		if !o.Removed && o.Batch == "" && o.Role == role {
			s.Remove(o)
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// Release has offers that a batch used be free again. Offers that were held for too long
// are taken out instead; their IDs are returned.
func (s *Set) Release(now time.Time, used []*Offer) (stale []string) {
	for _, o := range used {
		switch {
		case o.Removed:
		case o.ArrivedAt.Add(s.hold).After(now):
			o.Batch = ""
		default:
			s.Remove(o)
			stale = append(stale, o.ID)
		}
	}
	return stale
}

// RemoveAll takes out some offers, and returns their IDs.
func (s *Set) RemoveAll(some []*Offer) []string {
	ids := make([]string, len(some))
	for i, o := range some {
		ids[i] = o.ID
		s.Remove(o)
	}
	return ids
}

// Clear takes out all offers, and returns how many there were: without a stream they are
// void.
func (s *Set) Clear() int {
	n := len(s.byID)
	s.byID, s.arrivals = map[string]*Offer{}, nil
	return n
}
