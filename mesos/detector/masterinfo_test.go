package detector

import (
	"strings"
	"testing"
)

func TestLeaderNode(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		children string
		want     string
		err      string
	}{
		"nothing":                      {"", "", ""},
		"no master":                    {"log_replicas", "", ""},
		"the lowest number":            {"json.info_0000000012 json.info_0000000003 json.info_0000000007", "json.info_0000000003", ""},
		"as numbers, not as text":      {"json.info_10 json.info_9", "json.info_9", ""},
		"a number that overflowed":     {"json.info_0000000001 json.info_-2147483648", "json.info_-2147483648", ""},
		"beside others":                {"log_replicas json.info_0000000001 other", "json.info_0000000001", ""},
		"of an old master":             {"info_0000000001 json.info_0000000002", "", `"info_0000000001" is not a json.info`},
		"an old master that is behind": {"json.info_0000000001 info_0000000002", "json.info_0000000001", ""},
		"only a number":                {"0000000001", "", `"0000000001" is not a json.info`},
	} {
		got, err := leaderNode(strings.Fields(tc.children))
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

func TestParseMasterInfo(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		data string
		want Master
		err  string
	}{
		"of today":                         {`{"address":{"hostname":"m1","ip":"10.0.0.1","port":5050}}`, Master{"10.0.0.1", "m1", 5050}, ""},
		"the host name beside the address": {`{"address":{"ip":"10.0.0.1","port":5050},"hostname":"m1"}`, Master{"10.0.0.1", "m1", 5050}, ""},
		"a PID":                            {`{"pid":"master@10.0.0.1:5051","hostname":"m1"}`, Master{"10.0.0.1", "m1", 5051}, ""},
		"a PID with IPv6":                  {`{"pid":"master@[2001:db8::1]:5051"}`, Master{"2001:db8::1", "", 5051}, ""},
		"the address counts, not the PID":  {`{"address":{"ip":"10.0.0.1","port":5050},"pid":"master@10.0.0.9:1"}`, Master{"10.0.0.1", "", 5050}, ""},
		"a host name that is none":         {`{"address":{"hostname":"m1/evil?","ip":"10.0.0.1","port":5050}}`, Master{"10.0.0.1", "", 5050}, ""},
		"a PID without a port":             {`{"pid":"master@10.0.0.1"}`, Master{}, "neither an address nor a PID"},
		"a PID whose port is a name":       {`{"pid":"master@10.0.0.1:http"}`, Master{}, `"10.0.0.1", port 0, is no address`},
		"a name for an IP":                 {`{"address":{"ip":"m1","port":5050}}`, Master{}, `"m1", port 5050, is no address`},
		"a port too high":                  {`{"address":{"ip":"10.0.0.1","port":65536}}`, Master{}, "port 65536, is no address"},
		"a negative port":                  {`{"address":{"ip":"10.0.0.1","port":-1}}`, Master{}, "port -1, is no address"},
		"an empty node":                    {``, Master{}, "reading a MasterInfo"},
		"a list":                           {`[]`, Master{}, "reading a MasterInfo"},
	} {
		got, err := parseMasterInfo([]byte(tc.data))
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

func TestFindingEquality(t *testing.T) {
	t.Parallel()
	first, second := Master{IP: "10.0.0.1", Port: 5050}, Master{IP: "10.0.0.2", Port: 5050}
	findings := []Finding{{}, {Master: first}, {Master: second}, {Err: errNoNode}, {Err: errNoAuth}}
	for i, f := range findings {
		for j, g := range findings {
			if got := f.equal(g); got != (i == j) {
				t.Errorf("%+v and %+v are equal: %v", f, g, got)
			}
		}
	}
}

// An error that shows the same text is nothing new, so that it is reported once.
func TestReportsOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	var got []Finding
	d := detector{Config: Config{OnFinding: func(f Finding) { got = append(got, f) }}}
	leader := Finding{Master: Master{IP: "10.0.0.1", Port: 5050}}
	for _, f := range []Finding{{}, {}, leader, leader, {Err: zkError(-4)}, {Err: zkError(-4)}, leader} {
		d.report(f)
	}
	want := []Finding{{}, leader, {Err: zkError(-4)}, leader}
	if len(got) != len(want) {
		t.Fatalf("%d findings were reported, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if !got[i].equal(want[i]) {
			t.Errorf("number %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestChildBelowAnyPath(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"zk://a:2181":            "/json.info_1",
		"zk://a:2181/":           "/json.info_1",
		"zk://a:2181/mesos":      "/mesos/json.info_1",
		"zk://a:2181/mesos/prod": "/mesos/prod/json.info_1",
	} {
		e, err := ParseEnsemble(address)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.child("json.info_1"); got != want {
			t.Errorf("below %s: got %s, want %s", address, got, want)
		}
	}
}
