package taskcheck_test

import (
	"strings"
	"testing"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/taskcheck"
)

func TestExecutor(t *testing.T) {
	container := func(kind mesos.ContainerInfo_Type) *mesos.ContainerInfo { return &mesos.ContainerInfo{Type: &kind} }
	for name, test := range map[string]struct {
		change func(*mesos.ExecutorInfo)
		want   string
	}{
		"a custom executor is valid": {func(*mesos.ExecutorInfo) {}, ""},
		"a custom executor without a command is not": {
			func(x *mesos.ExecutorInfo) { x.Command = nil }, "'ExecutorInfo.command' must be set for 'CUSTOM' executor",
		},
		"the command is checked before the ID": {
			func(x *mesos.ExecutorInfo) { x.Command, x.ExecutorID.Value = nil, "" }, "'ExecutorInfo.command' must be set for 'CUSTOM' executor",
		},
		"an executor without an ID is not":   {func(x *mesos.ExecutorInfo) { x.ExecutorID.Value = "" }, "ID must not be empty"},
		"an ID with a slash is not":          {func(x *mesos.ExecutorInfo) { x.ExecutorID.Value = "a/b" }, "'a/b' contains invalid characters"},
		"an ID of 256 characters is not":     {func(x *mesos.ExecutorInfo) { x.ExecutorID.Value = strings.Repeat("x", 256) }, "ID must not be greater than 255 characters"},
		"a grace period of 0 is valid":       {func(x *mesos.ExecutorInfo) { x.ShutdownGracePeriod = &mesos.DurationInfo{} }, ""},
		"a negative grace period is not":     {func(x *mesos.ExecutorInfo) { x.ShutdownGracePeriod = &mesos.DurationInfo{Nanoseconds: -1} }, "ExecutorInfo's 'shutdown_grace_period' must be non-negative"},
		"a type that is unknown is valid":    {func(x *mesos.ExecutorInfo) { x.Type, x.Command = mesos.ExecutorInfo_UNKNOWN, nil }, ""},
		"a default executor is valid":        {func(x *mesos.ExecutorInfo) { x.Type, x.Command = mesos.ExecutorInfo_DEFAULT, nil }, ""},
		"a default executor with one is not": {func(x *mesos.ExecutorInfo) { x.Type = mesos.ExecutorInfo_DEFAULT }, "'ExecutorInfo.command' must not be set for 'DEFAULT' executor"},
		"a default executor in MESOS is valid": {
			func(x *mesos.ExecutorInfo) {
				x.Type, x.Command, x.Container = mesos.ExecutorInfo_DEFAULT, nil, container(mesos.ContainerInfo_MESOS)
			}, "",
		},
		"a default executor in DOCKER is not": {
			func(x *mesos.ExecutorInfo) {
				x.Type, x.Command, x.Container = mesos.ExecutorInfo_DEFAULT, nil, container(mesos.ContainerInfo_DOCKER)
			},
			"'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor",
		},
		"a default executor with an image is not": {
			func(x *mesos.ExecutorInfo) {
				x.Type, x.Command, x.Container = mesos.ExecutorInfo_DEFAULT, nil, container(mesos.ContainerInfo_MESOS)
				x.Container.Mesos = &mesos.ContainerInfo_MesosInfo{Image: &mesos.Image{}}
			},
			"'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor",
		},
		"a bad environment is not": {
			func(x *mesos.ExecutorInfo) { x.Command = command(mesos.Environment_Variable{Name: "A"}) },
			"Executor's `CommandInfo` is invalid: Environment variable 'A' of type 'VALUE' must have a value set",
		},
		"a bad volume is not": {
			func(x *mesos.ExecutorInfo) {
				x.Container = container(mesos.ContainerInfo_MESOS)
				x.Container.Volumes = make([]mesos.Volume, 1)
			},
			"Executor's `ContainerInfo` is invalid: Invalid volume: Only one of them should be set: 'host_path', 'image' and 'source'",
		},
	} {
		t.Run(name, func(t *testing.T) {
			x := &mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, ExecutorID: mesos.ExecutorID{Value: "e"}, Command: &mesos.CommandInfo{Value: new("true")}}
			test.change(x)
			wantError(t, taskcheck.Executor(x), test.want)
		})
	}
}

