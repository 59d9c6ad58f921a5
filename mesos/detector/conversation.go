package detector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// conversation is with one server, on one connection, in one session.
type conversation struct {
	ctx     context.Context
	cancel  context.CancelCauseFunc
	overdue *time.Timer // ends all when it is not moved on
	conn    net.Conn
	packets chan fields // closed when no more can be read
	failed  error       // why
	xid     int32
	changed bool // a watch has spoken
}

// open has packets read from now on, until the context ends. The channel is closed when
// nothing of it is left.
func (c *conversation) open(conn net.Conn) (ended <-chan struct{}) {
	c.conn = conn
	context.AfterFunc(c.ctx, func() { _ = conn.Close() }) // it is given up
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.read()
	}()
	return done
}

func (c *conversation) read() {
	defer close(c.packets)
	for {
		p, err := readPacket(c.conn)
		if err != nil {
			c.failed = err
			return
		}
		select {
		case c.packets <- p:
		case <-c.ctx.Done():
			c.failed = c.ctx.Err()
			return
		}
	}
}

// why is the cause of an error: that an answer is overdue, rather than that the
// connection was closed therefore.
func (c *conversation) why(err error) error {
	if cause := context.Cause(c.ctx); cause != nil {
		return cause
	}
	if errors.Is(err, io.EOF) {
		return errors.New("it closed the connection")
	}
	return err
}

func (c *conversation) send(p packet) error {
	if _, err := c.conn.Write(p.bytes()); err != nil {
		return fmt.Errorf("sending a request: %w", err)
	}
	return nil
}

func (c *conversation) next() (fields, error) {
	select {
	case p, ok := <-c.packets:
		if !ok {
			return nil, c.failed
		}
		return p, nil
	case <-c.ctx.Done():
		return nil, c.ctx.Err()
	}
}

// connect begins a session, and shows the credentials.
func (c *conversation) connect(secret string) error {
	if err := c.send(connectPacket(int32(patience.Milliseconds()))); err != nil {
		return err
	}
	f, err := c.next()
	if err != nil {
		return err
	}
	if _, err := f.int(); err != nil { // the protocol's version
		return err
	}
	if timeout, err := f.int(); err != nil || timeout <= 0 {
		return errors.Join(errors.New("it gives us no session"), err)
	}
	c.overdue.Reset(patience)
	if secret == "" {
		return nil
	}
	_, err = c.exchange(xidAuth, requestPacket(xidAuth, opSetAuth).int(0).text("digest").text(secret))
	return err
}

// call asks, and waits for the answer.
func (c *conversation) call(op int32, path string, watch bool) (fields, error) {
	c.xid++
	return c.exchange(c.xid, requestPacket(c.xid, op).text(path).bool(watch))
}

// exchange waits for the answer with a number. Nothing else that comes meanwhile puts off
// when it is overdue.
func (c *conversation) exchange(xid int32, p packet) (fields, error) {
	if err := c.send(p); err != nil {
		return nil, err
	}
	for {
		f, err := c.next()
		if err != nil {
			return nil, err
		}
		got, code, err := f.answer()
		switch {
		case err != nil:
			return nil, err
		case got == xid && code != 0:
			c.overdue.Reset(patience)
			return nil, code
		case got == xid:
			c.overdue.Reset(patience)
			return f, nil
		}
		if err := c.unasked(got); err != nil {
			return nil, err
		}
	}
}

// unasked takes what is not an answer to a request.
func (c *conversation) unasked(xid int32) error {
	switch xid {
	case xidNotification:
		c.changed = true
	case xidPing:
	default:
		return fmt.Errorf("%w: an answer to request %d, which was not made", errMalformed, xid)
	}
	return nil
}

// look finds the leading master, and sets a watch; again is when to look next although
// the watch has not spoken.
func (c *conversation) look(e Ensemble) (f Finding, again time.Duration, err error) {
	c.changed = false
	answer, err := c.call(opGetChildren, e.Path, true)
	if errors.Is(err, errNoNode) {
		return Finding{}, lookForPath, nil // no master was ever there
	}
	if err != nil {
		return Finding{}, 0, fmt.Errorf("listing %s: %w", e.Path, err)
	}
	children, err := answer.texts()
	if err != nil {
		return Finding{}, 0, fmt.Errorf("listing %s: %w", e.Path, err)
	}
	name, err := leading(children)
	if err != nil || name == "" {
		return Finding{Err: err}, lookAgain, nil
	}
	answer, err = c.call(opGetData, e.child(name), false)
	if errors.Is(err, errNoNode) {
		return Finding{}, lookAgain, nil // it has just gone, of which the watch will tell
	}
	if err != nil {
		return Finding{}, 0, fmt.Errorf("reading %s: %w", e.child(name), err)
	}
	data, err := answer.buffer()
	if err != nil {
		return Finding{}, 0, fmt.Errorf("reading %s: %w", e.child(name), err)
	}
	m, err := decode(data)
	return Finding{Master: m, Err: err}, lookAgain, nil
}

// wait until there is reason to look again. The server has to answer pings meanwhile.
func (c *conversation) wait(again time.Duration) error {
	time.Sleep(breath)
	look := time.NewTimer(again)
	defer look.Stop()
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for !c.changed {
		select {
		case p, ok := <-c.packets:
			if !ok {
				return c.failed
			}
			xid, _, err := p.answer()
			if err != nil {
				return err
			}
			if err := c.unasked(xid); err != nil {
				return err
			}
			c.overdue.Reset(patience)
		case <-ping.C:
			if err := c.send(requestPacket(xidPing, opPing)); err != nil {
				return err
			}
		case <-look.C:
			return nil
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
	}
	return nil
}
