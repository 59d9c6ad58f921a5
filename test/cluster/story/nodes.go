package story

import (
	"context"
	"fmt"
	"math"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/k8sm/k8sm/api/v1alpha1"
)

// The shipped samples.
const (
	frameworkSample = "mesosframework.yaml"
	poolSample      = "mesosnodepool.yaml"
)

// askForNodes applies the samples, and waits for the nodes that they ask for.
func (s *Story) askForNodes(ctx context.Context) (string, error) {
	for _, name := range []string{frameworkSample, poolSample} {
		manifest, err := s.playground.Sample(name)
		if err != nil {
			return "", err
		}
		if _, err := s.playground.Apply(ctx, manifest); err != nil {
			return "", err
		}
	}
	pool, err := s.onlyPool(ctx)
	if err != nil {
		return "", err
	}
	s.pool, s.framework, s.replicas = pool.Name, pool.Spec.FrameworkRef.Name, int(*pool.Spec.Replicas)
	if err := s.awaitNodes(ctx, s.replicas); err != nil {
		return "", err
	}
	placed, err := s.placement(ctx)
	return fmt.Sprintf("%d nodes Ready: %s", s.replicas, placed), err
}

func (s *Story) onlyPool(ctx context.Context) (*v1alpha1.MesosNodePool, error) {
	var pools v1alpha1.MesosNodePoolList
	if err := s.client.List(ctx, &pools); err != nil {
		return nil, fmt.Errorf("listing pools: %w", err)
	}
	if len(pools.Items) != 1 || pools.Items[0].Spec.Replicas == nil {
		return nil, fmt.Errorf("the samples made %d pools, want one with replicas", len(pools.Items))
	}
	return &pools.Items[0], nil
}

// awaitNodes waits until exactly so many Nodes and MesosNodes are there, all Ready.
func (s *Story) awaitNodes(ctx context.Context, count int) error {
	err := wait(ctx, func(ctx context.Context) error {
		nodes, err := s.nodes(ctx)
		if err != nil {
			return err
		}
		var mesosNodes v1alpha1.MesosNodeList
		if err := s.client.List(ctx, &mesosNodes); err != nil {
			return fmt.Errorf("listing MesosNodes: %w", err)
		}
		ready := 0
		for i := range nodes {
			if nodeReady(&nodes[i]) {
				ready++
			}
		}
		if len(nodes) != count || len(mesosNodes.Items) != count || ready != count {
			return fmt.Errorf("there are %d Nodes, of these %d Ready, and %d MesosNodes; want %d", len(nodes), ready, len(mesosNodes.Items), count)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("waiting for nodes: %w\n%s", err, s.explain(context.WithoutCancel(ctx)))
	}
	return nil
}

// explain returns the state of all objects, to explain why a step failed.
func (s *Story) explain(ctx context.Context) string {
	out, err := s.playground.Kubectl(ctx, "get", "mesosframeworks,mesosnodepools,mesosnodes,nodes,csr", "-o", "wide")
	if err != nil {
		return err.Error()
	}
	conditions, _ := s.playground.Kubectl(ctx, "get", "mesosframeworks,mesosnodepools,mesosnodes", "-o",
		`jsonpath={range .items[*]}{.metadata.name}:{range .status.conditions[?(@.status!="True")]} {.type} {.reason} "{.message}";{end}{"\n"}{end}`)
	return out + conditions
}

func (s *Story) nodes(ctx context.Context) ([]corev1.Node, error) {
	var nodes corev1.NodeList
	if err := s.client.List(ctx, &nodes); err != nil {
		return nil, fmt.Errorf("listing Nodes: %w", err)
	}
	return nodes.Items, nil
}

func nodeReady(node *corev1.Node) bool {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			return condition.Status == corev1.ConditionTrue
		}
	}
	return false
}

// placement describes which node is on which agent.
func (s *Story) placement(ctx context.Context) (string, error) {
	nodes, err := s.nodes(ctx)
	if err != nil {
		return "", err
	}
	var places []string
	for i := range nodes {
		if !strings.HasPrefix(nodes[i].Spec.ProviderID, v1alpha1.ProviderIDPrefix) {
			return "", fmt.Errorf("node %s has the provider ID %q", nodes[i].Name, nodes[i].Spec.ProviderID)
		}
		places = append(places, fmt.Sprintf("%s on %s", nodes[i].Name, nodes[i].Labels[v1alpha1.LabelAgentHostname]))
	}
	return strings.Join(places, ", "), nil
}

// checkAllocatable checks that the allocatable resources are what Mesos allocated less the overhead.
func (s *Story) checkAllocatable(ctx context.Context) (string, error) {
	var pool v1alpha1.MesosNodePool
	if err := s.client.Get(ctx, client.ObjectKey{Name: s.pool}, &pool); err != nil {
		return "", fmt.Errorf("reading pool: %w", err)
	}
	template := pool.Spec.Template.Spec
	cpu, memory := template.Resources.CPU.DeepCopy(), template.Resources.Memory.DeepCopy()
	cpu.Sub(template.Overhead.CPU)
	memory.Sub(template.Overhead.Memory)
	nodes, err := s.nodes(ctx)
	if err != nil {
		return "", err
	}
	for i := range nodes {
		allocatable := nodes[i].Status.Allocatable
		if !approximatelyEqual(allocatable.Cpu(), &cpu) || !approximatelyEqual(allocatable.Memory(), &memory) {
			return "", fmt.Errorf("pods can use %s cpus and %s of memory on node %s, want %s and %s",
				allocatable.Cpu(), allocatable.Memory(), nodes[i].Name, &cpu, &memory)
		}
	}
	return fmt.Sprintf("%s cpus and %s: %s and %s less the overhead", &cpu, &memory, &template.Resources.CPU, &template.Resources.Memory), nil
}

// approximatelyEqual allows for rounding: the kernel counts in pages, the kubelet in thousandths.
func approximatelyEqual(got, want *resource.Quantity) bool {
	return math.Abs(got.AsApproximateFloat64()-want.AsApproximateFloat64()) <= 0.01*want.AsApproximateFloat64()
}
