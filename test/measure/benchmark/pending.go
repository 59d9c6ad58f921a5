package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	// pendingRounds is the number of pods that are timed, one after the other.
	pendingRounds = 100
	// batchIdle is the time that the pool waits for more pods.
	batchIdle = 500 * time.Millisecond
)

// measurePending measures the time from the moment at which a pod is marked Unschedulable until
// the ACCEPT for its node. Agents have room, but the framework is suppressed before the pod
// arrives.
func measurePending(ctx context.Context, o options) ([]figure, error) {
	o.nodes = pendingRounds
	c, err := startCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	if err := c.client.Create(ctx, newAutoscaledPool(0)); err != nil {
		return nil, fmt.Errorf("creating the pool: %w", err)
	}
	if err := c.waitPool(ctx, 0); err != nil {
		return nil, err
	}
	var took []time.Duration
	taken := map[string]bool{}
	for round := range pendingRounds {
		one, err := c.pendingToAccept(ctx, round, taken)
		if err != nil {
			return nil, err
		}
		took = append(took, one)
	}
	slices.Sort(took)
	beyond := func(percent int) float64 {
		return float64((took[(len(took)-1)*percent/100] - batchIdle).Milliseconds())
	}
	return []figure{{
		Name: "pending_to_accept", Value: beyond(99), Unit: "ms beyond the batch time, p99", Goal: "under 250",
		Beside: map[string]float64{"p50_ms": beyond(50), "slowest_ms": beyond(100), "batch_ms": float64(batchIdle.Milliseconds()), "pods": pendingRounds},
		Note:   "from before the pod's status is written; the framework asks for offers only then; all on one machine",
	}}, nil
}

// pendingToAccept creates an unschedulable pod, and binds it when its node is ready.
func (c *cluster) pendingToAccept(ctx context.Context, round int, taken map[string]bool) (time.Duration, error) {
	pod := podAsking(fmt.Sprintf("pending-%d", round), "1500m")
	if err := c.client.Create(ctx, pod); err != nil {
		return 0, fmt.Errorf("creating a pod: %w", err)
	}
	accepted := c.master.Calls()["ACCEPT"]
	marked := client.MergeFrom(pod.DeepCopy())
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
	start := time.Now()
	if err := c.client.Status().Patch(ctx, pod, marked); err != nil {
		return 0, fmt.Errorf("marking a pod: %w", err)
	}
	err := waitFor(ctx, time.Millisecond, func() (bool, string, error) {
		return c.master.Calls()["ACCEPT"] > accepted, "no offer is accepted", nil
	})
	if err != nil {
		return 0, err
	}
	took := time.Since(start)
	if err := c.waitPool(ctx, round+1); err != nil {
		return 0, err
	}
	return took, c.bindToNew(ctx, pod, taken)
}

// bindToNew binds a pod to the node that has none yet, as the scheduler would.
func (c *cluster) bindToNew(ctx context.Context, pod *corev1.Pod, taken map[string]bool) error {
	var nodes v1alpha1.MesosNodeList
	if err := c.client.List(ctx, &nodes); err != nil {
		return fmt.Errorf("listing MesosNodes: %w", err)
	}
	at := slices.IndexFunc(nodes.Items, func(n v1alpha1.MesosNode) bool { return !taken[n.Name] })
	if at < 0 {
		return fmt.Errorf("binding pod %s: all %d nodes have one", pod.Name, len(nodes.Items))
	}
	name := nodes.Items[at].Name
	taken[name] = true
	binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: "Node", Name: name}}
	if err := c.client.SubResource("binding").Create(ctx, pod, binding); err != nil {
		return fmt.Errorf("binding a pod: %w", err)
	}
	return nil
}

// waitPool waits until a pool has exactly so many nodes, all ready.
func (c *cluster) waitPool(ctx context.Context, nodes int) error {
	pool := &v1alpha1.MesosNodePool{}
	return waitFor(ctx, 20*time.Millisecond, func() (bool, string, error) {
		if err := c.client.Get(ctx, client.ObjectKey{Name: autoscaledPool}, pool); err != nil {
			return false, "", err
		}
		stands := apimeta.IsStatusConditionTrue(pool.Status.Conditions, v1alpha1.ConditionReady) && int(pool.Status.ReadyReplicas) == nodes
		return stands, fmt.Sprintf("%d of %d nodes are ready", pool.Status.ReadyReplicas, nodes), nil
	})
}

const autoscaledPool = "elastic"

// newAutoscaledPool returns an autoscaled pool with a minimum of nodes.
func newAutoscaledPool(least int) *v1alpha1.MesosNodePool {
	pool := newPool(autoscaledPool, 0)
	pool.Spec.Replicas = nil
	pool.Spec.Autoscaling = &v1alpha1.Autoscaling{
		MinReplicas: int32(least), Batch: v1alpha1.AutoscalingBatch{Idle: &metav1.Duration{Duration: batchIdle}},
	}
	return pool
}

// podAsking returns a pod that requests so much cpu.
func podAsking(name, cpu string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default"},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "main", Image: "none",
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
		}}},
	}
}
