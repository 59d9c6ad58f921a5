package taskcheck_test

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskcheck"
)

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// scalar is a resource that is allocated to a role.
func scalar(name string, value float64, changes ...func(*mesos.Resource)) mesos.Resource {
	r := mesos.Resource{
		Name: name, Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: value},
		AllocationInfo: &mesos.Resource_AllocationInfo{Role: new("a")},
	}
	for _, change := range changes {
		change(&r)
	}
	return r
}

func ports(spans ...uint64) mesos.Resource {
	r := mesos.Resource{
		Name: "ports", Type: mesos.RANGES.Enum(), Ranges: &mesos.Value_Ranges{},
		AllocationInfo: &mesos.Resource_AllocationInfo{Role: new("a")},
	}
	for i := 0; i < len(spans); i += 2 {
		r.Ranges.Range = append(r.Ranges.Range, mesos.Value_Range{Begin: spans[i], End: spans[i+1]})
	}
	return r
}

func revocable(r *mesos.Resource) { r.Revocable = &mesos.Resource_RevocableInfo{} }

// volume makes a persistent volume of a resource.
func volume(role, id string) func(*mesos.Resource) {
	return func(r *mesos.Resource) {
		r.Reservations = []mesos.Resource_ReservationInfo{{Type: mesos.Resource_ReservationInfo_DYNAMIC.Enum(), Role: &role}}
		r.Disk = &mesos.Resource_DiskInfo{Persistence: &mesos.Resource_DiskInfo_Persistence{ID: id}, Volume: &mesos.Volume{}}
	}
}

// command has one environment variable.
func command(v mesos.Environment_Variable) *mesos.CommandInfo {
	return &mesos.CommandInfo{Value: new("true"), Environment: &mesos.Environment{Variables: []mesos.Environment_Variable{v}}}
}

