package zookeepertest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// The operations and error codes of ZooKeeper that the server knows.
const (
	opGetData, opGetChildren, opPing, opAuth, opClose = 4, 8, 11, 100, -11

	codeOK, codeNoNode, codeNoAuth, codeAuthFailed = 0, -101, -102, -115
)

const (
	// maxMessageBytes is the longest request that is read.
	maxMessageBytes = 1 << 20
	// statBytes is the length of a Stat, which follows a node's data. It is empty here.
	statBytes = 68
)

// connectResponse opens a session with a timeout of 10 s, ID 1 and an empty password.
func connectResponse() []byte {
	password := make([]byte, 16)
	return framed(int32(0), int32(10_000), int64(1), int32(len(password)), password)
}

// response answers a request. The transaction ID in the header is always 0.
func response(xid, code int32, body ...any) []byte {
	return framed(append([]any{xid, int64(0), code}, body...)...)
}

// childrenChanged is the event for a watch: of type 4, in the state "connected", which is 3.
func childrenChanged(path string) []byte {
	return framed(int32(-1), int64(-1), int32(codeOK), int32(4), int32(3), int32(len(path)), []byte(path))
}

// framed encodes numbers and bytes, with the length of all in front.
func framed(parts ...any) []byte {
	var body bytes.Buffer
	for _, part := range parts {
		if err := binary.Write(&body, binary.BigEndian, part); err != nil {
			panic(err) // only numbers and bytes are passed
		}
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(body.Len())), body.Bytes()...)
}

func readMessage(r io.Reader) ([]byte, error) {
	var n uint32
	if err := binary.Read(r, binary.BigEndian, &n); err != nil {
		return nil, err
	}
	if n > maxMessageBytes {
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
