package kubelet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/artifact"
	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
	"github.com/k8sm/k8sm/mesos/kubelet/machine"
	"github.com/k8sm/k8sm/mesos/kubelet/noderuntime"
	"github.com/k8sm/k8sm/mesos/kubelet/supervisor"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// containerd is the name of its executable.
const containerd = "containerd"

// bringUp is the order in which a node is made.
func (n *Node) bringUp(ctx, runtimeCtx context.Context) error {
	n.sweepDeadNodes(ctx)
	if err := n.claim(); err != nil {
		return err
	}
	if err := n.install(ctx); err != nil {
		return err
	}
	if err := n.isolate(ctx, n.spec.CPUs, nodeapi.Bytes(n.spec.MemMiB)); err != nil {
		return err
	}
	if err := n.runtime.Check(); err != nil {
		return err
	}
	limits, err := n.runtime.Limits()
	if err != nil {
		return err
	}
	n.limits = limits
	n.running.Go(func() {
		n.runtime.Maintain(ctx, func(err error) { n.Log.Error(err, "Failed to prepare for a restart of the agent") })
	})
	containerdArgs, err := n.configure()
	if err != nil {
		return err
	}
	if err := n.preflight(ctx); err != nil {
		return err
	}
	if err := n.startFirewall(ctx); err != nil {
		return err
	}
	if err := n.startRuntime(ctx, runtimeCtx, containerdArgs); err != nil {
		return err
	}
	return n.startFirstKubelet(ctx)
}

// sweepDeadNodes reports what can't be removed and goes on: the node may do without.
func (n *Node) sweepDeadNodes(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, removeWithin)
	defer cancel()
	if _, err := sweep.Sweep(ctx, n.spec.StateDir, n.Log); err != nil {
		n.Log.Error(err, "Failed to sweep what dead nodes left")
		n.health.setProblem("sweep", "an earlier node left something on this agent that can't be removed: "+bounded(err.Error()))
	}
}

// maxProblem bounds the part of an error, in bytes, that is reported: paths in it may be
// a pod's.
const maxProblem = 1024

func bounded(message string) string {
	if len(message) <= maxProblem {
		return message
	}
	return strings.ToValidUTF8(message[:maxProblem], "") + "…"
}

// claim makes the node's folder, locks it, and records what will be made outside of it.
func (n *Node) claim() error {
	runtime, err := n.chooseRuntime()
	if err != nil {
		return err
	}
	n.runtime = runtime
	if n.hasContainers() {
		machine.ResetUmask()
	}
	if err := os.MkdirAll(n.spec.StateDir, 0o711); err != nil {
		return fmt.Errorf("making the state folder: %w", err)
	}
	if err := errors.Join(machine.CloseToOthers(n.spec.StateDir), machine.CheckExecutable(n.spec.StateDir)); err != nil {
		return err
	}
	if err := os.MkdirAll(n.layout.Dir, 0o711); err != nil {
		return fmt.Errorf("making the node's folder: %w", err)
	}
	l, err := filelock.Try(n.layout.Lock())
	if err != nil {
		return fmt.Errorf("claiming the node's folder %s: %w", n.layout.Dir, err)
	}
	n.lock = l
	n.record = &sweep.Record{NodeName: n.spec.NodeName}
	n.runtime.Describe(n.record)
	return n.record.Write(n.layout.Dir)
}

// chooseRuntime finds what the runtime needs of the agent, and changes nothing.
func (n *Node) chooseRuntime() (noderuntime.Runtime, error) {
	if n.spec.ContainerRuntime != nodeapi.RuntimeContainerd {
		return noderuntime.NewFake(n.layout), nil
	}
	if err := machine.CheckAddress(n.spec.Address); err != nil {
		return nil, err
	}
	if n.spec.RuntimeSocket != "" {
		return noderuntime.NewHostContainerd(n.ContainerID, n.layout, n.spec.RuntimeSocket)
	}
	return noderuntime.NewOwnContainerd(n.ContainerID, n.layout, config.Containerd{
		NodeName: n.spec.NodeName, SandboxImage: n.spec.SandboxImage, StreamPort: n.spec.StreamPort, ExternalCNI: n.spec.ExternalCNI,
		HasClusterCIDRs: len(n.spec.Network.ClusterCIDRs) > 0,
	})
}

// hasContainers reports whether the node runs real containers.
func (n *Node) hasContainers() bool { return n.spec.ContainerRuntime == nodeapi.RuntimeContainerd }