func TestTask(t *testing.T) {
	negative := &mesos.DurationInfo{Nanoseconds: -1}
	limit := func(name string, value float64) map[string]mesos.Value_Scalar {
		return map[string]mesos.Value_Scalar{name: {Value: value}}
	}
	for name, test := range map[string]struct {
		change func(*mesos.TaskInfo)
		want   string
	}{
		"a plain task is valid": {func(*mesos.TaskInfo) {}, ""},
		"a negative grace period is refused": {
			func(t *mesos.TaskInfo) { t.KillPolicy = &mesos.KillPolicy{GracePeriod: negative} },
			"Task's 'kill_policy.grace_period' must be non-negative",
		},
		"a grace period of 0 is valid": {
			func(t *mesos.TaskInfo) { t.KillPolicy = &mesos.KillPolicy{GracePeriod: &mesos.DurationInfo{}} }, "",
		},
		"a kill policy without grace period is valid": {func(t *mesos.TaskInfo) { t.KillPolicy = &mesos.KillPolicy{} }, ""},
		"a negative completion time is refused": {
			func(t *mesos.TaskInfo) { t.MaxCompletionTime = negative }, "Task's `max_completion_time` must be non-negative",
		},
		"the grace period is checked before the completion time": {
			func(t *mesos.TaskInfo) {
				t.KillPolicy, t.MaxCompletionTime = &mesos.KillPolicy{GracePeriod: negative}, negative
			},
			"Task's 'kill_policy.grace_period' must be non-negative",
		},
		"no resources are refused":       {func(t *mesos.TaskInfo) { t.Resources = nil }, "Task uses no resources"},
		"resources of 0 are valid":       {func(t *mesos.TaskInfo) { t.Resources = []mesos.Resource{scalar("cpus", 0)} }, ""},
		"a thousandth of a cpu is valid": {func(t *mesos.TaskInfo) { t.Resources = []mesos.Resource{scalar("cpus", 0.001)} }, ""},
		"negative resources are refused": {
			func(t *mesos.TaskInfo) { t.Resources = []mesos.Resource{scalar("cpus", -1)} },
			"Task uses invalid resources: Invalid resources: Resource 'cpus(allocated: a):-1' is invalid: Invalid scalar resource: value <= 0",
		},
		"a part of a GPU is refused": {
			func(t *mesos.TaskInfo) { t.Resources = []mesos.Resource{scalar("gpus", 0.5)} },
			"Task uses invalid resources: Invalid 'gpus' resource: The 'gpus' resource must be an unsigned integer",
		},
		"two GPUs are valid": {func(t *mesos.TaskInfo) { t.Resources = []mesos.Resource{scalar("gpus", 2)} }, ""},
		"resources without a role are refused": {
			func(t *mesos.TaskInfo) {
				t.Resources = []mesos.Resource{scalar("cpus", 1), {Name: "mem", Type: mesos.SCALAR.Enum(), Scalar: &mesos.Value_Scalar{Value: 32}}}
			},
			"Invalid task resources: The resources are not allocated to a role",
		},
		"resources of two roles are refused": {
			func(t *mesos.TaskInfo) {
				t.Resources = []mesos.Resource{scalar("cpus", 1), scalar("mem", 32, func(r *mesos.Resource) { r.AllocationInfo.Role = new("b") })}
			},
			"Invalid task resources: The resources have multiple allocation roles ('b' and 'a') but only one allocation role is allowed",
		},
		"revocable and other resources of one name are refused": {
			func(t *mesos.TaskInfo) {
				t.Resources = []mesos.Resource{scalar("cpus", 1), scalar("cpus", 1, revocable)}
			},
			"Task mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' at the same time",
		},
		"revocable cpus beside other memory are valid": {
			func(t *mesos.TaskInfo) {
				t.Resources = []mesos.Resource{scalar("cpus", 1, revocable), scalar("mem", 32)}
			}, "",
		},
		"two volumes of one ID are refused": {
			func(t *mesos.TaskInfo) {
				t.Resources = []mesos.Resource{scalar("disk", 1, volume("a", "v")), scalar("disk", 2, volume("a", "v"))}
			},
			"Task uses duplicate persistence ID: Persistence ID 'v' is not unique",
		},
		"volumes of one ID in two roles are valid": {
			func(t *mesos.TaskInfo) {
				t.Resources = []mesos.Resource{scalar("disk", 1, volume("a", "v")), scalar("disk", 2, volume("b", "v"))}
			}, "",
		},
		"an invalid environment is refused": {
			func(t *mesos.TaskInfo) { t.Command = command(mesos.Environment_Variable{Name: "A"}) },
			"Task's `CommandInfo` is invalid: Environment variable 'A' of type 'VALUE' must have a value set",
		},
		"an invalid container is refused": {
			func(t *mesos.TaskInfo) { t.Container = &mesos.ContainerInfo{Type: mesos.ContainerInfo_DOCKER.Enum()} },
			"Task's `ContainerInfo` is invalid: DockerInfo 'docker' is not set for DOCKER typed ContainerInfo",
		},
		"a limit of cpus above the request is valid":    {func(t *mesos.TaskInfo) { t.Limits = limit("cpus", 2) }, ""},
		"a limit of cpus equal to the request is valid": {func(t *mesos.TaskInfo) { t.Limits = limit("cpus", 1) }, ""},
		"a limit of cpus below the request is refused": {
			func(t *mesos.TaskInfo) { t.Limits = limit("cpus", 0.5) }, "The cpu limit must be greater than or equal to the cpu request",
		},
		"a limit of cpus without a request is refused": {
			func(t *mesos.TaskInfo) { t.Limits, t.Resources = limit("cpus", 1), []mesos.Resource{scalar("mem", 32)} },
			"When a CPU limit is specified, a CPU request must also be specified",
		},
		"a limit of memory below the request is refused": {
			func(t *mesos.TaskInfo) { t.Limits = limit("mem", 31) }, "The memory limit must be greater than or equal to the memory request",
		},
		"a limit of memory without a request is refused": {
			func(t *mesos.TaskInfo) { t.Limits, t.Resources = limit("mem", 1), []mesos.Resource{scalar("cpus", 1)} },
			"When a memory limit is specified, a memory request must also be specified",
		},
		"an infinite limit of memory is valid": {func(t *mesos.TaskInfo) { t.Limits = limit("mem", math.Inf(1)) }, ""},
		"a limit of disk is refused": {
			func(t *mesos.TaskInfo) { t.Limits = limit("disk", 9) }, "Only cpus and mem may be included in a task's resource limits",
		},
	} {
		t.Run(name, func(t *testing.T) {
			task := &mesos.TaskInfo{Resources: []mesos.Resource{scalar("cpus", 1), scalar("mem", 32)}}
			test.change(task)
			wantError(t, taskcheck.Task(task), test.want)
		})
	}
}

