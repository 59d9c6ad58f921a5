package codec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

func TestDecodeJSON(t *testing.T) {
	for name, test := range map[string]struct {
		in  string
		err string
	}{
		"unknown fields and enum values are left out": {in: `{"type":"NO_SUCH","x":1,"framework_id":{"value":"f","y":[]}}`},
		"null leaves a field unset":                   {in: `{"type":"REVIVE","framework_id":null}`},
		"nothing":                                     {in: ``, err: "Failed to parse body into JSON: syntax error at line 1 near: "},
		"half an object":                              {in: `{"type":`, err: "Failed to parse body into JSON: syntax error at line 1 near: "},
		"no object":                                   {in: `[1]`, err: "Failed to convert JSON into Call protobuf: Expecting a JSON object"},
		"more than one":                               {in: `{} {}`, err: "Failed to parse body into JSON: Parsed JSON included non-whitespace trailing characters:  {}"},
		"a missing required field in a list":          {in: `{"accept":{"offer_ids":[{"value":"o"},{}]}}`, err: "Failed to convert JSON into Call protobuf: Missing required fields: accept.offer_ids[1].value"},
		"an object for a list":                        {in: `{"accept":{"offer_ids":{}}}`, err: "Failed to convert JSON into Call protobuf: Not expecting a JSON object for field 'offer_ids'"},
		"a number for an enum":                        {in: `{"type":1}`, err: "Failed to convert JSON into Call protobuf: Not expecting a JSON number for field 'type'"},
		"a text for a number":                         {in: `{"decline":{"filters":{"refuse_seconds":"1"}}}`, err: "Failed to convert JSON into Call protobuf: Not expecting a JSON string for field 'refuse_seconds'"},
		"a number above the maximum":                  {in: `{"decline":{"filters":{"refuse_seconds":1e999}}}`, err: "Failed to convert JSON into Call protobuf: Number of field 'refuse_seconds' is out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := DecodeJSON([]byte(test.in), &schedulerpb.Call{}, "Call"); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.err, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeJSON(t *testing.T) {
	text := "<\"\\\n€>"
	running := mesos.TASK_RUNNING
	timestamp, healthy := 1795442110.968781, false
	for name, test := range map[string]struct {
		message any
		want    string
	}{
		"doubles have a point": {
			&schedulerpb.Event_Subscribed{FrameworkID: &mesos.FrameworkID{Value: "f"}, HeartbeatIntervalSeconds: new(float64)},
			`{"framework_id":{"value":"f"},"heartbeat_interval_seconds":0.0}`,
		},
		"unset fields are left out, empty ones are written": {
			&mesos.TaskStatus{TaskID: mesos.TaskID{}, State: &running, Timestamp: &timestamp, UUID: []byte{1, 2}, Healthy: &healthy},
			`{"task_id":{"value":""},"state":"TASK_RUNNING","timestamp":1795442110.968781,"uuid":"AQI=","healthy":false}`,
		},
		"texts are quoted": {
			&mesos.FrameworkInfo{User: text, Name: "n"},
			`{"user":"\u003c\"\\\n€\u003e","name":"n"}`,
		},
		"64-bit integers are numbers": {
			&mesos.TimeInfo{Nanoseconds: 1795441842684098048},
			`{"nanoseconds":1795441842684098048}`,
		},
		"maps": {
			&mesos.TaskInfo{Name: "t", Limits: map[string]mesos.Value_Scalar{"cpus": {Value: 1.5}}},
			`{"name":"t","task_id":{"value":""},"agent_id":{"value":""},"limits":{"cpus":{"value":1.5}}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := EncodeJSON(test.message)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(got)); diff != "" {
				t.Errorf("JSON (-want +got):\n%s", diff)
			}
		})
	}
}

func TestJSONRoundTrip(t *testing.T) {
	role := "r"
	want := &mesos.TaskInfo{
		Name: "t", TaskID: mesos.TaskID{Value: "t"}, AgentID: mesos.AgentID{Value: "a"}, Data: []byte("data"),
		Resources: []mesos.Resource{
			{Name: "cpus", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: 0.5}},
			{Name: "mem", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: 1e3}, AllocationInfo: &mesos.Resource_AllocationInfo{Role: &role}},
			{Name: "ports", Type: mesos.RANGES.Enum(), Ranges: &mesos.Value_Ranges{Range: []mesos.Value_Range{{Begin: 1, End: 2}, {Begin: 5, End: 9}}}},
		},
		Limits: map[string]mesos.Value_Scalar{"mem": {Value: 64}},
	}
	raw, err := EncodeJSON(want)
	if err != nil {
		t.Fatal(err)
	}
	got := &mesos.TaskInfo{}
	if err := DecodeJSON(raw, got, "TaskInfo"); err != nil {
		t.Fatal(err)
	}
	if !want.Equal(got) {
		t.Errorf("got %v, want %v", got, want)
	}
}
