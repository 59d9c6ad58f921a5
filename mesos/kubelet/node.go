package kubelet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Options of a Node.
type Options struct {
	// ContainerID is the last part of the Mesos container's cgroup.
	ContainerID string
	// Sandbox is where the programs' logs go.
	Sandbox string
	// Environ is that of this process, as KEY=value.
	Environ []string
	Now     func() time.Time
	Log     logr.Logger
}

// Node is one node, from its launch message until nothing is left of it.
type Node struct {
	Options
	patience   patience
	readyEvery time.Duration
	// tellEvery bounds how often is told what a launch waits for: each time is a status
	// update, and a write to the Kubernetes API.
	tellEvery time.Duration
	// provesWithin is how long a new kubelet has to make its Node Ready, and triedFor how
	// long that may take if nobody can be asked meanwhile.
	provesWithin, triedFor time.Duration
	instructions           chan []byte

	mu       sync.Mutex
	asked    bool      // Stop was called
	deadline time.Time // when containers that still run are killed; zero: not yet known
	stop     chan struct{}

	launch *nodeapi.LaunchSpec
	layout layout
	ground *ground
	record *record
	lock   *lock
	health *health
	// installed is in use until nothing runs any more.
	installed Installed
	// kubelet is the one that runs.
	kubelet *started
	running sync.WaitGroup
	failed  chan error
}

// NewNode returns a node that was not launched yet.
func NewNode(o Options) *Node {
	return &Node{
		Options:      o,
		patience:     defaultPatience,
		readyEvery:   500 * time.Millisecond,
		tellEvery:    10 * time.Second,
		provesWithin: provesWithin,
		triedFor:     triedFor,
		instructions: make(chan []byte),
		stop:         make(chan struct{}),
		failed:       make(chan error, 2),
	}
}

// Stop has Run end. Containers get SIGTERM at once, and SIGKILL when the grace is over;
// a negative grace is the launch message's own. Of several calls the one with the
// nearest deadline holds.
func (n *Node) Stop(grace time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setDeadline(grace)
	if !n.asked {
		n.asked = true
		close(n.stop)
	}
}

// setDeadline moves the deadline nearer, never away. The caller holds the lock.
func (n *Node) setDeadline(grace time.Duration) {
	if grace < 0 {
		grace = 0
		if n.launch != nil {
			grace = time.Duration(n.launch.KillGraceSeconds) * time.Second
		}
	}
	deadline := n.Now().Add(grace)
	if n.deadline.IsZero() || deadline.Before(n.deadline) {
		n.deadline = deadline
	}
}

// Run makes the node that the launch message describes, reports how it is whenever that
// changes, and returns when it has ended and what it left is removed: nil after Stop,
// else an error that says why it could not go on. Errors that wrap ErrInvalid would
// come again anywhere.
func (n *Node) Run(message []byte, report func(Report)) error {
	launch, err := nodeapi.DecodeLaunchSpec(message)
	if err != nil {
		return err
	}
	n.health = newHealth(report)
	n.mu.Lock()
	n.launch = launch
	n.mu.Unlock()
	n.layout = layoutOf(launch)

	ctx, cancel := n.untilStopped()
	defer cancel()
	runtimeCtx, stopRuntime := context.WithCancel(context.Background())
	defer stopRuntime()

	err = n.bringUp(ctx, runtimeCtx)
	if err == nil {
		err = n.wait()
	}
	cancel() // the kubelet first, so that it starts nothing again
	n.mu.Lock()
	asked := n.asked
	n.setDeadline(-1)
	n.mu.Unlock()
	n.tearDown(stopRuntime)
	if asked {
		return nil
	}
	return err
}

