package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	// drainedShare is the part of the nodes of the other measurements that is drained: 200 of 1,000.
	drainedShare = 5
	// drainedPods is the number of pods on each of them.
	drainedPods = 30
)

// measureDrain drains many nodes at once, by deleting their pool, and measures the time until
// their pods are gone. Beside it, a bare client evicts as many pods on the same API server. The
// pods have no grace period, so that they are gone when they are evicted: there is no kubelet.
func measureDrain(ctx context.Context, o options) ([]figure, error) {
	o.nodes = max(o.nodes/drainedShare, 1)
	c, err := startCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	if _, err := c.applyToReady(ctx, o.nodes); err != nil {
		return nil, err
	}
	var nodes v1alpha1.MesosNodeList
	if err := c.client.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("listing MesosNodes: %w", err)
	}
	pods := drainedPods * len(nodes.Items)
	bare, err := c.bareEvictions(ctx, pods)
	if err != nil {
		return nil, err
	}
	if err := c.createEvictablePods(ctx, pods, func(i int) string { return nodes.Items[i/drainedPods].Name }); err != nil {
		return nil, err
	}
	if err := sleep(ctx, restAfter); err != nil {
		return nil, err
	}
	start := time.Now()
	if err := c.client.Delete(ctx, &v1alpha1.MesosNodePool{ObjectMeta: metav1.ObjectMeta{Name: nodes.Items[0].Labels[v1alpha1.LabelPool]}}); err != nil {
		return nil, fmt.Errorf("deleting the pool: %w", err)
	}
	if err := c.waitEmpty(ctx, &corev1.PodList{}); err != nil {
		return nil, err
	}
	evicted := time.Since(start)
	if err := c.waitEmpty(ctx, &v1alpha1.MesosNodeList{}); err != nil {
		return nil, err
	}
	return []figure{{
		Name: "drain_200_nodes", Value: evicted.Seconds(), Unit: "s", Goal: "at most 1.3 times the bare evictions",
		Beside: map[string]float64{
			"nodes": float64(o.nodes), "pods": float64(pods), "bare_evictions_s": bare.Seconds(),
			"ratio": evicted.Seconds() / bare.Seconds(), "until_released_s": time.Since(start).Seconds(),
		},
		Note: "from the deletion of the pool until no pod is left; the bare client evicts as many pods in 32 streams",
	}}, nil
}

// bareEvictions returns the time in which a client that does nothing else evicts so many pods.
func (c *cluster) bareEvictions(ctx context.Context, pods int) (time.Duration, error) {
	if err := c.createEvictablePods(ctx, pods, func(i int) string { return fmt.Sprintf("none-%d", i/drainedPods) }); err != nil {
		return 0, err
	}
	start := time.Now()
	err := inStreams(pods, func(i int) error {
		pod := evictablePod(i, "")
		return c.client.SubResource("eviction").Create(ctx, pod, &policyv1.Eviction{ObjectMeta: pod.ObjectMeta})
	})
	if err != nil {
		return 0, fmt.Errorf("evicting pods: %w", err)
	}
	return time.Since(start), c.waitEmpty(ctx, &corev1.PodList{})
}

// createEvictablePods creates pods on the nodes that place names.
func (c *cluster) createEvictablePods(ctx context.Context, pods int, place func(int) string) error {
	err := inStreams(pods, func(i int) error { return c.client.Create(ctx, evictablePod(i, place(i))) })
	if err != nil {
		return fmt.Errorf("creating pods: %w", err)
	}
	return nil
}

func evictablePod(i int, node string) *corev1.Pod {
	pod := newPod(i, node)
	pod.Namespace = "default"
	pod.Spec.TerminationGracePeriodSeconds = new(int64)
	return pod
}

// waitEmpty waits until the API server has no object of the kind.
func (c *cluster) waitEmpty(ctx context.Context, list client.ObjectList) error {
	return waitFor(ctx, 100*time.Millisecond, func() (bool, string, error) {
		if err := c.client.List(ctx, list, client.Limit(1)); err != nil {
			return false, "", err
		}
		left := 0
		switch l := list.(type) {
		case *corev1.PodList:
			left = len(l.Items)
		case *v1alpha1.MesosNodeList:
			left = len(l.Items)
		}
		return left == 0, fmt.Sprintf("%T is not empty", list), nil
	})
}
