package scheduler

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/scheduler/timers"
)

// phase of the connection to the master.
type phase uint8

const (
	disconnected phase = iota // no stream; a timer is set for the next attempt
	connecting                // SUBSCRIBE is on its way
	subscribed                // the master accepted it
	ended                     // final
)

// connection is the stream of events from the master: whether there is one, whether the
// master is silent, and when the next attempt is made.
type connection struct {
	timers           *timers.Queue
	rand             *rand.Rand // for the jitter
	delay            Backoff
	stableAfter      time.Duration
	missedHeartbeats int

	phase         phase
	failures      int // attempts in vain since a stream was stable
	establishedAt time.Time
	lastEventAt   time.Time
	heartbeat     time.Duration
	// isTearingDown means that the framework is to be removed: nothing is launched any
	// more.
	isTearingDown bool
}

func newConnection(t *Timing, seed uint64, q *timers.Queue) *connection {
	c := &connection{
		timers: q, rand: rand.New(rand.NewPCG(seed, 0)),
		delay: t.Subscribe, stableAfter: t.StableAfter, missedHeartbeats: t.MissedHeartbeats,
	}
	q.Set(timers.Subscribe, "", time.Unix(0, 0)) // at the first Tick
	return c
}

func (c *connection) isSubscribed() bool { return c.phase == subscribed }
func (c *connection) isEnded() bool      { return c.phase == ended }

// isOpen reports whether there is a stream, or an attempt at one.
func (c *connection) isOpen() bool { return c.phase == connecting || c.phase == subscribed }

func (c *connection) begin() { c.phase = connecting }

// heard notes an event.
func (c *connection) heard(now time.Time) { c.lastEventAt = now }

// established notes that the master accepted the subscription.
func (c *connection) established(now time.Time, heartbeat time.Duration) {
	c.phase, c.establishedAt, c.heartbeat = subscribed, now, heartbeat
	c.timers.Set(timers.CheckHeartbeat, "", now.Add(c.silenceLimit()))
}

// silenceLimit is how long the master may say nothing.
func (c *connection) silenceLimit() time.Duration {
	return time.Duration(c.missedHeartbeats) * c.heartbeat
}

// isSilent reports whether the master has sent nothing for too long. If not, it sets the
// timer for the next check.
func (c *connection) isSilent(now time.Time) bool {
	if until := c.lastEventAt.Add(c.silenceLimit()); now.Before(until) {
		c.timers.Set(timers.CheckHeartbeat, "", until)
		return false
	}
	return true
}

// lost notes that the stream ended, or that none came about, and sets the timer for the
// next attempt.
func (c *connection) lost(now time.Time) {
	if c.phase == subscribed && now.Sub(c.establishedAt) >= c.stableAfter {
		c.failures = 0
	}
	c.phase = disconnected
	c.timers.Stop(timers.CheckHeartbeat, "")
	c.timers.Set(timers.Subscribe, "", now.Add(timers.Jitter(c.rand, c.delay.After(c.failures))))
	c.failures++
}

// retrySoon has the next attempt made soon, though not at once: many may have had the same
// news.
func (c *connection) retrySoon(now time.Time) {
	if c.phase != disconnected {
		return
	}
	c.failures = 0
	c.timers.SetNoLater(timers.Subscribe, "", now.Add(timers.Jitter(c.rand, c.delay.After(0))))
}

func (c *connection) end() { c.phase = ended }

// heartbeatOf returns the interval between heartbeats that a master announces; Mesos'
// default if it announces none, or nonsense.
func heartbeatOf(s *schedulerpb.Event_Subscribed) time.Duration {
	seconds := s.GetHeartbeatIntervalSeconds()
	if math.IsNaN(seconds) || seconds <= 0 || seconds > 600 {
		return 15 * time.Second
	}
	return max(time.Duration(seconds*float64(time.Second)), 10*time.Millisecond)
}

// masterOf returns the host:port of the leading master, empty if it does not name itself,
// and its version.
func masterOf(s *schedulerpb.Event_Subscribed) (address, version string) {
	m := s.GetMasterInfo()
	host, port := m.GetHostname(), int(m.GetPort())
	if a := m.GetAddress(); a != nil {
		port = int(a.GetPort())
		if a.GetIP() != "" {
			host = a.GetIP()
		} else {
			host = a.GetHostname()
		}
	}
	if host == "" {
		return "", m.GetVersion()
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // IPv6
	}
	return host + ":" + strconv.Itoa(port), m.GetVersion()
}
