package detector

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ZooKeeper's operations, and the numbers of packets that are no answers to requests.
const (
	opGetData     = 4
	opGetChildren = 8
	opPing        = 11
	opSetAuth     = 100

	xidNotification = -1
	xidPing         = -2
	xidAuth         = -4
)

// zkError is the error code of an answer.
type zkError int32

const (
	errNoNode     zkError = -101
	errNoAuth     zkError = -102
	errAuthFailed zkError = -115
)

func (e zkError) Error() string {
	switch e {
	case errNoNode:
		return "there is no such node"
	case errNoAuth:
		return "the node may not be read with these credentials"
	case errAuthFailed:
		return "ZooKeeper refuses the credentials"
	}
	return fmt.Sprintf("ZooKeeper answers with error %d", int32(e))
}

// maxPacketBytes is the longest packet that is read. ZooKeeper limits its nodes to the same.
const maxPacketBytes = 1 << 20

var errMalformed = errors.New("malformed answer")

// packet is a message that is being written. Its first four bytes are for its length.
type packet []byte

func newPacket() packet { return make(packet, 4, 64) }

func (p packet) int(n int32) packet  { return binary.BigEndian.AppendUint32(p, uint32(n)) }
func (p packet) long(n int64) packet { return binary.BigEndian.AppendUint64(p, uint64(n)) }

func (p packet) text(s string) packet { return append(p.int(int32(len(s))), s...) }

func (p packet) bool(b bool) packet {
	if b {
		return append(p, 1)
	}
	return append(p, 0)
}

// bytes sets the length and returns the whole packet.
func (p packet) bytes() []byte {
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	return p
}

func connectPacket(timeoutMillis int32) packet {
	return newPacket().int(0).long(0).int(timeoutMillis).long(0).text(string(make([]byte, 16))).bool(false)
}

func requestPacket(xid, op int32) packet { return newPacket().int(xid).int(op) }

// readPacket reads one message. Memory is bounded by maxPacketBytes.
func readPacket(r io.Reader) (packetReader, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxPacketBytes {
		return nil, fmt.Errorf("%w: a packet of %d bytes, more than %d", errMalformed, n, maxPacketBytes)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("reading a packet of %d bytes: %w", n, err)
	}
	return body, nil
}

// packetReader is the part of a message that is not read yet.
type packetReader []byte

func (f *packetReader) take(n int) ([]byte, error) {
	if n < 0 || n > len(*f) {
		return nil, fmt.Errorf("%w: %d bytes are due, and %d are left", errMalformed, n, len(*f))
	}
	out := (*f)[:n]
	*f = (*f)[n:]
	return out, nil
}

func (f *packetReader) int() (int32, error) {
	b, err := f.take(4)
	if err != nil {
		return 0, err
	}
	return int32(binary.BigEndian.Uint32(b)), nil
}

// buffer reads a length and so many bytes; nil if the length is -1.
func (f *packetReader) buffer() ([]byte, error) {
	n, err := f.int()
	if err != nil || n == -1 {
		return nil, err
	}
	return f.take(int(n))
}

// texts reads a list of texts.
func (f *packetReader) texts() ([]string, error) {
	n, err := f.int()
	if err != nil {
		return nil, err
	}
	var out []string
	for range n { // each has four bytes at least, so that a false count ends soon
		b, err := f.buffer()
		if err != nil {
			return nil, err
		}
		out = append(out, string(b))
	}
	return out, nil
}

// header reads the header of an answer: the number of its request, and its error code.
func (f *packetReader) header() (xid int32, code zkError, err error) {
	head, err := f.take(16)
	if err != nil {
		return 0, 0, err
	}
	return int32(binary.BigEndian.Uint32(head)), zkError(int32(binary.BigEndian.Uint32(head[12:]))), nil
}
