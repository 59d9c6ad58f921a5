package kubelet

import (
	"context"
	"net"
	"path/filepath"
	"time"

	"github.com/k8sm/k8sm/mesos/kubelet/config"
	"github.com/k8sm/k8sm/mesos/kubelet/supervisor"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

const (
	// stopWithin is the time that kubelet and containerd have to end after SIGTERM.
	stopWithin = 2 * time.Second
	// socketWithin is the time that containerd has to answer after its start.
	socketWithin = 60 * time.Second
	// socketEvery is the time between two attempts to reach it.
	socketEvery = 50 * time.Millisecond
)

// process is a program under supervision.
type process struct {
	cancel context.CancelFunc
	ended  chan struct{}
}

// end stops the program, and returns when it has ended.
func (p *process) end() {
	p.cancel()
	<-p.ended
}

// supervised is a program with the settings of its supervision.
type supervised struct {
	name string
	args []string
	// failed receives an error if the program cannot be kept running.
	failed chan<- error
	// proven reports whether more failures are to be tolerated.
	proven func() bool
	// within calls start where the program is to be started. Nil: here.
	within func(start func() error) error
}

// start supervises a program until the context ends, or end is called.
func (n *Node) start(ctx context.Context, s supervised) (*process, error) {
	log, err := supervisor.OpenLog(filepath.Join(n.Sandbox, s.name+".log"))
	if err != nil {
		return nil, err
	}
	program := &supervisor.Program{
		Name: s.name, Path: n.layout.Program(s.name), Args: s.args,
		Env: n.environment(), Dir: n.layout.Dir, Log: log, Within: s.within,
	}
	n.Log.Info("Starting program", "program", s.name)
	keeper := &supervisor.Supervisor{
		RestartPolicy: n.restart, Grace: stopWithin, SetProblem: n.health.setProblem, Proven: s.proven, Now: n.Now, Log: n.Log,
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &process{cancel, make(chan struct{})}
	n.running.Go(func() {
		defer cancel()
		defer close(p.ended)
		defer log.Close()
		if err := keeper.Run(ctx, program); err != nil {
			s.failed <- err
		}
	})
	return p, nil
}

// startKubelet starts the kubelet, to be ended by its field of the node.
func (n *Node) startKubelet(ctx context.Context, failed chan<- error, proven func() bool) (err error) {
	n.kubelet, err = n.start(ctx, supervised{
		name: nodeapi.ArtifactKubelet, args: n.kubeletConfig.Args(n.layout), failed: failed, proven: proven, within: n.runtime.StartKubelet,
	})
	return err
}

func (n *Node) environment() []string {
	tmp := ""
	if n.hasContainers() {
		tmp = n.layout.Tmp()
	}
	return config.Environment(n.Environ, n.layout.Bin(), n.layout.Home(), tmp)
}

// awaitSocket waits until something listens on a socket, or a program has failed.
func (n *Node) awaitSocket(ctx context.Context, socket string) error {
	ctx, cancel := context.WithTimeout(ctx, socketWithin)
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
		case <-time.After(socketEvery):
		}
	}
}

// throttle passes on a step now and then, the first time only if it takes long.
func (n *Node) throttle(report func(step string)) func(step string) {
	next := n.Now().Add(n.reportEvery)
	return func(step string) {
		if now := n.Now(); !now.Before(next) {
			next = now.Add(n.reportEvery)
			report(step)
		}
	}
}
