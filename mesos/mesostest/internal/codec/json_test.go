package codec

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"
	schedulerpb "github.com/mesos/mesos-go/api/v1/lib/scheduler"
)

func TestNumbersInJSON(t *testing.T) {
	for name, test := range map[string]struct {
		value float64
		want  string
	}{
		"zero":                              {0, "0.0"},
		"a whole number has a point":        {4, "4.0"},
		"a fraction":                        {0.1, "0.1"},
		"a small fraction":                  {0.000_001, "0.000001"},
		"a fraction that needs an exponent": {1e-7, "0.0000001"},
		"a large number":                    {123_456_789_012, "123456789012.0"},
		"a number that needs an exponent":   {1e21, "1e+21"},
		"a negative number":                 {-2.5, "-2.5"},
		"a time":                            {1795442110.968781, "1795442110.968781"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := EncodeJSON(&mesos.Value_Scalar{Value: test.value})
			if err != nil {
				t.Fatal(err)
			}
			if want := `{"value":` + test.want + `}`; string(got) != want {
				t.Errorf("got %s, want %s", got, want)
			}
			again := &mesos.Value_Scalar{}
			if err := DecodeJSON(got, again, "Scalar"); err != nil || again.Value != test.value {
				t.Errorf("read %v, %v, want %v", again.Value, err, test.value)
			}
		})
	}
}

func TestNumbersWithoutJSONFormAreRefused(t *testing.T) {
	for _, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if got, err := EncodeJSON(&mesos.Value_Scalar{Value: value}); err == nil {
			t.Errorf("%v was written as %s", value, got)
		}
	}
}

func TestIntegersKeepAllTheirDigits(t *testing.T) {
	for _, want := range []uint64{0, 1, 1 << 53, 1<<53 + 1, math.MaxUint64} {
		raw, err := EncodeJSON(&mesos.Value_Range{Begin: want, End: want})
		if err != nil {
			t.Fatal(err)
		}
		got := &mesos.Value_Range{}
		if err := DecodeJSON(raw, got, "Range"); err != nil || got.Begin != want || got.End != want {
			t.Errorf("%d: got %v, %v", want, got, err)
		}
	}
	for _, want := range []int64{math.MinInt64, -1, math.MaxInt64} {
		raw, err := EncodeJSON(&mesos.TimeInfo{Nanoseconds: want})
		if err != nil {
			t.Fatal(err)
		}
		got := &mesos.TimeInfo{}
		if err := DecodeJSON(raw, got, "TimeInfo"); err != nil || got.Nanoseconds != want {
			t.Errorf("%d: got %v, %v", want, got, err)
		}
	}
}

func TestIntegersMayBeWrittenAsDoubles(t *testing.T) {
	for text, want := range map[string]int64{"5": 5, "5.0": 5, "5e3": 5000, "5.9": 5, "-1.0": -1} {
		got := &mesos.TimeInfo{}
		if err := DecodeJSON([]byte(`{"nanoseconds":`+text+`}`), got, "TimeInfo"); err != nil || got.Nanoseconds != want {
			t.Errorf("%s: got %d, %v, want %d", text, got.Nanoseconds, err, want)
		}
	}
}

func TestErrorsOfJSON(t *testing.T) {
	const failed = "Failed to convert JSON into Call protobuf: "
	for name, test := range map[string]struct{ in, want string }{
		"an error has its line":                      {"{\n\"type\": \"REVIVE\",\n\"x\" 1}", "Failed to parse body into JSON: syntax error at line 3 near: 1}"},
		"a text that does not end":                   {`{"type":"REV`, "Failed to parse body into JSON: syntax error at line 1 near: "},
		"a number alone":                             {"1", failed + "Expecting a JSON object"},
		"null alone":                                 {"null", failed + "Expecting a JSON object"},
		"spaces behind":                              {"{} \n\t ", ""},
		"a list for a message":                       {`{"kill":[]}`, failed + "Not expecting a JSON array for field 'kill'"},
		"a boolean for a message":                    {`{"kill":true}`, failed + "Not expecting a JSON boolean for field 'kill'"},
		"an object for a text":                       {`{"framework_id":{"value":{}}}`, failed + "Not expecting a JSON object for field 'value'"},
		"a number for a text":                        {`{"framework_id":{"value":1}}`, failed + "Not expecting a JSON number for field 'value'"},
		"a text for a boolean":                       {`{"subscribe":{"framework_info":{"user":"","name":"","checkpoint":"yes"}}}`, failed + "Not expecting a JSON string for field 'checkpoint'"},
		"a boolean for a text":                       {`{"framework_id":{"value":true}}`, failed + "Not expecting a JSON boolean for field 'value'"},
		"bytes that are not base64":                  {`{"message":{"agent_id":{"value":""},"executor_id":{"value":""},"data":"a*b="}}`, failed + "Failed to base64 decode bytes field 'data': Invalid character '*'"},
		"all missing fields are named":               {`{"message":{}}`, failed + "Missing required fields: message.agent_id, message.executor_id, message.data"},
		"null counts as missing":                     {`{"framework_id":{"value":null}}`, failed + "Missing required fields: framework_id.value"},
		"an error is reported before missing fields": {`{"framework_id":{},"kill":1}`, failed + "Not expecting a JSON number for field 'kill'"},
		"the first error is reported":                {`{"kill":1,"framework_id":1}`, failed + "Not expecting a JSON number for field 'framework_id'"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if err := DecodeJSON([]byte(test.in), &schedulerpb.Call{}, "Call"); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMapsInJSON(t *testing.T) {
	task := &mesos.TaskInfo{Limits: map[string]mesos.Value_Scalar{"mem": {Value: 64}, "cpus": {Value: 0.5}}}
	raw, err := EncodeJSON(task)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"name":"","task_id":{"value":""},"agent_id":{"value":""},"limits":{"cpus":{"value":0.5},"mem":{"value":64.0}}}`
	if string(raw) != want {
		t.Errorf("got %s, want %s", raw, want)
	}
	if err := DecodeJSON([]byte(`{"limits":[]}`), &mesos.TaskInfo{}, "TaskInfo"); err == nil {
		t.Error("a list was taken for a map")
	}
}

// mixed is a message that reads itself, as the calls with offer constraints do.
type mixed struct {
	mesos.FrameworkID
	extra mesos.TimeInfo
}

func (m *mixed) DecodeObject(d *ObjectDecoder, object map[string]any) {
	d.Into(object, &m.FrameworkID, "")
	if inner, ok := object["extra"].(map[string]any); ok {
		d.Into(inner, &m.extra, "extra.")
	}
}

func TestObjectDecoderMessagesDecodeThemselves(t *testing.T) {
	var m mixed
	if err := DecodeJSON([]byte(`{"value":"f","extra":{"nanoseconds":7}}`), &m, "Mixed"); err != nil {
		t.Fatal(err)
	}
	if m.Value != "f" || m.extra.Nanoseconds != 7 {
		t.Errorf("got %v, %v", m.FrameworkID, m.extra)
	}
	err := DecodeJSON([]byte(`{"extra":{}}`), &mixed{}, "Mixed")
	const want = "Failed to convert JSON into Mixed protobuf: Missing required fields: value, extra.nanoseconds"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
