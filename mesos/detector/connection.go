package detector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// zkSession is a ZooKeeper session with one server, on one connection. One goroutine uses it;
// another reads packets.
type zkSession struct {
	ctx context.Context
	// close ends the session and its connection. The cause becomes the error of what is under
	// way.
	close context.CancelCauseFunc
	// deadline closes the session when no answer came for sessionTimeout.
	deadline *time.Timer
	conn     net.Conn
	packets  chan packetReader // closed after the last packet
	readErr  error             // why no more packets can be read; set before packets is closed
	xid      int32             // number of the last request
	changed  bool              // the watch reported a change
}

func newSession(ctx context.Context) *zkSession {
	s := &zkSession{packets: make(chan packetReader)}
	s.ctx, s.close = context.WithCancelCause(ctx)
	s.deadline = time.AfterFunc(sessionTimeout, func() { s.close(fmt.Errorf("no answer for %s", sessionTimeout)) })
	return s
}

// start starts the goroutine that reads packets. It returns a channel that is closed when the
// goroutine has ended, which it does when the session is closed.
func (s *zkSession) start(conn net.Conn) (readerDone <-chan struct{}) {
	s.conn = conn
	context.AfterFunc(s.ctx, func() { _ = conn.Close() }) // no caller needs its error
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.readPackets()
	}()
	return done
}

func (s *zkSession) readPackets() {
	defer close(s.packets)
	for {
		p, err := readPacket(s.conn)
		if err != nil {
			s.readErr = err
			return
		}
		select {
		case s.packets <- p:
		case <-s.ctx.Done():
			s.readErr = s.ctx.Err()
			return
		}
	}
}

// causeOf returns why an error occurred: an answer that is overdue closes the connection, and
// only the closed connection is seen by whoever reads.
func (s *zkSession) causeOf(err error) error {
	if cause := context.Cause(s.ctx); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) {
		return errors.New("it closed the connection")
	}
	return err
}

func (s *zkSession) send(p packet) error {
	if _, err := s.conn.Write(p.bytes()); err != nil {
		return fmt.Errorf("sending a request: %w", err)
	}
	return nil
}

// receive waits for the next packet.
func (s *zkSession) receive() (packetReader, error) {
	select {
	case p, ok := <-s.packets:
		if !ok {
			return nil, s.readErr
		}
		return p, nil
	case <-s.ctx.Done():
		return nil, s.ctx.Err()
	}
}

// extendDeadline notes that the server answered.
func (s *zkSession) extendDeadline() { s.deadline.Reset(sessionTimeout) }
