package mesostest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// Network joins listeners and clients in memory, so that a cluster and those who talk
// to it can live in one bubble of virtual time (testing/synctest).
type Network struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener
}

// NewNetwork has no listeners.
func NewNetwork() *Network { return &Network{listeners: map[string]*pipeListener{}} }

// Listen takes connections for the address, ip:port, from anybody who listened at it
// before. It is for the Listener of MasterOptions and AgentOptions.
func (n *Network) Listen(address string) (net.Listener, error) {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, fmt.Errorf("listening in memory: %w", err)
	}
	l := &pipeListener{
		address: net.TCPAddrFromAddrPort(at),
		conns:   make(chan net.Conn),
		closed:  make(chan struct{}),
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[l.address.String()] = l
	return l, nil
}

// Dial connects to who listens at the address. It is for the DialContext of
// http.Transport, and waits until the listener takes the connection.
func (n *Network) Dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l, ok := n.listeners[address]
	n.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("no listener at %s", address)
	}
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, fmt.Errorf("connection to %s refused", address)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type pipeListener struct {
	address net.Addr
	conns   chan net.Conn
	once    sync.Once
	closed  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipeListener) Addr() net.Addr { return l.address }