// isolateWithin bounds the time in which the node waits for others that leave its folders.
const isolateWithin = 30 * time.Second

// isolate makes what the node starts a part of its container.
func (n *Node) isolate(ctx context.Context, cpus float64, memory int64) error {
	if n.hasContainers() {
		if err := machine.RaiseLimits(); err != nil {
			n.Log.Error(err, "Pods will have the limits of the agent")
		}
	}
	ctx, cancel := context.WithTimeout(ctx, isolateWithin)
	defer cancel()
	return n.runtime.Isolate(ctx, cpus, memory)
}

// install fetches what the node is made of, and fails if anything is missing before anything
// is started.
func (n *Node) install(ctx context.Context) (err error) {
	started := n.Now()
	n.installed, err = artifact.Install(ctx, n.cache(n.spec.MirrorCredentials, n.health.setStep), n.spec.Artifacts, n.layout.Bin())
	if err != nil {
		return err
	}
	needed := n.spec.RequiredPrograms()
	if n.hasContainers() && len(n.installed.Images) > 0 {
		needed = append(needed, nodeapi.ArtifactCtr)
	}
	n.Log.Info("Installed artifacts", "took", n.Now().Sub(started))
	return artifact.Require(n.layout.Bin(), needed...)
}

// cache returns the artifact cache, which fetches with the credentials, nil for none, and passes
// the progress of a fetch to report.
func (n *Node) cache(credentials *nodeapi.ServerCredentials, report func(step string)) *artifact.Cache {
	cache := artifact.NewCache(n.spec.StateDir, n.spec.CacheMiB, n.Now)
	cache.Authorize(credentials)
	report = n.throttle(report)
	cache.Progress = func(a nodeapi.Artifact, have, total int64) { report(artifact.DescribeProgress(a, have, total)) }
	return cache
}

// configure writes all files that kubelet and containerd read at their start, and returns the
// arguments of containerd.
func (n *Node) configure() (containerdArgs []string, err error) {
	if err := os.MkdirAll(n.layout.Kubelet(), 0o750); err != nil {
		return nil, fmt.Errorf("making the kubelet's folder: %w", err)
	}
	reservation, err := n.reserve()
	if err != nil {
		return nil, err
	}
	n.kubeletConfig = config.Kubelet{
		NodeName: n.spec.NodeName, ProviderID: n.spec.ProviderID, Address: n.spec.Address, Port: n.spec.KubeletPort,
		Labels: n.spec.Labels, Taints: n.spec.Taints, ClusterDNS: n.spec.ClusterDNS, ClusterDomain: n.spec.ClusterDomain,
		ResolvConf: n.resolvConf(), StaticPods: n.spec.StaticPods, Overrides: n.overrides, Reservation: reservation, Runtime: n.runtime.Settings(),
	}
	if err := n.kubeletConfig.Write(n.layout); err != nil {
		return nil, err
	}
	credentials := config.Credentials{
		APIServer: n.spec.APIServer, CA: n.spec.CAData, ClientCA: n.spec.ClientCAData, BootstrapToken: n.spec.BootstrapToken,
	}
	if err := credentials.Write(n.layout); err != nil {
		return nil, err
	}
	return n.runtime.Configure()
}

// allocation is what Mesos allocated to the node at its launch.
func (n *Node) allocation() config.Allocation {
	return config.Allocation{
		CPUs: n.spec.CPUs, MemMiB: n.spec.MemMiB, DiskMiB: n.spec.DiskMiB,
		OverheadCPUs: n.spec.OverheadCPUs, OverheadMemMiB: n.spec.OverheadMemMiB,
	}
}

// reservation computes what the kubelet keeps from pods on the machine as it is at present.
func (n *Node) reservation(a config.Allocation) (config.Reservation, machine.Machine, error) {
	m, err := machine.Read(n.layout.Dir)
	if err != nil {
		return config.Reservation{}, m, err
	}
	return config.Reserve(a, m, n.overrides.EvictionHard, n.hasContainers()), m, nil
}

// reserve computes what the kubelet keeps from pods, and checks that the disk has room.
func (n *Node) reserve() (config.Reservation, error) {
	r, m, err := n.reservation(n.allocation())
	if err != nil {
		return config.Reservation{}, err
	}
	if err := m.CheckDisk(n.layout.Dir, r.DiskMargin); err != nil {
		return config.Reservation{}, err
	}
	if len(r.Exceeds) > 0 {
		n.Log.Info("Mesos allocated more than the machine has, the node will have less", "resources", r.Exceeds)
	}
	return r, nil
}

