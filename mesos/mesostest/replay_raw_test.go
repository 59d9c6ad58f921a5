package mesostest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
)

// rawStream is an answer of which each byte was recorded.
type rawStream struct {
	conn     net.Conn
	in       *bufio.Reader
	headRead bool
	protobuf bool
}

// isRaw reports whether the bytes of the answer were recorded.
func (tr transcript) isRaw(request int) bool {
	return slices.ContainsFunc(tr.lines, func(l line) bool { return l.Kind == "raw" && l.Req == request })
}

// rawRequest sends a request by hand. The one before is over by then.
func (p *replay) rawRequest(l line) {
	p.closeRaw()
	conn, err := p.network.Dial(p.t.Context(), "tcp", l.Headers["Host"])
	if err != nil {
		p.t.Fatal(err)
	}
	body, err := json.Marshal(p.tr.translate(l.Body))
	if err != nil {
		p.t.Fatal(err)
	}
	var request bytes.Buffer
	fmt.Fprintf(&request, "%s %s HTTP/1.1\r\n", l.Method, l.Path)
	for name, value := range l.Headers {
		if name != "Content-Length" {
			fmt.Fprintf(&request, "%s: %s\r\n", name, value)
		}
	}
	fmt.Fprintf(&request, "Content-Length: %d\r\n\r\n%s", len(body), body)
	if _, err := conn.Write(request.Bytes()); err != nil {
		p.t.Fatal(err)
	}
	p.rawStream = &rawStream{conn: conn, in: bufio.NewReader(conn), protobuf: l.Headers["Accept"] == codec.MediaProtobuf}
}

func (p *replay) closeRaw() {
	if p.rawStream != nil {
		_ = p.rawStream.conn.Close()
		p.rawStream = nil
	}
}

// raw compares what one read gave: the head first, then one chunk after the other, each
// of which is one record.
func (p *replay) raw(l line) {
	want, err := hex.DecodeString(l.Hex)
	if err != nil {
		p.t.Fatal(err)
	}
	if !p.rawStream.headRead {
		p.rawStream.headRead = true
		line, _, _ := bytes.Cut(want, []byte("\r\n"))
		if got := p.rawStream.readHead(); got != string(line) {
			p.errorf(l, "got %q, want %q", got, line)
		}
		return
	}
	got, err := p.rawStream.readRecord(p.rawStream.in)
	if err != nil {
		p.errorf(l, "reading a chunk: %v", err)
		return
	}
	recorded, err := p.rawStream.readRecord(bufio.NewReader(bytes.NewReader(want)))
	if err != nil {
		return // it was cut off
	}
	for _, diff := range p.tr.compare("record", p.rawStream.decodeRecord(p, recorded), p.rawStream.decodeRecord(p, got)) {
		p.errorf(l, "%s", diff)
	}
}

// readHead reads all headers, and returns the first line.
func (s *rawStream) readHead() string {
	first := ""
	for {
		line, err := s.in.ReadString('\n')
		if line = strings.TrimRight(line, "\r\n"); err != nil || line == "" {
			return first
		}
		if first == "" {
			first = line
		}
	}
}

// readRecord reads a chunk that holds exactly one record.
func (s *rawStream) readRecord(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	size, err := strconv.ParseInt(strings.TrimRight(line, "\r\n"), 16, 32)
	if err != nil {
		return nil, err
	}
	chunk := make([]byte, size+2) // with the end of its line
	if _, err := io.ReadFull(in, chunk); err != nil {
		return nil, err
	}
	rest := bufio.NewReader(bytes.NewReader(chunk))
	record, err := readRecord(rest)
	if err != nil {
		return nil, err
	}
	if left, _ := io.ReadAll(rest); string(left) != "\r\n" {
		return nil, fmt.Errorf("%q follows the record in its chunk", left)
	}
	return record, nil
}

func (s *rawStream) decodeRecord(p *replay, record []byte) object {
	if s.protobuf {
		return decodeToObject(p.t, record, &schedulerpb.Event{})
	}
	var tree object
	if err := json.Unmarshal(record, &tree); err != nil {
		p.t.Errorf("%v in %s", err, record)
	}
	return tree
}

// inflate replaces a gzipped body by its content.
func (p *replay) inflate(l line, got []byte) (want any, plain []byte) {
	recorded, err := base64.StdEncoding.DecodeString(fieldAt(l.Body, "base64").(string))
	if err == nil {
		err = json.Unmarshal(p.gunzip(l, recorded), &want)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return want, p.gunzip(l, got)
}

func (p *replay) gunzip(l line, raw []byte) []byte {
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		p.errorf(l, "%v", err)
		return nil
	}
	plain, err := io.ReadAll(r)
	if err != nil {
		p.errorf(l, "%v", err)
	}
	return plain
}
