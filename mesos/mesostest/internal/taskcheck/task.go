// Package taskcheck checks the tasks and executors of a launch as a Mesos 1.11 master does,
// in its order and with its messages. It looks at the messages alone: what depends on the
// framework, the agent or the offer is checked by the caller, package mesostest.
package taskcheck

import (
	"math"
	"slices"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
)

// Task checks the fields of a task, except its IDs and its executor.
func Task(t *mesos.TaskInfo) error {
	if isNegative(t.KillPolicy.GetGracePeriod()) {
		return mesoserror.Errorf("Task's 'kill_policy.grace_period' must be non-negative")
	}
	if isNegative(t.MaxCompletionTime) {
		return mesoserror.Errorf("Task's `max_completion_time` must be non-negative")
	}
	if err := check(t.Check); err != nil {
		return mesoserror.Errorf("Task uses invalid check: %v", err)
	}
	if err := healthCheck(t.HealthCheck); err != nil {
		return mesoserror.Errorf("Task uses invalid health check: %v", err)
	}
	if err := taskResources(t.Resources); err != nil {
		return err
	}
	if err := command(t.Command); err != nil {
		return mesoserror.Errorf("Task's `CommandInfo` is invalid: %v", err)
	}
	if err := container(t.Container); err != nil {
		return mesoserror.Errorf("Task's `ContainerInfo` is invalid: %v", err)
	}
	return limits(t)
}

func isNegative(d *mesos.DurationInfo) bool { return d != nil && d.Nanoseconds < 0 }

func taskResources(resources []mesos.Resource) error {
	if len(resources) == 0 {
		return mesoserror.Errorf("Task uses no resources")
	}
	if err := usable(resources); err != nil {
		return mesoserror.Errorf("Task uses invalid resources: %v", err)
	}
	if err := uniquePersistenceIDs(resources); err != nil {
		return mesoserror.Errorf("Task uses duplicate persistence ID: %v", err)
	}
	if err := oneRole(resources); err != nil {
		return mesoserror.Errorf("Invalid task resources: %v", err)
	}
	if err := notMixed(resources); err != nil {
		return mesoserror.Errorf("Task mixes revocable and non-revocable resources: %v", err)
	}
	return nil
}

// limits checks the limits of cpus and memory, which may be larger than what is requested.
func limits(t *mesos.TaskInfo) error {
	for name := range t.Limits {
		if name != "cpus" && name != "mem" {
			return mesoserror.Errorf("Only cpus and mem may be included in a task's resource limits")
		}
	}
	if limit, ok := t.Limits["cpus"]; ok {
		switch requested, ok := amount(t.Resources, "cpus"); {
		case !ok:
			return mesoserror.Errorf("When a CPU limit is specified, a CPU request must also be specified")
		case limit.Value < requested:
			return mesoserror.Errorf("The cpu limit must be greater than or equal to the cpu request")
		}
	}
	if limit, ok := t.Limits["mem"]; ok {
		switch requested, ok := amount(t.Resources, "mem"); {
		case !ok:
			return mesoserror.Errorf("When a memory limit is specified, a memory request must also be specified")
		case !math.IsInf(limit.Value, 0) && limit.Value < requested:
			return mesoserror.Errorf("The memory limit must be greater than or equal to the memory request")
		}
	}
	return nil
}

// NotNested checks what only a task of LAUNCH_GROUP may set.
func NotNested(t *mesos.TaskInfo) error {
	if info := t.Container.GetLinuxInfo(); info != nil && info.ShareCgroups != nil && !*info.ShareCgroups {
		return mesoserror.Errorf("Only tasks in a task group may have 'share_cgroups' set to 'false'")
	}
	return nil
}

// Nested checks what a task of LAUNCH_GROUP may not set.
func Nested(t *mesos.TaskInfo) error {
	kind := t.HealthCheck.GetType()
	switch {
	case len(t.Container.GetNetworkInfos()) > 0 && (kind == mesos.HealthCheck_HTTP || kind == mesos.HealthCheck_TCP):
		return mesoserror.Errorf("HTTP and TCP health checks are not supported for nested containers not joining parent's network")
	case isDocker(t.Container):
		return mesoserror.Errorf("Docker ContainerInfo is not supported on the task")
	case len(t.Limits) > 0 && t.Container.GetLinuxInfo().GetShareCgroups(): // true unless set
		return mesoserror.Errorf("Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set to 'false'.")
	}
	return nil
}

