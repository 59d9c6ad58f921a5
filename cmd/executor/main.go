// Command executor is what a Mesos agent starts for each node: it subscribes with the
// agent, turns its container into the Kubernetes node that the task's data describes,
// and takes it down again. It has no flags: everything comes from the agent's environment
// variables and from the launch message.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/go-logr/logr"

	"github.com/k8sm/k8sm/mesos/executor"
	"github.com/k8sm/k8sm/mesos/kubelet"
	"github.com/k8sm/k8sm/mesos/kubelet/mount"
	"github.com/k8sm/k8sm/mesos/nodeapi"
)

func main() {
	if err := mount.EnterPrivateNamespace(); err != nil {
		fmt.Fprintln(os.Stderr, "executor:", err)
		os.Exit(1)
	}
	// Standard error is the file stderr in the sandbox.
	log := logr.FromSlogHandler(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, log); err != nil {
		log.Error(err, "Failed")
		os.Exit(1)
	}
}

func run(ctx context.Context, log logr.Logger) error {
	env, err := executor.FromEnvironment()
	if err != nil {
		return err
	}
	config := env.Config
	config.Now = time.Now
	config.Log = log.WithName("mesos")
	config.Workload = &workload{kubelet.NewNode(kubelet.Options{
		ContainerID:   env.ContainerID,
		Sandbox:       env.Sandbox,
		AgentEndpoint: env.Agent.Address,
		AskAgent:      env.Agent.IsOpen,
		Environ:       os.Environ(),
		Now:           time.Now,
		Log:           log.WithName("node"),
	})}
	driver, err := executor.NewDriver(config)
	if err != nil {
		return err
	}
	return driver.Run(ctx)
}

// workload connects the task of the Mesos protocol with the node.
type workload struct {
	node *kubelet.Node
}

// Run implements executor.Workload.
func (w *workload) Run(task executor.Task, report func(executor.Report)) executor.Report {
	report(executor.Report{State: executor.Starting})
	err := w.node.Run(task.Data, func(r kubelet.Report) {
		if r.Ready {
			report(executor.Report{State: executor.Running, Message: r.Message, Data: encode(r.Status)})
			return
		}
		report(executor.Report{State: executor.Starting, Message: r.Message})
	})
	switch {
	case err == nil:
		return executor.Report{State: executor.Killed}
	case errors.Is(err, nodeapi.ErrInvalid):
		return executor.Report{State: executor.Error, Message: err.Error()}
	default:
		return executor.Report{State: executor.Failed, Message: err.Error()}
	}
}

// encode returns what the operator gets of a node's status. The architecture is that of this
// program, which is the one whose artifacts it installed.
func encode(status nodeapi.NodeStatus) []byte {
	status.Architecture = runtime.GOARCH
	return status.Encode()
}

// Stop implements executor.Workload.
func (w *workload) Stop(grace time.Duration) { w.node.Stop(grace) }

// Message implements executor.Workload.
func (w *workload) Message(data []byte) { w.node.RequestUpgrade(data) }
