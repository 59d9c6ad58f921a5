// Package connection follows the stream of events from the master: whether there is one,
// whether the master is silent, and when the next attempt is made. It opens and closes
// nothing: mesos/scheduler reports what happens to the stream, and asks what it means.
package connection

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

// Config of a Connection.
type Config struct {
	// Delay between attempts to subscribe.
	Delay timers.Backoff
	// StableAfter is how long a stream must have lived for the delay to begin anew.
	StableAfter time.Duration
	// MissedHeartbeats after which the master is silent.
	MissedHeartbeats int
	// Seed of the jitter.
	Seed uint64
}

// Connection is the state of the stream. Use New. It is not safe for concurrent use.
type Connection struct {
	cfg    Config
	timers *timers.Queue
	rand   *rand.Rand // for the jitter

	phase         phase
	failures      int // failed attempts since a stream was stable
	establishedAt time.Time
	lastEventAt   time.Time
	heartbeat     time.Duration
	// isTearingDown means that the framework is to be removed: nothing is launched any
	// more.
	isTearingDown bool
}

// New returns a connection whose first attempt is due at once. It sets the timers Subscribe
// and CheckHeartbeat.
func New(cfg Config, q *timers.Queue) *Connection {
	q.Set(timers.Subscribe, "", time.Unix(0, 0))
	return &Connection{cfg: cfg, timers: q, rand: rand.New(rand.NewPCG(cfg.Seed, 0))}
}

// IsSubscribed reports whether there is a stream, and the master has accepted the
// subscription.
func (c *Connection) IsSubscribed() bool { return c.phase == subscribed }

// HasEnded reports whether there will be no stream any more.
func (c *Connection) HasEnded() bool { return c.phase == ended }

// IsTearingDown reports whether the framework is to be removed.
func (c *Connection) IsTearingDown() bool { return c.isTearingDown }

// TearDown notes that the framework is to be removed.
func (c *Connection) TearDown() { c.isTearingDown = true }

// EstablishedAt returns when the last subscription was accepted; zero if none was.
func (c *Connection) EstablishedAt() time.Time { return c.establishedAt }

// IsOpen reports whether there is a stream, or an attempt at one.
func (c *Connection) IsOpen() bool { return c.phase == connecting || c.phase == subscribed }

// Begin notes that SUBSCRIBE is sent.
func (c *Connection) Begin() { c.phase = connecting }

// Heard notes an event.
func (c *Connection) Heard(now time.Time) { c.lastEventAt = now }

// Established notes that the master accepted the subscription.
func (c *Connection) Established(now time.Time, heartbeat time.Duration) {
	c.phase, c.establishedAt, c.heartbeat = subscribed, now, heartbeat
	c.timers.Set(timers.CheckHeartbeat, "", now.Add(c.SilenceLimit()))
}

// SilenceLimit is how long the master may say nothing.
func (c *Connection) SilenceLimit() time.Duration {
	return time.Duration(c.cfg.MissedHeartbeats) * c.heartbeat
}

// IsSilent reports whether the master has sent nothing for too long. If not, it sets the
// timer for the next check.
func (c *Connection) IsSilent(now time.Time) bool {
	if until := c.lastEventAt.Add(c.SilenceLimit()); now.Before(until) {
		c.timers.Set(timers.CheckHeartbeat, "", until)
		return false
	}
	return true
}

// Lost notes that the stream ended, or that none came about, and sets the timer for the
// next attempt.
func (c *Connection) Lost(now time.Time) {
	if c.phase == subscribed && now.Sub(c.establishedAt) >= c.cfg.StableAfter {
		c.failures = 0
	}
	c.phase = disconnected
	c.timers.Stop(timers.CheckHeartbeat, "")
	c.timers.Set(timers.Subscribe, "", now.Add(timers.Jitter(c.rand, c.cfg.Delay.After(c.failures))))
	c.failures++
}

// RetrySoon has the next attempt made soon, though not at once: many may have had the same
// news.
func (c *Connection) RetrySoon(now time.Time) {
	if c.phase != disconnected {
		return
	}
	c.failures = 0
	c.timers.SetNoLater(timers.Subscribe, "", now.Add(timers.Jitter(c.rand, c.cfg.Delay.After(0))))
}

// End notes that there will be no stream any more.
func (c *Connection) End() { c.phase = ended }

// HeartbeatOf returns the interval between heartbeats that a master announces; Mesos'
// default if it announces none, or nonsense.
func HeartbeatOf(s *schedulerpb.Event_Subscribed) time.Duration {
	seconds := s.GetHeartbeatIntervalSeconds()
	if math.IsNaN(seconds) || seconds <= 0 || seconds > 600 {
		return 15 * time.Second
	}
	return max(time.Duration(seconds*float64(time.Second)), 10*time.Millisecond)
}

// A master's name and version are shown to people and stored: what is longer is not one.
const (
	maxHost    = 255
	maxVersion = 64
)

// RegionOf returns the region of the leading master, empty if it has none. The masters of a
// cluster are all in one region.
func RegionOf(s *schedulerpb.Event_Subscribed) string {
	return s.GetMasterInfo().GetDomain().GetFaultDomain().GetRegion().Name
}

// MasterOf returns the host:port of the leading master, empty if it does not name itself,
// and its version.
func MasterOf(s *schedulerpb.Event_Subscribed) (address, version string) {
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
	version = m.GetVersion()
	if len(version) > maxVersion {
		version = ""
	}
	if host == "" || len(host) > maxHost {
		return "", version
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]" // IPv6
	}
	return host + ":" + strconv.Itoa(port), version
}
