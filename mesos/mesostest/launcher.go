package mesostest

import (
	"context"

	mesos "github.com/mesos/mesos-go/api/v1/lib"

	"github.com/k8sm/k8sm/mesos/mesostest/internal/cgroup"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/container"
	"github.com/k8sm/k8sm/mesos/mesostest/internal/resource"
)

// Launcher starts the containers of an agent: one for each executor, and one for
// each command task, whose command it then is.
type Launcher interface {
	// Launch starts c and returns at once when it runs; fetching URIs is part of
	// it. The context ends when the container is to be given up before it runs.
	// An error ends the executor: its tasks fail with REASON_CONTAINER_LAUNCH_FAILED.
	Launch(ctx context.Context, c Container) (Process, error)
}

// Process is a container that runs.
type Process interface {
	// PID of its first process, as seen by this one; 0 where there is none.
	PID() int
	// Wait blocks until the first process has exited, and returns the raw wait
	// status: 9 for SIGKILL, 256 for exit 1. It may be called more than once.
	Wait() int
	// Terminate asks the first process to end (SIGTERM).
	Terminate()
	// Destroy kills everything in the container, removes what the launcher made for
	// it apart from the sandbox, and returns when that is done, within a bound.
	Destroy() error
}

// Container is what an agent wants started.
type Container struct {
	ID string
	// Framework and Executor as the master knows them. A command task has an
	// executor whose ID is the task's.
	Framework mesos.FrameworkInfo
	Executor  mesos.ExecutorInfo
	// Command to run: the executor's, or the task's own.
	Command mesos.CommandInfo
	// Resources to start with: the executor's and its first tasks'.
	Resources []mesos.Resource
	// Sandbox is the working directory. The launcher makes it.
	Sandbox string
	// Env holds the agent's variables, then the command's, as KEY=value.
	Env []string
	// NetNS is the path of the agent's network namespace, or empty.
	NetNS string
	// Conn joins an executor in this process to its agent; nil for a command task.
	Conn *Conn
}

// ProcessLauncher runs containers as processes: URIs fetched into the sandbox, the
// command run by /bin/sh -c there, stdout and stderr in files beside it.
//
// With a CgroupRoot, as with Mesos' cgroups/cpu and cgroups/mem isolators, a
// container has a cgroup <root>/<container ID>: on cgroup v1 in the hierarchies cpu,
// cpuacct, memory, freezer and systemd, on v2 with its processes in the child leaf.
// Without, it is a process group, and what leaves the group outlives the container.
type ProcessLauncher struct {
	// CgroupRoot is the name below each hierarchy's root, for example mesos. Empty:
	// no cgroups. Needs root and Linux. It is removed with the agent if it is empty.
	CgroupRoot string
	// Path is the PATH that containers get. Default: a system's usual one.
	Path string
}

// Func is a Launcher whose executors are functions in this process. It is called in
// a goroutine of its own for each executor; when it returns, the executor has exited:
// nil is exit 0, any error exit 1. The context ends when the container is destroyed.
// Command tasks run until they are killed.
type Func func(ctx context.Context, x *Conn) error

// Launch implements Launcher.
func (l ProcessLauncher) Launch(ctx context.Context, c Container) (Process, error) {
	q := resource.QuantitiesOf(c.Resources...)
	p, err := container.Launcher{CgroupRoot: l.CgroupRoot, Path: l.Path}.Launch(ctx, container.Spec{
		ID:      c.ID,
		Command: c.Command,
		Limits:  cgroup.Limits{MilliCPUs: q.Scalars["cpus"], MilliMB: q.Scalars["mem"]},
		Sandbox: c.Sandbox,
		Env:     c.Env,
		NetNS:   c.NetNS,
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}
