package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/nodemodel"
)

// measureDiverse measures the decision for pods that differ in everything that makes scheduling
// expensive: the mix of Karpenter's benchmark, starting without nodes.
func measureDiverse(context.Context, options) ([]figure, error) {
	var figures []figure
	for _, n := range []int{1000, 5000, 10000, 20000} {
		pools := simulatedPools([]int64{2, 4, 8, 16})
		took, plan, err := simulate(diversePods(n), pools)
		if err != nil {
			return nil, err
		}
		cpu, memory := utilisation(plan, pools)
		figures = append(figures, figure{
			Name: fmt.Sprintf("simulate_%d_pods", n), Value: float64(n) / took.wall.Seconds(), Unit: "pods/s", Goal: "over 5000, growth linear",
			Beside: map[string]float64{
				"nodes": float64(len(plan.Launches)), "unplaced": float64(len(plan.Refused)),
				"cpu_used_percent": cpu, "memory_used_percent": memory,
				"seconds": took.wall.Seconds(), "cpu_s": took.cpu.Seconds(),
			},
		})
	}
	return figures, nil
}

// measureAlike measures the decision for equal pods, 50 to a node.
func measureAlike(context.Context, options) ([]figure, error) {
	pods := make([]*corev1.Pod, 50000)
	for i := range pods {
		pods[i] = simulatedPod(i, "80m", "160Mi")
		pods[i].Labels = map[string]string{"app": "alike"}
	}
	took, plan, err := simulate(pods, simulatedPools([]int64{4}))
	if err != nil {
		return nil, err
	}
	return []figure{{
		Name: "simulate_50000_like_pods", Value: took.wall.Seconds(), Unit: "s", Goal: "under 1.6",
		Beside: map[string]float64{"nodes": float64(len(plan.Launches)), "unplaced": float64(len(plan.Refused)), "cpu_s": took.cpu.Seconds()},
	}}, nil
}

// simulate makes one decision for these pods.
func simulate(pods []*corev1.Pod, pools []decision.Pool) (took cost, plan decision.GrowPlan, err error) {
	cluster, err := scheduling.New()
	if err != nil {
		return took, plan, err
	}
	in := decision.GrowInput{Cluster: cluster, Pods: pods, Pools: pools}
	took = costOf(func() { plan = decision.Grow(in) })
	return took, plan, nil
}

// simulatedPools returns three pools in three zones, each with a shape of every size.
func simulatedPools(sizes []int64) []decision.Pool {
	var pools []decision.Pool
	for weight, name := range []string{"spare", "burst", "general"} {
		pool := decision.Pool{Name: name, Weight: int32(weight)}
		for _, zone := range []string{"a", "b", "c"} {
			for _, cpus := range sizes {
				pool.Shapes = append(pool.Shapes, decision.Shape{
					Size: nodemodel.Size{Shape: fmt.Sprintf("%s-%d", zone, cpus), Zone: zone}, Room: -1, Node: simulatedNode(name, zone, cpus),
				})
			}
		}
		pools = append(pools, pool)
	}
	return pools
}

func simulatedNode(pool, zone string, cpus int64) *corev1.Node {
	has := corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewQuantity(cpus, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(cpus<<31, resource.BinarySI),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{corev1.LabelTopologyZone: zone, "pool": pool, corev1.LabelOSStable: "linux"}},
		Status:     corev1.NodeStatus{Capacity: has, Allocatable: has},
	}
}

// diversePods returns pods of which a fifth each is plain, spread over zones, spread over hosts,
// together in a zone, and alone on its host.
func diversePods(n int) []*corev1.Pod {
	random := rand.New(rand.NewPCG(42, 42))
	cpus := []string{"100m", "250m", "500m", "1000m", "1500m"}
	memories := []string{"100Mi", "256Mi", "512Mi", "1024Mi", "2048Mi", "4096Mi"}
	value := func() map[string]string {
		return map[string]string{"kind": string(rune('a' + random.IntN(7)))}
	}
	pods := make([]*corev1.Pod, n)
	for i := range pods {
		pod := simulatedPod(i, cpus[random.IntN(len(cpus))], memories[random.IntN(len(memories))])
		switch i % 5 {
		case 0:
			pod.Labels = value()
		case 1:
			pod.Labels = value()
			pod.Spec.TopologySpreadConstraints = evenly(corev1.LabelTopologyZone, value())
		case 2:
			pod.Labels = value()
			pod.Spec.TopologySpreadConstraints = evenly(corev1.LabelHostname, value())
		case 3:
			pod.Labels = map[string]string{"together": value()["kind"]}
			pod.Spec.Affinity = &corev1.Affinity{PodAffinity: &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms(corev1.LabelTopologyZone, pod.Labels)}}
		case 4:
			pod.Labels = map[string]string{"apart": "yes"}
			pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: terms(corev1.LabelHostname, pod.Labels)}}
		}
		pods[i] = pod
	}
	return pods
}

func simulatedPod(i int, cpu, memory string) *corev1.Pod {
	name := fmt.Sprintf("pod-%d", i)
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID(name)},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "busybox", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory)},
		}}}},
	}
}

func evenly(key string, selected map[string]string) []corev1.TopologySpreadConstraint {
	return []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: key, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: &metav1.LabelSelector{MatchLabels: selected},
	}}
}

func terms(key string, selected map[string]string) []corev1.PodAffinityTerm {
	return []corev1.PodAffinityTerm{{TopologyKey: key, LabelSelector: &metav1.LabelSelector{MatchLabels: selected}}}
}

// utilisation returns the share of the nodes' cpu and memory that pods request, in percent.
func utilisation(plan decision.GrowPlan, pools []decision.Pool) (cpu, memory float64) {
	shapes := map[string]*corev1.Node{}
	for _, pool := range pools {
		for _, shape := range pool.Shapes {
			shapes[pool.Name+"/"+shape.Size.Shape] = shape.Node
		}
	}
	var askedCPU, askedMemory, cpus, memories float64
	for _, launch := range plan.Launches {
		has := shapes[launch.Pool+"/"+launch.Size.Shape].Status.Allocatable
		cpus += has.Cpu().AsApproximateFloat64()
		memories += has.Memory().AsApproximateFloat64()
		for _, pod := range launch.Pods {
			asks := pod.Spec.Containers[0].Resources.Requests
			askedCPU += asks.Cpu().AsApproximateFloat64()
			askedMemory += asks.Memory().AsApproximateFloat64()
		}
	}
	return 100 * askedCPU / cpus, 100 * askedMemory / memories
}
