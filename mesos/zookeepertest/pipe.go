package zookeepertest

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// Pipe is a listener in memory together with the function to dial it. Both ends of its
// connections may be in the same bubble of virtual time.
type Pipe struct {
	address net.Addr
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

// Listen makes a pipe whose Addr is ip:port.
func Listen(ip string, port int) *Pipe {
	return &Pipe{address: &net.TCPAddr{IP: net.ParseIP(ip), Port: port}, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial connects to the pipe, whatever the address. It waits until the connection is accepted.
// It returns an error after Close, or when the context ends.
func (p *Pipe) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	local, remote := net.Pipe()
	select {
	case p.conns <- remote:
		return local, nil
	case <-p.closed:
		return nil, fmt.Errorf("connection to %s refused", p.address)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (p *Pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. It may be called again.
func (p *Pipe) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

// Addr implements net.Listener.
func (p *Pipe) Addr() net.Addr { return p.address }
