package codec_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/codec"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/offerconstraints"
)

// recordedLine is a line of an exchange with a real Mesos 1.11.1.
type recordedLine struct {
	Conn   string          `json:"conn"`
	Kind   string          `json:"kind"`
	Body   json.RawMessage `json:"body"`
	Length int             `json:"length"` // of an event, as the server wrote it
}

// forRecorded calls check with each line of the recorded exchanges of which one end is a
// scheduler or an executor.
func forRecorded(t *testing.T, kind string, check func(t *testing.T, where string, l recordedLine, isScheduler bool)) {
	t.Helper()
	files, err := filepath.Glob("../../testdata/*.jsonl")
	if err != nil || len(files) < 28 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(bytes.NewReader(raw))
		lines.Buffer(nil, 1<<24)
		for number := 1; lines.Scan(); number++ {
			var l recordedLine
			if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
				t.Fatal(err)
			}
			where := fmt.Sprintf("%s:%d", filepath.Base(file), number)
			isScheduler := strings.HasPrefix(l.Conn, "sched")
			isJSON := bytes.HasPrefix(l.Body, []byte("{")) && !bytes.HasPrefix(l.Body, []byte(`{"base64"`))
			if l.Kind == kind && (isScheduler || strings.HasPrefix(l.Conn, "exec")) && isJSON {
				check(t, where, l, isScheduler)
			}
		}
	}
}

// Each recorded event is written as the real master and agent wrote it, byte by byte but for
// blanks: the same fields in the same order, and numbers in the same form.
func TestRecordedEventsAreWrittenAlike(t *testing.T) {
	checked := 0
	forRecorded(t, "event", func(t *testing.T, where string, l recordedLine, isScheduler bool) {
		var event codec.Message = &executor.Event{}
		if isScheduler {
			event = &schedulerpb.Event{}
		}
		if err := codec.Decode(codec.MediaJSON, l.Body, event, "Event"); err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
		got, err := codec.EncodeJSON(event)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
		var want bytes.Buffer
		if err := json.Compact(&want, l.Body); err != nil {
			t.Fatal(err)
		}
		checked++
		if len(got) != l.Length {
			t.Errorf("%s: it has %d bytes, the recorded one has %d", where, len(got), l.Length)
		}
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", where, diff)
		}
	})
	if checked < 800 {
		t.Errorf("only %d events were found", checked)
	}
}

// A recorded call means the same in JSON and in protobuf, in which a client may send it, too.
func TestRecordedCallsMeanTheSameInProtobuf(t *testing.T) {
	checked := 0
	forRecorded(t, "request", func(t *testing.T, where string, l recordedLine, isScheduler bool) {
		call := func() codec.Message {
			if isScheduler {
				return &offerconstraints.Call{}
			}
			return &executor.Call{}
		}
		first := call()
		if codec.Decode(codec.MediaJSON, l.Body, first, "Call") != nil {
			return // one of the malformed calls in 08
		}
		raw, err := first.Marshal()
		if err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
		second := call()
		if err := codec.Decode(codec.MediaProtobuf, raw, second, "Call"); err != nil {
			t.Errorf("%s: %v", where, err)
			return
		}
		checked++
		if diff := cmp.Diff(encoded(t, first), encoded(t, second)); diff != "" {
			t.Errorf("%s (-JSON +protobuf):\n%s", where, diff)
		}
	})
	if checked < 500 {
		t.Errorf("only %d calls were found", checked)
	}
}

func encoded(t *testing.T, message codec.Message) string {
	t.Helper()
	if c, ok := message.(*offerconstraints.Call); ok {
		message = &c.Call
	}
	raw, err := codec.EncodeJSON(message)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
