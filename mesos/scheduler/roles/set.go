package roles

import (
	"maps"
	"slices"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// Config of a Set.
type Config struct {
	// Revive is the delay between REVIVEs while something is wanted.
	Revive timers.Backoff
	// ReviveInterval is the least time between two REVIVEs of a role.
	ReviveInterval time.Duration
	// SuppressDelay is how long offers keep coming once nothing is wanted.
	SuppressDelay time.Duration
}

// After firstUnconstrained REVIVEs in a row that brought no offers, one REVIVE is sent
// without offer constraints, and then every unconstrainedEvery: without seeing an agent,
// it cannot be explained what the agents lack.
const (
	firstUnconstrained = 3
	unconstrainedEvery = 8
)

// Role is one that the framework is, or was, a member of.
type Role struct {
	Name        string
	Suppressed  bool   // the master sends no offers
	Constraints string // of offers, encoded; empty for none

	member   bool
	lastCall time.Time // the last REVIVE or SUPPRESS
	revives  int       // in a row, without offers
}

// WantsAllOffers reports whether it is time to look at what agents offer without
// constraints.
func (r *Role) WantsAllOffers() bool { return r.revives%unconstrainedEvery == firstUnconstrained }

// Revives returns how many REVIVEs were sent in a row without offers in answer.
func (r *Role) Revives() int { return r.revives }

// Set holds the roles. Use New. It is not safe for concurrent use.
type Set struct {
	cfg    Config
	timers *timers.Queue
	roles  map[string]*Role
}

// New returns the roles that a framework begins with. It sets the timers Revive and
// Suppress, with the role as their key.
func New(cfg Config, q *timers.Queue, names []string) *Set {
	s := &Set{cfg: cfg, timers: q, roles: map[string]*Role{}}
	for _, name := range names {
		s.roles[name] = &Role{Name: name, member: true}
	}
	return s
}

// Get returns a role that the framework is a member of; nil for others.
func (s *Set) Get(name string) *Role {
	if r := s.roles[name]; r != nil && r.member {
		return r
	}
	return nil
}

// Has reports whether the framework is a member of a role.
func (s *Set) Has(name string) bool { return s.Get(name) != nil }

// Members returns the roles that the framework is a member of, sorted by name.
func (s *Set) Members() []*Role {
	var out []*Role
	for _, name := range slices.Sorted(maps.Keys(s.roles)) {
		if r := s.roles[name]; r.member {
			out = append(out, r)
		}
	}
	return out
}

// Names returns all roles, sorted, including the ones that were left and are remembered.
func (s *Set) Names() []string { return slices.Sorted(maps.Keys(s.roles)) }

// Suppressed returns which of some roles are suppressed, in their order.
func (s *Set) Suppressed(names []string) []string {
	var out []string
	for _, name := range names {
		if r := s.Get(name); r != nil && r.Suppressed {
			out = append(out, name)
		}
	}
	return out
}

// Join makes the framework a member of a role. Whether its offers are suppressed goes to
// the master with the role itself.
func (s *Set) Join(name string, suppressed bool) {
	r := s.roles[name]
	if r == nil {
		r = &Role{Name: name}
		s.roles[name] = r
	}
	r.member, r.Suppressed, r.revives, r.Constraints = true, suppressed, 0, ""
}

// Leave ends the membership in a role. A role that is to be joined again, because something
// is wanted in it, is remembered: REVIVEs keep their distance.
func (s *Set) Leave(name string, remember bool) {
	s.timers.Stop(timers.Revive, name)
	s.timers.Stop(timers.Suppress, name)
	s.roles[name].member = false
	if !remember {
		delete(s.roles, name)
	}
}

// Forget forgets a role that was left.
func (s *Set) Forget(name string) {
	if !s.Has(name) {
		delete(s.roles, name)
	}
}

// Wanted is called when something new is wanted in a role: the count of REVIVEs begins
// anew, and offers are not suppressed.
func (s *Set) Wanted(name string) {
	if r := s.roles[name]; r != nil {
		r.revives = 0
		if r.member {
			s.timers.Stop(timers.Suppress, name)
		}
	}
}

// Unwanted is called when nothing is wanted in a role any more.
func (s *Set) Unwanted(name string) { s.timers.Stop(timers.Revive, name) }

// Restart begins the count of REVIVEs anew.
func (s *Set) Restart(name string) { s.roles[name].revives = 0 }

// ReviveSoon sets the timer for REVIVE, not too soon after the call before.
func (s *Set) ReviveSoon(now time.Time, name string) {
	s.timers.SetNoLater(timers.Revive, name, timers.Later(now, s.roles[name].lastCall.Add(s.cfg.ReviveInterval)))
}

// ReviveLater sets the timer for REVIVE where offers are to come without it.
func (s *Set) ReviveLater(now time.Time, name string) {
	s.timers.SetNoLater(timers.Revive, name, now.Add(s.cfg.Revive.Initial))
}

// Revive notes that the offers in a role are asked for, with constraints.
func (s *Set) Revive(now time.Time, name, constraints string) {
	r := s.roles[name]
	r.Suppressed, r.lastCall, r.Constraints = false, now, constraints
}

// Revived notes that REVIVE was sent, and sets the timer for the next: a call that got lost
// must not keep a demand waiting for ever.
func (s *Set) Revived(now time.Time, name string) {
	r := s.roles[name]
	s.timers.Set(timers.Revive, name, now.Add(s.cfg.Revive.After(r.revives)))
	r.revives++
}

// OffersArrived notes that the master sends offers in a role. If they are wanted, it has
// got the REVIVE, and what is declined comes again by itself when its filter ends. If not,
// SUPPRESS got lost, or the offers crossed it on the way.
func (s *Set) OffersArrived(now time.Time, name string, isWanted bool) {
	r := s.roles[name]
	if isWanted && r.revives > 0 {
		s.timers.Set(timers.Revive, name, now.Add(s.cfg.Revive.Max))
	}
	if !isWanted && r.Suppressed {
		s.timers.SetNoLater(timers.Suppress, name, timers.Later(now, r.lastCall.Add(s.cfg.Revive.Initial)))
	}
}

// SuppressLater sets the timer for SUPPRESS.
func (s *Set) SuppressLater(now time.Time, name string) {
	s.timers.Set(timers.Suppress, name, now.Add(s.cfg.SuppressDelay))
}

// Suppress notes that SUPPRESS is sent.
func (s *Set) Suppress(now time.Time, name string) {
	r := s.roles[name]
	r.Suppressed, r.lastCall = true, now
}
