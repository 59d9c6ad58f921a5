package zookeepertest

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// testClient speaks ZooKeeper's protocol as a client does, one request at a time.
type testClient struct {
	t    *testing.T
	conn net.Conn
	xid  int32
}

// startServer serves on a pipe, in the bubble of the test.
func startServer(t *testing.T) (*Server, *Pipe) {
	t.Helper()
	p := Listen("10.0.0.1", 2181)
	s := NewServer(p)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the server: %v", err)
		}
	})
	return s, p
}

// dial connects without opening a session.
func dial(t *testing.T, p *Pipe) *testClient {
	t.Helper()
	conn, err := p.Dial(t.Context(), "tcp", "10.0.0.1:2181")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &testClient{t: t, conn: conn}
}

// connect connects and opens a session.
func connect(t *testing.T, p *Pipe) *testClient {
	t.Helper()
	c := dial(t, p)
	c.send(framed(int32(0), int64(0), int32(10_000), int64(0), int32(16), make([]byte, 16), false))
	if got := c.receive(); binary.BigEndian.Uint32(got[4:]) != 10_000 || len(got) != 36 {
		t.Fatalf("the session begins with %x", got)
	}
	return c
}

func (c *testClient) send(message []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(message); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
}

func (c *testClient) receive() []byte {
	c.t.Helper()
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Minute))
	message, err := readMessage(c.conn)
	if err != nil {
		c.t.Fatalf("receiving: %v", err)
	}
	return message
}

// request sends a request, and returns the error code and the body of its answer.
func (c *testClient) request(op int32, body ...any) (code int32, answer []byte) {
	c.t.Helper()
	c.xid++
	c.send(framed(append([]any{c.xid, op}, body...)...))
	return c.answerTo(c.xid)
}

func (c *testClient) answerTo(xid int32) (code int32, body []byte) {
	c.t.Helper()
	message := c.receive()
	if got := int32(binary.BigEndian.Uint32(message)); got != xid {
		c.t.Fatalf("the answer is to request %d, want %d", got, xid)
	}
	return int32(binary.BigEndian.Uint32(message[12:])), message[16:]
}

func (c *testClient) get(path string) (code int32, data string) {
	c.t.Helper()
	code, body := c.request(opGetData, int32(len(path)), []byte(path), false)
	if code != codeOK {
		return code, ""
	}
	n := binary.BigEndian.Uint32(body)
	if len(body) != int(4+n+statBytes) {
		c.t.Fatalf("%d bytes follow the header, want %d of data and a Stat", len(body), n)
	}
	return code, string(body[4 : 4+n])
}

func (c *testClient) list(path string, watch bool) (code int32, children []string) {
	c.t.Helper()
	code, body := c.request(opGetChildren, int32(len(path)), []byte(path), watch)
	if code != codeOK {
		return code, nil
	}
	count := binary.BigEndian.Uint32(body)
	for body = body[4:]; count > 0; count-- {
		n := 4 + binary.BigEndian.Uint32(body)
		children = append(children, string(body[4:n]))
		body = body[n:]
	}
	return code, children
}

// isSilent reports whether nothing arrives for a minute.
func (c *testClient) isSilent() bool {
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Minute))
	var b [1]byte
	_, err := c.conn.Read(b[:])
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// isClosed reports whether the server closes the connection within a minute.
func (c *testClient) isClosed() bool {
	_ = c.conn.SetReadDeadline(time.Now().Add(time.Minute))
	_, err := io.Copy(io.Discard, c.conn)
	return err == nil
}

func bubble(t *testing.T, f func(t *testing.T, s *Server, p *Pipe)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, p := startServer(t)
		f(t, s, p)
	})
}

