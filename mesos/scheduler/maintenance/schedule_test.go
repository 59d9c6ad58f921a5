package maintenance_test

import (
	"testing"
	"time"

	"github.com/k8sm/k8sm/mesos/placement"
	"github.com/k8sm/k8sm/mesos/scheduler/maintenance"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return start.Add(d) }

// window begins so long after the start of the test, and takes an hour.
func window(begins time.Duration) *placement.MaintenanceWindow {
	return &placement.MaintenanceWindow{Start: after(begins), Duration: time.Hour}
}

func newSchedule() (*maintenance.Schedule, *timers.Queue) {
	clock := timers.NewQueue()
	return maintenance.NewSchedule(maintenance.Config{OfferInterval: 15 * time.Minute, RescindDelay: 5 * time.Second}, clock), clock
}

// run reviews windows until a time, as the timers ask for. It reports whether one was
// forgotten.
func run(s *maintenance.Schedule, clock *timers.Queue, until time.Time) (changed bool) {
	for next := clock.Next(); !next.IsZero() && !next.After(until); next = clock.Next() {
		timer, _ := clock.Pop(next)
		changed = s.Review(next, timer.Key) || changed
	}
	return changed
}

func TestAnnouncedWindows(t *testing.T) {
	t.Parallel()
	forever := &placement.MaintenanceWindow{Start: after(time.Minute)} // without an end
	for name, tc := range map[string]struct {
		do    func(s *maintenance.Schedule)
		until time.Duration
		want  bool // a window is known at the end
	}{
		"without a schedule there is no window": {
			do: func(s *maintenance.Schedule) { s.Announce(start, "S1", nil) },
		},
		"an announced window is known before it begins": {
			do:    func(s *maintenance.Schedule) { s.Announce(start, "S1", window(20*time.Minute)) },
			until: 19 * time.Minute, want: true,
		},
		"an announced window is known while it lasts": {
			do:    func(s *maintenance.Schedule) { s.Announce(start, "S1", window(20*time.Minute)) },
			until: 79 * time.Minute, want: true,
		},
		"an announced window is removed after its end": {
			do:    func(s *maintenance.Schedule) { s.Announce(start, "S1", window(20*time.Minute)) },
			until: 80 * time.Minute,
		},
		"a window without an end is kept": {
			do:    func(s *maintenance.Schedule) { s.Announce(start, "S1", forever) },
			until: 1000 * time.Hour, want: true,
		},
		"a window that is over is not added": {
			do: func(s *maintenance.Schedule) { s.Announce(start, "S1", window(-2*time.Hour)) },
		},
		"a window that is not announced again is removed": {
			do:    func(s *maintenance.Schedule) { s.Announce(start, "S1", window(5*time.Hour)) },
			until: 30 * time.Minute,
		},
		"a window that is announced again is kept": {
			do: func(s *maintenance.Schedule) {
				s.Announce(start, "S1", window(5*time.Hour))
				s.Announce(after(15*time.Minute), "S1", window(5*time.Hour))
			},
			until: 40 * time.Minute, want: true,
		},
		"a window is kept while there is no stream": {
			do: func(s *maintenance.Schedule) {
				s.Announce(start, "S1", window(5*time.Hour))
				s.Disconnected()
			},
			until: 4 * time.Hour, want: true,
		},
		"an offer without a window removes the window": {
			do: func(s *maintenance.Schedule) {
				s.Announce(start, "S1", window(time.Hour))
				s.Announce(start, "S1", nil)
			},
		},
		"a rescinded inverse offer removes the window": {
			do: func(s *maintenance.Schedule) {
				s.Announce(start, "S1", window(time.Hour))
				s.Offer("S1", "I1")
				s.Rescind(start, "I1")
			},
			until: 5 * time.Second,
		},
		"a rescinded inverse offer removes the window after a delay": {
			do: func(s *maintenance.Schedule) {
				s.Announce(start, "S1", window(time.Hour))
				s.Offer("S1", "I1")
				s.Rescind(start, "I1")
			},
			until: 4 * time.Second, want: true,
		},
		"a rescinded and announced window is replaced": {
			do: func(s *maintenance.Schedule) {
				s.Announce(start, "S1", window(time.Hour))
				s.Offer("S1", "I1")
				s.Rescind(start, "I1")
				s.Announce(after(time.Second), "S1", window(2*time.Hour))
				s.Offer("S1", "I2")
			},
			until: time.Minute, want: true,
		},
		"the rescission of an older inverse offer is ignored": {
			do: func(s *maintenance.Schedule) {
				s.Announce(start, "S1", window(time.Hour))
				s.Offer("S1", "I1")
				s.Offer("S1", "I2")
				s.Rescind(start, "I1")
				s.Rescind(start, "unknown")
			},
			until: time.Minute, want: true,
		},
		"the end of a stream does not remove a window": {
			do: func(s *maintenance.Schedule) {
				s.Announce(start, "S1", window(time.Hour))
				s.Offer("S1", "I1")
				s.Disconnected()
				s.Rescind(start, "I1")
			},
			until: time.Minute, want: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, clock := newSchedule()
			s.Connected(start)
			tc.do(s)
			run(s, clock, after(tc.until))
			if _, planned := s.Window("S1"); planned != tc.want {
				t.Errorf("planned: %v, want %v", planned, tc.want)
			}
			if _, listed := s.Windows()["S1"]; listed != tc.want {
				t.Errorf("listed: %v, want %v", listed, tc.want)
			}
		})
	}
}