func TestResourcesOfAnExecutor(t *testing.T) {
	for name, test := range map[string]struct {
		resources []mesos.Resource
		want      string
	}{
		"none are valid":        {nil, ""},
		"cpus and mem are":      {[]mesos.Resource{scalar("cpus", 0.1), scalar("mem", 32)}, ""},
		"a negative one is not": {[]mesos.Resource{scalar("mem", -1)}, "Executor uses invalid resources: Invalid resources: Resource 'mem(allocated: a):-1' is invalid: Invalid scalar resource: value <= 0"},
		"two volumes of an ID are not": {
			[]mesos.Resource{scalar("disk", 1, volume("a", "v")), scalar("disk", 1, volume("a", "v"))},
			"Executor uses duplicate persistence ID: Persistence ID 'v' is not unique",
		},
		"two roles are not": {
			[]mesos.Resource{scalar("cpus", 1), scalar("mem", 1, func(r *mesos.Resource) { r.AllocationInfo.Role = new("b") })},
			"Invalid executor resources: The resources have multiple allocation roles ('b' and 'a') but only one allocation role is allowed",
		},
		"a mixture is not": {
			[]mesos.Resource{scalar("cpus", 1, revocable), scalar("cpus", 1)},
			"Executor mixes revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' at the same time",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, taskcheck.ExecutorResources(&mesos.ExecutorInfo{Resources: test.resources}), test.want)
		})
	}
}

func TestExecutorsOfLaunchAndGroups(t *testing.T) {
	resources := func(cpus, mem, disk float64) []mesos.Resource {
		return []mesos.Resource{scalar("cpus", cpus), scalar("mem", mem), scalar("disk", disk)}
	}
	for name, test := range map[string]struct {
		executor            mesos.ExecutorInfo
		launch, launchGroup string
	}{
		"with the least resources": {mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, Resources: resources(0.01, 32, 0)}, "", ""},
		"with too few cpus": {
			mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, Resources: resources(0.005, 32, 1)}, "",
			"Executor 'e' uses less CPUs (0.005) than the minimum required (0.01)",
		},
		"with too little memory": {
			mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, Resources: resources(1, 31, 1)}, "",
			"Executor 'e' uses less memory (31MB) than the minimum required (32MB)",
		},
		"without resources": {
			mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM}, "", "Executor 'e' uses less CPUs (None) than the minimum required (0.01)",
		},
		"without memory": {
			mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, Resources: resources(1, 32, 1)[:1]}, "",
			"Executor 'e' uses less memory (None) than the minimum required (32MB)",
		},
		"without disk": {mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, Resources: resources(1, 32, 1)[:2]}, "", "Executor 'e' uses no disk"},
		"of type DEFAULT": {
			mesos.ExecutorInfo{Type: mesos.ExecutorInfo_DEFAULT, Resources: resources(1, 32, 1)}, "'ExecutorInfo.type' must be 'CUSTOM'", "",
		},
		"in a Docker container": {
			mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, Resources: resources(1, 32, 1), Container: &mesos.ContainerInfo{Type: mesos.ContainerInfo_DOCKER.Enum()}},
			"", "Docker ContainerInfo is not supported on the executor",
		},
		"that shares cgroups": {
			mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, Resources: resources(1, 32, 1), Container: &mesos.ContainerInfo{LinuxInfo: &mesos.LinuxInfo{ShareCgroups: new(true)}}},
			"The 'share_cgroups' field cannot be set to 'true' on executor containers", "",
		},
		"that does not share cgroups": {
			mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, Resources: resources(1, 32, 1), Container: &mesos.ContainerInfo{LinuxInfo: &mesos.LinuxInfo{ShareCgroups: new(false)}}},
			"", "",
		},
		"with a shared volume": {
			mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, Resources: append(resources(1, 32, 1)[:2], scalar("disk", 1, func(r *mesos.Resource) { r.Shared = &mesos.Resource_SharedInfo{} }))},
			"Executor resources cpus(allocated: a):1; mem(allocated: a):32; disk(allocated: a):1 should not contain any shared resources", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			test.executor.ExecutorID.Value = "e"
			wantError(t, taskcheck.LaunchExecutor(&test.executor), test.launch)
			wantError(t, taskcheck.GroupExecutor(&test.executor, nil), test.launchGroup)
		})
	}
}

