// Package noderuntime has the three ways in which a node runs containers: none at all, with
// a kubelet that brings a runtime of its own (Fake), in a containerd that the executor starts
// (OwnContainerd), and in the agent's own containerd (HostContainerd).
//
// It refuses to know the launch message and the order in which a node is made; package
// kubelet chooses a Runtime and calls its methods in the order in which they are listed.
package noderuntime

import (
	"context"

	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
	"github.com/k8sm/k8sm/mesos/kubelet/termination"
)

// Runtime is a way to run a node's containers. Constructors find out what it needs of the
// agent, and change nothing.
type Runtime interface {
	// Describe adds to the record what Isolate will make outside of the node's folder.
	Describe(*sweep.Record)
	// Isolate makes this process, and what it will start, a part of the Mesos container,
	// holds the container to its allocation (cores, bytes), and mounts the node's own
	// folders over system paths.
	Isolate(ctx context.Context, cpus float64, memory int64) error
	// Check fails if the agent would keep such a node from working.
	Check() error
	// Limits are what the container is limited to at present.
	Limits() (cgroup.Limits, error)
	// BoundPods bounds the memory of all pods together, in bytes. It has to be called again and
	// again.
	BoundPods(config.MemoryBounds) error
	// Maintain does what has to be done again and again until the context ends, and reports
	// problems.
	Maintain(ctx context.Context, report func(error))
	// Configure writes the files of the runtime, and returns the arguments of the containerd
	// that is to be started. There are none if none is to be started.
	Configure() (containerdArgs []string, err error)
	// Settings are what the kubelet's configuration needs to know.
	Settings() config.Runtime
	// Pods returns by what the agent's firewall knows the pods. The cgroup exists afterwards.
	Pods() (Pods, error)
	// StartKubelet calls start where mounts of the kubelet are seen by the runtime.
	StartKubelet(start func() error) error
	// Containers returns the running containers.
	Containers() []termination.Container
	// Clear kills everything in the container but this process and its ancestors, undoes
	// Isolate, and calls remove, which removes the rest by the record, as soon as it can.
	Clear(remove func() error) error
}

// Pods are by what the agent's firewall knows a node's pods.
type Pods struct {
	// Bridge is the interface that they are behind, "" where the network is another's.
	Bridge string
	// Cgroup is that of all pods, seen from the root of cgroup version 2. It is "" where
	// version 1 is in use, since nothing there tells the processes of pods from others.
	Cgroup string
	// Masquerade: the bridge plugin masquerades nothing, so the firewall has to.
	Masquerade bool
}

// Fake runs no containers: the kubelet brings its own runtime. It needs neither root nor
// cgroups, and touches nothing outside of the node's folder.
type Fake struct{ layout layout.Layout }

// NewFake returns the runtime of a node without real containers.
func NewFake(l layout.Layout) Fake { return Fake{l} }

// Describe implements Runtime.
func (Fake) Describe(*sweep.Record) {}

// Isolate implements Runtime.
func (Fake) Isolate(context.Context, float64, int64) error { return nil }

// Check implements Runtime.
func (Fake) Check() error { return nil }

// Limits implements Runtime.
func (Fake) Limits() (cgroup.Limits, error) { return cgroup.Limits{}, nil }

// BoundPods implements Runtime.
func (Fake) BoundPods(config.MemoryBounds) error { return nil }

// Maintain implements Runtime.
func (Fake) Maintain(context.Context, func(error)) {}

// Configure implements Runtime.
func (Fake) Configure() ([]string, error) { return nil, nil }

// Settings implements Runtime.
func (f Fake) Settings() config.Runtime {
	return config.Runtime{RootDir: f.layout.Kubelet(), PodLogs: f.layout.PodLogs()}
}

// Pods implements Runtime. They have no network.
func (Fake) Pods() (Pods, error) { return Pods{}, nil }

// StartKubelet implements Runtime.
func (Fake) StartKubelet(start func() error) error { return start() }

// Containers implements Runtime.
func (Fake) Containers() []termination.Container { return nil }

// Clear implements Runtime.
func (Fake) Clear(remove func() error) error { return remove() }
