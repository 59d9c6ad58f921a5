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
	"github.com/k8sm/k8sm/mesos/session/failure"
)

// leaderTracker remembers what the detector found in ZooKeeper.
type leaderTracker struct {
	hasFinding chan struct{} // closed once the detector found anything
	finding    detector.Finding
	// lastLeader is the last master that was found to lead. It may still lead while
	// ZooKeeper does not answer.
	lastLeader detector.Master
	// masters are all that are registered.
	masters []detector.Master
}

func newLeaderTracker() leaderTracker { return leaderTracker{hasFinding: make(chan struct{})} }

// record keeps a finding. It returns true if another master leads than before.
func (l *leaderTracker) record(f detector.Finding) bool {
	select {
	case <-l.hasFinding:
	default:
		close(l.hasFinding)
	}
	l.finding = f
	if f.Err != nil {
		return false
	}
	before := l.lastLeader
	l.lastLeader = f.Master
	return f.Master != before && f.Master != detector.Master{}
}

// master returns the master that leads, or the failure that there is none.
func (l *leaderTracker) master(e *detector.Ensemble) (detector.Master, error) {
	switch {
	case l.lastLeader != detector.Master{}:
		return l.lastLeader, nil
	case l.finding.Err != nil:
		return detector.Master{}, &failure.Failure{Reason: scheduler.MasterUnreachable, Message: l.finding.Err.Error()}
	}
	return detector.Master{}, failure.New(scheduler.NoLeader, "no master leads, says ZooKeeper at %s", e)
}

// candidates returns the masters that an attempt to subscribe tries, in order.
func (s *Session) candidates(ctx context.Context) ([]*url.URL, error) {
	if s.ensemble == nil {
		return slices.Clone(s.masters), nil
	}
	select {
	case <-s.leader.hasFinding:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.leader.master(s.ensemble)
	if err != nil {
		return nil, err
	}
	return []*url.URL{s.client.masterURL(m)}, nil
}

// masterURL returns the address of a master that was found in ZooKeeper. ZooKeeper does not
// say whether the master serves TLS; it is assumed to when the session has a TLS
// configuration. Its host name is then needed, because certificates are issued to names. It
// is not used otherwise, because perhaps only the masters can resolve it.
func (c *client) masterURL(m detector.Master) *url.URL {
	scheme, host := "http", m.IP
	if c.current().credentials.TLS != nil {
		scheme = "https"
		if m.Hostname != "" {
			host = m.Hostname
		}
	}
	return &url.URL{Scheme: scheme, Host: net.JoinHostPort(host, strconv.Itoa(m.Port))}
}

func (s *Session) runDetector() {
	detector.Run(s.ctx, detector.Config{
		Ensemble:  *s.ensemble,
		Login:     s.zookeeperLogin,
		Dial:      s.client.dial.withTimeout(dialTimeout),
		Seed:      s.cfg.Seed,
		OnFinding: s.handleFinding,
		OnMasters: s.handleMasters,
	})
}

// handleMasters takes the masters that are registered in ZooKeeper.
func (s *Session) handleMasters(masters []detector.Master) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leader.masters = masters
}

// Masters returns the addresses, host:port, of the masters that are registered in ZooKeeper, also of
// those that do not lead. It is empty for a session that was given a list of masters.
func (s *Session) Masters() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var addresses []string
	for _, m := range s.leader.masters {
		addresses = append(addresses, net.JoinHostPort(m.IP, strconv.Itoa(m.Port)))
	}
	return addresses
}

// handleFinding takes a finding of the detector. The stream is closed only when another
// master leads: it may go on while no master leads, or ZooKeeper does not answer.
func (s *Session) handleFinding(f detector.Finding) {
	s.withCore(func(now time.Time) {
		isNew := s.leader.record(f)
		if f.Err != nil {
			s.log.V(1).Info("Asking ZooKeeper failed", "reason", f.Err.Error())
		}
		if !isNew {
			return
		}
		leader := s.client.masterURL(f.Master).Host
		s.log.V(1).Info("Another master leads", "master", leader)
		if st := s.current; st != nil {
			if st.host == "" || st.host == leader {
				return
			}
			s.disconnect(now, failure.New(scheduler.Connecting, "%s leads now, says ZooKeeper", leader))
		}
		s.core.RetrySoon(now)
	})
}
