package taskcheck_test

import (
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskcheck"
)

func TestChecks(t *testing.T) {
	run := mesos.CommandInfo{Value: new("true")}
	for name, test := range map[string]struct {
		check mesos.CheckInfo
		want  string
	}{
		"a COMMAND check is valid":          {mesos.CheckInfo{Type: mesos.CheckInfo_COMMAND, Command: &mesos.CheckInfo_Command{Command: run}}, ""},
		"a COMMAND check without it is not": {mesos.CheckInfo{Type: mesos.CheckInfo_COMMAND}, "Expecting 'command' to be set for COMMAND check"},
		"a COMMAND check of no shell command is not": {
			mesos.CheckInfo{Type: mesos.CheckInfo_COMMAND, Command: &mesos.CheckInfo_Command{}}, "Command check must contain 'shell command'",
		},
		"a COMMAND check of no program is not": {
			mesos.CheckInfo{Type: mesos.CheckInfo_COMMAND, Command: &mesos.CheckInfo_Command{Command: mesos.CommandInfo{Shell: new(false)}}},
			"Command check must contain 'executable path'",
		},
		"a COMMAND check with a bad environment is not": {
			mesos.CheckInfo{Type: mesos.CheckInfo_COMMAND, Command: &mesos.CheckInfo_Command{Command: *command(mesos.Environment_Variable{Name: "A"})}},
			"Check's `CommandInfo` is invalid: Environment variable 'A' of type 'VALUE' must have a value set",
		},
		"an HTTP check is valid":           {mesos.CheckInfo{Type: mesos.CheckInfo_HTTP, HTTP: &mesos.CheckInfo_Http{Path: new("/healthz")}}, ""},
		"an HTTP check without path is":    {mesos.CheckInfo{Type: mesos.CheckInfo_HTTP, HTTP: &mesos.CheckInfo_Http{}}, ""},
		"an HTTP check without it is not":  {mesos.CheckInfo{Type: mesos.CheckInfo_HTTP}, "Expecting 'http' to be set for HTTP check"},
		"a relative path is not":           {mesos.CheckInfo{Type: mesos.CheckInfo_HTTP, HTTP: &mesos.CheckInfo_Http{Path: new("x")}}, "The path 'x' of HTTP check must start with '/'"},
		"a TCP check is valid":             {mesos.CheckInfo{Type: mesos.CheckInfo_TCP, TCP: &mesos.CheckInfo_Tcp{}}, ""},
		"a TCP check without it is not":    {mesos.CheckInfo{Type: mesos.CheckInfo_TCP}, "Expecting 'tcp' to be set for TCP check"},
		"an unknown type is not":           {mesos.CheckInfo{}, "'UNKNOWN' is not a valid check type"},
		"times of 0 are valid":             {mesos.CheckInfo{Type: mesos.CheckInfo_TCP, TCP: &mesos.CheckInfo_Tcp{}, DelaySeconds: new(0.0), IntervalSeconds: new(0.0)}, ""},
		"a negative delay is not":          {mesos.CheckInfo{Type: mesos.CheckInfo_TCP, TCP: &mesos.CheckInfo_Tcp{}, DelaySeconds: new(-1.0)}, "Expecting 'delay_seconds' to be non-negative"},
		"a negative interval is not":       {mesos.CheckInfo{Type: mesos.CheckInfo_TCP, TCP: &mesos.CheckInfo_Tcp{}, IntervalSeconds: new(-1.0)}, "Expecting 'interval_seconds' to be non-negative"},
		"a negative timeout is not":        {mesos.CheckInfo{Type: mesos.CheckInfo_TCP, TCP: &mesos.CheckInfo_Tcp{}, TimeoutSeconds: new(-0.5)}, "Expecting 'timeout_seconds' to be non-negative"},
		"the type is checked before times": {mesos.CheckInfo{DelaySeconds: new(-1.0)}, "'UNKNOWN' is not a valid check type"},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.want
			if want != "" {
				want = "Task uses invalid check: " + want
			}
			wantError(t, taskcheck.Task(&mesos.TaskInfo{Resources: []mesos.Resource{scalar("cpus", 1)}, Check: &test.check}), want)
		})
	}
}

