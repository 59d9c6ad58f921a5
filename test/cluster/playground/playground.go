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
	// ID is four letters that are in the names of all that the run makes.
	ID string
	// Kubeconfig of an administrator of the cluster.
	Kubeconfig string
	// Config is the same, for clients in this process.
	Config *rest.Config
	// Master of the Mesos cluster.
	Master *mesostest.Master

	dir    *runDir
	before inventory
	// hostPaths that were not there before.
	hostPaths hostPaths
	known     map[int]bool
	cgroups   cgroups
	plane     *controlPlane
	network   *network
	routes    *routes
	operator  *process
	// keepLogs once something failed, or if the options want it.
	keepLogs bool
	// undo what was done, last first.
	undo []undo
}

type undo struct {
	what string
	do   func(ctx context.Context) error
}

// New takes a run directory and remembers how the machine looks before the run.
// What an earlier run left that was killed is swept first. Call Stop whatever
// happens afterwards.
func New(options Options) (*Playground, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := options.checkBuilt(); err != nil {
		return nil, err
	}
	if err := sweepDeadRuns(options.Say); err != nil {
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
	p.later("removing containers", func(context.Context) error { return removeContainers(p.dir.path, p.cgroups) })
	return p, p.dir.writeRecord(record{ID: p.ID, HostPaths: p.hostPaths})
}

// Start builds the cluster, as far as it goes without nodes.
func (p *Playground) Start(ctx context.Context) error {
	for _, stage := range []func(context.Context) error{p.StartControlPlane, p.StartMesos, p.StartOperator} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	return nil
}

// StartControlPlane starts etcd, API server, controller manager and scheduler, and
// builds the network that hosts are plugged into.
func (p *Playground) StartControlPlane(ctx context.Context) error {
	p.plane = &controlPlane{options: p.Options, dir: p.dir}
	if err := p.address(ctx); err != nil {
		return err
	}
	p.later("stopping control plane", func(context.Context) error { p.plane.stop(); return nil })
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	if err := p.plane.start(ctx, time.Now()); err != nil {
		return err
	}
	p.Kubeconfig = p.plane.admin
	var err error
	if p.Config, err = clientcmd.BuildConfigFromFlags("", p.Kubeconfig); err != nil {
		return fmt.Errorf("loading kubeconfig: %w", err)
	}
	p.Config.QPS, p.Config.Burst = 50, 100
	p.Config.Proxy = func(*http.Request) (*url.URL, error) { return nil, nil }
	return p.applyBasics(ctx)
}

// address settles who has which address.
func (p *Playground) address(ctx context.Context) error {
	plane := p.plane
	if p.Runtime == RuntimeFake || p.Elsewhere != nil {
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
		p.later("removing network", p.network.remove)
	}
	if err != nil {
		return err
	}
	plane.address, plane.advertise = p.network.machine(), p.network.machine()
	plane.services, plane.serviceIP, plane.pods = p.network.services(), p.network.serviceIP(), p.network.pods()
	return nil
}

// later remembers how to undo what was done, or is about to be.
func (p *Playground) later(what string, do func(context.Context) error) {
	p.undo = append(p.undo, undo{what, do})
}

// Failed says that the run did not go well: its logs are kept.
func (p *Playground) Failed() { p.keepLogs = true }

// Logs is the folder with the logs of all parts.
func (p *Playground) Logs() string { return p.dir.file("logs") }

// LogsKept says whether the logs are there after Stop.
func (p *Playground) LogsKept() bool { return p.keepLogs }

// Stop removes all that the run made, in the reverse order, whatever goes wrong on
// the way, and then looks whether anything was left behind. That is an error, and
// so is what could not be removed.
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