func TestNodesCanBeRead(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, p *Pipe) {
		s.Set("/mesos/b", []byte("second"))
		s.Set("/mesos/a", []byte("first"))
		s.Set("/mesos/c/below", nil)
		s.Set("/mesosphere", nil)
		c := connect(t, p)
		if code, children := c.list("/mesos", false); code != codeOK || !cmp.Equal(children, []string{"a", "b", "c"}) {
			t.Errorf("the children are %v (%d), want a, b and c", children, code)
		}
		if code, data := c.get("/mesos/a"); code != codeOK || data != "first" {
			t.Errorf("the node has %q (%d)", data, code)
		}
		s.Set("/mesos/a", []byte("changed"))
		if _, data := c.get("/mesos/a"); data != "changed" {
			t.Errorf("after a change the node has %q", data)
		}
		s.Delete("/mesos/a")
		if code, _ := c.get("/mesos/a"); code != codeNoNode {
			t.Errorf("a deleted node is answered with %d", code)
		}
		if code, _ := c.list("/other", false); code != codeNoNode {
			t.Errorf("a missing path is answered with %d", code)
		}
		if code, children := c.list("/mesosphere", false); code != codeOK || len(children) != 0 {
			t.Errorf("a node without children has %v (%d)", children, code)
		}
	})
}

// As in ZooKeeper, a watch reports one change and has to be set again.
func TestWatchReportsOneChange(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, p *Pipe) {
		s.Set("/mesos/a", nil)
		c, unwatched := connect(t, p), connect(t, p)
		c.list("/mesos", true)
		unwatched.list("/mesos", false)

		s.Set("/mesos/a", []byte("the children are the same"))
		s.Set("/other/a", nil)
		if !c.isSilent() {
			t.Error("the watch reports what is no change of the children")
		}
		s.Set("/mesos/b", nil)
		if diff := cmp.Diff(childrenChanged("/mesos")[4:], c.receive()); diff != "" {
			t.Errorf("the event (-want +got):\n%s", diff)
		}
		s.Delete("/mesos/b")
		if !c.isSilent() {
			t.Error("the watch reports a second change")
		}
		c.list("/mesos", true)
		s.Delete("/mesos/a")
		c.receive()
		if !unwatched.isSilent() {
			t.Error("a client without a watch is notified")
		}
	})
}

func TestDigestIsRequired(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, p *Pipe) {
		s.Set("/mesos/a", []byte("secret"))
		s.Inject(func(f *Faults) { f.RequiredDigest = "mesos:right" })
		authenticate := func(c *testClient, secret string) int32 {
			code, _ := c.request(opAuth, int32(0), int32(6), []byte("digest"), int32(len(secret)), []byte(secret))
			return code
		}
		c := connect(t, p)
		if code, _ := c.get("/mesos/a"); code != codeNoAuth {
			t.Errorf("without credentials the answer is %d", code)
		}
		if code := authenticate(c, "mesos:wrong"); code != codeAuthFailed {
			t.Errorf("wrong credentials are answered with %d", code)
		}
		if code, _ := c.get("/mesos/a"); code != codeNoAuth {
			t.Errorf("after wrong credentials the answer is %d", code)
		}
		if code := authenticate(c, "mesos:right"); code != codeOK {
			t.Errorf("right credentials are answered with %d", code)
		}
		if code, data := c.get("/mesos/a"); code != codeOK || data != "secret" {
			t.Errorf("after right credentials the node has %q (%d)", data, code)
		}
		if code, _ := connect(t, p).get("/mesos/a"); code != codeNoAuth {
			t.Errorf("another connection is answered with %d", code)
		}
	})
}

