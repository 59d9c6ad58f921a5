package simulation

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// network joins operators and masters in memory. What passes it takes its time, and a
// connection may break or go silent with any message.
type network struct {
	world *world

	mu        sync.Mutex
	listeners map[string]*listener
	dead      map[string]bool // addresses whose machine is down
}

func newNetwork(w *world) *network {
	return &network{world: w, listeners: map[string]*listener{}, dead: map[string]bool{}}
}

// listen at an address of the network.
func (n *network) listen(ip string, port int) *listener {
	l := &listener{
		address: &net.TCPAddr{IP: net.ParseIP(ip), Port: port},
		conns:   make(chan net.Conn),
		closed:  make(chan struct{}),
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[l.address.String()] = l
	return l
}

// kill has nobody answer at an address, or somebody again.
func (n *network) kill(address string, dead bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.dead[address] = dead
}

// dial connects a process to an address.
func (n *network) dial(ctx context.Context, p *process, address string) (net.Conn, error) {
	if err := p.pass(); err != nil {
		return nil, err
	}
	about := p.dials(address)
	if err := sleep(ctx, n.world.chance.of("dial "+about).delay(networkTypical, 0)); err != nil {
		return nil, err
	}
	n.mu.Lock()
	l, dead := n.listeners[address], n.dead[address]
	n.mu.Unlock()
	if l == nil || dead {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	ours, theirs := net.Pipe()
	line := &line{network: n, process: p, about: about}
	near, far := &conn{Conn: ours, line: line, near: true}, &conn{Conn: theirs, line: line}
	line.near, line.far = near, far
	select {
	case l.conns <- far:
		p.adopt(near)
		return near, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// line is a connection with its two ends.
type line struct {
	network   *network
	process   *process
	about     string
	near, far *conn

	mu   sync.Mutex
	deaf bool // nothing arrives any more, either way
}

// cut ends the line for both.
func (l *line) cut() {
	_ = l.near.Conn.Close()
	_ = l.far.Conn.Close()
}

func (l *line) isDeaf() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.deaf
}

func (l *line) silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaf = true
}

// conn is one end of a line.
type conn struct {
	net.Conn
	line *line
	near bool // it is the process' end
}

// Write sends a message: late, or never.
func (c *conn) Write(b []byte) (int, error) {
	l := c.line
	world := l.network.world
	direction, behind := " up", false
	if !c.near {
		direction = " down"
	} else {
		var before bool
		if before, behind = l.process.step("sending to " + l.about); before {
			return 0, errOff
		}
	}
	r := world.chance.of("line " + l.about + direction)
	w := world.weather.now()
	time.Sleep(r.delay(networkTypical, w.crawls))
	if c.near || !l.process.isOff() {
		if err := l.process.pass(); err != nil {
			return 0, err
		}
	}
	switch r = r.then().then(); {
	case l.isDeaf():
		return len(b), nil
	case r.under(w.cuts):
		world.trace.add("network", "%s: cut before a message%s", l.about, direction)
		l.cut()
	case r.then().under(w.deaf):
		world.trace.add("network", "%s: silent from now on", l.about)
		l.silence()
		return len(b), nil
	}
	n, err := c.Conn.Write(b)
	if behind {
		l.process.powerOff("behind sending to " + l.about)
	}
	return n, err
}

// Close ends the line.
func (c *conn) Close() error {
	if c.near {
		c.line.process.drop(c)
	}
	if c.near && c.line.isDeaf() {
		return c.Conn.SetDeadline(time.Unix(1, 0)) // the other end does not hear of it, and finds out by itself
	}
	return c.Conn.Close()
}

// dials names the next connection of the process to an address.
func (p *process) dials(address string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialled++
	return fmt.Sprintf("%s to %s (%d)", p.name, address, p.dialled)
}

// adopt has a connection end with the process.
func (p *process) adopt(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		_ = c.Conn.Close()
		return
	}
	p.conns = append(p.conns, c)
}

func (p *process) drop(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, func(other *conn) bool { return other == c })
}

// listener takes connections of the network.
type listener struct {
	address net.Addr
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return l.address }

func address(ip string, port int) string { return net.JoinHostPort(ip, strconv.Itoa(port)) }
