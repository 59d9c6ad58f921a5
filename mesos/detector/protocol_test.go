package detector

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPacketsAreEncodedAsZooKeeperReadsThem(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		packet packet
		want   []byte
	}{
		"a ping": {requestPacket(xidPing, opPing), []byte{0, 0, 0, 8, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 11}},
		"a request for a node": {requestPacket(1, opGetData).text("/a").bool(true),
			[]byte{0, 0, 0, 15, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 2, '/', 'a', 1}},
		"an empty text": {newPacket().text("").bool(false), []byte{0, 0, 0, 5, 0, 0, 0, 0, 0}},
		"a long":        {newPacket().long(-2), []byte{0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}},
		"a new session": {connectPacket(10_000), append(append([]byte{
			0, 0, 0, 45, // length
			0, 0, 0, 0, // version
			0, 0, 0, 0, 0, 0, 0, 0, // last transaction seen
			0, 0, 0x27, 0x10, // timeout
			0, 0, 0, 0, 0, 0, 0, 0, // session
			0, 0, 0, 16, // password
		}, make([]byte, 16)...), 0)},
	} {
		if diff := cmp.Diff(tc.want, tc.packet.bytes()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestReadPacket(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		stream string
		want   string
		err    error
	}{
		"a packet, and more behind it":  {"\x00\x00\x00\x02abc", "ab", nil},
		"an empty packet":               {"\x00\x00\x00\x00", "", nil},
		"the end of the stream":         {"", "", io.EOF},
		"the end within the length":     {"\x00\x00", "", io.ErrUnexpectedEOF},
		"the end within the packet":     {"\x00\x00\x00\x05ab", "", io.ErrUnexpectedEOF},
		"longer than ZooKeeper allows":  {"\x00\x10\x00\x01", "", errMalformed},
		"a negative length":             {"\xff\xff\xff\xff", "", errMalformed},
		"something that is not its own": {"HTTP/1.1 400", "", errMalformed},
	} {
		got, err := readPacket(strings.NewReader(tc.stream))
		if string(got) != tc.want || !errors.Is(err, tc.err) || (tc.err == nil) != (err == nil) {
			t.Errorf("%s: got %q, %v; want %q, %v", name, got, err, tc.want, tc.err)
		}
	}
}

func TestPacketReader(t *testing.T) {
	t.Parallel()
	body := newPacket().int(-7).text("hello").int(-1).int(2).text("a").text("").bytes()[4:]
	r := packetReader(body)
	if n, err := r.int(); n != -7 || err != nil {
		t.Errorf("the number is %d, %v", n, err)
	}
	if b, err := r.buffer(); string(b) != "hello" || err != nil {
		t.Errorf("the buffer is %q, %v", b, err)
	}
	if b, err := r.buffer(); b != nil || err != nil {
		t.Errorf("a buffer of length -1 is %q, %v", b, err)
	}
	if texts, err := r.texts(); !cmp.Equal(texts, []string{"a", ""}) || err != nil {
		t.Errorf("the texts are %q, %v", texts, err)
	}
	if len(r) != 0 {
		t.Errorf("%d bytes are left", len(r))
	}
	for name, read := range map[string]func(*packetReader) error{
		"a number":     func(r *packetReader) error { _, err := r.int(); return err },
		"a buffer":     func(r *packetReader) error { _, err := r.buffer(); return err },
		"a list":       func(r *packetReader) error { _, err := r.texts(); return err },
		"a header":     func(r *packetReader) error { _, _, err := r.header(); return err },
		"-2 bytes":     func(r *packetReader) error { _, err := r.take(-2); return err },
		"3 of 2 bytes": func(r *packetReader) error { _, err := r.take(3); return err },
	} {
		short := packetReader{1, 2}
		if err := read(&short); !errors.Is(err, errMalformed) {
			t.Errorf("reading %s from 2 bytes: %v", name, err)
		}
	}
}

// A false count must not allocate memory for missing bytes.
func TestCountsBeyondThePacketAreMalformed(t *testing.T) {
	t.Parallel()
	r := packetReader(newPacket().int(1 << 30).text("a").bytes()[4:])
	if _, err := r.texts(); !errors.Is(err, errMalformed) {
		t.Errorf("a list of a thousand million texts: %v", err)
	}
}

func TestHeaderHasRequestAndError(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		code zkError
		text string
	}{
		"no such node":          {errNoNode, "there is no such node"},
		"not allowed":           {errNoAuth, "the node may not be read with these credentials"},
		"credentials refused":   {errAuthFailed, "ZooKeeper refuses the credentials"},
		"an error of any other": {-4, "ZooKeeper answers with error -4"},
	} {
		r := packetReader(newPacket().int(12).long(99).int(int32(tc.code)).text("body").bytes()[4:])
		xid, code, err := r.header()
		if xid != 12 || code != tc.code || err != nil || code.Error() != tc.text {
			t.Errorf("%s: request %d, error %d (%v), %v", name, xid, code, code, err)
		}
		if rest, _ := r.buffer(); !bytes.Equal(rest, []byte("body")) {
			t.Errorf("%s: %q follows the header", name, rest)
		}
	}
}
