package termination

import (
	"os"
	"testing"
)

func TestParseDisposition(t *testing.T) {
	const term, hup = "0000000000004000", "0000000000000001"
	tests := map[string]struct {
		status string
		want   signalDisposition
	}{
		"no handler":                  {"SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nSigCgt:\t0000000000000000\n", ignored},
		"a handler":                   {"SigCgt:\t" + term + "\n", handled},
		"a handler of another signal": {"SigCgt:\t" + hup + "\n", ignored},
		"blocked":                     {"SigBlk:\t" + term + "\n", blocked},
		"blocked, with a handler":     {"SigBlk:\t" + term + "\nSigCgt:\t" + term + "\n", handled},
		"ignored explicitly":          {"SigIgn:\t" + term + "\n", ignored},
		"all signals":                 {"SigCgt:\tffffffffffffffff\n", handled},
		"a malformed mask":            {"SigCgt:\tall\n", ignored},
		"a process that is gone":      {"", ignored},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := parseDisposition(tc.status); got != tc.want {
				t.Errorf("disposition is %d, want %d", got, tc.want)
			}
		})
	}
	// A container is asked again when it does more about the signal than before.
	if ignored <= 0 || blocked <= ignored || handled <= blocked {
		t.Error("the dispositions are out of order")
	}
}

func TestParsePodUID(t *testing.T) {
	const uid = "11111111-2222-3333-4444-555555555555"
	tests := map[string]struct{ cgroups, want string }{
		"version 2":               {"0::/mesos/c1/kubepods/burstable/pod" + uid + "/abc\n", uid},
		"version 1":               {"4:memory:/mesos/c1/kubepods/pod" + uid + "\n0::/\n", uid},
		"the pod's cgroup itself": {"0::/kubepods/pod" + uid, uid},
		"a static pod":            {"0::/kubepods/pod0123456789abcdef0123456789abcdef/c\n", "0123456789abcdef0123456789abcdef"},
		"no pod":                  {"0::/mesos/c1/leaf\n", ""},
		"a name that is longer":   {"0::/kubepods/pod" + uid + "0/abc\n", ""},
		"a name that is no UID":   {"0::/kubepods/podcast/abc\n", ""},
		"nothing":                 {"", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := parsePodUID([]byte(tc.cgroups)); got != tc.want {
				t.Errorf("UID is %q, want %q", got, tc.want)
			}
		})
	}
	if got := PodUIDOf(os.Getpid()); got != "" && len(got) < 32 {
		t.Errorf("this test is in pod %q", got)
	}
}
