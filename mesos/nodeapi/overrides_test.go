package nodeapi

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseThreshold(t *testing.T) {
	tests := map[string]struct {
		text string
		want int64 // of 1000
		bad  bool
	}{
		"a number":                    {"7", 7, false},
		"a number beyond the whole":   {"5000", 5000, false},
		"a percentage":                {"10%", 100, false},
		"a part of a percent":         {"0.5%", 5, false},
		"a percentage, rounded down":  {"0.19%", 1, false},
		"no threshold, as a percent":  {"0%", 0, false},
		"no threshold":                {"", 0, false},
		"zero as a number":            {"0", 0, true},
		"a negative number":           {"-7", 0, true},
		"a negative percentage":       {"-1%", 0, true},
		"everything":                  {"100%", 0, true},
		"a percentage without number": {"%", 0, true},
		"not a number, in percent":    {"NaN%", 0, true},
		"infinity":                    {"Inf%", 0, true},
		"a unit":                      {"1Gi", 0, true},
		"a fraction":                  {"1.5", 0, true},
		"white space":                 {" 7", 0, true},
		"more than fits":              {"9223372036854775808", 0, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseThreshold(tc.text)
			if (err != nil) != tc.bad || got.Of(1000) != tc.want {
				t.Fatalf("threshold is %d, error %v", got.Of(1000), err)
			}
			if err != nil && !strings.Contains(err.Error(), `"`+tc.text+`"`) {
				t.Errorf("the error does not quote the text: %v", err)
			}
			if err == nil && got.String() != tc.text {
				t.Errorf("it is written as %q", got)
			}
		})
	}
	if got := (Threshold{}).Of(1 << 40); got != 0 {
		t.Errorf("no threshold is %d", got)
	}
}

func TestParseConfigOverrides(t *testing.T) {
	overrides, problems := ParseConfigOverrides([]byte(`{"maxPods": 30, "cpuCFSQuota": false, "evictionHard": {"memory.available": "10%", "nodefs.inodesFree": "1000"}}`))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var fields []string
	for name, value := range overrides.Fields {
		if name == "maxPods" && string(value) != "30" {
			t.Errorf("maxPods is %s", value)
		}
		fields = append(fields, name)
	}
	slices.Sort(fields)
	if diff := cmp.Diff([]string{"cpuCFSQuota", "evictionHard", "maxPods"}, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if overrides.CPUCFSQuota == nil || *overrides.CPUCFSQuota {
		t.Errorf("quota is %v", overrides.CPUCFSQuota)
	}
	if got := overrides.EvictionHard[MemoryAvailable].Of(1000); got != 100 {
		t.Errorf("threshold of the memory is %d", got)
	}
	if got := overrides.EvictionHard["nodefs.inodesFree"].String(); got != "1000" {
		t.Errorf("threshold of inodes is %s", got)
	}
}

func TestEmptyKubeletConfigHasDefaultThresholds(t *testing.T) {
	for _, config := range []string{"", "{}"} {
		overrides, problems := ParseConfigOverrides([]byte(config))
		if len(problems) > 0 || len(overrides.Fields) > 0 || len(overrides.EvictionHard) > 0 || overrides.CPUCFSQuota != nil {
			t.Errorf("%q: overrides %+v, problems %v", config, overrides, problems)
		}
	}
	// Of a launch message an empty field is left out; as a configuration it is no JSON.
	if problems := CheckConfig(nil, 1024, 256); len(problems) != 1 {
		t.Errorf("problems are %v", problems)
	}
	if problems := CheckConfig([]byte("{}"), 1024, 0); len(problems) > 0 {
		t.Errorf("problems are %v", problems)
	}
}

func TestAllProblemsOfAKubeletConfigAreNamed(t *testing.T) {
	config := `{"port": 1, "cgroupRoot": "/", "evictionHard": {"memory.available": "90%", "a": "x", "b": "y"}}`
	var got []string
	for _, problem := range CheckConfig([]byte(config), 1024, 256) {
		first, _, _ := strings.Cut(problem.Error(), " ")
		got = append(got, first)
	}
	want := []string{"port", "cgroupRoot", "evictionHard[a]:", "evictionHard[b]:", "evictionHard[memory.available]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestEachReservedFieldIsRefused(t *testing.T) {
	fields := ReservedFields()
	if !slices.IsSorted(fields) || len(slices.Compact(slices.Clone(fields))) != len(fields) {
		t.Errorf("not sorted, or twice the same: %v", fields)
	}
	for _, field := range fields {
		problems := CheckConfig([]byte(`{"`+field+`": null}`), 1024, 256)
		if len(problems) != 1 || !strings.HasPrefix(problems[0].Error(), field+" is not a pool's to set: ") {
			t.Errorf("problems of %s are %v", field, problems)
		}
	}
	for _, allowed := range []string{"maxPods", "evictionHard", "cpuCFSQuota", "clusterDNS", "Port"} {
		if slices.Contains(fields, allowed) {
			t.Errorf("%s is reserved", allowed)
		}
	}
}

func TestBytes(t *testing.T) {
	for mib, want := range map[float64]int64{0: 0, 1: 1 << 20, 0.5: 1 << 19, 1024: 1 << 30, 300.5: 315097088, 0.0000004: 0} {
		if got := Bytes(mib); got != want {
			t.Errorf("%g MiB is %d bytes, want %d", mib, got, want)
		}
	}
}
