package recordio_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/k8sm/k8sm/mesos/recordio"
)

// fakeMessage fails to decode in the way that it names.
type fakeMessage struct{ decoded string }

func (m *fakeMessage) Unmarshal(data []byte) error {
	switch string(data) {
	case "error":
		return io.ErrUnexpectedEOF
	case "panic":
		_ = data[len(data)] // as generated code does that trusts a length
	}
	m.decoded = string(data)
	return nil
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		record string
		err    string
	}{
		"a message":                    {"hello", ""},
		"an empty message":             {"", ""},
		"a record that is no message":  {"error", "malformed stream: decoding an event: unexpected EOF"},
		"a record that makes it panic": {"panic", "malformed stream: decoding an event: runtime error: index out of range"},
	} {
		m := &fakeMessage{}
		err := recordio.Decode([]byte(tc.record), m, "an event")
		switch {
		case tc.err == "" && (err != nil || m.decoded != tc.record):
			t.Errorf("%s: decoded as %q, %v", name, m.decoded, err)
		case tc.err != "" && (!errors.Is(err, recordio.ErrMalformed) || !strings.HasPrefix(err.Error(), tc.err)):
			t.Errorf("%s: the error is %v, want %s", name, err, tc.err)
		}
	}
}