func TestHealthChecks(t *testing.T) {
	tcp := func(change func(*mesos.HealthCheck)) mesos.HealthCheck {
		c := mesos.HealthCheck{Type: mesos.HealthCheck_TCP, TCP: &mesos.HealthCheck_TCPCheckInfo{}}
		change(&c)
		return c
	}
	http := func(scheme, path string) mesos.HealthCheck {
		return mesos.HealthCheck{Type: mesos.HealthCheck_HTTP, HTTP: &mesos.HealthCheck_HTTPCheckInfo{Scheme: &scheme, Path: &path}}
	}
	for name, test := range map[string]struct {
		check mesos.HealthCheck
		want  string
	}{
		"a COMMAND check is valid":          {mesos.HealthCheck{Type: mesos.HealthCheck_COMMAND, Command: &mesos.CommandInfo{Value: new("true")}}, ""},
		"a COMMAND check without it is not": {mesos.HealthCheck{Type: mesos.HealthCheck_COMMAND}, "Expecting 'command' to be set for COMMAND health check"},
		"a COMMAND check of no shell command is not": {
			mesos.HealthCheck{Type: mesos.HealthCheck_COMMAND, Command: &mesos.CommandInfo{}}, "Command health check must contain 'shell command'",
		},
		"a COMMAND check with a bad environment is not": {
			mesos.HealthCheck{Type: mesos.HealthCheck_COMMAND, Command: command(mesos.Environment_Variable{Name: "A"})},
			"Health check's `CommandInfo` is invalid: Environment variable 'A' of type 'VALUE' must have a value set",
		},
		"a check by http is valid":         {http("http", "/"), ""},
		"a check by https is valid":        {http("https", "/x"), ""},
		"a check by ftp is not":            {http("ftp", "/"), "Unsupported HTTP health check scheme: 'ftp'"},
		"a relative path is not":           {http("http", "x"), "The path 'x' of HTTP health check must start with '/'"},
		"an HTTP check without it is not":  {mesos.HealthCheck{Type: mesos.HealthCheck_HTTP}, "Expecting 'http' to be set for HTTP health check"},
		"a TCP check is valid":             {tcp(func(*mesos.HealthCheck) {}), ""},
		"a TCP check without it is not":    {mesos.HealthCheck{Type: mesos.HealthCheck_TCP}, "Expecting 'tcp' to be set for TCP health check"},
		"an unknown type is not":           {mesos.HealthCheck{}, "'UNKNOWN' is not a valid health check type"},
		"a negative delay is not":          {tcp(func(c *mesos.HealthCheck) { c.DelaySeconds = new(-1.0) }), "Expecting 'delay_seconds' to be non-negative"},
		"a negative grace period is not":   {tcp(func(c *mesos.HealthCheck) { c.GracePeriodSeconds = new(-1.0) }), "Expecting 'grace_period_seconds' to be non-negative"},
		"a negative interval is not":       {tcp(func(c *mesos.HealthCheck) { c.IntervalSeconds = new(-1.0) }), "Expecting 'interval_seconds' to be non-negative"},
		"a negative timeout is not":        {tcp(func(c *mesos.HealthCheck) { c.TimeoutSeconds = new(-1.0) }), "Expecting 'timeout_seconds' to be non-negative"},
		"a grace period of 0 is valid":     {tcp(func(c *mesos.HealthCheck) { c.GracePeriodSeconds = new(0.0) }), ""},
		"the first negative time is named": {tcp(func(c *mesos.HealthCheck) { c.TimeoutSeconds, c.DelaySeconds = new(-1.0), new(-1.0) }), "Expecting 'delay_seconds' to be non-negative"},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.want
			if want != "" {
				want = "Task uses invalid health check: " + want
			}
			wantError(t, taskcheck.Task(&mesos.TaskInfo{Resources: []mesos.Resource{scalar("cpus", 1)}, HealthCheck: &test.check}), want)
		})
	}
}
