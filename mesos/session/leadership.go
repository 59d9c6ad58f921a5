package session

import (
	"context"
	"net"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/k8sm/k8sm/mesos/detector"
	"github.com/k8sm/k8sm/mesos/scheduler"
)

// leaderTracker is who leads, as far as ZooKeeper told; guarded by Session.mu.
type leaderTracker struct {
	known   chan struct{} // closed once anything was found
	found   bool
	finding detector.Finding
	// led is the last that was found to lead: while ZooKeeper does not answer it may do
	// so still.
	led detector.Master
}

// candidates are the masters that an attempt asks, in order.
func (s *Session) candidates(ctx context.Context) ([]*url.URL, error) {
	if s.ensemble == nil {
		return slices.Clone(s.masters), nil
	}
	select {
	case <-s.known:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.led != detector.Master{}:
		return []*url.URL{s.client.masterURL(s.led)}, nil
	case s.finding.Err != nil:
		return nil, &failure{scheduler.MasterUnreachable, s.finding.Err.Error()}
	}
	return nil, failuref(scheduler.NoLeader, "no master leads, says ZooKeeper at %s", s.ensemble)
}

// masterURL of a master that ZooKeeper told: it does not tell whether the master serves
// TLS, but we know whether we were given any. Certificates are made out to names, and
// names may be known to the masters alone.
func (c *client) masterURL(m detector.Master) *url.URL {
	scheme, host := "http", m.IP
	if c.current().access.TLS != nil {
		scheme = "https"
		if m.Hostname != "" {
			host = m.Hostname
		}
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, strconv.Itoa(m.Port))}
}

func (s *Session) runDetector() {
	detector.Run(s.ctx, detector.Config{
		Ensemble: *s.ensemble,
		Dial:     s.client.dial.withTimeout(dialTimeout),
		Seed:     s.cfg.Seed,
		Found:    s.handleFinding,
	})
}

// handleFinding takes what the detector found. A stream is left only for another leader: while
// none leads, or ZooKeeper is away, it may live on.
func (s *Session) handleFinding(f detector.Finding) {
	s.withCore(func(now time.Time) {
		if s.finding = f; !s.found {
			s.found = true
			close(s.known)
		}
		if f.Err != nil {
			s.log.V(1).Info("Asking ZooKeeper failed", "reason", f.Err.Error())
			return
		}
		before := s.led
		s.led = f.Master
		if f.Master == before || f.Master == (detector.Master{}) {
			return
		}
		leader := s.client.masterURL(f.Master).Host
		s.log.V(1).Info("Another master leads", "master", leader)
		if st := s.current; st != nil {
			if st.host == "" || st.host == leader {
				return
			}
			s.disconnect(now, failuref(scheduler.Connecting, "%s leads now, says ZooKeeper", leader))
		}
		s.core.RetrySoon(now)
	})
}
