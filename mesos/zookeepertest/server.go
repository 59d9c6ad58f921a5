// Package zookeepertest provides as much of a ZooKeeper server as reading from it needs,
// in the manner of net/http/httptest: nodes are set by methods, and it fails as it is
// told. It serves on any listener, also in a bubble of virtual time. It knows no writes
// over the wire, sessions that outlive a connection, or other servers; for these there is
// ZooKeeper itself. Tests of mesos/detector and mesos/session use it.
package zookeepertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
)

// Faults of a server. The zero value has none.
type Faults struct {
	// Mute: requests are taken and not answered, but for pings.
	Mute bool
	// Frozen: nothing is answered, as by a process that is stopped.
	Frozen bool
	// Deaf: watches do not speak.
	Deaf bool
	// Answer, if not nil, is written in place of every answer.
	Answer []byte
	// Digest, if not empty, is the user:password without which nothing may be read.
	Digest string
}

// Server is a ZooKeeper server.
type Server struct {
	listener net.Listener
	wg       sync.WaitGroup

	mu     sync.Mutex
	faults Faults
	nodes  map[string][]byte
	conns  map[*conn]struct{}
	served int
}

// NewServer serves on a listener, which Close closes.
func NewServer(l net.Listener) *Server {
	s := &Server{listener: l, nodes: map[string][]byte{}, conns: map[*conn]struct{}{}}
	s.wg.Go(s.accept)
	return s
}

// Addr is host:port of the server.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close ends the server and its connections. It returns when nothing is left of them.
func (s *Server) Close() error {
	err := s.listener.Close()
	s.Disconnect()
	s.wg.Wait()
	return err
}

// Inject changes the faults.
func (s *Server) Inject(change func(*Faults)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.faults)
}

// Disconnect breaks all connections.
func (s *Server) Disconnect() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close() // all that is wanted is that it ends
	}
}

// Connections says how many connections were ever taken.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}

// Set makes or changes a node. Nodes above it are there by themselves.
func (s *Server) Set(path string, data []byte) {
	s.change(path, func() { s.nodes[path] = data })
}

// Delete removes a node.
func (s *Server) Delete(path string) {
	s.change(path, func() { delete(s.nodes, path) })
}

func (s *Server) change(path string, f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	parent := path[:strings.LastIndexByte(path, '/')]
	before := len(s.children(parent))
	f()
	if len(s.children(parent)) == before || s.faults.Deaf {
		return
	}
	for c := range s.conns {
		if c.watches[parent] {
			delete(c.watches, parent)
			c.push(childrenChanged(parent))
		}
	}
}

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
			return // closed
		}
		c := &conn{Conn: nc, server: s, watches: map[string]bool{}, ready: make(chan struct{}, 1)}
		s.mu.Lock()
		s.conns[c] = struct{}{}
		s.served++
		s.mu.Unlock()
		done := make(chan struct{})
		s.wg.Go(func() { c.write(done) })
		s.wg.Go(func() {
			defer close(done)
			c.serve()
		})
	}
}

// conn is one client's connection. Answers are queued: who does not read holds up no one.
type conn struct {
	net.Conn
	server  *Server
	watches map[string]bool
	allowed bool

	queue [][]byte
	ready chan struct{}
}

func (c *conn) write(done <-chan struct{}) {
	for {
		select {
		case <-c.ready:
		case <-done:
			return
		}
		c.server.mu.Lock()
		queue := c.queue
		c.queue = nil
		c.server.mu.Unlock()
		for _, b := range queue {
			if _, err := c.Write(b); err != nil {
				return
			}
		}
	}
}

// push queues an answer; under the server's lock.
func (c *conn) push(message []byte) {
	if c.server.faults.Frozen {
		return
	}
	if c.server.faults.Answer != nil {
		message = c.server.faults.Answer
	}
	c.queue = append(c.queue, message)
	select {
	case c.ready <- struct{}{}:
	default:
	}
}