func TestGroups(t *testing.T) {
	executor := mesos.ExecutorInfo{
		Type: mesos.ExecutorInfo_CUSTOM, ExecutorID: mesos.ExecutorID{Value: "e"},
		Resources: []mesos.Resource{scalar("cpus", 1), scalar("mem", 32), scalar("disk", 1), ports(1, 2)},
	}
	task := func(id string, resources ...mesos.Resource) mesos.TaskInfo {
		return mesos.TaskInfo{TaskID: mesos.TaskID{Value: id}, Resources: resources}
	}
	withExecutor := func(x mesos.ExecutorInfo) mesos.TaskInfo {
		t := task("t", scalar("cpus", 1))
		t.Executor = &x
		return t
	}
	other := executor
	other.Name = new("other")
	for name, test := range map[string]struct {
		tasks []mesos.TaskInfo
		want  string
	}{
		"different ports":   {[]mesos.TaskInfo{task("a", ports(3, 4)), task("b", ports(5, 6))}, ""},
		"the same executor": {[]mesos.TaskInfo{withExecutor(executor)}, ""},
		"another executor":  {[]mesos.TaskInfo{withExecutor(other)}, "The `ExecutorInfo` of task 't' is different from executor 'e'"},
		"the executor's own port": {
			[]mesos.TaskInfo{task("a", ports(2, 4))},
			"There are overlapping resources in the task group's task resources [ ports(allocated: a):[2-4] ] and/or executor resources " +
				"cpus(allocated: a):1; mem(allocated: a):32; disk(allocated: a):1; ports(allocated: a):[1-2]",
		},
		"one port for two tasks": {
			[]mesos.TaskInfo{task("a", ports(3, 4)), task("b", ports(4, 5))},
			"There are overlapping resources in the task group's task resources [ ports(allocated: a):[3-4], ports(allocated: a):[4-5] ] and/or " +
				"executor resources cpus(allocated: a):1; mem(allocated: a):32; disk(allocated: a):1; ports(allocated: a):[1-2]",
		},
		"one volume for two tasks": {
			[]mesos.TaskInfo{task("a", scalar("disk", 1, volume("a", "v"))), task("b", scalar("disk", 1, volume("a", "v")))},
			"Task group and executor use duplicate persistence ID: Persistence ID 'v' is not unique",
		},
		"revocable cpus": {
			[]mesos.TaskInfo{task("a", scalar("cpus", 1, revocable))},
			"Task group and executor mix revocable and non-revocable resources: Cannot use both revocable and non-revocable 'cpus' at the same time",
		},
	} {
		t.Run(name, func(t *testing.T) {
			wantError(t, taskcheck.GroupExecutor(&executor, test.tasks), test.want)
		})
	}
}

func TestCgroupsOfGroups(t *testing.T) {
	const differ = "If set, the value of 'share_cgroups' must be the same for all tasks in each task group and under a single executor"
	task := func(share *bool) mesos.TaskInfo {
		return mesos.TaskInfo{Container: &mesos.ContainerInfo{LinuxInfo: &mesos.LinuxInfo{ShareCgroups: share}}}
	}
	for name, test := range map[string]struct {
		executor *bool
		tasks    []mesos.TaskInfo
		want     string
	}{
		"none is set":                   {nil, []mesos.TaskInfo{{}, task(nil)}, ""},
		"unset counts as shared":        {nil, []mesos.TaskInfo{{}, task(new(true))}, ""},
		"all have their own":            {new(false), []mesos.TaskInfo{task(new(false)), task(new(false))}, ""},
		"one has its own":               {nil, []mesos.TaskInfo{task(new(false)), task(new(true))}, differ},
		"one has its own, one is unset": {nil, []mesos.TaskInfo{{}, task(new(false))}, differ},
		"the executor shares":           {new(true), nil, "The 'share_cgroups' field cannot be set to 'true' on executor containers"},
	} {
		t.Run(name, func(t *testing.T) {
			x := &mesos.ExecutorInfo{Container: &mesos.ContainerInfo{LinuxInfo: &mesos.LinuxInfo{ShareCgroups: test.executor}}}
			wantError(t, taskcheck.GroupCgroups(x, test.tasks), test.want)
		})
	}
}
