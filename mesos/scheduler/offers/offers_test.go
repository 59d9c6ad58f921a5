package offers_test

import (
	"slices"
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/offers"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const hold = 2 * time.Second

// add holds offers in role a that arrive a second apart.
func add(s *offers.Set, ids ...string) {
	for i, id := range ids {
		s.Add(start.Add(time.Duration(i)*time.Second), &placement.Offer{ID: id, Role: "a"})
	}
}

func use(s *offers.Set, batch string, ids ...string) []*offers.Offer {
	var out []*offers.Offer
	for _, id := range ids {
		o := s.Get(id)
		o.Batch = batch
		out = append(out, o)
	}
	return out
}

func freeIDs(s *offers.Set) []string {
	var out []string
	for _, o := range s.Free() {
		out = append(out, o.ID)
	}
	return out
}

func idsOf(os []*offers.Offer) []string {
	var out []string
	for _, o := range os {
		out = append(out, o.ID)
	}
	return out
}

func TestFreeOffersAreInTheOrderOfArrival(t *testing.T) {
	t.Parallel()
	s := offers.New(hold, timers.NewQueue())
	add(s, "O3", "O1", "O2", "O4")
	use(s, "O1", "O1")
	s.Remove(s.Get("O4"))
	if got := freeIDs(s); !slices.Equal(got, []string{"O3", "O2"}) {
		t.Errorf("free are %v", got)
	}
	if s.Len() != 3 || s.Get("O4") != nil || s.Get("O1") == nil {
		t.Errorf("%d offers are held", s.Len())
	}
	if !s.IsFree("O3") || s.IsFree("O1") || s.IsFree("O4") || s.IsFree("unknown") {
		t.Error("IsFree disagrees")
	}
}

func TestStaleOffersAreRemovedAndTheTimerIsSetForTheNext(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		prepare func(*offers.Set)
		after   time.Duration
		want    []string
		next    time.Duration // zero for no timer
	}{
		"no offer is stale before the maximum age":    {after: hold - 1, next: hold},
		"the first offer is stale at its maximum age": {after: hold, want: []string{"O1"}, next: hold + time.Second},
		"two offers are stale":                        {after: hold + time.Second, want: []string{"O1", "O2"}, next: hold + 2*time.Second},
		"all offers are stale":                        {after: time.Minute, want: []string{"O1", "O2", "O3"}},
		"an offer that a batch uses is not stale":     {prepare: func(s *offers.Set) { use(s, "O1", "O1") }, after: time.Minute, want: []string{"O2", "O3"}},
		"a removed offer is not stale":                {prepare: func(s *offers.Set) { s.Remove(s.Get("O2")) }, after: time.Minute, want: []string{"O1", "O3"}},
		"without offers there is no next time":        {prepare: func(s *offers.Set) { s.Clear() }, after: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clock := timers.NewQueue()
			s := offers.New(hold, clock)
			add(s, "O1", "O2", "O3")
			if tc.prepare != nil {
				tc.prepare(s)
			}
			if got := idsOf(s.TakeStale(start.Add(tc.after))); !slices.Equal(got, tc.want) {
				t.Errorf("stale are %v, want %v", got, tc.want)
			}
			if clock.Has(timers.DeclineOffers, "") != (tc.next > 0) || (tc.next > 0 && !clock.Next().Equal(start.Add(tc.next))) {
				t.Errorf("the next are stale at %s, want after %s", clock.Next(), tc.next)
			}
			for _, id := range tc.want {
				if s.Get(id) != nil {
					t.Errorf("%s is still held", id)
				}
			}
		})
	}
}

func TestNewOffersExpireNoLaterThanTheOldest(t *testing.T) {
	t.Parallel()
	clock := timers.NewQueue()
	s := offers.New(hold, clock)
	s.ExpireSoon(start)
	s.ExpireSoon(start.Add(time.Second))
	if !clock.Next().Equal(start.Add(hold)) {
		t.Errorf("the timer expires at %s", clock.Next())
	}
}

func TestTakeFreeTakesOneRole(t *testing.T) {
	t.Parallel()
	s := offers.New(hold, timers.NewQueue())
	add(s, "O1", "O2", "O3")
	s.Add(start, &placement.Offer{ID: "O4", Role: "b"})
	use(s, "O2", "O2")
	if got := s.TakeFree("a"); !slices.Equal(got, []string{"O1", "O3"}) {
		t.Errorf("taken are %v", got)
	}
	if got := s.TakeFree("a"); len(got) > 0 {
		t.Errorf("taken twice are %v", got)
	}
	if s.Get("O2") == nil || s.Get("O4") == nil {
		t.Error("an offer in use, or in another role, is taken")
	}
}

func TestReleasedOffersAreFreeUnlessTheyAreStaleOrGone(t *testing.T) {
	t.Parallel()
	s := offers.New(hold, timers.NewQueue())
	add(s, "O1", "O2", "O3") // at 0, 1 and 2 s
	used := use(s, "O1", "O1", "O2", "O3")
	s.Remove(used[2])
	stale := s.Release(start.Add(hold), used)
	if !slices.Equal(stale, []string{"O1"}) || s.Get("O1") != nil {
		t.Errorf("stale are %v", stale)
	}
	if got := freeIDs(s); !slices.Equal(got, []string{"O2"}) {
		t.Errorf("free are %v", got)
	}
}

func TestRemoveAllReturnsTheIDs(t *testing.T) {
	t.Parallel()
	s := offers.New(hold, timers.NewQueue())
	add(s, "O1", "O2", "O3")
	if got := s.RemoveAll(use(s, "O3", "O3", "O1")); !slices.Equal(got, []string{"O3", "O1"}) {
		t.Errorf("removed are %v", got)
	}
	if got := freeIDs(s); !slices.Equal(got, []string{"O2"}) {
		t.Errorf("free are %v", got)
	}
}

func TestClearCountsLostOffers(t *testing.T) {
	t.Parallel()
	s := offers.New(hold, timers.NewQueue())
	add(s, "O1", "O2")
	use(s, "O1", "O1")
	if n := s.Clear(); n != 2 || s.Len() != 0 || len(s.Free()) != 0 {
		t.Errorf("%d offers are lost, %d are left", n, s.Len())
	}
	add(s, "O1")
	if got := freeIDs(s); !slices.Equal(got, []string{"O1"}) {
		t.Errorf("an offer with an ID from before is not held: %v", got)
	}
}