func (c *conn) serve() {
	defer func() {
		_ = c.Close() // whichever side ended it
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		delete(c.server.conns, c)
	}()
	for greeted := false; ; greeted = true {
		message, err := readMessage(c)
		if err != nil {
			return
		}
		c.server.mu.Lock()
		if !greeted {
			c.push(framed(int32(0), int32(10_000), int64(1), make16()))
		} else {
			err = c.answer(message)
		}
		c.server.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// The codes of ZooKeeper that are spoken here.
const (
	opGetData, opGetChildren, opPing, opAuth, opClose = 4, 8, 11, 100, -11

	codeNoNode, codeNoAuth, codeAuthFailed = -101, -102, -115
)

// answer to a request; under the server's lock.
func (c *conn) answer(message []byte) error {
	r := bytes.NewReader(message)
	var head struct{ XID, Op int32 }
	if err := binary.Read(r, binary.BigEndian, &head); err != nil {
		return err
	}
	faults := &c.server.faults
	switch {
	case head.Op == opPing:
		c.push(framed(head.XID, int64(0), int32(0)))
		return nil
	case head.Op == opClose:
		return io.EOF
	case faults.Mute:
		return nil
	case head.Op == opAuth:
		return c.authenticate(head.XID, message)
	case faults.Digest != "" && !c.allowed:
		c.push(framed(head.XID, int64(0), int32(codeNoAuth)))
		return nil
	}
	path, err := readText(r)
	if err != nil {
		return err
	}
	switch head.Op {
	case opGetChildren:
		c.list(head.XID, path, message[len(message)-1] == 1)
	case opGetData:
		data, ok := c.server.nodes[path]
		if !ok {
			c.push(framed(head.XID, int64(0), int32(codeNoNode)))
			return nil
		}
		c.push(framed(head.XID, int64(0), int32(0), int32(len(data)), data, make([]byte, 68))) // and an empty Stat
	default:
		return errors.New("an operation that is not known here")
	}
	return nil
}

func (c *conn) authenticate(xid int32, message []byte) error {
	if digest := c.server.faults.Digest; digest != "" && !bytes.HasSuffix(message, []byte(digest)) {
		c.push(framed(xid, int64(0), int32(codeAuthFailed)))
		return nil
	}
	c.allowed = true
	c.push(framed(xid, int64(0), int32(0)))
	return nil
}

func (c *conn) list(xid int32, path string, watch bool) {
	children := c.server.children(path)
	if _, there := c.server.nodes[path]; len(children) == 0 && !there {
		c.push(framed(xid, int64(0), int32(codeNoNode)))
		return
	}
	if watch {
		c.watches[path] = true
	}
	parts := []any{xid, int64(0), int32(0), int32(len(children))}
	for _, name := range children {
		parts = append(parts, int32(len(name)), []byte(name))
	}
	c.push(framed(parts...))
}

func childrenChanged(path string) []byte {
	return framed(int32(-1), int64(-1), int32(0), int32(4), int32(3), int32(len(path)), []byte(path))
}

func make16() []byte { return append([]byte{0, 0, 0, 16}, make([]byte, 16)...) }

// framed writes numbers and bytes one after the other, with the length of all in front.
func framed(parts ...any) []byte {
	var body bytes.Buffer
	for _, part := range parts {
		if err := binary.Write(&body, binary.BigEndian, part); err != nil {
			panic(err) // parts are numbers and bytes
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(body.Len())), body.Bytes()...)
}

func readMessage(r io.Reader) ([]byte, error) {
	var n uint32
	if err := binary.Read(r, binary.BigEndian, &n); err != nil {
		return nil, err
	}
	if n > 1<<20 {
		return nil, errors.New("a message of more than a megabyte")
	}
	message := make([]byte, n)
	_, err := io.ReadFull(r, message)
	return message, err
}

func readText(r *bytes.Reader) (string, error) {
	var n uint32
	if err := binary.Read(r, binary.BigEndian, &n); err != nil {
		return "", err
	}
	if int64(n) > int64(r.Len()) {
		return "", io.ErrUnexpectedEOF
	}
	text := make([]byte, n)
	_, err := io.ReadFull(r, text)
	return string(text), err
}