func TestEnvironmentOfCommands(t *testing.T) {
	secret := func(s mesos.Secret) mesos.Environment_Variable {
		return mesos.Environment_Variable{Name: "A", Type: mesos.Environment_Variable_SECRET.Enum(), Secret: &s}
	}
	data := func(text string) *mesos.Secret_Value { return &mesos.Secret_Value{Data: []byte(text)} }
	reference := &mesos.Secret_Reference{Name: "r"}
	for name, test := range map[string]struct {
		variable mesos.Environment_Variable
		want     string
	}{
		"a value is valid":               {mesos.Environment_Variable{Name: "A", Value: new("")}, ""},
		"a variable without one is not":  {mesos.Environment_Variable{Name: "A"}, "Environment variable 'A' of type 'VALUE' must have a value set"},
		"a value beside a secret is not": {mesos.Environment_Variable{Name: "A", Value: new(""), Secret: &mesos.Secret{}}, "Environment variable 'A' of type 'VALUE' must not have a secret set"},
		"an unknown type is not":         {mesos.Environment_Variable{Name: "A", Type: mesos.Environment_Variable_UNKNOWN.Enum()}, "Environment variable of type 'UNKNOWN' is not allowed"},
		"a secret's value is valid":      {secret(mesos.Secret{Type: mesos.Secret_VALUE, Value: data("x")}), ""},
		"a secret's reference is valid":  {secret(mesos.Secret{Type: mesos.Secret_REFERENCE, Reference: reference}), ""},
		"a secret of no type is valid":   {secret(mesos.Secret{}), ""},
		"a secret with a zero byte is not": {
			secret(mesos.Secret{Type: mesos.Secret_VALUE, Value: data("x\x00y")}),
			"Environment variable 'A' specifies a secret containing null bytes, which is not allowed in the environment",
		},
		"a variable without its secret is not": {
			mesos.Environment_Variable{Name: "A", Type: mesos.Environment_Variable_SECRET.Enum()},
			"Environment variable 'A' of type 'SECRET' must have a secret set",
		},
		"a secret beside a value is not": {
			mesos.Environment_Variable{Name: "A", Type: mesos.Environment_Variable_SECRET.Enum(), Value: new(""), Secret: &mesos.Secret{}},
			"Environment variable 'A' of type 'SECRET' must not have a value set",
		},
		"a secret without its value is not": {
			secret(mesos.Secret{Type: mesos.Secret_VALUE}),
			"Environment variable 'A' specifies an invalid secret: Secret of type VALUE must have the 'value' field set",
		},
		"a secret without its reference is not": {
			secret(mesos.Secret{Type: mesos.Secret_REFERENCE}),
			"Environment variable 'A' specifies an invalid secret: Secret of type REFERENCE must have the 'reference' field set",
		},
		"a value with a reference is not": {
			secret(mesos.Secret{Type: mesos.Secret_VALUE, Value: data(""), Reference: reference}),
			"Environment variable 'A' specifies an invalid secret: Secret of type VALUE must not have the 'reference' field set",
		},
		"a reference with a value is not": {
			secret(mesos.Secret{Type: mesos.Secret_REFERENCE, Value: data(""), Reference: reference}),
			"Environment variable 'A' specifies an invalid secret: Secret 'r' of type REFERENCE must not have the 'value' field set",
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.want
			if want != "" {
				want = "Task's `CommandInfo` is invalid: " + want
			}
			task := &mesos.TaskInfo{Resources: []mesos.Resource{scalar("cpus", 1)}, Command: command(test.variable)}
			wantError(t, taskcheck.Task(task), want)
		})
	}
}

