package zookeepertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
)

// conn is the connection of one client. The server's lock guards its fields. Replies are
// queued, so that a client that does not read does not block others.
type conn struct {
	net.Conn
	server        *Server
	watches       map[string]bool // paths whose children are watched
	authenticated bool
	queue         [][]byte
	hasQueue      chan struct{} // has a token when the queue is not empty
}

func newConn(nc net.Conn, s *Server) *conn {
	return &conn{Conn: nc, server: s, watches: map[string]bool{}, hasQueue: make(chan struct{}, 1)}
}

// writeReplies writes queued replies until the reader is done or the client is gone.
func (c *conn) writeReplies(readerDone <-chan struct{}) {
	for {
		select {
		case <-c.hasQueue:
		case <-readerDone:
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

// reply queues a message, or what the faults make of it.
func (c *conn) reply(message []byte) {
	if c.server.faults.Frozen {
		return
	}
	if c.server.faults.RawReply != nil {
		message = c.server.faults.RawReply
	}
	c.queue = append(c.queue, message)
	select {
	case c.hasQueue <- struct{}{}:
	default:
	}
}

// serve reads and answers messages until the connection ends. The first one opens the session.
func (c *conn) serve() {
	defer func() {
		_ = c.Close() // the client may have closed it already
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		delete(c.server.conns, c)
	}()
	for connected := false; ; connected = true {
		message, err := readMessage(c)
		if err != nil {
			return
		}
		c.server.mu.Lock()
		if connected {
			err = c.answer(message)
		} else {
			c.reply(connectResponse())
		}
		c.server.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// answer answers a request. An error ends the connection.
func (c *conn) answer(message []byte) error {
	r := bytes.NewReader(message)
	var header struct{ XID, Op int32 }
	if err := binary.Read(r, binary.BigEndian, &header); err != nil {
		return err
	}
	faults := &c.server.faults
	switch {
	case header.Op == opPing:
		c.reply(response(header.XID, codeOK))
		return nil
	case header.Op == opClose:
		return io.EOF
	case faults.NoReplies:
		return nil
	case header.Op == opAuth:
		c.authenticate(header.XID, message)
		return nil
	case faults.RequiredDigest != "" && !c.authenticated:
		c.reply(response(header.XID, codeNoAuth))
		return nil
	}
	path, err := readText(r)
	if err != nil {
		return err
	}
	switch header.Op {
	case opGetChildren:
		c.replyChildren(header.XID, path, message[len(message)-1] == 1)
	case opGetData:
		c.replyData(header.XID, path)
	default:
		return errors.New("an operation that is not known here")
	}
	return nil
}

func (c *conn) authenticate(xid int32, message []byte) {
	if digest := c.server.faults.RequiredDigest; digest != "" && !bytes.HasSuffix(message, []byte(digest)) {
		c.reply(response(xid, codeAuthFailed))
		return
	}
	c.authenticated = true
	c.reply(response(xid, codeOK))
}

func (c *conn) replyData(xid int32, path string) {
	data, ok := c.server.nodes[path]
	if !ok {
		c.reply(response(xid, codeNoNode))
		return
	}
	c.reply(response(xid, codeOK, int32(len(data)), data, make([]byte, statBytes)))
}

func (c *conn) replyChildren(xid int32, path string, watch bool) {
	children := c.server.children(path)
	if _, exists := c.server.nodes[path]; len(children) == 0 && !exists {
		c.reply(response(xid, codeNoNode))
		return
	}
	if watch {
		c.watches[path] = true
	}
	body := []any{int32(len(children))}
	for _, name := range children {
		body = append(body, int32(len(name)), []byte(name))
	}
	c.reply(response(xid, codeOK, body...))
}
