package codec

import (
	"bytes"
	"encoding/json"
	"math/rand"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

// comparable is a generated message.
type comparable interface {
	Message
	Equal(any) bool
}

// messages are one of each kind that goes over the wire: what makes a random one, and an
// empty one.
var messages = map[string]struct {
	random func(r *rand.Rand) comparable
	empty  func() comparable
}{
	"a scheduler's call":   {func(r *rand.Rand) comparable { return schedulerpb.NewPopulatedCall(r, true) }, func() comparable { return &schedulerpb.Call{} }},
	"a scheduler's event":  {func(r *rand.Rand) comparable { return schedulerpb.NewPopulatedEvent(r, true) }, func() comparable { return &schedulerpb.Event{} }},
	"an executor's call":   {func(r *rand.Rand) comparable { return executor.NewPopulatedCall(r, true) }, func() comparable { return &executor.Call{} }},
	"an executor's event":  {func(r *rand.Rand) comparable { return executor.NewPopulatedEvent(r, true) }, func() comparable { return &executor.Event{} }},
	"an operator's call":   {func(r *rand.Rand) comparable { return master.NewPopulatedCall(r, true) }, func() comparable { return &master.Call{} }},
	"an operator's answer": {func(r *rand.Rand) comparable { return master.NewPopulatedResponse(r, true) }, func() comparable { return &master.Response{} }},
	"a task":               {func(r *rand.Rand) comparable { return mesos.NewPopulatedTaskInfo(r, true) }, func() comparable { return &mesos.TaskInfo{} }},
	"a task's status":      {func(r *rand.Rand) comparable { return mesos.NewPopulatedTaskStatus(r, true) }, func() comparable { return &mesos.TaskStatus{} }},
}

// Whatever a message holds, it is the same again after it was written and read, in both
// media types.
func TestEveryMessageIsReadAsItWasWritten(t *testing.T) {
	for name, kind := range messages {
		t.Run(name, func(t *testing.T) {
			for seed := range int64(8) {
				want := kind.random(rand.New(rand.NewSource(seed)))
				for _, mediaType := range []string{MediaJSON, MediaProtobuf} {
					raw, err := Encode(mediaType, want)
					if err != nil {
						t.Fatalf("seed %d: writing %s: %v", seed, mediaType, err)
					}
					got := kind.empty()
					if err := Decode(mediaType, raw, got, "Message"); err != nil {
						t.Fatalf("seed %d: reading %s: %v", seed, mediaType, err)
					}
					if !want.Equal(got) {
						t.Fatalf("seed %d: in %s got\n%v, want\n%v", seed, mediaType, got, want)
					}
				}
			}
		})
	}
}

// What is written is JSON that anybody can read, and written the same each time.
func TestJSONIsValidAndStable(t *testing.T) {
	for name, kind := range messages {
		t.Run(name, func(t *testing.T) {
			for seed := range int64(8) {
				message := kind.random(rand.New(rand.NewSource(seed)))
				first, err := EncodeJSON(message)
				if err != nil {
					t.Fatal(err)
				}
				if !json.Valid(first) {
					t.Fatalf("seed %d: %s is not JSON", seed, first)
				}
				for range 3 {
					if again, _ := EncodeJSON(message); !bytes.Equal(first, again) {
						t.Fatalf("seed %d: written differently the second time", seed)
					}
				}
			}
		})
	}
}

// A message that is cut off anywhere is refused or, if the rest is whole, read: it is
// never a panic, and in JSON never taken.
func TestMessagesThatAreCutOff(t *testing.T) {
	message := schedulerpb.NewPopulatedCall(rand.New(rand.NewSource(1)), true)
	for _, mediaType := range []string{MediaJSON, MediaProtobuf} {
		raw, err := Encode(mediaType, message)
		if err != nil {
			t.Fatal(err)
		}
		step := max(1, len(raw)/200)
		for n := 0; n < len(raw); n += step {
			err := Decode(mediaType, raw[:n], &schedulerpb.Call{}, "Call")
			if mediaType == MediaJSON && err == nil {
				t.Errorf("%d of %d bytes of JSON were taken", n, len(raw))
			}
		}
	}
}

// FuzzDecodeJSON looks for input that makes the decoder panic, and for messages that are
// not the same again after they were read.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{"type":"SUBSCRIBE","subscribe":{"framework_info":{"user":"u","name":"n"}}}`,
		`{"type":"ACCEPT","accept":{"offer_ids":[{"value":"o"}],"filters":{"refuse_seconds":1e3}}}`,
		`{"type":"MESSAGE","message":{"agent_id":{"value":"a"},"executor_id":{"value":"e"},"data":"AQI="}}`,
		`{"type":"KILL","kill":{"task_id":{"value":"\u00e4"}}}`,
		`[]`, `{}`, `{"type":null}`, `nonsense`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		call := &schedulerpb.Call{}
		if DecodeJSON(data, call, "Call") != nil {
			return
		}
		raw, err := EncodeJSON(call)
		if err != nil {
			t.Skip(err) // infinity, which JSON has not
		}
		again := &schedulerpb.Call{}
		if err := DecodeJSON(raw, again, "Call"); err != nil {
			t.Fatalf("%s is not read again: %v", raw, err)
		}
		if !call.Equal(again) {
			t.Errorf("got %v, want %v", again, call)
		}
	})
}
