package mesostest

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"testing"

	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
)

// decodeProtobuf puts JSON in the place of the protobuf of a scheduler's transcript, so that
// names in it can be translated.
func (tr transcript) decodeProtobuf(t *testing.T) {
	t.Helper()
	for i := range tr.lines {
		l := &tr.lines[i]
		encoded, ok := fieldAt(l.Body, "base64").(string)
		if !ok {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			t.Fatal(err)
		}
		switch l.Kind {
		case "request":
			l.Body = decodeToObject(t, raw, &schedulerpb.Call{})
		case "event":
			l.Body = decodeToObject(t, raw, &schedulerpb.Event{})
		}
	}
}

// decodeToObject a message in protobuf.
func decodeToObject(t testing.TB, raw []byte, message codec.Message) object {
	t.Helper()
	if err := message.Unmarshal(raw); err != nil {
		t.Fatal(err)
	}
	text, err := codec.EncodeJSON(message)
	if err != nil {
		t.Fatal(err)
	}
	var tree object
	if err := json.Unmarshal(text, &tree); err != nil {
		t.Fatal(err)
	}
	return withoutUnknown(tree).(object)
}

// withoutUnknown drops capabilities that the library has only a number for, and a
// field that a real Mesos only has in JSON, as it holds its default.
func withoutUnknown(v any) any {
	switch v := v.(type) {
	case object:
		if kind, ok := v["type"].(string); ok && strings.Trim(kind, "0123456789") == "" {
			return object{}
		}
		if v["protocol"] == "IPv4" {
			delete(v, "protocol")
		}
		for name := range v {
			v[name] = withoutUnknown(v[name])
		}
	case []any:
		for i := range v {
			v[i] = withoutUnknown(v[i])
		}
	}
	return v
}

// protobufOf a scheduler's call that was made readable.
func protobufOf(t testing.TB, call object) []byte {
	t.Helper()
	text, err := json.Marshal(call)
	if err != nil {
		t.Fatal(err)
	}
	message := &schedulerpb.Call{}
	if err := codec.DecodeJSON(text, message, "Call"); err != nil {
		t.Fatal(err)
	}
	raw, err := message.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// readProtobuf reads a scheduler's events.
func (s *subscription) readProtobuf() {
	defer close(s.events)
	in := bufio.NewReader(s.response.Body)
	for {
		record, err := readRecord(in)
		if err != nil {
			return
		}
		s.events <- decodeToObject(s.t, record, &schedulerpb.Event{})
	}
}

func readRecord(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	length, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return nil, err
	}
	record := make([]byte, length)
	_, err = io.ReadFull(in, record)
	return record, err
}
