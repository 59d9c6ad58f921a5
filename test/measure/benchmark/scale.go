package main

import (
	"context"
	"fmt"
	"maps"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

const (
	// restAfter is the time without changes after which a cluster counts as at rest.
	restAfter = 20 * time.Second
	// waitTimeout is the maximum time of each wait.
	waitTimeout = 10 * time.Minute
	// pollInterval is the interval between checks where the wait itself is not measured.
	pollInterval = 500 * time.Millisecond
)

// measureScale creates a pool of many nodes without processes, and measures the time until all are
// ready, the operator's memory, and its calls at rest. Beside the first figure, a bare client makes
// the same writes on the same API server.
func measureScale(ctx context.Context, o options) ([]figure, error) {
	c, err := startCluster(ctx, o)
	if err != nil {
		return nil, err
	}
	defer c.stop()

	before, err := countRequests(ctx, c.config)
	if err != nil {
		return nil, err
	}
	took, err := c.applyToReady(ctx, o.nodes)
	if err != nil {
		return nil, err
	}
	after, err := countRequests(ctx, c.config)
	if err != nil {
		return nil, err
	}
	operator, err := memoryOf(c.operator.Process.Pid)
	if err != nil {
		return nil, err
	}
	mesosCalls, kubeCalls, err := c.callsAtRest(ctx, time.Duration(o.rest)*time.Second)
	if err != nil {
		return nil, err
	}
	writes := after.since(before).writes()
	bare, err := c.bareClient(ctx, o.nodes, writes)
	if err != nil {
		return nil, err
	}
	return []figure{
		{
			Name: "apply_to_ready_1000_nodes", Value: took.Seconds(), Unit: "s", Goal: "at most 3 times the bare client",
			Beside: map[string]float64{"nodes": float64(o.nodes), "bare_client_s": bare.Seconds(), "ratio": took.Seconds() / bare.Seconds(), "writes_per_node": perNode(writes, o.nodes)},
			Note:   "kubelets are functions in this process; API server, etcd, master and operator share the machine",
		},
		{Name: "operator_rss_1000_nodes", Value: operator.resident, Unit: "MiB", Beside: map[string]float64{"nodes": float64(o.nodes)}},
		{
			Name: "operator_calls_at_rest_per_minute", Value: mesosCalls, Unit: "calls to Mesos per minute", Goal: "0; to Kubernetes only leases",
			Beside: map[string]float64{"to_kubernetes_but_leases": kubeCalls, "observed_s": float64(o.rest)},
		},
	}, nil
}

func perNode(r requests, nodes int) float64 {
	total := 0
	for n := range maps.Values(r) {
		total += n
	}
	return float64(total) / float64(nodes)
}

// applyToReady creates a pool and waits until all its nodes are ready.
func (c *cluster) applyToReady(ctx context.Context, nodes int) (time.Duration, error) {
	pool := newPool("bench", nodes)
	start := time.Now()
	if err := c.client.Create(ctx, pool); err != nil {
		return 0, fmt.Errorf("creating the pool: %w", err)
	}
	err := waitFor(ctx, 100*time.Millisecond, func() (bool, string, error) {
		if err := c.client.Get(ctx, client.ObjectKeyFromObject(pool), pool); err != nil {
			return false, "", err
		}
		return int(pool.Status.ReadyReplicas) == nodes, fmt.Sprintf("%d of %d nodes are ready", pool.Status.ReadyReplicas, nodes), nil
	})
	return time.Since(start), err
}

// callsAtRest counts calls to Mesos and to the API server per minute, without those for leases.
// The API server also calls itself: the number of calls in the same time without the operator,
// which is stopped for that, is subtracted.
func (c *cluster) callsAtRest(ctx context.Context, while time.Duration) (mesos, kube float64, err error) {
	if err := sleep(ctx, restAfter); err != nil {
		return 0, 0, err
	}
	callsBefore := total(c.master.Calls())
	with, err := c.requestsWithin(ctx, while)
	if err != nil {
		return 0, 0, err
	}
	calls := total(c.master.Calls()) - callsBefore
	c.stopOperator()
	without, err := c.requestsWithin(ctx, while)
	if err != nil {
		return 0, 0, err
	}
	perMinute := float64(time.Minute) / float64(while)
	return float64(calls) * perMinute, float64(with-without) * perMinute, nil
}

// requestsWithin counts requests to the API server for a while, without those for leases.
func (c *cluster) requestsWithin(ctx context.Context, while time.Duration) (int, error) {
	before, err := countRequests(ctx, c.config)
	if err != nil {
		return 0, err
	}
	if err := sleep(ctx, while); err != nil {
		return 0, err
	}
	after, err := countRequests(ctx, c.config)
	if err != nil {
		return 0, err
	}
	sum := 0
	for k, n := range after.since(before) {
		if k.resource != "leases" {
			sum += n
		}
	}
	return sum, nil
}

func total(counts map[string]int) int {
	sum := 0
	for n := range maps.Values(counts) {
		sum += n
	}
	return sum
}

func newFramework(master string) *v1alpha1.MesosFramework {
	return &v1alpha1.MesosFramework{
		ObjectMeta: metav1.ObjectMeta{Name: "default"},
		Spec:       v1alpha1.MesosFrameworkSpec{Masters: []string{master}},
	}
}

// waitReady waits until the framework may launch.
func (c *cluster) waitReady(ctx context.Context) error {
	framework := &v1alpha1.MesosFramework{}
	return waitFor(ctx, 100*time.Millisecond, func() (bool, string, error) {
		if err := c.client.Get(ctx, client.ObjectKey{Name: "default"}, framework); err != nil {
			return false, "", err
		}
		ready := apimeta.FindStatusCondition(framework.Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil {
			return false, "the framework has no condition Ready", nil
		}
		return ready.Status == metav1.ConditionTrue, "framework: " + ready.Reason + ": " + ready.Message, nil
	})
}

// waitFor calls ask until it returns true. The last text goes into the error.
func waitFor(ctx context.Context, interval time.Duration, ask func() (bool, string, error)) error {
	deadline := time.Now().Add(waitTimeout)
	for {
		done, state, err := ask()
		if err != nil || done {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("gave up after %s: %s", waitTimeout, state)
		}
		if err := sleep(ctx, interval); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