func TestFaults(t *testing.T) {
	ping := func(c *testClient) { c.send(framed(int32(-2), int32(opPing))) }
	get := func(c *testClient) { c.send(framed(int32(1), int32(opGetData), int32(8), []byte("/mesos/a"), false)) }
	for name, tc := range map[string]struct {
		faults Faults
		check  func(t *testing.T, s *Server, c *testClient)
	}{
		"none": {Faults{}, func(t *testing.T, _ *Server, c *testClient) {
			ping(c)
			c.answerTo(-2)
		}},
		"no replies, except to pings": {Faults{NoReplies: true}, func(t *testing.T, _ *Server, c *testClient) {
			get(c)
			if !c.isSilent() {
				t.Error("a request is answered")
			}
			ping(c)
			c.answerTo(-2)
		}},
		"frozen": {Faults{Frozen: true}, func(t *testing.T, s *Server, c *testClient) {
			ping(c)
			get(c)
			if !c.isSilent() {
				t.Error("a frozen server answers")
			}
			s.Inject(func(f *Faults) { f.Frozen = false })
			ping(c)
			c.answerTo(-2)
		}},
		"no watches": {Faults{NoWatches: true}, func(t *testing.T, s *Server, c *testClient) {
			c.list("/mesos", true)
			s.Set("/mesos/b", nil)
			if !c.isSilent() {
				t.Error("the watch reports a change")
			}
		}},
		"a raw reply": {Faults{RawReply: []byte{0, 0, 0, 2, 7, 8}}, func(t *testing.T, _ *Server, c *testClient) {
			ping(c)
			get(c)
			for range 2 {
				if got := c.receive(); !cmp.Equal(got, []byte{7, 8}) {
					t.Errorf("the reply is %x", got)
				}
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *Server, p *Pipe) {
				s.Set("/mesos/a", nil)
				c := connect(t, p)
				s.Inject(func(f *Faults) { *f = tc.faults })
				tc.check(t, s, c)
			})
		})
	}
}

// What no client of ZooKeeper sends ends the connection, and no other.
func TestMalformedRequestsEndTheConnection(t *testing.T) {
	for name, message := range map[string][]byte{
		"close":                            framed(int32(1), int32(opClose)),
		"an unknown operation":             framed(int32(1), int32(99), int32(1), []byte("/")),
		"no operation":                     framed(int32(1)),
		"no path":                          framed(int32(1), int32(opGetData)),
		"a path shorter than its length":   framed(int32(1), int32(opGetData), int32(100), []byte("/")),
		"a length of more than a megabyte": {0x7f, 0xff, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, s *Server, p *Pipe) {
				s.Set("/mesos/a", nil)
				c, other := connect(t, p), connect(t, p)
				c.send(message)
				if !c.isClosed() {
					t.Error("the connection goes on")
				}
				if code, _ := other.get("/mesos/a"); code != codeOK {
					t.Errorf("another client is answered with %d", code)
				}
			})
		})
	}
}

func TestDisconnectClosesOpenConnectionsOnly(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, p *Pipe) {
		before := []*testClient{connect(t, p), connect(t, p)}
		s.Disconnect()
		for _, c := range before {
			if !c.isClosed() {
				t.Error("a connection goes on")
			}
		}
		connect(t, p)
		if n := s.Connections(); n != 3 {
			t.Errorf("%d connections were counted, want 3", n)
		}
	})
}

// A client that does not read must not keep others waiting.
func TestSlowReaderBlocksNobody(t *testing.T) {
	bubble(t, func(t *testing.T, s *Server, p *Pipe) {
		s.Set("/mesos/a", nil)
		slow, other := connect(t, p), connect(t, p)
		for range 10 {
			slow.send(framed(int32(-2), int32(opPing)))
		}
		if code, _ := other.get("/mesos/a"); code != codeOK {
			t.Errorf("the other client is answered with %d", code)
		}
		for range 10 {
			slow.answerTo(-2)
		}
	})
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine is left
		p := Listen("10.0.0.1", 2181)
		s := NewServer(p)
		open, idle := connect(t, p), dial(t, p)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if !open.isClosed() || !idle.isClosed() {
			t.Error("a connection goes on")
		}
		if _, err := p.Dial(t.Context(), "tcp", ""); err == nil || err.Error() != "connection to 10.0.0.1:2181 refused" {
			t.Errorf("the error of another connection is %v", err)
		}
		if err := p.Close(); err != nil {
			t.Errorf("closing again: %v", err)
		}
		if _, err := p.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accepting ends with %v", err)
		}
	})
}

func TestDialHeedsItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := Listen("10.0.0.1", 2181) // without an Accept
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Dial(ctx, "tcp", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialing ends with %v", err)
		}
	})
}
