package taskcheck

import (
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// check checks a task's check; nil is valid.
func check(c *mesos.CheckInfo) error {
	if c == nil {
		return nil
	}
	switch c.Type {
	case mesos.CheckInfo_COMMAND:
		if c.Command == nil {
			return mesoserror.Errorf("Expecting 'command' to be set for COMMAND check")
		}
		if err := checkCommand("Command check", "Check", &c.Command.Command); err != nil {
			return err
		}
	case mesos.CheckInfo_HTTP:
		if c.HTTP == nil {
			return mesoserror.Errorf("Expecting 'http' to be set for HTTP check")
		}
		if err := checkPath(c.HTTP.Path, "check"); err != nil {
			return err
		}
	case mesos.CheckInfo_TCP:
		if c.TCP == nil {
			return mesoserror.Errorf("Expecting 'tcp' to be set for TCP check")
		}
	default:
		return mesoserror.Errorf("'UNKNOWN' is not a valid check type")
	}
	return notNegative(seconds{"delay", c.DelaySeconds}, seconds{"interval", c.IntervalSeconds}, seconds{"timeout", c.TimeoutSeconds})
}

// healthCheck checks a task's health check; nil is valid.
func healthCheck(c *mesos.HealthCheck) error {
	if c == nil {
		return nil
	}
	switch c.Type {
	case mesos.HealthCheck_COMMAND:
		if c.Command == nil {
			return mesoserror.Errorf("Expecting 'command' to be set for COMMAND health check")
		}
		if err := checkCommand("Command health check", "Health check", c.Command); err != nil {
			return err
		}
	case mesos.HealthCheck_HTTP:
		if c.HTTP == nil {
			return mesoserror.Errorf("Expecting 'http' to be set for HTTP health check")
		}
		if s := c.HTTP.Scheme; s != nil && *s != "http" && *s != "https" {
			return mesoserror.Errorf("Unsupported HTTP health check scheme: '%s'", *s)
		}
		if err := checkPath(c.HTTP.Path, "health check"); err != nil {
			return err
		}
	case mesos.HealthCheck_TCP:
		if c.TCP == nil {
			return mesoserror.Errorf("Expecting 'tcp' to be set for TCP health check")
		}
	default:
		return mesoserror.Errorf("'UNKNOWN' is not a valid health check type")
	}
	return notNegative(seconds{"delay", c.DelaySeconds}, seconds{"grace_period", c.GracePeriodSeconds},
		seconds{"interval", c.IntervalSeconds}, seconds{"timeout", c.TimeoutSeconds})
}

func checkCommand(what, owner string, c *mesos.CommandInfo) error {
	if c.Value == nil {
		kind := "'shell command'"
		if !c.GetShell() {
			kind = "'executable path'"
		}
		return mesoserror.Errorf("%s must contain %s", what, kind)
	}
	if err := command(c); err != nil {
		return mesoserror.Errorf("%s's `CommandInfo` is invalid: %v", owner, err)
	}
	return nil
}

func checkPath(path *string, of string) error {
	if path != nil && !strings.HasPrefix(*path, "/") {
		return mesoserror.Errorf("The path '%s' of HTTP %s must start with '/'", *path, of)
	}
	return nil
}

// seconds is a field of a check.
type seconds struct {
	name  string
	value *float64
}

func notNegative(all ...seconds) error {
	for _, s := range all {
		if s.value != nil && *s.value < 0 {
			return mesoserror.Errorf("Expecting '%s_seconds' to be non-negative", s.name)
		}
	}
	return nil
}
