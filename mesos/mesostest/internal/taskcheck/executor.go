package taskcheck

import (
	"slices"
	"strings"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/mesoserror"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/naming"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// The least that an executor of LAUNCH_GROUP must have.
const (
	minCPUs   = 0.01
	minMemory = 32 // MB
)

// Executor checks the fields of an executor, except its framework and its resources.
func Executor(x *mesos.ExecutorInfo) error {
	switch x.Type {
	case mesos.ExecutorInfo_DEFAULT:
		if err := defaultExecutor(x); err != nil {
			return err
		}
	case mesos.ExecutorInfo_CUSTOM:
		if x.Command == nil {
			return mesoserror.Errorf("'ExecutorInfo.command' must be set for 'CUSTOM' executor")
		}
	}
	if err := naming.ValidateID(x.ExecutorID.Value); err != nil {
		return err
	}
	if isNegative(x.ShutdownGracePeriod) {
		return mesoserror.Errorf("ExecutorInfo's 'shutdown_grace_period' must be non-negative")
	}
	if err := command(x.Command); err != nil {
		return mesoserror.Errorf("Executor's `CommandInfo` is invalid: %v", err)
	}
	if err := container(x.Container); err != nil {
		return mesoserror.Errorf("Executor's `ContainerInfo` is invalid: %v", err)
	}
	return nil
}

func defaultExecutor(x *mesos.ExecutorInfo) error {
	switch {
	case x.Command != nil:
		return mesoserror.Errorf("'ExecutorInfo.command' must not be set for 'DEFAULT' executor")
	case x.Container != nil && x.Container.GetType() != mesos.ContainerInfo_MESOS:
		return mesoserror.Errorf("'ExecutorInfo.container.type' must be 'MESOS' for 'DEFAULT' executor")
	case x.Container.GetMesos().GetImage() != nil:
		return mesoserror.Errorf("'ExecutorInfo.container.mesos.image' must not be set for 'DEFAULT' executor")
	}
	return nil
}

// ExecutorResources checks the resources of an executor.
func ExecutorResources(x *mesos.ExecutorInfo) error {
	if err := usable(x.Resources); err != nil {
		return mesoserror.Errorf("Executor uses invalid resources: %v", err)
	}
	if err := uniquePersistenceIDs(x.Resources); err != nil {
		return mesoserror.Errorf("Executor uses duplicate persistence ID: %v", err)
	}
	if err := oneRole(x.Resources); err != nil {
		return mesoserror.Errorf("Invalid executor resources: %v", err)
	}
	if err := notMixed(x.Resources); err != nil {
		return mesoserror.Errorf("Executor mixes revocable and non-revocable resources: %v", err)
	}
	return nil
}

// LaunchExecutor checks what an executor of LAUNCH needs.
func LaunchExecutor(x *mesos.ExecutorInfo) error {
	switch {
	case x.Type != mesos.ExecutorInfo_CUSTOM:
		return mesoserror.Errorf("'ExecutorInfo.type' must be 'CUSTOM'")
	case slices.ContainsFunc(x.Resources, func(r mesos.Resource) bool { return r.Shared != nil }):
		return mesoserror.Errorf("Executor resources %s should not contain any shared resources", resource.Describe(x.Resources))
	case sharesCgroups(x):
		return mesoserror.Errorf("The 'share_cgroups' field cannot be set to 'true' on executor containers")
	}
	return nil
}

// GroupExecutor checks what an executor of LAUNCH_GROUP needs, and its resources together
// with the tasks' resources.
func GroupExecutor(x *mesos.ExecutorInfo, tasks []mesos.TaskInfo) error {
	if isDocker(x.Container) {
		return mesoserror.Errorf("Docker ContainerInfo is not supported on the executor")
	}
	for i := range tasks {
		if own := tasks[i].Executor; own != nil && !own.Equal(x) {
			return mesoserror.Errorf("The `ExecutorInfo` of task '%s' is different from executor '%s'", tasks[i].TaskID.Value, x.ExecutorID.Value)
		}
	}
	if err := leastResources(x); err != nil {
		return err
	}
	return groupResources(x, tasks)
}

func leastResources(x *mesos.ExecutorInfo) error {
	const less = "Executor '%s' uses less %s (%s) than the minimum required (%s)"
	if cpus, ok := amount(x.Resources, "cpus"); !ok || cpus < minCPUs {
		return mesoserror.Errorf(less, x.ExecutorID.Value, "CPUs", orNone(cpus, ok, ""), number(minCPUs))
	}
	if mem, ok := amount(x.Resources, "mem"); !ok || mem < minMemory {
		return mesoserror.Errorf(less, x.ExecutorID.Value, "memory", orNone(mem, ok, "MB"), number(minMemory)+"MB")
	}
	if _, ok := amount(x.Resources, "disk"); !ok {
		return mesoserror.Errorf("Executor '%s' uses no disk", x.ExecutorID.Value)
	}
	return nil
}

func groupResources(x *mesos.ExecutorInfo, tasks []mesos.TaskInfo) error {
	total := slices.Clone(x.Resources)
	overlaps := false
	var described []string
	for i := range tasks {
		overlaps = overlaps || overlap(total, tasks[i].Resources)
		total = append(total, tasks[i].Resources...)
		described = append(described, resource.Describe(tasks[i].Resources))
	}
	if err := uniquePersistenceIDs(total); err != nil {
		return mesoserror.Errorf("Task group and executor use duplicate persistence ID: %v", err)
	}
	if err := notMixed(total); err != nil {
		return mesoserror.Errorf("Task group and executor mix revocable and non-revocable resources: %v", err)
	}
	if overlaps {
		return mesoserror.Errorf("There are overlapping resources in the task group's task resources [ %s ] and/or executor resources %s",
			strings.Join(described, ", "), resource.Describe(x.Resources))
	}
	return nil
}

// GroupCgroups checks that all tasks of a group have cgroups of their own, or none.
func GroupCgroups(x *mesos.ExecutorInfo, tasks []mesos.TaskInfo) error {
	if sharesCgroups(x) {
		return mesoserror.Errorf("The 'share_cgroups' field cannot be set to 'true' on executor containers")
	}
	for i := range tasks {
		if tasks[i].Container.GetLinuxInfo().GetShareCgroups() != tasks[0].Container.GetLinuxInfo().GetShareCgroups() {
			return mesoserror.Errorf("If set, the value of 'share_cgroups' must be the same for all tasks in each task group and under a single executor")
		}
	}
	return nil
}

// orNone writes an amount, or None where there is none.
func orNone(value float64, isSet bool, unit string) string {
	if !isSet {
		return "None"
	}
	return number(value) + unit
}

func sharesCgroups(x *mesos.ExecutorInfo) bool {
	info := x.Container.GetLinuxInfo()
	return info != nil && info.ShareCgroups != nil && *info.ShareCgroups
}