// preflight finds, before anything is started, what would have kubelet or containerd end
// again and again for a reason that is hard to find in their logs. Another agent, or a later
// time, may do better: the errors are not nodeapi.ErrInvalid.
func (n *Node) preflight(ctx context.Context) error {
	return errors.Join(
		machine.CheckPort("kubelet", n.spec.Address, n.spec.KubeletPort),
		machine.CheckPort("containerd", "127.0.0.1", n.spec.StreamPort),
		n.apiserver.CheckClock(ctx, n.Now),
	)
}

// importWithin bounds the import of one image.
const importWithin = 5 * time.Minute

// startRuntime starts containerd, if it is the node's own, waits for its socket, and imports
// the images.
func (n *Node) startRuntime(ctx, runtimeCtx context.Context, containerdArgs []string) error {
	socket := n.kubeletConfig.Runtime.Socket
	if socket == "" {
		return nil
	}
	if len(containerdArgs) > 0 {
		if _, err := n.start(runtimeCtx, supervised{name: containerd, args: containerdArgs, failed: n.failed, proven: n.health.wasReady}); err != nil {
			return err
		}
	}
	if err := n.awaitSocket(ctx, socket); err != nil {
		return fmt.Errorf("waiting for containerd: %w", err)
	}
	for _, image := range n.installed.Images {
		if err := n.importImage(ctx, socket, image); err != nil {
			return fmt.Errorf("importing image %s: %w", filepath.Base(image), err)
		}
	}
	return nil
}

// pinned is the label of images that the kubelet does not remove when it makes room: no
// registry may have the imported ones.
const pinned = "io.cri-containerd.pinned=pinned"

// importImage imports an image for pods, pinned. A ctr that is too old for that imports it as
// it is.
func (n *Node) importImage(ctx context.Context, socket, image string) error {
	run := func(options ...string) error {
		args := append([]string{"--address=" + socket, "--namespace=k8s.io", "images", "import"}, options...)
		return supervisor.RunOnce(ctx, importWithin, n.environment(), n.layout.Program(nodeapi.ArtifactCtr), append(args, image)...)
	}
	err := run("--label=" + pinned)
	if err != nil && strings.Contains(err.Error(), "flag provided but not defined") {
		n.Log.Info("Imported images are not pinned, the kubelet may remove them to make room: the artifact ctr is too old", "image", filepath.Base(image))
		return run()
	}
	return err
}

// startFirstKubelet starts the kubelet and waits for the Node to be Ready. From then on the
// node handles upgrade requests and changes of its reservation.
func (n *Node) startFirstKubelet(ctx context.Context) error {
	if err := n.startKubelet(ctx, n.failed, n.health.wasReady); err != nil {
		return err
	}
	launched := n.kubeletConfig.Reservation
	n.running.Go(func() { n.followLimits(ctx, launched) })
	if volumes := n.kubeletConfig.Runtime.RootDir; n.hasContainers() {
		n.running.Go(func() { n.recordLoops(ctx, volumes) })
	}
	report := n.throttle(n.health.setStep)
	n.running.Go(func() {
		n.askAgent(ctx)
		err := n.apiserver.AwaitReady(ctx, time.Time{}, n.readyEvery, func(reason error) {
			report("waiting for the Node to be Ready: " + reason.Error())
		})
		if err != nil {
			return
		}
		// The token has been used up, and the kubelet has its own kubeconfig now.
		if err := os.Remove(n.layout.Bootstrap()); err != nil && !errors.Is(err, os.ErrNotExist) {
			n.Log.Error(err, "Failed to remove bootstrap credentials")
		}
		n.Log.Info("Node is ready", "node", n.spec.NodeName)
		n.health.setReady(n.spec.KubeletDigest())
		n.handleRequests(ctx)
	})
	return nil
}

// askAgent finds out whether others could pass for this node's executor.
func (n *Node) askAgent(ctx context.Context) {
	if n.AskAgent == nil {
		return
	}
	switch open, err := n.AskAgent(ctx); {
	case err != nil:
		n.Log.Info("The agent cannot be asked whether it serves executors without credentials", "reason", err.Error())
	case open:
		n.health.setAnonymousExecutors()
	}
}
