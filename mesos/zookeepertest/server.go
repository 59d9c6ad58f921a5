// Package zookeepertest provides the part of a ZooKeeper server that reading from it needs, in
// the manner of net/http/httptest. Methods create and delete nodes, and Faults make it fail. It
// serves on any listener, also in a bubble of virtual time.
//
// It knows no writes over the wire, no sessions that outlive a connection and no other servers.
// Tests that need them use ZooKeeper itself. The tests of mesos/detector and mesos/session use
// it.
package zookeepertest

import (
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
)

// Faults of a server. The zero value has none.
type Faults struct {
	// NoReplies: requests are read and not answered, except pings.
	NoReplies bool
	// Frozen: nothing is answered, as by a process that is stopped.
	Frozen bool
	// NoWatches: watches report nothing.
	NoWatches bool
	// RawReply is sent in place of every reply; nil for none. It has no length in front of it
	// unless it contains one.
	RawReply []byte
	// RequiredDigest is the user:password without which nothing may be read; empty for none.
	RequiredDigest string
}

// Server is a ZooKeeper server. Its methods may be called concurrently.
type Server struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu       sync.Mutex
	faults   Faults
	nodes    map[string][]byte // by path
	conns    map[*conn]struct{}
	accepted int
	closed   bool
}

// NewServer starts a server on a listener. Close closes both.
func NewServer(l net.Listener) *Server {
	s := &Server{listener: l, nodes: map[string][]byte{}, conns: map[*conn]struct{}{}}
	s.wg.Go(s.accept)
	return s
}

// Addr returns host:port of the server.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close closes the listener and all connections. It returns when no goroutine is left.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.Disconnect()
	s.wg.Wait()
	return err
}

// Inject changes the faults. They apply to open connections too.
func (s *Server) Inject(change func(*Faults)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.faults)
}

// Disconnect closes all connections. New ones are accepted.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close() // the connection is of no further use
	}
}

// Connections returns the number of connections that were accepted so far.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Set creates or changes a node. The nodes above it need not be created.
func (s *Server) Set(path string, data []byte) {
	s.change(path, func() { s.nodes[path] = data })
}

// Delete deletes a node, if it exists.
func (s *Server) Delete(path string) {
	s.change(path, func() { delete(s.nodes, path) })
}

// change changes a node and notifies the watches on its parent if that has another number of
// children then. Watches are for one notification, as in ZooKeeper.
func (s *Server) change(path string, apply func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parent := path[:strings.LastIndexByte(path, '/')]
	before := len(s.children(parent))
	apply()
	if len(s.children(parent)) == before || s.faults.NoWatches {
		return
	}
	for c := range s.conns {
		if c.watches[parent] {
			delete(c.watches, parent)
			c.reply(childrenChanged(parent))
		}
	}
}

// children returns the names of the nodes directly below a path, sorted.
func (s *Server) children(parent string) []string {
	var out []string
	for _, path := range slices.Sorted(maps.Keys(s.nodes)) {
		if name, ok := strings.CutPrefix(path, parent+"/"); ok {
			name, _, _ = strings.Cut(name, "/")
			out = append(out, name)
		}
	}
	return slices.Compact(out)
}

func (s *Server) accept() {
	for {
		nc, err := s.listener.Accept()
		if err != nil {
			return // the listener was closed
		}
		c := newConn(nc, s)
		if !s.register(c) {
			_ = c.Close() // Close no longer sees it
			return
		}
		readerDone := make(chan struct{})
		s.wg.Go(func() { c.writeReplies(readerDone) })
		s.wg.Go(func() {
			defer close(readerDone)
			c.serve()
		})
	}
}

// register adds a connection. It returns false if the server was closed meanwhile.
func (s *Server) register(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.conns[c] = struct{}{}
	s.accepted++
	return true
}