// command checks the environment, which is all that Mesos checks of a command.
func command(c *mesos.CommandInfo) error {
	for _, v := range c.GetEnvironment().GetVariables() {
		if err := variable(&v); err != nil {
			return err
		}
	}
	return nil
}

func variable(v *mesos.Environment_Variable) error {
	switch v.GetType() {
	case mesos.Environment_Variable_SECRET:
		switch {
		case v.Secret == nil:
			return mesoserror.Errorf("Environment variable '%s' of type 'SECRET' must have a secret set", v.Name)
		case v.Value != nil:
			return mesoserror.Errorf("Environment variable '%s' of type 'SECRET' must not have a value set", v.Name)
		}
		if err := secret(v.Secret); err != nil {
			return mesoserror.Errorf("Environment variable '%s' specifies an invalid secret: %v", v.Name, err)
		}
		if slices.Contains(v.Secret.GetValue().GetData(), 0) {
			return mesoserror.Errorf("Environment variable '%s' specifies a secret containing null bytes, which is not allowed in the environment", v.Name)
		}
	case mesos.Environment_Variable_VALUE:
		switch {
		case v.Value == nil:
			return mesoserror.Errorf("Environment variable '%s' of type 'VALUE' must have a value set", v.Name)
		case v.Secret != nil:
			return mesoserror.Errorf("Environment variable '%s' of type 'VALUE' must not have a secret set", v.Name)
		}
	default:
		return mesoserror.Errorf("Environment variable of type 'UNKNOWN' is not allowed")
	}
	return nil
}

func secret(s *mesos.Secret) error {
	switch s.Type {
	case mesos.Secret_REFERENCE:
		switch {
		case s.Reference == nil:
			return mesoserror.Errorf("Secret of type REFERENCE must have the 'reference' field set")
		case s.Value != nil:
			return mesoserror.Errorf("Secret '%s' of type REFERENCE must not have the 'value' field set", s.Reference.Name)
		}
	case mesos.Secret_VALUE:
		switch {
		case s.Value == nil:
			return mesoserror.Errorf("Secret of type VALUE must have the 'value' field set")
		case s.Reference != nil:
			return mesoserror.Errorf("Secret of type VALUE must not have the 'reference' field set")
		}
	}
	return nil
}

func container(c *mesos.ContainerInfo) error {
	for _, v := range c.GetVolumes() {
		if err := volume(&v); err != nil {
			return mesoserror.Errorf("Invalid volume: %v", err)
		}
	}
	if !isDocker(c) {
		return nil
	}
	if c.Docker == nil {
		return mesoserror.Errorf("DockerInfo 'docker' is not set for DOCKER typed ContainerInfo")
	}
	if slices.ContainsFunc(c.Docker.Parameters, func(p mesos.Parameter) bool { return p.Key == "name" }) {
		return mesoserror.Errorf("Parameter in DockerInfo must not be 'name'")
	}
	return nil
}

func isDocker(c *mesos.ContainerInfo) bool {
	return c != nil && c.Type != nil && *c.Type == mesos.ContainerInfo_DOCKER
}

func volume(v *mesos.Volume) error {
	set := 0
	for _, isSet := range []bool{v.HostPath != nil, v.Image != nil, v.Source != nil} {
		if isSet {
			set++
		}
	}
	if set != 1 {
		return mesoserror.Errorf("Only one of them should be set: 'host_path', 'image' and 'source'")
	}
	if v.Source == nil {
		return nil
	}
	for _, needs := range []struct {
		kind  mesos.Volume_Source_Type
		isSet bool
	}{
		{mesos.Volume_Source_DOCKER_VOLUME, v.Source.DockerVolume != nil},
		{mesos.Volume_Source_HOST_PATH, v.Source.HostPath != nil},
		{mesos.Volume_Source_SANDBOX_PATH, v.Source.SandboxPath != nil},
		{mesos.Volume_Source_SECRET, v.Source.Secret != nil},
	} {
		if v.Source.Type != needs.kind {
			continue
		}
		if !needs.isSet {
			return mesoserror.Errorf("'source.%s' is not set for %s volume", strings.ToLower(needs.kind.String()), needs.kind)
		}
		return nil
	}
	return mesoserror.Errorf("'source.type' is unknown")
}
