package story

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/cluster/playground"
)

const (
	scaledOut = 5
	scaledIn  = 2
)

func (s *Story) scale(ctx context.Context, replicas int) error {
	_, err := s.playground.Kubectl(ctx, "scale", "mesosnodepool/"+s.pool, fmt.Sprintf("--replicas=%d", replicas))
	if err != nil {
		return err
	}
	s.replicas = replicas
	return s.awaitNodes(ctx, replicas)
}

func (s *Story) scaleOut(ctx context.Context) (string, error) {
	if err := s.scale(ctx, scaledOut); err != nil {
		return "", err
	}
	placed, err := s.placement(ctx)
	return fmt.Sprintf("%d nodes Ready: %s", scaledOut, placed), err
}

// scaleIn removes nodes on which pods run: the nodes are drained and the pods start on the others.
func (s *Story) scaleIn(ctx context.Context) (string, error) {
	before, err := s.webPods(ctx)
	if err != nil {
		return "", err
	}
	if err := s.scale(ctx, scaledIn); err != nil {
		return "", err
	}
	if err := s.awaitPods(ctx); err != nil {
		return "", err
	}
	after, err := s.webPods(ctx)
	if err != nil {
		return "", err
	}
	nodes, err := s.nodes(ctx)
	if err != nil {
		return "", err
	}
	moved := 0
	for i := range after {
		if !slices.ContainsFunc(before, func(p pod) bool { return p.UID == after[i].UID }) {
			moved++
		}
		if !slices.ContainsFunc(nodes, func(n node) bool { return n.Name == after[i].Spec.NodeName }) {
			return "", fmt.Errorf("pod %s is on node %s, which is gone", after[i].Name, after[i].Spec.NodeName)
		}
	}
	if err := s.awaitReleased(ctx, scaledIn); err != nil {
		return "", err
	}
	return fmt.Sprintf("%d nodes drained and released, %d of %d pods started elsewhere", scaledOut-scaledIn, moved, len(after)), nil
}

// awaitReleased waits until exactly busy agents have something running.
func (s *Story) awaitReleased(ctx context.Context, busy int) error {
	return wait(ctx, func(ctx context.Context) error {
		agents, err := s.playground.AgentViews(ctx)
		if err != nil {
			return err
		}
		used := slices.DeleteFunc(agents, func(a playground.AgentView) bool { return a.UsedCPUs == 0 })
		if len(used) != busy {
			return fmt.Errorf("%d agents are used in Mesos, want %d", len(used), busy)
		}
		return nil
	})
}

// shareResources runs tasks of another framework, each as large as a whole agent: they only fit
// on agents where k8sm holds nothing.
func (s *Story) shareResources(ctx context.Context) (what string, err error) {
	agents, err := s.playground.AgentViews(ctx)
	if err != nil {
		return "", err
	}
	free := len(agents) - scaledIn
	batch := &playground.Batch{Name: "batch", CPUs: agents[0].TotalCPUs, MemMiB: 64, Command: "sleep 1000", Tasks: free}
	if err := batch.Start(ctx, s.playground.Master.URL()); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, batch.Close(context.WithoutCancel(ctx))) }()
	err = wait(ctx, func(context.Context) error {
		progress := batch.Progress()
		switch {
		case progress.Err != nil:
			return playground.Final(progress.Err)
		case progress.Failed > 0:
			return playground.Final(fmt.Errorf("%d of its tasks failed", progress.Failed))
		case len(progress.Running) < free:
			return fmt.Errorf("%d of its %d tasks run", len(progress.Running), free)
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("waiting for the other framework: %w", err)
	}
	hosts := batch.Progress().Running
	slices.Sort(hosts)
	if err := s.awaitNodes(ctx, scaledIn); err != nil {
		return "", err
	}
	return fmt.Sprintf("its %d tasks, each a whole agent, run on %s; the pool's nodes run on", free, strings.Join(hosts, ", ")), nil
}

// deleteAll deletes pool and framework at once, as a user would, and waits until neither
// Kubernetes nor Mesos has them.
func (s *Story) deleteAll(ctx context.Context) (string, error) {
	if _, err := s.playground.Kubectl(ctx, "delete", "--wait=false", "mesosnodepool/"+s.pool, "mesosframework/"+s.framework); err != nil {
		return "", err
	}
	if err := s.awaitNodes(ctx, 0); err != nil {
		return "", err
	}
	err := wait(ctx, func(ctx context.Context) error {
		var frameworks v1alpha1.MesosFrameworkList
		var pools v1alpha1.MesosNodePoolList
		if err := errors.Join(s.client.List(ctx, &frameworks), s.client.List(ctx, &pools)); err != nil {
			return fmt.Errorf("listing what was deleted: %w", err)
		}
		if len(frameworks.Items)+len(pools.Items) > 0 {
			return fmt.Errorf("%d MesosFrameworks and %d MesosNodePools are still there", len(frameworks.Items), len(pools.Items))
		}
		known, err := s.playground.Frameworks(ctx)
		if err != nil {
			return err
		}
		if len(known) > 0 {
			return fmt.Errorf("the master still knows %s", strings.Join(known, ", "))
		}
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("waiting for pool and framework to be gone: %w\n%s", err, s.explain(context.WithoutCancel(ctx)))
	}
	if err := wait(ctx, s.checkTokens); err != nil {
		return "", err
	}
	return "all nodes drained and released, the framework torn down, no token left", s.awaitReleased(ctx, 0)
}