func (n *Node) untilStopped() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		select {
		case <-n.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

func (n *Node) wait() error {
	select {
	case <-n.stop:
		return nil
	case err := <-n.failed:
		return err
	}
}

// bringUp is the order in which a node is made.
func (n *Node) bringUp(ctx, runtimeCtx context.Context) error {
	n.sweepOthers()
	if err := n.claim(); err != nil {
		return err
	}
	installed, err := n.install(ctx)
	if err != nil {
		return err
	}
	if err := n.ground.take(n.launch.CPUs, nodeapi.Bytes(n.launch.MemMiB)); err != nil {
		return err
	}
	n.running.Go(func() {
		n.ground.keepStandIns(ctx, func(err error) { n.Log.Error(err, "Failed to prepare for a restart of the agent") })
	})
	if err := n.configure(); err != nil {
		return err
	}
	if err := n.preflight(ctx); err != nil {
		return err
	}
	if n.layout.real {
		if err := n.startRuntime(ctx, runtimeCtx, installed.Images); err != nil {
			return err
		}
	}
	return n.startKubelet(ctx)
}

func (n *Node) sweepOthers() {
	if _, err := Sweep(n.launch.StateDir, n.Log); err != nil {
		n.Log.Error(err, "Failed to sweep what dead nodes left")
	}
}

// claim makes the node's folder, locks it, and records what will be made outside of it.
func (n *Node) claim() error {
	if n.layout.real {
		if err := ownAddress(n.launch.Address); err != nil {
			return err
		}
		g, err := survey(n.ContainerID, n.layout)
		if err != nil {
			return err
		}
		n.ground = g
	}
	if err := os.MkdirAll(n.launch.StateDir, 0o711); err != nil {
		return fmt.Errorf("making the state folder: %w", err)
	}
	if err := checkExecutable(n.launch.StateDir); err != nil {
		return err
	}
	if err := os.MkdirAll(n.layout.dir, 0o711); err != nil {
		return fmt.Errorf("making the node's folder: %w", err)
	}
	l, err := tryLock(n.layout.lock())
	if err != nil {
		return fmt.Errorf("claiming the node's folder %s: %w", n.layout.dir, err)
	}
	n.lock = l
	n.record = &record{NodeName: n.launch.NodeName}
	n.ground.note(n.record, n.ContainerID)
	return n.record.write(n.layout.record())
}

// install fetches what the node is made of, and says what is missing before anything
// is started.
func (n *Node) install(ctx context.Context) (Installed, error) {
	started := n.Now()
	cache, tell := NewCache(n.launch, n.Now), n.nowAndThen(n.health.doing)
	cache.Progress = func(a nodeapi.Artifact, have, total int64) { tell(progress(a, have, total)) }
	installed, err := Install(ctx, cache, n.launch.Artifacts, n.layout.bin())
	n.installed = installed
	if err != nil {
		return installed, err
	}
	needed := n.launch.RequiredPrograms()
	if n.layout.real && len(installed.Images) > 0 {
		needed = append(needed, nodeapi.ArtifactCtr)
	}
	n.Log.Info("Installed artifacts", "took", n.Now().Sub(started))
	return installed, Require(n.layout.bin(), needed...)
}

func progress(a nodeapi.Artifact, have, total int64) string {
	if total < 0 {
		return fmt.Sprintf("fetching artifact %q: %d MiB", a.Name, have/mebibyte)
	}
	return fmt.Sprintf("fetching artifact %q: %d of %d MiB", a.Name, have/mebibyte, total/mebibyte)
}

func (n *Node) configure() error {
	if err := os.MkdirAll(n.layout.in("kubelet"), 0o750); err != nil {
		return fmt.Errorf("making the kubelet's folder: %w", err)
	}
	machine, err := readMachine(n.layout.dir)
	if err != nil {
		return err
	}
	reservation := Reserve(n.launch, machine)
	if err := machine.checkDisk(n.layout.dir, reservation.DiskMargin); err != nil {
		return err
	}
	if len(reservation.Exceeds) > 0 {
		n.Log.Info("Mesos allocated more than the machine has, the node will have less", "resources", reservation.Exceeds)
	}
	return writeConfiguration(n.launch, n.layout, reservation, hostFacts{
		cgroupRoot:       n.ground.cgroupRoot(),
		cpuQuota:         n.ground.cpuQuota(),
		restrictOOMScore: !mayLowerOOMScore(),
		masquerade:       haveMasqueradeTool(),
	})
}

// started is a program under supervision.
type started struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// end stops the program, and returns when it has ended.
func (s *started) end() {
	s.cancel()
	<-s.ended
}

// start supervises a program until the context ends, or end is called; failed is told if
// it can't be kept running. Once it is proven, more is forgiven.
func (n *Node) start(ctx context.Context, failed chan<- error, proven func() bool, name string, args ...string) (*started, error) {
	log, err := openLog(filepath.Join(n.Sandbox, name+".log"), logLimit)
	if err != nil {
		return nil, err
	}
	p := &program{
		name: name, path: n.layout.program(name), args: args,
		env: environment(n.layout, n.Environ), dir: n.layout.dir, log: log,
	}
	n.Log.Info("Starting program", "program", name)
	if name == nodeapi.ArtifactKubelet {
		p.mounts = n.ground.mountNamespace()
	}
	keep := &supervisor{patience: n.patience, grace: stopWithin, health: n.health, proven: proven, now: n.Now, log: n.Log}
	ctx, cancel := context.WithCancel(ctx)
	s := &started{cancel, make(chan struct{})}
	n.running.Go(func() {
		defer cancel()
		defer close(s.ended)
		defer log.Close()
		if err := keep.supervise(ctx, p); err != nil {
			failed <- err
		}
	})
	return s, nil
}

const (
	// stopWithin is how long kubelet and containerd have to end after SIGTERM.
	stopWithin = 2 * time.Second
	// runtimeWithin is how long containerd has to answer after its start.
	runtimeWithin = 60 * time.Second
	// importWithin is how long one image may take.
	importWithin = 5 * time.Minute
)

// startRuntime starts containerd, if it is the node's own, waits for its socket, and
// imports the images.
func (n *Node) startRuntime(ctx, runtimeCtx context.Context, images []string) error {
	socket := n.layout.socket()
	if n.layout.borrowed == "" {
		if _, err := n.start(runtimeCtx, n.failed, n.health.wasReady, "containerd", "--config="+n.layout.runtimeConf()); err != nil {
			return err
		}
	}
	if err := n.awaitSocket(ctx, socket); err != nil {
		return fmt.Errorf("waiting for containerd: %w", err)
	}
	for _, image := range images {
		err := once(ctx, importWithin, environment(n.layout, n.Environ), n.layout.program(nodeapi.ArtifactCtr),
			"--address="+socket, "--namespace=k8s.io", "images", "import", image)
		if err != nil {
			return fmt.Errorf("importing image %s: %w", filepath.Base(image), err)
		}
	}
	return nil
}

func (n *Node) awaitSocket(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, runtimeWithin)
	defer cancel()
	for {
		if c, err := net.Dial("unix", socket); err == nil {
			return c.Close()
		}
		select {
		case err := <-n.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// runKubelet starts the kubelet, to be ended by its field of the node.
func (n *Node) runKubelet(ctx context.Context, failed chan<- error, proven func() bool) (err error) {
	n.kubelet, err = n.start(ctx, failed, proven, nodeapi.ArtifactKubelet, kubeletArgs(n.launch, n.layout)...)
	return err
}

// startKubelet starts the kubelet and watches for the Node to be Ready. From then on it
// takes instructions.
func (n *Node) startKubelet(ctx context.Context) error {
	if err := n.runKubelet(ctx, n.failed, n.health.wasReady); err != nil {
		return err
	}
	tell := n.nowAndThen(n.health.doing)
	n.running.Go(func() {
		err := awaitReady(ctx, n.question(time.Time{}), n.readyEvery, func(why error) {
			tell("waiting for the Node to be Ready: " + why.Error())
		})
		if err != nil {
			return
		}
		// It has been used up, and the kubelet has its own kubeconfig now.
		if err := os.Remove(n.layout.bootstrap()); err != nil && !errors.Is(err, os.ErrNotExist) {
			n.Log.Error(err, "Failed to remove bootstrap credentials")
		}
		n.Log.Info("Node is ready", "node", n.launch.NodeName)
		n.health.becameReady(n.launch.KubeletDigest())
		n.obey(ctx)
	})
	return nil
}

// nowAndThen passes on what is being done, the first time only if it takes long.
func (n *Node) nowAndThen(tell func(step string)) func(step string) {
	next := n.Now().Add(n.tellEvery)
	return func(step string) {
		if now := n.Now(); !now.Before(next) {
			next = now.Add(n.tellEvery)
			tell(step)
		}
	}
}

// tearDown ends what runs, kubelet before containers before containerd, and removes
// what the node leaves.
func (n *Node) tearDown(stopRuntime context.CancelFunc) {
	n.Log.Info("Ending node", "node", n.launch.NodeName)
	n.endContainers()
	stopRuntime()
	n.running.Wait()
	defer n.installed.Release()
	if n.lock == nil {
		return
	}
	if err := n.ground.clear(n.record, n.layout.dir); err != nil {
		n.Log.Error(err, "Failed to remove all that the node left, the next executor on this agent will try again")
	}
	_ = n.lock.file.Close()
}
