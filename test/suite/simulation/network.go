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

// network connects operators and masters in memory. Messages are delayed, and each one may break
// or silence its connection.
type network struct {
	world *world

	mu        sync.Mutex
	listeners map[string]*listener
	down      map[string]bool // addresses of machines that are down
}

func newNetwork(w *world) *network {
	return &network{world: w, listeners: map[string]*listener{}, down: map[string]bool{}}
}

// listen listens at an address of the network.
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

// setDown sets whether connections to an address are refused.
func (n *network) setDown(address string, dead bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.down[address] = dead
}

// dial connects a process to an address.
func (n *network) dial(ctx context.Context, p *process, address string) (net.Conn, error) {
	if err := p.waitWhileFrozen(); err != nil {
		return nil, err
	}
	about := p.nextConnectionName(address)
	if err := sleep(ctx, n.world.rng.of("dial "+about).delay(networkTypical, 0)); err != nil {
		return nil, err
	}
	n.mu.Lock()
	l, dead := n.listeners[address], n.down[address]
	n.mu.Unlock()
	if l == nil || dead {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	ours, theirs := net.Pipe()
	line := &connection{network: n, process: p, about: about}
	near, far := &conn{Conn: ours, line: line, near: true}, &conn{Conn: theirs, line: line}
	line.near, line.far = near, far
	select {
	case l.conns <- far:
		p.addConn(near)
		return near, nil
	case <-l.closed:
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// connection is a connection with both its ends.
type connection struct {
	network   *network
	process   *process
	about     string
	near, far *conn

	mu     sync.Mutex
	silent bool // nothing arrives any more, in either direction
}

// cut closes both ends.
func (l *connection) cut() {
	_ = l.near.Conn.Close()
	_ = l.far.Conn.Close()
}

func (l *connection) isSilent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.silent
}

func (l *connection) goSilent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.silent = true
}

// conn is one end of a connection.
type conn struct {
	net.Conn
	line *connection
	near bool // it is the operator's end
}

// Write sends a message after a delay, or never.
func (c *conn) Write(b []byte) (int, error) {
	l := c.line
	world := l.network.world
	direction, behind := " up", false
	if !c.near {
		direction = " down"
	} else {
		var before bool
		if before, behind = l.process.countMessage("sending to " + l.about); before {
			return 0, errPoweredOff
		}
	}
	r := world.rng.of("line " + l.about + direction)
	w := world.conditions.current()
	time.Sleep(r.delay(networkTypical, w.slowMessages))
	if c.near || !l.process.isOff() {
		if err := l.process.waitWhileFrozen(); err != nil {
			return 0, err
		}
	}
	switch r = r.then().then(); {
	case l.isSilent():
		return len(b), nil
	case r.happens(w.cutConnections):
		world.trace.add("network", "%s: cut before a message%s", l.about, direction)
		l.cut()
	case r.then().happens(w.silentConnections):
		world.trace.add("network", "%s: silent from now on", l.about)
		l.goSilent()
		return len(b), nil
	}
	n, err := c.Conn.Write(b)
	if behind {
		l.process.powerOff("behind sending to " + l.about)
	}
	return n, err
}

// Close closes the connection.
func (c *conn) Close() error {
	if c.near {
		c.line.process.removeConn(c)
	}
	if c.near && c.line.isSilent() {
		return c.Conn.SetDeadline(time.Unix(1, 0)) // the other end does not notice
	}
	return c.Conn.Close()
}

// nextConnectionName returns a name for the process' next connection to an address.
func (p *process) nextConnectionName(address string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dialCount++
	return fmt.Sprintf("%s to %s (%d)", p.name, address, p.dialCount)
}

// addConn registers a connection that ends with the process.
func (p *process) addConn(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		_ = c.Conn.Close()
		return
	}
	p.conns = append(p.conns, c)
}

func (p *process) removeConn(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, func(other *conn) bool { return other == c })
}

// listener accepts connections of the network.
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
