package roles_test

import (
	"slices"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/scheduler/roles"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newSet(members ...string) (*roles.Set, *timers.Queue) {
	clock := timers.NewQueue()
	cfg := roles.Config{
		Revive:         timers.Backoff{Initial: 5 * time.Second, Max: 20 * time.Second},
		ReviveInterval: time.Second, SuppressDelay: 2 * time.Second,
	}
	return roles.New(cfg, clock, members), clock
}

// revive sends a REVIVE at a time.
func revive(s *roles.Set, now time.Time, role string) {
	s.Revive(now, role, "")
	s.Revived(now, role)
}

func namesOf(rs []*roles.Role) []string {
	var out []string
	for _, r := range rs {
		out = append(out, r.Name)
	}
	return out
}

func TestMembership(t *testing.T) {
	t.Parallel()
	s, _ := newSet("b", "a")
	s.Join("c", true)
	s.Leave("a", false)
	s.Leave("b", true)
	if got := namesOf(s.Members()); !slices.Equal(got, []string{"c"}) {
		t.Errorf("the members are %v", got)
	}
	if got := s.Names(); !slices.Equal(got, []string{"b", "c"}) {
		t.Errorf("remembered are %v", got)
	}
	if s.Has("a") || s.Has("b") || s.Get("b") != nil || !s.Has("c") {
		t.Error("a role that was left counts as one of the framework")
	}
	s.Forget("b")
	s.Forget("c") // a member is not forgotten
	if got := s.Names(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("remembered are %v", got)
	}
}

func TestSuppressedRolesAreInTheOrderAsked(t *testing.T) {
	t.Parallel()
	s, _ := newSet("a", "b", "c")
	s.Suppress(start, "c")
	s.Suppress(start, "a")
	if got := s.Suppressed([]string{"c", "b", "a", "unknown"}); !slices.Equal(got, []string{"c", "a"}) {
		t.Errorf("suppressed are %v", got)
	}
	revive(s, start, "c")
	if got := s.Suppressed([]string{"a", "b", "c"}); !slices.Equal(got, []string{"a"}) {
		t.Errorf("after REVIVE of c suppressed are %v", got)
	}
}

func TestReviveTimers(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		do   func(*roles.Set)
		want time.Duration // of the timer, after start; negative for none
	}{
		"the first REVIVE is sent at once": {
			do: func(s *roles.Set) { s.ReviveSoon(start, "a") },
		},
		"the second REVIVE waits for the minimum interval": {
			do: func(s *roles.Set) {
				s.Revive(start, "a", "")
				s.ReviveSoon(start.Add(100*time.Millisecond), "a")
			},
			want: time.Second,
		},
		"a REVIVE after SUPPRESS waits for the minimum interval": {
			do: func(s *roles.Set) {
				s.Suppress(start, "a")
				s.ReviveSoon(start.Add(300*time.Millisecond), "a")
			},
			want: time.Second,
		},
		"a REVIVE of a role that was left and joined waits for the minimum interval": {
			do: func(s *roles.Set) {
				s.Revive(start, "a", "")
				s.Leave("a", true)
				s.Join("a", false)
				s.ReviveSoon(start.Add(300*time.Millisecond), "a")
			},
			want: time.Second,
		},
		"REVIVE waits if offers came without it": {
			do:   func(s *roles.Set) { s.ReviveLater(start, "a") },
			want: 5 * time.Second,
		},
		"the first repetition comes soon": {
			do:   func(s *roles.Set) { revive(s, start, "a") },
			want: 5 * time.Second,
		},
		"the third repetition comes later": {
			do: func(s *roles.Set) {
				for range 3 {
					revive(s, start, "a")
				}
			},
			want: 20 * time.Second,
		},
		"a new demand resets the repetition": {
			do: func(s *roles.Set) {
				for range 3 {
					revive(s, start, "a")
				}
				s.Wanted("a")
				revive(s, start, "a")
			},
			want: 5 * time.Second,
		},
		"offers after REVIVE delay the repetition": {
			do: func(s *roles.Set) {
				revive(s, start, "a")
				s.OffersArrived(start, "a", true)
			},
			want: 20 * time.Second,
		},
		"offers before the first REVIVE do not delay the repetition": {
			do:   func(s *roles.Set) { s.OffersArrived(start, "a", true) },
			want: -1,
		},
		"without demands REVIVE is not repeated": {
			do: func(s *roles.Set) {
				revive(s, start, "a")
				s.Unwanted("a")
			},
			want: -1,
		},
		"REVIVE is not repeated for a role that was left": {
			do: func(s *roles.Set) {
				revive(s, start, "a")
				s.SuppressLater(start, "a")
				s.Leave("a", true)
			},
			want: -1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, clock := newSet("a")
			tc.do(s)
			next := clock.Next()
			if tc.want < 0 && !next.IsZero() {
				t.Errorf("a timer expires after %s, want none", next.Sub(start))
			}
			if tc.want >= 0 && (!clock.Has(timers.Revive, "a") || !next.Equal(start.Add(tc.want))) {
				t.Errorf("the next timer expires after %s, want REVIVE after %s", next.Sub(start), tc.want)
			}
		})
	}
}

func TestSuppressTimers(t *testing.T) {
	t.Parallel()
	s, clock := newSet("a")
	s.SuppressLater(start, "a")
	if !clock.Has(timers.Suppress, "a") || !clock.Next().Equal(start.Add(2*time.Second)) {
		t.Error("offers do not keep coming for a while")
	}
	s.Wanted("a")
	if clock.Has(timers.Suppress, "a") {
		t.Error("offers are suppressed although something is wanted")
	}
	s.OffersArrived(start, "a", false)
	if clock.Has(timers.Suppress, "a") {
		t.Error("offers that were not suppressed lead to SUPPRESS at once")
	}
	s.Suppress(start, "a")
	s.OffersArrived(start.Add(time.Second), "a", false)
	if !clock.Has(timers.Suppress, "a") || !clock.Next().Equal(start.Add(5*time.Second)) {
		t.Errorf("a SUPPRESS that got lost is repeated at %s", clock.Next())
	}
	s.Wanted("unknown") // a demand may name any role
}

func TestEveryEighthReviveOmitsConstraints(t *testing.T) {
	t.Parallel()
	s, _ := newSet("a")
	var without []int
	for i := range 25 {
		if s.Get("a").WantsAllOffers() {
			without = append(without, i)
		}
		revive(s, start, "a")
	}
	if want := []int{3, 11, 19}; !slices.Equal(without, want) {
		t.Errorf("the REVIVEs without constraints are %v, want %v", without, want)
	}
	s.Restart("a")
	if s.Get("a").Revives() != 0 {
		t.Error("the count goes on")
	}
}

func TestRejoinedRoleHasNoConstraints(t *testing.T) {
	t.Parallel()
	s, _ := newSet("a")
	s.Revive(start, "a", "constraints")
	s.Revived(start, "a")
	if r := s.Get("a"); r.Constraints != "constraints" || r.Suppressed || r.Revives() != 1 {
		t.Fatalf("after REVIVE the role is %+v", r)
	}
	s.Leave("a", true)
	s.Join("a", true)
	if r := s.Get("a"); r.Constraints != "" || !r.Suppressed || r.Revives() != 0 {
		t.Errorf("after joining again the role is %+v", r)
	}
}
