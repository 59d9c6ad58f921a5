package detector

import (
	"errors"
	"fmt"
	"time"
)

// connect opens the ZooKeeper session, and authenticates if there is a login.
func (s *zkSession) connect(login string) error {
	if err := s.send(connectPacket(int32(sessionTimeout.Milliseconds()))); err != nil {
		return err
	}
	answer, err := s.receive()
	if err != nil {
		return err
	}
	if _, err := answer.int(); err != nil { // the version of the protocol
		return err
	}
	if timeout, err := answer.int(); err != nil || timeout <= 0 {
		return errors.Join(errors.New("it gives us no session"), err)
	}
	s.extendDeadline()
	if login == "" {
		return nil
	}
	_, err = s.exchange(xidAuth, requestPacket(xidAuth, opSetAuth).int(0).text("digest").text(login))
	return err
}

// call sends a request about a node, and returns the body of the answer.
func (s *zkSession) call(op int32, path string, watch bool) (packetReader, error) {
	s.xid++
	return s.exchange(s.xid, requestPacket(s.xid, op).text(path).bool(watch))
}

// exchange sends a request and waits for the answer with its number. Other packets that
// arrive meanwhile do not extend the deadline: a server that sends nothing but pings is as
// good as dead.
func (s *zkSession) exchange(xid int32, p packet) (packetReader, error) {
	if err := s.send(p); err != nil {
		return nil, err
	}
	for {
		answer, err := s.receive()
		if err != nil {
			return nil, err
		}
		got, code, err := answer.header()
		if err != nil {
			return nil, err
		}
		if got == xid {
			s.extendDeadline()
			if code != 0 {
				return nil, code
			}
			return answer, nil
		}
		if err := s.handleUnsolicited(got); err != nil {
			return nil, err
		}
	}
}

// handleUnsolicited handles a packet that answers no request that is waited for.
func (s *zkSession) handleUnsolicited(xid int32) error {
	switch xid {
	case xidNotification:
		s.changed = true
	case xidPing:
	default:
		return fmt.Errorf("%w: an answer to request %d, which was not made", errMalformed, xid)
	}
	return nil
}

// readLeader reads which master leads and sets a watch. It also returns the time after which
// to read again although the watch reported no change. What the nodes hold cannot make it
// fail, but becomes the error of the finding: another server would answer the same.
func (s *zkSession) readLeader(e Ensemble) (f Finding, readAgainAfter time.Duration, err error) {
	s.changed = false
	answer, err := s.call(opGetChildren, e.Path, true)
	if errors.Is(err, errNoNode) {
		return Finding{}, missingPathInterval, nil // no master has ever registered
	}
	if err != nil {
		return Finding{}, 0, fmt.Errorf("listing %s: %w", e.Path, err)
	}
	children, err := answer.texts()
	if err != nil {
		return Finding{}, 0, fmt.Errorf("listing %s: %w", e.Path, err)
	}
	name, err := leaderNode(children)
	if err != nil || name == "" {
		return Finding{Err: err}, pollInterval, nil
	}
	answer, err = s.call(opGetData, e.child(name), false)
	if errors.Is(err, errNoNode) {
		return Finding{}, pollInterval, nil // it was deleted just now, which the watch reports
	}
	if err != nil {
		return Finding{}, 0, fmt.Errorf("reading %s: %w", e.child(name), err)
	}
	data, err := answer.buffer()
	if err != nil {
		return Finding{}, 0, fmt.Errorf("reading %s: %w", e.child(name), err)
	}
	m, err := parseMasterInfo(data)
	return Finding{Master: m, Err: err}, pollInterval, nil
}

// readMasters reads the masters that are registered, without those that cannot be read.
func (s *zkSession) readMasters(e Ensemble) ([]Master, error) {
	answer, err := s.call(opGetChildren, e.Path, false)
	if errors.Is(err, errNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", e.Path, err)
	}
	children, err := answer.texts()
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", e.Path, err)
	}
	var masters []Master
	for _, name := range masterNodes(children) {
		answer, err := s.call(opGetData, e.child(name), false)
		if errors.Is(err, errNoNode) {
			continue // it was deleted just now
		}
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", e.child(name), err)
		}
		data, err := answer.buffer()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", e.child(name), err)
		}
		if m, err := parseMasterInfo(data); err == nil {
			masters = append(masters, m)
		}
	}
	return masters, nil
}

// waitForChange waits until the watch reports a change or the time has passed. Meanwhile the
// server has to answer pings.
func (s *zkSession) waitForChange(timeout time.Duration) error {
	time.Sleep(minReadInterval)
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	ping := time.NewTicker(pingInterval)
	defer ping.Stop()
	for !s.changed {
		select {
		case p, ok := <-s.packets:
			if !ok {
				return s.readErr
			}
			xid, _, err := p.header()
			if err != nil {
				return err
			}
			if err := s.handleUnsolicited(xid); err != nil {
				return err
			}
			s.extendDeadline()
		case <-ping.C:
			if err := s.send(requestPacket(xidPing, opPing)); err != nil {
				return err
			}
		case <-timer.C:
			return nil
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	return nil
}
