package kubelet

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/kubelet/apiserver"
	"github.com/k8sm/k8sm/mesos/kubelet/artifact"
	"github.com/k8sm/k8sm/mesos/kubelet/cgroup"
	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/filelock"
	"github.com/k8sm/k8sm/mesos/kubelet/layout"
	"github.com/k8sm/k8sm/mesos/kubelet/noderuntime"
	"github.com/k8sm/k8sm/mesos/kubelet/supervisor"
	"github.com/k8sm/k8sm/mesos/kubelet/sweep"
	"github.com/k8sm/k8sm/mesos/kubelet/termination"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

// Options of a Node.
type Options struct {
	// ContainerID is the last part of the Mesos container's cgroup.
	ContainerID string
	// Sandbox is the folder of the programs' logs.
	Sandbox string
	// AgentEndpoint is host:port of the Mesos agent.
	AgentEndpoint string
	// AskAgent reports whether the agent serves executors that present no credentials. Nil:
	// nobody asks.
	AskAgent func(context.Context) (open bool, err error)
	// Environ is that of this process, as KEY=value.
	Environ []string
	Now     func() time.Time
	Log     logr.Logger
}

// timing of a node. Tests shorten it.
type timing struct {
	restart    supervisor.RestartPolicy
	readyEvery time.Duration
	// reportEvery is the minimum time between two reports of what a launch waits for: each
	// is a status update, and a write to the Kubernetes API.
	reportEvery time.Duration
	// limitsEvery is the time between two looks at the limits of the container.
	limitsEvery time.Duration
	// loopsEvery is the time between two looks at the loop devices of volumes.
	loopsEvery time.Duration
	// trialTime is the time that a new kubelet has to make its Node Ready, and trialLimit
	// the maximum if the API server cannot be asked meanwhile.
	trialTime, trialLimit time.Duration
}

var defaultTiming = timing{
	restart:     supervisor.DefaultPolicy,
	readyEvery:  500 * time.Millisecond,
	reportEvery: 10 * time.Second,
	limitsEvery: time.Second,
	loopsEvery:  2 * time.Second,
	trialTime:   2 * time.Minute,
	trialLimit:  5 * time.Minute,
}

// removeWithin bounds the time that a node spends on removing files. What is left is removed
// by the next node on the agent.
const removeWithin = 2 * time.Minute

// Node is one node, from its launch message until nothing is left of it.
type Node struct {
	Options
	timing
	upgradeRequests chan []byte
	// reservations holds the latest change that was not applied yet.
	reservations chan reservationChange

	mu            sync.Mutex
	stopRequested bool
	deadline      time.Time // when containers that still run are killed; zero: not yet known
	stop          chan struct{}

	spec      *nodeapi.LaunchSpec
	overrides nodeapi.ConfigOverrides
	layout    layout.Layout
	runtime   noderuntime.Runtime
	apiserver apiserver.Client
	record    *sweep.Record
	lock      *filelock.Lock
	health    *health
	// installed is in use until nothing runs any more.
	installed artifact.Installed
	// limits are those of the container at the launch.
	limits cgroup.Limits
	// kubeletConfig is set once the node is configured, and then belongs to handleRequests.
	kubeletConfig config.Kubelet
	// kubelet is the one that runs.
	kubelet *process
	running sync.WaitGroup
	failed  chan error
}

// NewNode returns a node that was not launched yet.
func NewNode(o Options) *Node {
	return &Node{
		Options:         o,
		timing:          defaultTiming,
		upgradeRequests: make(chan []byte),
		reservations:    make(chan reservationChange, 1),
		stop:            make(chan struct{}),
		failed:          make(chan error, 2),
	}
}

// Stop makes Run end. Containers get SIGTERM at once, and SIGKILL when the grace is over; a
// negative grace stands for the launch message's own. Of several calls the one with the
// nearest deadline counts.
func (n *Node) Stop(grace time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setDeadline(grace)
	if !n.stopRequested {
		n.stopRequested = true
		close(n.stop)
	}
}

// setDeadline moves the deadline nearer, never away. The caller holds the lock.
func (n *Node) setDeadline(grace time.Duration) {
	if grace < 0 {
		grace = 0
		if n.spec != nil {
			grace = time.Duration(n.spec.KillGraceSeconds) * time.Second
		}
	}
	deadline := n.Now().Add(grace)
	if n.deadline.IsZero() || deadline.Before(n.deadline) {
		n.deadline = deadline
	}
}

// timeLeft is the time until what still runs is killed.
func (n *Node) timeLeft() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.deadline.Sub(n.Now())
}

// Run makes the node that the launch message describes, reports its state whenever that
// changes, and returns when it has ended and everything is removed that it left: nil after
// Stop, otherwise the reason why the node could not continue. Errors that wrap
// nodeapi.ErrInvalid would come again anywhere.
func (n *Node) Run(message []byte, report func(Report)) error {
	if err := n.read(message, report); err != nil {
		return err
	}
	ctx, cancel := n.untilStopped()
	defer cancel()
	runtimeCtx, stopRuntime := context.WithCancel(context.Background())
	defer stopRuntime()

	err := n.bringUp(ctx, runtimeCtx)
	if err == nil {
		err = n.wait()
	}
	cancel() // the kubelet first, so that it starts nothing again
	n.mu.Lock()
	stopRequested := n.stopRequested
	n.setDeadline(-1)
	n.mu.Unlock()
	n.tearDown(stopRuntime)
	if stopRequested {
		return nil
	}
	return err
}

// read takes what the node needs from the launch message.
func (n *Node) read(message []byte, report func(Report)) error {
	spec, err := nodeapi.DecodeLaunchSpec(message)
	if err != nil {
		return err
	}
	if err := spec.SelectArchitecture(runtime.GOARCH); err != nil {
		return err
	}
	// Its problems would have been found by decoding.
	n.overrides, _ = nodeapi.ParseConfigOverrides(spec.KubeletConfig)
	n.health = newHealth(report)
	n.mu.Lock()
	n.spec = spec
	n.mu.Unlock()
	n.layout = layout.Of(spec.StateDir, spec.NodeName)
	n.apiserver = apiserver.Client{
		URL: spec.APIServer, CA: spec.CAData, NodeName: spec.NodeName, Certificate: n.layout.ClientCertificate(),
	}
	return nil
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

// tearDown ends what runs, kubelet before containers before containerd, and removes what the
// node leaves.
func (n *Node) tearDown(stopRuntime context.CancelFunc) {
	n.Log.Info("Ending node", "node", n.spec.NodeName)
	if n.runtime != nil {
		n.terminateContainers()
	}
	stopRuntime()
	n.running.Wait()
	defer n.installed.Release()
	if n.lock == nil {
		return
	}
	remove := func() error {
		ctx, cancel := context.WithTimeout(context.Background(), removeWithin)
		defer cancel()
		return n.record.Remove(ctx, n.layout.Dir)
	}
	if err := n.runtime.Clear(remove); err != nil {
		n.Log.Error(err, "Failed to remove all that the node left, the next executor on this agent will try again")
	}
	_ = n.lock.Close()
}

func (n *Node) terminateContainers() {
	t := termination.Terminator{List: n.runtime.Containers, TimeLeft: n.timeLeft}
	t.Terminate(n.criticalPods)
}

// criticalPods returns the UIDs of the node's critical pods. If the API server does not
// answer at once, all pods are ordinary.
func (n *Node) criticalPods() map[string]bool {
	critical, err := n.apiserver.CriticalPods(context.Background())
	if err != nil {
		n.Log.Info("Pods end without order, because the API server did not return which ones are critical", "reason", err.Error())
	}
	return critical
}