func TestVolumesAndDocker(t *testing.T) {
	source := func(s mesos.Volume_Source) mesos.Volume { return mesos.Volume{Source: &s} }
	const one = "Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'"
	for name, test := range map[string]struct {
		container mesos.ContainerInfo
		want      string
	}{
		"an empty container is valid": {mesos.ContainerInfo{}, ""},
		"a host path is valid":        {mesos.ContainerInfo{Volumes: []mesos.Volume{{HostPath: new("/x")}}}, ""},
		"an image is valid":           {mesos.ContainerInfo{Volumes: []mesos.Volume{{Image: &mesos.Image{}}}}, ""},
		"a volume of nothing is not":  {mesos.ContainerInfo{Volumes: []mesos.Volume{{}}}, one},
		"a path and an image are not": {mesos.ContainerInfo{Volumes: []mesos.Volume{{HostPath: new("/x"), Image: &mesos.Image{}}}}, one},
		"the second volume counts too": {
			mesos.ContainerInfo{Volumes: []mesos.Volume{{HostPath: new("/x")}, {}}}, one,
		},
		"a sandbox path is valid": {
			mesos.ContainerInfo{Volumes: []mesos.Volume{source(mesos.Volume_Source{Type: mesos.Volume_Source_SANDBOX_PATH, SandboxPath: &mesos.Volume_Source_SandboxPath{}})}}, "",
		},
		"a sandbox path without it is not": {
			mesos.ContainerInfo{Volumes: []mesos.Volume{source(mesos.Volume_Source{Type: mesos.Volume_Source_SANDBOX_PATH})}},
			"Invalid volume: 'source.sandbox_path' is not set for SANDBOX_PATH volume",
		},
		"a host path of the source without it is not": {
			mesos.ContainerInfo{Volumes: []mesos.Volume{source(mesos.Volume_Source{Type: mesos.Volume_Source_HOST_PATH})}},
			"Invalid volume: 'source.host_path' is not set for HOST_PATH volume",
		},
		"a Docker volume without it is not": {
			mesos.ContainerInfo{Volumes: []mesos.Volume{source(mesos.Volume_Source{Type: mesos.Volume_Source_DOCKER_VOLUME})}},
			"Invalid volume: 'source.docker_volume' is not set for DOCKER_VOLUME volume",
		},
		"a secret without it is not": {
			mesos.ContainerInfo{Volumes: []mesos.Volume{source(mesos.Volume_Source{Type: mesos.Volume_Source_SECRET})}},
			"Invalid volume: 'source.secret' is not set for SECRET volume",
		},
		"a source of no type is not": {
			mesos.ContainerInfo{Volumes: []mesos.Volume{source(mesos.Volume_Source{})}}, "Invalid volume: 'source.type' is unknown",
		},
		"a Docker container is valid": {
			mesos.ContainerInfo{Type: mesos.ContainerInfo_DOCKER.Enum(), Docker: &mesos.ContainerInfo_DockerInfo{Parameters: []mesos.Parameter{{Key: "memory"}}}}, "",
		},
		"a Docker container with a name is not": {
			mesos.ContainerInfo{Type: mesos.ContainerInfo_DOCKER.Enum(), Docker: &mesos.ContainerInfo_DockerInfo{Parameters: []mesos.Parameter{{Key: "name"}}}},
			"Parameter in DockerInfo must not be 'name'",
		},
	} {
		t.Run(name, func(t *testing.T) {
			want := test.want
			if want != "" {
				want = "Task's `ContainerInfo` is invalid: " + want
			}
			task := &mesos.TaskInfo{Resources: []mesos.Resource{scalar("cpus", 1)}, Container: &test.container}
			wantError(t, taskcheck.Task(task), want)
		})
	}
}

func TestTasksInAndOutsideOfGroups(t *testing.T) {
	linux := func(share *bool) *mesos.ContainerInfo {
		return &mesos.ContainerInfo{LinuxInfo: &mesos.LinuxInfo{ShareCgroups: share}}
	}
	const (
		alone  = "Only tasks in a task group may have 'share_cgroups' set to 'false'"
		limits = "Resource limits may only be set for tasks within a task group when the 'share_cgroups' field is set to 'false'."
	)
	someLimit := map[string]mesos.Value_Scalar{"cpus": {Value: 1}}
	for name, test := range map[string]struct {
		task             mesos.TaskInfo
		outside, inGroup string
	}{
		"a plain task":                       {mesos.TaskInfo{}, "", ""},
		"cgroups of its own":                 {mesos.TaskInfo{Container: linux(new(false))}, alone, ""},
		"shared cgroups":                     {mesos.TaskInfo{Container: linux(new(true))}, "", ""},
		"cgroups that are not mentioned":     {mesos.TaskInfo{Container: linux(nil)}, "", ""},
		"limits without a container":         {mesos.TaskInfo{Limits: someLimit}, "", limits},
		"limits in shared cgroups":           {mesos.TaskInfo{Limits: someLimit, Container: linux(nil)}, "", limits},
		"limits in cgroups of its own":       {mesos.TaskInfo{Limits: someLimit, Container: linux(new(false))}, alone, ""},
		"a Docker container":                 {mesos.TaskInfo{Container: &mesos.ContainerInfo{Type: mesos.ContainerInfo_DOCKER.Enum()}}, "", "Docker ContainerInfo is not supported on the task"},
		"an HTTP health check":               {mesos.TaskInfo{HealthCheck: &mesos.HealthCheck{Type: mesos.HealthCheck_HTTP}}, "", ""},
		"a COMMAND check in another network": {mesos.TaskInfo{HealthCheck: &mesos.HealthCheck{Type: mesos.HealthCheck_COMMAND}, Container: &mesos.ContainerInfo{NetworkInfos: make([]mesos.NetworkInfo, 1)}}, "", ""},
		"a TCP health check in another network": {
			mesos.TaskInfo{HealthCheck: &mesos.HealthCheck{Type: mesos.HealthCheck_TCP}, Container: &mesos.ContainerInfo{NetworkInfos: make([]mesos.NetworkInfo, 1)}}, "",
			"HTTP and TCP health checks are not supported for nested containers not joining parent's network",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, taskcheck.NotNested(&test.task), test.outside)
			wantError(t, taskcheck.Nested(&test.task), test.inGroup)
		})
	}
}
