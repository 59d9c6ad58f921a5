package main

import (
	"context"
	"fmt"
	"runtime"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/k8sm/k8sm/controllers/autoscaler/decision"
	"github.com/k8sm/k8sm/controllers/autoscaler/scheduling"
	"github.com/k8sm/k8sm/controllers/disruptionbudget"
)

// measureConsolidation measures the decision to remove three of five nodes: each of 2,000 has 40
// pods that request a hundredth of it, as in Cluster Autoscaler's benchmark.
func measureConsolidation(context.Context, options) ([]figure, error) {
	took, plan, err := shrink(2000, 40)
	if err != nil {
		return nil, err
	}
	return []figure{{
		Name: "consolidate_2000_to_800", Value: took.wall.Seconds(), Unit: "s", Goal: "under 2.2",
		Beside: map[string]float64{"nodes_left": float64(2000 - len(plan.Removals)), "cpu_s": took.cpu.Seconds()},
	}}, nil
}

// measureLoop measures a decision that removes nothing, because every node is well used.
func measureLoop(context.Context, options) ([]figure, error) {
	var figures []figure
	for _, size := range []struct {
		nodes int
		goal  string
	}{{1000, "under 0.3"}, {5000, "under 2"}} {
		took, plan, err := shrink(size.nodes, 30, askMore)
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure{
			Name: fmt.Sprintf("loop_%dx30", size.nodes), Value: took.wall.Seconds(), Unit: "s", Goal: size.goal,
			Beside: map[string]float64{"removals": float64(len(plan.Removals)), "cpu_s": took.cpu.Seconds()},
		})
	}
	return figures, nil
}

// askMore makes a pod request a fortieth of a node.
func askMore(pod *corev1.Pod) {
	pod.Spec.Containers[0].Resources.Requests = corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("250m"), corev1.ResourceMemory: resource.MustParse("250Mi"),
	}
}

// shrink makes one decision on so many nodes with so many pods each.
func shrink(nodes, pods int, change ...func(*corev1.Pod)) (cost, decision.ShrinkPlan, error) {
	in := decision.ShrinkInput{Now: time.Now(), NodeStates: decision.NodeStates{}}
	cluster, err := scheduling.New()
	if err != nil {
		return cost{}, decision.ShrinkPlan{}, err
	}
	in.Cluster = cluster
	pool := decision.ShrinkPool{Pool: decision.Pool{Name: "general", Nodes: nodes}, Threshold: 50, ConsolidateAfter: time.Minute, Empty: disruptionbudget.Allowance{Remaining: nodes}, Underutilized: disruptionbudget.Allowance{Remaining: nodes}}
	for i := range nodes {
		m := consolidated(i, pods, change)
		cluster.AddNode(m.Node)
		for _, pod := range m.Pods {
			if err := cluster.AddPod(pod); err != nil {
				return cost{}, decision.ShrinkPlan{}, err
			}
		}
		in.NodeStates[m.Name] = decision.NodeState{IdleSince: in.Now.Add(-time.Hour)}
		pool.Members = append(pool.Members, m)
	}
	in.Pools = []decision.ShrinkPool{pool}
	var plan decision.ShrinkPlan
	took := costOf(func() { plan = decision.Shrink(in) })
	return took, plan, nil
}

// cost is the time of a decision. On a shared machine wall time exceeds CPU time.
type cost struct{ wall, cpu time.Duration }

func costOf(decide func()) cost {
	runtime.GC()
	start, used := time.Now(), processorTime()
	decide()
	return cost{wall: time.Since(start), cpu: processorTime() - used}
}

func processorTime() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// consolidated returns a node of 10 cpus and 10,000 MiB, with pods that request a hundredth of it.
func consolidated(i, pods int, change []func(*corev1.Pod)) decision.Member {
	name := fmt.Sprintf("node-%d", i)
	has := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("10"), corev1.ResourceMemory: resource.MustParse("10000Mi"), corev1.ResourcePods: resource.MustParse("110"),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status:     corev1.NodeStatus{Capacity: has, Allocatable: has},
	}
	m := decision.Member{Name: name, Node: node, Resources: has, Ready: true}
	yes := true
	for j := range pods {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: "default", Name: fmt.Sprintf("%s-%d", name, j), UID: types.UID(fmt.Sprintf("%s-%d", name, j)), Labels: map[string]string{"app": "web"},
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: "ReplicaSet", Name: "web", UID: "web", Controller: &yes}},
			},
			Spec: corev1.PodSpec{NodeName: name, Containers: []corev1.Container{{Name: "main", Image: "busybox", Resources: corev1.ResourceRequirements{
				Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m"), corev1.ResourceMemory: resource.MustParse("100Mi")},
			}}}},
		}
		for _, f := range change {
			f(pod)
		}
		m.Pods = append(m.Pods, pod)
	}
	return m
}