func TestChangesAreReported(t *testing.T) {
	t.Parallel()
	s, clock := newSchedule()
	s.Connected(start)
	for _, step := range []struct {
		what string
		w    *placement.MaintenanceWindow
		want bool
	}{
		{"without a schedule there is no window", nil, false},
		{"a window", window(20 * time.Minute), true},
		{"the same window", window(20 * time.Minute), false},
		{"another window", window(25 * time.Minute), true},
		{"no window any more", nil, true},
		{"a window again", window(20 * time.Minute), true},
	} {
		if got := s.Announce(start, "S1", step.w); got != step.want {
			t.Errorf("%s: changed %v, want %v", step.what, got, step.want)
		}
	}
	if !run(s, clock, after(2*time.Hour)) {
		t.Error("the end of a window is not reported")
	}
	if clock.Len() > 0 {
		t.Error("a timer is left when nothing is planned")
	}
}

func TestDrainingAgentsAreAvoidedForAWhile(t *testing.T) {
	t.Parallel()
	d := maintenance.NewDraining(2*time.Minute, timers.NewQueue())
	d.Add(start, "S1")
	d.Add(after(time.Minute), "S2")
	d.Add(start, "")
	if len(d.Agents()) != 2 || !d.Agents()["S1"].Equal(after(2*time.Minute)) {
		t.Errorf("avoided are %v", d.Agents())
	}
	d.Expire(after(2 * time.Minute))
	if _, still := d.Agents()["S2"]; !still || len(d.Agents()) != 1 {
		t.Errorf("after two minutes avoided are %v", d.Agents())
	}
	d.Add(after(2*time.Minute), "S2") // refused again
	d.Expire(after(3 * time.Minute))
	if len(d.Agents()) != 1 {
		t.Error("a second refusal does not count")
	}
}

// A filter for offers of an agent is never longer than the agent is avoided, and a timer says
// when it no longer is.
func TestDrainingAgentsAreUsedAgainInTime(t *testing.T) {
	t.Parallel()
	q := timers.NewQueue()
	d := maintenance.NewDraining(2*time.Minute, q)
	d.Add(start, "S1")
	for elapsed, want := range map[time.Duration]time.Duration{0: 2 * time.Minute, 118 * time.Second: 2 * time.Second, 2 * time.Minute: 0, time.Hour: 0} {
		if got := d.Remaining(after(elapsed), "S1"); got != want {
			t.Errorf("after %s the agent is avoided for another %s, want %s", elapsed, got, want)
		}
	}
	if d.Remaining(start, "S2") != 0 {
		t.Error("an agent that refused nothing is avoided")
	}
	if !q.Has(timers.EndDraining, "S1") || !q.Next().Equal(after(2*time.Minute)) {
		t.Errorf("the timer is set for %s", q.Next())
	}
}
