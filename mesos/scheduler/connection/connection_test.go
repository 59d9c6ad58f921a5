package connection_test

import (
	"math"
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler/connection"
	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return start.Add(d) }

func newConnection() (*connection.Connection, *timers.Queue) {
	clock := timers.NewQueue()
	return connection.New(connection.Config{
		Delay: timers.Backoff{Initial: time.Second, Max: 8 * time.Second}, StableAfter: 30 * time.Second, MissedHeartbeats: 5, Seed: 7,
	}, clock), clock
}

// establish has an attempt succeed.
func establish(c *connection.Connection, clock *timers.Queue, now time.Time) {
	clock.Pop(now)
	c.Begin()
	c.Heard(now)
	c.Established(now, 15*time.Second)
}

func TestFirstAttemptIsDueAtOnce(t *testing.T) {
	t.Parallel()
	c, clock := newConnection()
	if timer, ok := clock.Pop(start); !ok || timer.Kind != timers.Subscribe {
		t.Errorf("the first timer is %+v, %v", timer, ok)
	}
	if c.IsOpen() || c.IsSubscribed() || c.HasEnded() || !c.EstablishedAt().IsZero() {
		t.Error("a new connection is open, or has ended")
	}
}

func TestPhases(t *testing.T) {
	t.Parallel()
	c, clock := newConnection()
	check := func(what string, isOpen, isSubscribed, hasEnded bool) {
		t.Helper()
		if c.IsOpen() != isOpen || c.IsSubscribed() != isSubscribed || c.HasEnded() != hasEnded {
			t.Errorf("%s: open %v, subscribed %v, ended %v", what, c.IsOpen(), c.IsSubscribed(), c.HasEnded())
		}
	}
	c.Begin()
	check("SUBSCRIBE is sent", true, false, false)
	c.Established(start, time.Second)
	check("it is accepted", true, true, false)
	if !c.EstablishedAt().Equal(start) {
		t.Errorf("it was established at %s", c.EstablishedAt())
	}
	c.Lost(after(time.Minute))
	check("the stream ended", false, false, false)
	if !clock.Has(timers.Subscribe, "") || clock.Has(timers.CheckHeartbeat, "") {
		t.Error("the next attempt is not due, or a lost stream is checked")
	}
	c.End()
	check("the framework was removed", false, false, true)
	c.RetrySoon(after(time.Minute))
	check("nothing brings it back", false, false, true)
}

func TestDelayBetweenAttempts(t *testing.T) {
	t.Parallel()
	lose := func(c *connection.Connection, _ *timers.Queue, n int) {
		for range n {
			c.Begin()
			c.Lost(start)
		}
	}
	for name, tc := range map[string]struct {
		do func(c *connection.Connection, clock *timers.Queue)
		// The delay is between half of it and all.
		want time.Duration
	}{
		"after one failure":    {do: func(c *connection.Connection, q *timers.Queue) { lose(c, q, 1) }, want: time.Second},
		"after three failures": {do: func(c *connection.Connection, q *timers.Queue) { lose(c, q, 3) }, want: 4 * time.Second},
		"after many failures":  {do: func(c *connection.Connection, q *timers.Queue) { lose(c, q, 30) }, want: 8 * time.Second},
		"a short stream does not count as a success": {
			do: func(c *connection.Connection, q *timers.Queue) {
				lose(c, q, 3)
				establish(c, q, start.Add(-29*time.Second))
				c.Lost(start)
			},
			want: 8 * time.Second,
		},
		"a stable stream counts as a success": {
			do: func(c *connection.Connection, q *timers.Queue) {
				lose(c, q, 3)
				establish(c, q, start.Add(-30*time.Second))
				c.Lost(start)
			},
			want: time.Second,
		},
		"another master leads": {
			do: func(c *connection.Connection, q *timers.Queue) {
				lose(c, q, 30)
				c.RetrySoon(start)
			},
			want: time.Second,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, clock := newConnection()
			tc.do(c, clock)
			if got := clock.Next().Sub(start); got < tc.want/2 || got > tc.want {
				t.Errorf("the next attempt is in %s, want between half of %s and all", got, tc.want)
			}
		})
	}
}

