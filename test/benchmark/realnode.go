package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
	"github.com/k8sm/k8sm/test/playground"
	"github.com/k8sm/k8sm/test/story"
)

// measureRealNode times nodes of the playground, one after the other, on agents that
// have the artifacts already, from the intent, which comes right before the ACCEPT, to
// Ready.
func measureRealNode(ctx context.Context, _ options) (figures []figure, err error) {
	p, err := playground.New(playground.Options{})
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			p.Failed()
		}
		err = errors.Join(err, p.Stop())
	}()
	s := story.New(p)
	for _, step := range s.Opening() {
		if _, err := step.Do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.Name, err)
		}
	}
	times, err := timeNodes(ctx, p, s.Pool())
	if err != nil {
		return nil, err
	}
	slices.Sort(times)
	return []figure{{
		Name: "real_node_accept_to_ready", Value: times[len(times)/2].Seconds(), Unit: "s",
		Beside: map[string]float64{"nodes": float64(len(times)), "fastest_s": times[0].Seconds(), "slowest_s": times[len(times)-1].Seconds()},
		Note:   "median; real kubelet, runtime " + string(p.Runtime) + ", artifacts cached",
	}}, nil
}

// timeNodes deletes each of the pool's nodes in turn, and times the one that comes in
// its place.
func timeNodes(ctx context.Context, p *playground.Playground, pool string) ([]time.Duration, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, err
	}
	c, err := client.New(p.Config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, err
	}
	known, err := mesosNodes(ctx, c, pool)
	if err != nil {
		return nil, err
	}
	var times []time.Duration
	for name, node := range maps.Clone(known) {
		if err := c.Delete(ctx, &node); err != nil {
			return nil, fmt.Errorf("deleting MesosNode %s: %w", name, err)
		}
		took, err := timeNewNode(ctx, c, pool, known)
		if err != nil {
			return nil, err
		}
		times = append(times, took)
	}
	if len(times) == 0 {
		return nil, errors.New("the pool has no nodes")
	}
	return times, nil
}

// timeNewNode times the first node that is not among those known at the start, and
// makes it known.
func timeNewNode(ctx context.Context, c client.Client, pool string, known map[string]v1alpha1.MesosNode) (time.Duration, error) {
	var intended, ready time.Time
	err := waitFor(ctx, 20*time.Millisecond, func() (bool, string, error) {
		nodes, err := mesosNodes(ctx, c, pool)
		if err != nil {
			return false, "", err
		}
		for name, node := range nodes {
			if _, ok := known[name]; ok || node.Status.Task == nil {
				continue
			}
			if intended.IsZero() {
				intended = time.Now()
			}
			if apimeta.IsStatusConditionTrue(node.Status.Conditions, v1alpha1.ConditionReady) {
				ready = time.Now()
				known[name] = node
				return true, "", nil
			}
		}
		return false, "no new node is Ready", nil
	})
	return ready.Sub(intended), err
}

func mesosNodes(ctx context.Context, c client.Client, pool string) (map[string]v1alpha1.MesosNode, error) {
	list := &v1alpha1.MesosNodeList{}
	if err := c.List(ctx, list, client.MatchingLabels{v1alpha1.LabelPool: pool}); err != nil {
		return nil, fmt.Errorf("listing MesosNodes: %w", err)
	}
	nodes := make(map[string]v1alpha1.MesosNode, len(list.Items))
	for _, node := range list.Items {
		nodes[node.Name] = node
	}
	return nodes, nil
}
