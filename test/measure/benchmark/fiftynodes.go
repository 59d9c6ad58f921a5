package main

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/cluster/playground"
)

// fiftyNodes is the number of nodes that share this machine. They start in waves: so many kubelets
// at once would keep each other and the control plane from starting.
const (
	fiftyNodes = 50
	wave       = 5
)

// measureFiftyNodes runs many nodes on this machine, each an executor with a real kubelet over a
// fake runtime, and measures the memory of one.
func measureFiftyNodes(ctx context.Context, _ options) (figures []figure, err error) {
	f, err := startFleet(ctx, playground.Options{Runtime: playground.RuntimeFake, Agents: fiftyNodes, AgentResources: "cpus:1;mem:1024;disk:1000"})
	if err != nil {
		return nil, err
	}
	defer func() { err = f.stop(err) }()
	pool := newPool(fleetPool, 0)
	pool.Spec.Template.Spec.Resources.CPU = resource.MustParse("500m")
	pool.Spec.Template.Spec.Resources.Memory = resource.MustParse("1Gi")
	if err := f.client.Create(ctx, pool); err != nil {
		return nil, fmt.Errorf("creating the pool: %w", err)
	}
	for nodes := wave; nodes <= fiftyNodes; nodes += wave {
		if err := f.scale(ctx, pool, nodes); err != nil {
			return nil, err
		}
	}
	if err := sleep(ctx, restAfter); err != nil {
		return nil, err
	}
	executors, kubelets, err := f.memory(ctx)
	if err != nil {
		return nil, err
	}
	return []figure{{
		Name: "fifty_nodes_one_machine", Value: (executors + kubelets) / fiftyNodes, Unit: "MiB a node",
		Beside: map[string]float64{"executor_MiB": executors / fiftyNodes, "kubelet_MiB": kubelets / fiftyNodes},
		Note:   "real kubelets over a fake runtime; proportional memory: what processes share is shared out among them",
	}}, nil
}

// scale scales the pool, and waits until all its nodes are Ready.
func (f *fleet) scale(ctx context.Context, pool *v1alpha1.MesosNodePool, count int) error {
	before := client.MergeFrom(pool.DeepCopy())
	replicas := int32(count)
	pool.Spec.Replicas = &replicas
	if err := f.client.Patch(ctx, pool, before); err != nil {
		return fmt.Errorf("scaling the pool: %w", err)
	}
	return waitFor(ctx, pollInterval, func() (bool, string, error) {
		nodes, err := f.nodes(ctx)
		ready := 0
		for i := range nodes {
			if isReady(&nodes[i]) {
				ready++
			}
		}
		return ready == count, fmt.Sprintf("%d of %d nodes are Ready", ready, count), err
	})
}

// memory returns the memory of all executors, and of the processes that they have started.
func (f *fleet) memory(ctx context.Context) (executors, kubelets float64, err error) {
	nodes, err := f.nodes(ctx)
	if err != nil {
		return 0, 0, err
	}
	for i := range nodes {
		container, err := f.Container(nodes[i].Status.Task.ID)
		if err != nil {
			return 0, 0, err
		}
		executor := container.Executor()
		own, err := memoryOf(executor)
		if err != nil {
			return 0, 0, err
		}
		executors += own.proportional
		for _, pid := range playground.StartedBy(executor) {
			started, err := memoryOf(pid)
			if err != nil {
				return 0, 0, err
			}
			kubelets += started.proportional
		}
	}
	return executors, kubelets, nil
}
