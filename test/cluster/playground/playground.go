package playground

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/k8sm/k8sm/mesos/mesostest"
)

// Playground is one run.
type Playground struct {
	Options
	// ID is four letters that occur in the names of everything that the run creates.
	ID string
	// Kubeconfig of an administrator of the cluster.
	Kubeconfig string
	// Config is the same, for clients in this process.
	Config *rest.Config
	// Master of the Mesos cluster.
	Master *mesostest.Master

	dir    *runDir
	before inventory
	// hostPaths did not exist before the run.
	hostPaths    hostPaths
	known        map[int]bool
	cgroups      cgroups
	controlPlane *controlPlane
	network      *network
	routes       *routes
	operator     *process
	// keepLogs is set once something failed, or by the options.
	keepLogs bool
	// undo holds what Stop does, the last entry first.
	undo []undo
}

type undo struct {
	what string
	do   func(ctx context.Context) error
}

// New creates a run directory and records the state of the machine before the run. It first removes
// what killed runs have left. Call Stop in any case afterwards.
func New(options Options) (*Playground, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := options.checkBuilt(); err != nil {
		return nil, err
	}
	if err := sweepDeadRuns(options.Progress); err != nil {
		return nil, err
	}
	adoptOrphans()
	p := &Playground{Options: options, before: takeInventory(), hostPaths: absentHostPaths(), known: map[int]bool{}, keepLogs: options.KeepLogs}
	for _, pid := range descendants(nil) {
		p.known[pid] = true
	}
	if p.dir, p.ID, err = newRunDir(); err != nil {
		return nil, err
	}
	p.cgroups = cgroups{name: runDirPrefix + p.ID}
	p.onStop("removing containers", func(context.Context) error { return removeContainers(p.dir.path, p.cgroups) })
	return p, p.dir.writeRecord(record{ID: p.ID, HostPaths: p.hostPaths})
}

// Start builds the cluster without nodes.
func (p *Playground) Start(ctx context.Context) error {
	for _, stage := range []func(context.Context) error{p.StartControlPlane, p.StartMesos, p.StartOperator} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	return nil
}

// StartControlPlane starts etcd, API server, controller manager and scheduler, and
// builds the network for the hosts.
func (p *Playground) StartControlPlane(ctx context.Context) error {
	p.controlPlane = &controlPlane{options: p.Options, dir: p.dir}
	if err := p.assignAddresses(ctx); err != nil {
		return err
	}
	p.onStop("stopping control plane", func(context.Context) error { p.controlPlane.stop(); return nil })
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := p.controlPlane.start(ctx, time.Now()); err != nil {
		return err
	}
	p.Kubeconfig = p.controlPlane.admin
	var err error
	if p.Config, err = clientcmd.BuildConfigFromFlags("", p.Kubeconfig); err != nil {
		return fmt.Errorf("loading kubeconfig: %w", err)
	}
	p.Config.QPS, p.Config.Burst = 50, 100
	p.Config.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	return p.applyClusterAddons(ctx)
}

// assignAddresses chooses the addresses of the control plane, and builds the network for hosts.
func (p *Playground) assignAddresses(ctx context.Context) error {
	plane := p.controlPlane
	if p.Runtime == RuntimeFake || p.RemoteHost != nil {
		advertise, err := primaryAddress()
		if err != nil {
			return err
		}
		plane.address, plane.advertise = "127.0.0.1", advertise
		plane.services, plane.serviceIP, plane.pods = "10.179.32.0/20", "10.179.32.1", "10.179.64.0/18"
		return nil
	}
	var err error
	p.network, err = newNetwork(ctx, p.ID)
	if p.network != nil {
		p.onStop("removing network", p.network.remove)
	}
	if err != nil {
		return err
	}
	plane.address, plane.advertise = p.network.hostAddress(), p.network.hostAddress()
	plane.services, plane.serviceIP, plane.pods = p.network.services(), p.network.serviceIP(), p.network.pods()
	return nil
}

// onStop registers a function that Stop calls. It may be registered before the action that it
// undoes.
func (p *Playground) onStop(what string, do func(context.Context) error) {
	p.undo = append(p.undo, undo{what, do})
}

// KeepLogsAfterStop keeps the logs, because the run has failed.
func (p *Playground) KeepLogsAfterStop() { p.keepLogs = true }

// Logs returns the folder with all logs.
func (p *Playground) Logs() string { return p.dir.file("logs") }

// LogsKept reports whether Stop keeps the logs.
func (p *Playground) LogsKept() bool { return p.keepLogs }

// Stop removes all that the run made, in the reverse order, and goes on after errors. Then it
// checks that nothing is left. It returns an error for what is left or could not be removed.
func (p *Playground) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	var problems []error
	for i := len(p.undo) - 1; i >= 0; i-- {
		if err := p.undo[i].do(ctx); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", p.undo[i].what, err))
		}
	}
	p.undo = nil
	if err := endDescendants(p.known, 10*time.Second); err != nil {
		problems = append(problems, err)
	}
	if p.keepLogs {
		problems = append(problems, p.keepSandboxes())
	}
	problems = append(problems, p.hostPaths.remove(), p.dir.remove(p.keepLogs), p.verifyClean(ctx))
	err := errors.Join(problems...)
	if err != nil && !p.keepLogs {
		_ = os.RemoveAll(p.dir.path)
	}
	return err
}
