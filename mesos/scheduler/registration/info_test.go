package registration_test

import (
	"strings"
	"testing"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/scheduler/registration"
)

func info(roles ...string) registration.Info {
	return registration.Info{Name: "k8sm", User: "root", Roles: roles}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*registration.Info)
		want   string // part of the error; empty for none
	}{
		"the required fields": {change: func(*registration.Info) {}},
		"with an ID":          {change: func(i *registration.Info) { i.ID = "F1" }},
		"without a name":      {change: func(i *registration.Info) { i.Name = "" }, want: "no name"},
		"without roles":       {change: func(i *registration.Info) { i.Roles = nil }, want: "no roles"},
		"an empty role":       {change: func(i *registration.Info) { i.Roles = []string{"a", ""} }, want: `role ""`},
		"a role named twice":  {change: func(i *registration.Info) { i.Roles = []string{"a", "b", "a"} }, want: `role "a" is empty or named twice`},
		"a negative timeout":  {change: func(i *registration.Info) { i.FailoverTimeout = -1 }, want: "failover timeout"},
		"an invalid ID":       {change: func(i *registration.Info) { i.ID = "a/b" }, want: `ID "a/b"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := info("k8sm")
			tc.change(&i)
			switch err := i.Validate(); {
			case tc.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("the error is %v, want one about %q", err, tc.want)
			}
		})
	}
}

func TestValidateID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"a", "general-abc12.3", "a b", "ü", ".a", "...", strings.Repeat("x", 255)} {
		if err := registration.ValidateID(id); err != nil {
			t.Errorf("%.20q is refused: %v", id, err)
		}
	}
	for _, id := range []string{"", ".", "..", "a/b", `a\b`, "a\nb", "a\x7fb", strings.Repeat("x", 256)} {
		if err := registration.ValidateID(id); err == nil {
			t.Errorf("%.20q is accepted", id)
		}
	}
}

func TestFrameworkInfo(t *testing.T) {
	t.Parallel()
	bare := info("a", "b").ToMesos()
	if got, want := bare.GetFailoverTimeout(), (7 * 24 * time.Hour).Seconds(); got != want {
		t.Errorf("without a failover timeout it is %g s, want a week", got)
	}
	if !bare.GetCheckpoint() || bare.ID != nil || bare.Hostname != nil || bare.Principal != nil || bare.WebUiURL != nil {
		t.Errorf("what is not set is sent: %+v", bare)
	}
	if len(bare.Roles) != 2 || bare.Role != nil {
		t.Errorf("the roles are %v and %v", bare.Roles, bare.Role)
	}
	has := map[mesos.FrameworkInfo_Capability_Type]bool{}
	for _, c := range bare.Capabilities {
		has[c.Type] = true
	}
	if !has[mesos.FrameworkInfo_Capability_MULTI_ROLE] || !has[mesos.FrameworkInfo_Capability_PARTITION_AWARE] {
		t.Errorf("capabilities are missing: %v", bare.Capabilities)
	}
	full := registration.Info{
		ID: "F1", Name: "k8sm", User: "u", Principal: "p", Hostname: "h", WebUIURL: "http://h", Roles: []string{"a"}, FailoverTimeout: time.Hour,
	}.ToMesos()
	if full.ID.GetValue() != "F1" || full.GetPrincipal() != "p" || full.GetHostname() != "h" || full.GetWebUiURL() != "http://h" || full.GetFailoverTimeout() != 3600 {
		t.Errorf("it is sent as %+v", full)
	}
}

func TestIsAtLeast(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]bool{
		"1.11.0": true, "1.11.0-0.5": true, "1.12.3": true, "2.0.0": true, "1.11": true,
		"1.10.9": false, "0.12.0": false, "": false, "1": false, "x.y.z": false, "1.x": false,
	} {
		if got := registration.IsAtLeast(version, 1, 11); got != want {
			t.Errorf("IsAtLeast(%q, 1, 11) is %v", version, got)
		}
	}
}