func TestRetrySoonLeavesARunningAttemptAlone(t *testing.T) {
	t.Parallel()
	c, clock := newConnection()
	clock.Pop(start)
	c.Begin()
	c.RetrySoon(start)
	if clock.Len() > 0 {
		t.Error("a second attempt is due while the first is under way")
	}
}

func TestSilenceLimit(t *testing.T) {
	t.Parallel()
	c, clock := newConnection()
	establish(c, clock, start)
	if c.SilenceLimit() != 75*time.Second || !clock.Has(timers.CheckHeartbeat, "") || !clock.Next().Equal(after(75*time.Second)) {
		t.Errorf("silence of %s is checked at %s", c.SilenceLimit(), clock.Next())
	}
	c.Heard(after(15 * time.Second))
	if c.IsSilent(after(75 * time.Second)) {
		t.Error("a master is silent that was heard a minute ago")
	}
	if !clock.Next().Equal(after(90 * time.Second)) {
		t.Errorf("the next check is at %s", clock.Next())
	}
	if !c.IsSilent(after(90 * time.Second)) {
		t.Error("a silent master is not noticed")
	}
}

func TestTeardownOutlastsALostStream(t *testing.T) {
	t.Parallel()
	c, _ := newConnection()
	if c.IsTearingDown() {
		t.Error("a new framework is torn down")
	}
	c.TearDown()
	c.Lost(start)
	if !c.IsTearingDown() {
		t.Error("a lost stream ends the teardown")
	}
}

func TestHeartbeatOf(t *testing.T) {
	t.Parallel()
	for seconds, want := range map[float64]time.Duration{
		15: 15 * time.Second, 0.5: 500 * time.Millisecond, 600: 10 * time.Minute, 0.001: 10 * time.Millisecond,
		0: 15 * time.Second, -1: 15 * time.Second, 601: 15 * time.Second, 1e300: 15 * time.Second,
		math.Inf(1): 15 * time.Second, math.NaN(): 15 * time.Second,
	} {
		if got := connection.HeartbeatOf(&schedulerpb.Event_Subscribed{HeartbeatIntervalSeconds: &seconds}); got != want {
			t.Errorf("%g s are read as %s, want %s", seconds, got, want)
		}
	}
	if got := connection.HeartbeatOf(nil); got != 15*time.Second {
		t.Errorf("no heartbeat is read as %s", got)
	}
}

func TestMasterOf(t *testing.T) {
	t.Parallel()
	host, port, ip4, ip6, version := "host", uint32(5050), "10.0.0.1", "fd00::1", "1.11.1"
	long := strings.Repeat("x", 3<<20)
	for name, tc := range map[string]struct {
		info *mesos.MasterInfo
		want string
	}{
		"an IP address":                   {&mesos.MasterInfo{Hostname: &host, Port: &port, Address: &mesos.Address{IP: &ip4, Port: 5051}}, "10.0.0.1:5051"},
		"an IPv6 address":                 {&mesos.MasterInfo{Address: &mesos.Address{IP: &ip6, Port: 5051}}, "[fd00::1]:5051"},
		"an address with a host name":     {&mesos.MasterInfo{Address: &mesos.Address{Hostname: &host, Port: 5051}}, "host:5051"},
		"a host name without an address":  {&mesos.MasterInfo{Hostname: &host, Port: &port}, "host:5050"},
		"a MasterInfo without an address": {&mesos.MasterInfo{}, ""},
		"a name that cannot be one":       {&mesos.MasterInfo{Hostname: &long, Port: &port}, ""},
	} {
		tc.info.Version = &version
		if got, v := connection.MasterOf(&schedulerpb.Event_Subscribed{MasterInfo: tc.info}); got != tc.want || v != version {
			t.Errorf("%s: the master is %q, version %q; want %q", name, got, v, tc.want)
		}
	}
	if _, v := connection.MasterOf(&schedulerpb.Event_Subscribed{MasterInfo: &mesos.MasterInfo{Version: &long}}); v != "" {
		t.Errorf("a version of 3 MiB is read as one of %d bytes", len(v))
	}
}
